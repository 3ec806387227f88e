//! What a syncer sends again: an object that the host refused is answered from memory for a while.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::asked::position;
use super::whose::Whose;
use super::{Engine, Judgement, Scope, Serving};
use crate::decision::{Decision, Effect};
use crate::isolate::Vantage;
use crate::matching::{NamespaceLabels, Phase};
use crate::policy::Permissions;
use crate::review::{Operation, Review};
use crate::tenancy::{Attempt, Known, Print, print};

/// An object that may come again.
pub(super) struct Retry {
    attempt: Attempt,
    print: Option<Print>,
    epoch: u64,
}

impl Engine {
    /// `None` for what no syncer sends, and for what is asked without being meant.
    pub(super) fn retry(&self, review: &Review, scope: &Scope, whose: &Whose<'_>) -> Option<Retry> {
        let request = &review.request;
        let synced = whose.resolved.synced.as_ref().filter(|_| whose.vantage == Vantage::Host && !self.echo)?;
        let is_brought = matches!(request.operation, Operation::Create | Operation::Update);
        if *request.user.username != *synced.vcluster.account || !is_brought {
            return None;
        }
        self.copies.saw(&synced.vcluster, request);
        let scope = match scope {
            Scope::Validate => "validate".to_owned(),
            Scope::Mutate => "mutate".to_owned(),
            Scope::Webhook { name, phase: Phase::Validate } => format!("validate/{name}"),
            Scope::Webhook { name, phase: Phase::Mutate } => format!("mutate/{name}"),
            Scope::Only(name) => format!("policy/{name}"),
            Scope::Tenancy | Scope::Both => return None,
        };
        let attempt = Attempt::new(synced.vcluster.place(), synced.claims.object_uid(), &scope)?;
        let epoch = self.epoch.load(Ordering::Acquire);
        (!request.dry_run).then_some(Retry { attempt, print: None, epoch })
    }

    /// The answer that this object had a moment ago, where it is to have it again.
    pub(super) fn known_denial(&self, review: &Review, whose: &Whose<'_>, retry: &mut Retry) -> Option<Judgement> {
        let Retry { attempt, print, epoch } = retry;
        let of_sent = || {
            *print = Self::print_of(review, whose);
            *print
        };
        let decision = match self.denials.known(attempt, of_sent, *epoch, Instant::now()) {
            Known::Nothing => return None,
            Known::Refused(decision) => {
                self.metrics.denials_repeated.increment();
                decision
            }
            Known::RefusedBefore(decision) => {
                self.metrics.denials_limited.increment();
                decision
            }
        };
        let decision = Decision::clone(&decision);
        Some(Judgement { decision, evaluated: Vec::new(), unasked: Vec::new(), objections: Vec::new() })
    }

    /// Remembers a denial.
    pub(super) fn remember(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &Whose<'_>,
        retry: Retry,
        judgement: &Judgement,
    ) {
        let against = &judgement.objections;
        let has_failed = |effect: &Effect| matches!(effect, Effect::Error(_));
        if judgement.decision.allowed || against.is_empty() || against.iter().any(|one| has_failed(&one.verdict.effect))
        {
            return;
        }
        // Who may read nothing can only have gone by the request.
        let is_pure = against.iter().all(|one| {
            let entry = position(serving, &one.verdict.policy).and_then(|at| serving.entries.get(at));
            entry.is_some_and(|entry| entry.revision.spec.permissions == Permissions::default())
        });
        let Retry { attempt, print, epoch } = retry;
        if let Some(print) = print.or_else(|| Self::print_of(review, whose)) {
            self.denials.keep(attempt, print, epoch, &judgement.decision, is_pure, Instant::now());
        }
    }

    fn print_of(review: &Review, whose: &Whose<'_>) -> Option<Print> {
        let labels = whose.here.labels(&review.request.namespace);
        let labels = labels.map(|labels| format!("{labels:?}")).unwrap_or_default();
        print(review, &[&labels, &whose.resolved.tenant.text])
    }

    /// From now on other policies, exceptions or tenants are in force.
    pub(super) fn is_other_now(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[path = "retries_tests.rs"]
mod tests;
