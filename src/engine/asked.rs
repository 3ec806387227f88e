//! Which policies a question is for.

use super::stance::Stance;
use super::{Entry, Registered, Serving};
use crate::decision::Judged;
use crate::matching::{MatchError, Matches, Phase};

pub(super) fn failed(serving: &Serving, stance: &Stance<'_>, failed: Vec<(u32, MatchError)>) -> Vec<Judged> {
    let of = |at: u32| serving.entries.get(at as usize).map(|entry| &entry.revision);
    let failed = failed.into_iter().filter_map(|(at, error)| Some((of(at)?, error)));
    failed.map(|(revision, error)| stance.unasked(revision, &error)).collect()
}

pub(super) fn position(serving: &Serving, name: &str) -> Option<usize> {
    serving.entries.binary_search_by(|entry| (*entry.revision.spec.name).cmp(name)).ok()
}

/// Leaves those that this webhook was registered for, and those of which it is not known that another was; all of them
/// where it was registered for none that is in force.
pub(super) fn keep_webhook(serving: &Serving, registered: Option<&Registered>, name: &str, asked: &mut Matches) {
    if !serving.entries.iter().any(|entry| entry.webhook == name) {
        return;
    }
    let is_elsewhere = |entry: &Entry| {
        registered.is_none_or(|registered| registered.get(&entry.revision.spec.name) == Some(&entry.webhook))
    };
    let is_member =
        |at: u32| serving.entries.get(at as usize).is_some_and(|entry| entry.webhook == name || !is_elsewhere(entry));
    asked.matched.retain(|at| is_member(*at));
    asked.failed.retain(|(at, _)| is_member(*at));
}

/// The named policy alone, where it has a handler for this phase.
pub(super) fn named(serving: &Serving, name: &str, phase: Phase) -> Matches {
    let found = position(serving, name).filter(|at| {
        serving.entries.get(*at).is_some_and(|entry| match phase {
            Phase::Validate => entry.revision.spec.validates,
            Phase::Mutate => entry.revision.spec.mutates,
        })
    });
    Matches { matched: found.and_then(|at| u32::try_from(at).ok()).into_iter().collect(), failed: Vec::new() }
}
