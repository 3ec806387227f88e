//! How verdicts are taken here and now: the enforcement that holds in this namespace, the exceptions for this object.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::decision::{Cause, Decision, Effect, Judged, PatchOp, Style, Verdict, merge};
use crate::matching::{Around, MatchError};
use crate::policy::{Enforcement, Exceptions, Revision};
use crate::review::Review;

/// What it takes to know that of one review.
pub(super) struct Stance<'a> {
    pub review: &'a Review,
    pub around: Around<'a>,
    pub of_folder: &'a Exceptions,
    pub of_cluster: &'a ArcSwap<Exceptions>,
    /// Milliseconds since 1970.
    pub now: f64,
}

impl Stance<'_> {
    /// A verdict as it counts. A policy that has nothing against the object costs nothing here.
    pub fn judged(&self, revision: &Revision, verdict: Verdict) -> Judged {
        let enforcement = self.enforcement(revision);
        let exception = if verdict.effect == Effect::Allow { None } else { self.exception(revision) };
        Judged { enforcement, exception, ..Judged::by(&revision.spec, verdict) }
    }

    /// A policy of which it could not be said whether it matches. Its own failure mode decides.
    pub fn unasked(&self, revision: &Revision, error: &MatchError) -> Judged {
        self.judged(revision, Verdict::error(revision.spec.name.clone(), Cause::Matching, error.to_string()))
    }

    pub fn enforcement(&self, revision: &Revision) -> Enforcement {
        let (own, overrides) = (revision.spec.enforcement, &revision.oversight.overrides);
        if overrides.is_empty() { own } else { overrides.of(own, self.review, self.around, self.now()) }
    }

    fn exception(&self, revision: &Revision) -> Option<Arc<str>> {
        if revision.oversight.refuses_exceptions {
            return None;
        }
        let find = |set: &Exceptions| set.find(&revision.spec.name, self.review, self.now()).map(|found| found.note());
        find(self.of_folder).or_else(|| find(&self.of_cluster.load()))
    }

    #[expect(clippy::cast_possible_truncation, reason = "what is no time in this era is the end of it")]
    const fn now(&self) -> i64 {
        self.now as i64
    }
}

/// The decision, and what stands against the object: that is kept for reports.
pub(super) fn conclude(judged: Vec<Judged>, style: Style, patch: Vec<PatchOp>) -> (Decision, Vec<Judged>) {
    let objections = judged.iter().filter(|one| one.verdict.effect != Effect::Allow).cloned().collect();
    (merge(judged, style, patch), objections)
}
