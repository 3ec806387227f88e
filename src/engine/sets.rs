//! The sets of policies that matched lately, as lists that reviews share. A list of its own for each review would count
//! references to every policy up and down, on cache lines that all threads fight for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::Entry;
use crate::pool::Policies;

/// Sets that are remembered: objects of one kind in one namespace mostly come to the same one.
const SETS: usize = 64;

/// A place for each of some sets, found by what is in them.
pub(super) struct Sets(Box<[ArcSwapOption<Set>]>);

struct Set {
    matched: Vec<u32>,
    policies: Policies,
}

impl Default for Sets {
    fn default() -> Self {
        Self((0..SETS).map(|_| ArcSwapOption::empty()).collect())
    }
}

impl Sets {
    /// The policies at these places of the catalog.
    pub(super) fn of(&self, matched: &[u32], entries: &[Entry]) -> Policies {
        let make = || -> Policies {
            matched.iter().filter_map(|at| entries.get(*at as usize)).map(|entry| Arc::clone(&entry.revision)).collect()
        };
        let hash = matched.iter().fold(matched.len(), |hash, at| hash.wrapping_mul(31).wrapping_add(*at as usize));
        let Some(place) = self.0.get(hash % SETS) else { return make() };
        if let Some(set) = &*place.load()
            && set.matched == matched
        {
            return Arc::clone(&set.policies);
        }
        let policies = make();
        place.store(Some(Arc::new(Set { matched: matched.to_vec(), policies: Arc::clone(&policies) })));
        policies
    }
}
