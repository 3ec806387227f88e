//! What need not be judged again: objects that were found good, as they were then. Sixteen bytes and a count for each.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

/// Objects that are remembered; those beyond are judged each time.
const MOST: usize = 500_000;

/// What a scan finds good.
pub(super) struct Seen {
    hasher: RandomState,
    good: HashMap<u64, (u64, u32)>,
}

impl Seen {
    pub(super) fn pass(&mut self, key: &str, version: &str, passes: u32) {
        if self.good.len() < MOST && !version.is_empty() {
            self.good.insert(self.hasher.hash_one(key), (self.hasher.hash_one(version), passes));
        }
    }
}

/// What the last scan found.
#[derive(Default)]
pub(super) struct Memory {
    hasher: RandomState,
    good: HashMap<u64, (u64, u32)>,
    /// Namespaces that have a report: one in which nothing is left gets an empty one. `None` while that is not known.
    pub(super) reported: Option<BTreeSet<String>>,
}

impl Memory {
    /// The policies are others: nothing is known of what they would say.
    pub(super) fn forget(&mut self) {
        self.good.clear();
    }

    /// How many policies had nothing against the object in this version of it.
    pub(super) fn passes(&self, key: &str, version: &str) -> Option<u32> {
        let (known, passes) = self.good.get(&self.hasher.hash_one(key))?;
        (*known == self.hasher.hash_one(version)).then_some(*passes)
    }

    /// For another scan.
    pub(super) fn begin(&self) -> Seen {
        Seen { hasher: self.hasher.clone(), good: HashMap::new() }
    }

    /// What was not seen is gone.
    pub(super) fn keep(&mut self, seen: Seen) {
        self.good = seen.good;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_until_it_changes_or_the_policies_do() {
        let mut memory = Memory::default();
        let mut seen = memory.begin();
        seen.pass("a", "1", 3);
        seen.pass("b", "", 3);
        memory.keep(seen);
        assert_eq!((memory.passes("a", "1"), memory.passes("a", "2"), memory.passes("b", "")), (Some(3), None, None));
        memory.keep(memory.begin());
        assert_eq!(memory.passes("a", "1"), None, "it was not there any more");
        let mut seen = memory.begin();
        seen.pass("a", "1", 3);
        memory.keep(seen);
        memory.forget();
        assert_eq!(memory.passes("a", "1"), None);
    }
}
