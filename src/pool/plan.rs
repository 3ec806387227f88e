//! Which policies of a review run together, and where: those that share a realm and a lane in one go, the others each
//! on its own, and who was shunned not at all.

use std::sync::Arc;
use std::time::Instant;

use super::job::Work;
use super::lane::Purpose;
use crate::decision::{Cause, Verdict};
use crate::isolate::Evaluated;
use crate::policy::{Dialect, Isolation, Revision, Standing};
use crate::worker::Workers;

/// Some of the policies of a review.
pub(super) enum Part {
    Run {
        work: Work,
        purpose: Purpose,
        policies: Vec<Arc<Revision>>,
    },
    /// One that has a process to itself.
    InWorker(Arc<Revision>),
    /// A policy that is not asked.
    Known(Box<Evaluated>),
}

/// Where validating policies run, if it is all of them in one go: as it mostly is.
pub(super) fn together(revisions: &[Arc<Revision>], now: Instant) -> Option<Purpose> {
    let first = revisions.first()?;
    let lane = purpose(first, now);
    let fits = |next: &Arc<Revision>| goes_with(next, first, lane, now) && next.conduct.is_sound();
    revisions.iter().all(fits).then_some(lane)
}

/// What to do about validating policies that do not all go together.
pub(super) fn plan(revisions: &[Arc<Revision>], now: Instant) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(1);
    for revision in revisions {
        let next = alone(revision, false, now);
        let together = match &next {
            Part::Run { work: Work::Validate, purpose, .. } => parts.iter_mut().find_map(|part| match part {
                Part::Run { work: Work::Validate, purpose: other, policies }
                    if *other == *purpose && policies.first().is_none_or(|first| first.domain == revision.domain) =>
                {
                    Some(policies)
                }
                _ => None,
            }),
            _ => None,
        };
        match together {
            Some(policies) => policies.push(Arc::clone(revision)),
            None => parts.push(next.with(revision, revisions.len())),
        }
    }
    parts
}

impl Part {
    fn with(self, revision: &Arc<Revision>, room: usize) -> Self {
        match self {
            Self::Run { work, purpose, mut policies } => {
                policies.reserve(if work == Work::Validate { room } else { 1 });
                policies.push(Arc::clone(revision));
                Self::Run { work, purpose, policies }
            }
            other => other,
        }
    }
}

/// What to do about one policy; the list of policies is still empty.
pub(super) fn alone(revision: &Arc<Revision>, mutating: bool, now: Instant) -> Part {
    if let Standing::Shunned(pause) = revision.conduct.standing(now) {
        let why =
            format!("all of its last runs had to be ended, so it is not asked for another {} s", pause.as_secs() + 1);
        return Part::Known(Box::new(Verdict::error(revision.spec.name.clone(), Cause::Shunned, why).into()));
    }
    if Workers::serves(revision) {
        return Part::InWorker(Arc::clone(revision));
    }
    let work = match revision.code.dialect {
        _ if shares_realm(revision) && mutating => Work::Mutate,
        _ if shares_realm(revision) => Work::Validate,
        Dialect::Script => Work::Script,
        Dialect::Module => Work::Fresh { mutating },
    };
    Part::Run { work, purpose: purpose(revision, now), policies: Vec::new() }
}

/// How many of these mutating policies, from the first on, run one after another in one realm. A script is always alone:
/// each reads the request anew.
pub(super) fn one_go(revisions: &[Arc<Revision>], now: Instant) -> usize {
    let Some(first) = revisions.first() else { return 0 };
    let lane = purpose(first, now);
    let fits = |next: &&Arc<Revision>| {
        next.code.dialect == Dialect::Module
            && goes_with(next, first, lane, now)
            && next.conduct.shunned_for(now).is_none()
    };
    revisions.iter().take_while(fits).count().max(1)
}

/// Whether it may run in one go with that first one, which runs in this lane.
fn goes_with(next: &Revision, first: &Revision, lane: Purpose, now: Instant) -> bool {
    next.domain == first.domain && shares_realm(next) && !Workers::serves(next) && purpose(next, now) == lane
}

fn purpose(revision: &Revision, now: Instant) -> Purpose {
    // A script in a realm of its own may do whatever a script may.
    let is_script_apart = revision.code.dialect == Dialect::Script && !shares_realm(revision);
    if revision.may_wait || is_script_apart {
        Purpose::Waiting
    } else if revision.conduct.is_apart(now) {
        Purpose::Apart
    } else {
        Purpose::Quick
    }
}

/// Whether it runs in the realm that the module policies of its domain share, or in that of its closed scripts.
pub(crate) fn shares_realm(revision: &Revision) -> bool {
    let spec = &revision.spec;
    match revision.code.dialect {
        Dialect::Module => {
            !spec.keeps_state
                && !spec.permissions.codegen
                && matches!(spec.isolation, Isolation::Shared | Isolation::Dedicated)
        }
        // For a script, a fresh realm is what it needs and not what it asks for. Code from text is an error in the shared
        // one, and one that no closed script could catch.
        Dialect::Script => spec.isolation != Isolation::Process && revision.code.proof().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolate::testing::validate;

    #[test]
    fn who_may_make_code_of_text_shares_no_realm() {
        for (isolation, shares) in [
            (Isolation::Shared, true),
            (Isolation::Dedicated, true),
            (Isolation::Fresh, false),
            (Isolation::Process, false),
        ] {
            let draft = validate("").with(|spec| spec.isolation = isolation);
            assert_eq!(shares_realm(&draft.clone().made()), shares, "{isolation:?}");
            let permitted = draft.with(|spec| spec.permissions.codegen = true).made();
            assert!(!shares_realm(&permitted), "{isolation:?}");
        }
    }
}
