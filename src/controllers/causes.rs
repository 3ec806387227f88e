//! Who keeps changing what it watches: a controller whose write leads to a run that writes, and so on, is in a loop.
//!
//! Each write is noted with the `resourceVersion` that it led to. An object that is found with that very version was changed
//! by nobody since, so the run that the change led to is the next link of the same chain, whichever object it is about and
//! whichever controller wrote. A run that somebody else's change led to, or the clock, begins a chain of its own.
//!
//! Against an opponent outside, who changes the object back each time, no chain grows: so writes to one object are counted
//! as well.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::queue::Key;

/// Links of a chain. A controller that brings an object to where it should be takes two or three.
pub const LONGEST_CHAIN: u32 = 20;

/// Changes of one object by one controller within [`WINDOW`]: twice a second all the time.
pub const MOST_CHANGES: u32 = 120;
pub const WINDOW: Duration = Duration::from_mins(1);

/// Objects whose last writes are remembered, of all controllers, and those whose writes are counted, of each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);
const COUNTED: usize = 1_024;

/// How a write left an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Version(u64),
    Gone,
}

/// The last writes of all controllers.
#[derive(Debug)]
pub struct Causes(LruCache<Key, (Left, u32)>);

impl Default for Causes {
    fn default() -> Self {
        Self(LruCache::new(REMEMBERED))
    }
}

impl Causes {
    /// How many writes in a row led to the object as it is now.
    pub fn length(&mut self, key: &Key, now: Left) -> u32 {
        self.0.get(key).filter(|(left, _)| *left == now).map_or(0, |(_, length)| *length)
    }

    /// A write of a run that `length` writes had led to; false where it changed nothing, as far as is known here.
    pub fn note(&mut self, key: &Key, left: Left, length: u32) -> bool {
        if self.0.peek(key).is_some_and(|(before, _)| *before == left) {
            return false;
        }
        self.0.put(key.clone(), (left, length.saturating_add(1)));
        true
    }
}

/// How often one controller changes each object.
#[derive(Debug, Default)]
pub struct Changes(HashMap<Key, (Instant, u32)>);

impl Changes {
    /// Counts one; whether that is too many.
    pub fn is_too_many(&mut self, key: &Key, now: Instant) -> bool {
        if self.0.len() >= COUNTED && !self.0.contains_key(key) {
            self.0.retain(|_, (since, _)| now.saturating_duration_since(*since) < WINDOW);
            if self.0.len() >= COUNTED {
                // So many objects at once are no loop about one of them.
                self.0.clear();
            }
        }
        let (since, count) = self.0.entry(key.clone()).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > MOST_CHANGES
    }
}

/// What the condition says.
#[must_use]
pub fn told(key: &Key, is_chain: bool) -> Arc<str> {
    let Key { kind, namespace, name } = key;
    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    let why = if is_chain {
        format!("{LONGEST_CHAIN} of its writes in a row each led to the next, the last to {kind} {place}{name}")
    } else {
        format!("it changed {kind} {place}{name} more than {MOST_CHANGES} times within a minute")
    };
    format!("{why}: it was stopped, and goes on when its code or its parameters change").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Kind;

    fn key(name: &str) -> Key {
        Key { kind: Kind::parse("v1/ConfigMap").unwrap(), namespace: "shop".into(), name: name.into() }
    }

    /// A run on an object that is in this version now, which leaves another object so.
    fn run(causes: &mut Causes, about: (&str, u64), wrote: (&str, u64)) -> u32 {
        let length = causes.length(&key(about.0), Left::Version(about.1));
        causes.note(&key(wrote.0), Left::Version(wrote.1), length);
        length
    }

    #[test]
    fn a_chain_grows_over_one_object_over_two_and_over_ever_new_ones() {
        let mut causes = Causes::default();
        let same: Vec<u32> = (0..4).map(|at| run(&mut causes, ("a", at), ("a", at + 1))).collect();
        assert_eq!(same, [0, 1, 2, 3]);
        let mut causes = Causes::default();
        let two = [("a", 1, "b", 2), ("b", 2, "a", 3), ("a", 3, "b", 4)];
        assert_eq!(two.map(|(about, at, to, then)| run(&mut causes, (about, at), (to, then))), [0, 1, 2]);
        let mut causes = Causes::default();
        let new: Vec<u32> =
            (0..4).map(|at| run(&mut causes, (&at.to_string(), at), (&(at + 1).to_string(), at + 1))).collect();
        assert_eq!(new, [0, 1, 2, 3]);
    }

    #[test]
    fn a_change_by_somebody_else_begins_a_new_chain() {
        let mut causes = Causes::default();
        run(&mut causes, ("a", 1), ("a", 2));
        run(&mut causes, ("a", 2), ("a", 3));
        assert_eq!(run(&mut causes, ("a", 4), ("a", 5)), 0);
        assert_eq!(causes.length(&key("a"), Left::Version(5)), 1);
    }

    #[test]
    fn a_write_that_changes_nothing_is_no_link() {
        let mut causes = Causes::default();
        run(&mut causes, ("a", 1), ("a", 2));
        for _ in 0..100 {
            assert_eq!(run(&mut causes, ("a", 2), ("a", 2)), 1);
        }
    }

    #[test]
    fn what_is_removed_and_made_again_is_a_chain_too() {
        let mut causes = Causes::default();
        causes.note(&key("a"), Left::Gone, 0);
        let length = causes.length(&key("a"), Left::Gone);
        causes.note(&key("a"), Left::Version(7), length);
        assert_eq!(causes.length(&key("a"), Left::Version(7)), 2);
    }

    #[test]
    fn an_object_that_is_changed_all_the_time_is_noticed_and_a_heartbeat_is_not() {
        let (mut changes, start) = (Changes::default(), Instant::now());
        let every = |millis: u64, changes: &mut Changes| {
            (0..1_000).any(|at| changes.is_too_many(&key("a"), start + Duration::from_millis(at * millis)))
        };
        assert!(!every(1_000, &mut changes));
        assert!(every(50, &mut Changes::default()));
        let many = (0..5_000).any(|at: u32| changes.is_too_many(&key(&at.to_string()), start));
        assert!(!many && changes.0.len() <= COUNTED);
    }
}
