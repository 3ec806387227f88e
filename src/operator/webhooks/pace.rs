//! How often one object is written over. Whoever changes it back may be as stubborn as we are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So many in a row go without a pause.
const FREE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// After so long without a write all is forgiven.
const QUIET: Duration = Duration::from_mins(10);

/// Objects that are kept account of. With more, the oldest are forgotten.
const MAX_KEPT: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Past {
    writes: u32,
    last: Instant,
    due: Instant,
}

/// The writes of late, by object.
#[derive(Debug)]
pub(in crate::operator) struct Pace<K>(BTreeMap<K, Past>);

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Pace<K> {
    /// Whether it may be written now; if not, from when on.
    pub(super) fn may(&self, key: &K, now: Instant) -> Result<(), Instant> {
        match self.0.get(key) {
            Some(past) if past.due > now => Err(past.due),
            _ => Ok(()),
        }
    }

    pub(super) fn written(&mut self, key: &K, now: Instant) {
        let before = self.0.get(key).filter(|past| now.duration_since(past.last) < QUIET);
        let writes = before.map_or(0, |past| past.writes).saturating_add(1);
        let doubled = 1_u32.checked_shl(writes.saturating_sub(FREE)).unwrap_or(u32::MAX);
        let pause = if writes < FREE { Duration::ZERO } else { FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE) };
        if self.0.len() >= MAX_KEPT {
            self.0.retain(|_, past| now.duration_since(past.last) < QUIET);
        }
        if self.0.len() < MAX_KEPT || self.0.contains_key(key) {
            self.0.insert(key.clone(), Past { writes, last: now, due: now + pause });
        }
    }

    /// Something else is to be written: the past does not count.
    pub(super) fn forgive(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repairs_are_made_at_once_and_a_quarrel_is_slow() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut writes = 0;
        let end = now + Duration::from_hours(1);
        while now < end {
            match pace.may(&"x", now) {
                Ok(()) => {
                    pace.written(&"x", now);
                    writes += 1;
                    now += Duration::from_millis(1);
                }
                Err(due) => now = due,
            }
        }
        assert!((15..30).contains(&writes), "{writes} writes in an hour");
        assert!(pace.may(&"y", now).is_ok(), "another object has a past of its own");
        now += QUIET * 2;
        pace.written(&"x", now);
        assert!(pace.may(&"x", now).is_ok());
    }
}
