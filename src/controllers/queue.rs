//! The objects that wait for one controller: each once, in the order in which they came, some of them not before a time.
//!
//! An object that changes while it is looked at is looked at again afterwards, and never by two at once. What failed
//! waits longer each time, until it is good; a change of the object ends the wait.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::Kind;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub kind: Kind,
    /// Empty for an object of the cluster.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// What is known of an object beside what the watch says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// How it last was, where it is gone.
    pub last: Option<Arc<str>>,
    /// Runs in a row that did not come to an end with it.
    pub attempts: u32,
    /// It was seen to change. Otherwise somebody asked for it by the clock.
    pub is_change: bool,
}

/// When an object is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not before it changes.
    Never,
    /// After this, as one more attempt.
    Again(Duration),
    /// After this, as if nothing had been before.
    Anew(Duration),
}

/// Bytes that the queues of all controllers share.
#[derive(Debug)]
pub struct Room {
    used: AtomicUsize,
    limit: usize,
}

impl Room {
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What a key costs beside its texts: the maps around it, twice.
const OVERHEAD: usize = 256;

#[derive(Debug)]
enum Place {
    Ready,
    Later(Instant),
    /// It is looked at; `again`: it has changed since that began.
    Taken {
        again: bool,
    },
}

#[derive(Debug)]
struct Item {
    place: Place,
    known: Known,
    bytes: usize,
}

pub struct Queue {
    items: HashMap<Key, Item>,
    ready: VecDeque<Key>,
    later: BTreeSet<(Instant, Key)>,
    room: Arc<Room>,
    /// Something found no room: what is there must be looked at as a whole.
    has_missed: bool,
}

impl Queue {
    #[must_use]
    pub fn new(room: Arc<Room>) -> Self {
        Self { items: HashMap::new(), ready: VecDeque::new(), later: BTreeSet::new(), room, has_missed: false }
    }

    /// An object changed, or is gone and was `last` so; or it is asked for although nothing did. False where there is no room.
    pub fn add(&mut self, key: Key, last: Option<Arc<str>>, is_change: bool) -> bool {
        let Some(item) = self.items.get_mut(&key) else { return self.insert(key, last, is_change) };
        item.known.is_change |= is_change;
        if is_change {
            let (before, after) = (length(item.known.last.as_ref()), length(last.as_ref()));
            let fits = after <= before || self.room.take(after - before);
            if after < before {
                self.room.give(before - after);
            }
            if fits {
                item.bytes = item.bytes + after - before;
                item.known.last = last;
            }
        }
        match &mut item.place {
            Place::Ready => {}
            Place::Taken { again } => *again = true,
            Place::Later(due) => {
                self.later.remove(&(*due, key.clone()));
                item.place = Place::Ready;
                self.ready.push_back(key);
            }
        }
        true
    }

    fn insert(&mut self, key: Key, last: Option<Arc<str>>, is_change: bool) -> bool {
        let base = OVERHEAD + key.namespace.len() + key.name.len();
        // Without its last state it is still known to be gone.
        let (last, bytes) = match last {
            Some(last) if self.room.take(base + last.len()) => {
                let bytes = base + last.len();
                (Some(last), bytes)
            }
            _ if self.room.take(base) => (None, base),
            _ => {
                self.has_missed = true;
                return false;
            }
        };
        let known = Known { last, attempts: 0, is_change };
        self.items.insert(key.clone(), Item { place: Place::Ready, known, bytes });
        self.ready.push_back(key);
        true
    }

    /// The next object that may be looked at now.
    pub fn take(&mut self, now: Instant) -> Option<(Key, Known)> {
        while let Some((due, key)) = self.later.first().filter(|(due, _)| *due <= now).cloned() {
            self.later.remove(&(due, key.clone()));
            if let Some(item) = self.items.get_mut(&key) {
                item.place = Place::Ready;
                self.ready.push_back(key);
            }
        }
        let key = self.ready.pop_front()?;
        let item = self.items.get_mut(&key)?;
        item.place = Place::Taken { again: false };
        let known = item.known.clone();
        item.known.is_change = false;
        Some((key, known))
    }

    /// The object that was taken was looked at.
    pub fn done(&mut self, key: &Key, next: Next, now: Instant) {
        let Some(item) = self.items.get_mut(key) else { return };
        let Place::Taken { again } = item.place else { return };
        item.known.attempts = match next {
            Next::Again(_) => item.known.attempts.saturating_add(1),
            Next::Never | Next::Anew(_) => 0,
        };
        match next {
            _ if again => {
                item.place = Place::Ready;
                self.ready.push_back(key.clone());
            }
            Next::Never => {
                self.room.give(item.bytes);
                self.items.remove(key);
            }
            Next::Again(wait) | Next::Anew(wait) => {
                let due = now + wait;
                item.place = Place::Later(due);
                self.later.insert((due, key.clone()));
            }
        }
    }

    /// When the first of those that wait for a time may be looked at.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.later.first().map(|(due, _)| *due)
    }

    /// How many wait, those for a time included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ready.len() + self.later.len()
    }

    /// Whether something found no room since this was last asked; only once there is some again.
    pub fn take_missed(&mut self) -> bool {
        self.ready.is_empty() && std::mem::take(&mut self.has_missed)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.room.give(self.items.values().map(|item| item.bytes).sum());
    }
}

fn length(last: Option<&Arc<str>>) -> usize {
    last.map_or(0, |last| last.len())
}

/// How long to wait before the next attempt: `first`, and twice as long each time, up to `longest`.
#[must_use]
pub fn back_off(attempts: u32, first: Duration, longest: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(attempts).unwrap_or(u32::MAX);
    first.saturating_mul(doubled).min(longest)
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
