//! Pre-flight: a request to a virtual cluster's API server is also put to the host's policies, as the copy that will come to the
//! host. What they deny is denied at once, in the tenant's words. Nothing else of them counts here: neither that they fail,
//! nor what they warn of, nor what they would write; the host asks them again, and its answer is the one that holds.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::asked::keep_webhook;
use super::namespaces::Here;
use super::whose::Whose;
use super::{Asked, Engine, Serving};
use crate::decision::{Denial, Document, Effect, Judged, Style, Verdict};
use crate::isolate::{Evaluated, Input, Vantage};
use crate::ledger::Reserving;
use crate::matching::Phase;
use crate::policy::{Enforcement, OnError};
use crate::review::{JsonText, Review, tree};
use crate::telemetry::Foretold;
use crate::tenancy::{Copied, VirtualCluster, Words, project};

/// What the host would say against an object.
#[derive(Default)]
pub(super) struct Foreseen {
    pub judged: Vec<Judged>,
    pub evaluated: Vec<Evaluated>,
}

/// What the tenant reads before the host's own words.
const MARK: &str = "the host would refuse it (pre-flight): ";

impl Engine {
    /// Asks the policies of the host, where the object comes there. `webhook` is the one that is being asked, if any is.
    pub(super) async fn foresee(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &Whose<'_>,
        input: &Input,
        webhook: Option<&str>,
    ) -> Foreseen {
        let within = whose.resolved.within.as_ref().filter(|_| whose.vantage == Vantage::Virtual && !self.echo);
        let Some(vcluster) = within else { return Foreseen::default() };
        let Some(copied) = self.copies.of(vcluster, &review.request) else { return Foreseen::default() };
        if is_upkeep(review) {
            return Foreseen::default();
        }
        let Some(copy) = project(vcluster, review) else { return Foreseen::default() };
        let here = Here::of(&copy.request, &*self.namespaces);
        let resolved = self.tenancy.resolve_copy(vcluster, &copy, &here);
        let host = Whose { resolved, vantage: Vantage::Host, here, is_known: true };
        // Half of the time: what the virtual cluster's own policies said must not come too late for it.
        let now = Instant::now();
        let deadline = now + input.deadline.saturating_duration_since(now) / 2;
        let own = Self::input(serving, &copy, &host, deadline, false);
        let reserving = own.reserving.as_ref().map(|_| Reserving::of(&copy.request.uid, true));
        let told = Input { now: input.now, dry_run: true, reserving, ..own };
        let against = self.as_on_host(serving, copy.clone(), host, told, webhook).await;
        let has_failed = against.iter().any(|one| matches!(one.verdict.effect, Effect::Error(_)));
        let denied: Vec<Judged> = against.into_iter().filter(is_denial).collect();
        self.metrics.foretold(match (denied.is_empty(), has_failed) {
            (false, _) => Foretold::Deny,
            (true, true) => Foretold::Error,
            (true, false) => Foretold::Allow,
        });
        if denied.is_empty() {
            return Foreseen::default();
        }
        self.in_his_words(vcluster, review, &copy, copied, denied)
    }

    /// Everything that stands against the copy: what the mutating policies said, and the validating ones of what they made.
    async fn as_on_host(
        &self,
        serving: &Serving,
        copy: Review,
        mut host: Whose<'_>,
        mut input: Input,
        webhook: Option<&str>,
    ) -> Vec<Judged> {
        let asked = self.matching(serving, &copy, &mut host, Phase::Mutate, &mut input).await;
        host.show(&copy, &mut input);
        let mutated = self.mutate(serving, &copy, &host, &input, asked, Style::Merged).await;
        if mutated.lost {
            return mutated.judged;
        }
        let changed = mutated.document.as_ref().map(Document::text).and_then(|text| copy.with_object(&text).ok());
        let changed = changed.unwrap_or(copy);
        input.request = changed.text.clone();
        host.show(&changed, &mut input);
        let mut asked = self.matching(serving, &changed, &mut host, Phase::Validate, &mut input).await;
        if let Some(name) = webhook {
            keep_webhook(serving, None, name, &mut asked);
        }
        let Asked { judged, .. } = self.ask(serving, &changed, &host, &input, asked).await;
        mutated.judged.into_iter().chain(judged).collect()
    }

    /// The same denials for the tenant to read.
    fn in_his_words(
        &self,
        vcluster: &Arc<VirtualCluster>,
        review: &Review,
        copy: &Review,
        copied: Copied,
        denied: Vec<Judged>,
    ) -> Foreseen {
        let registry = self.tenancy.registry();
        let object = (&*copy.request.name, &*review.request.name);
        let words = Words::new(&registry, vcluster, &review.request.namespace, object, &*self.namespaces);
        let tell = |denial: Denial| Denial {
            message: format!("{MARK}{}", words.tell(&denial.message)),
            field: denial.field.map(|field| words.tell(&field)),
            reason: denial.reason.map(|reason| words.tell(&reason)),
            code: denial.code,
        };
        // Of what may never come there, the tenant is only told.
        let enforcement = if copied == Copied::Surely { Enforcement::Deny } else { Enforcement::Warn };
        let judged: Vec<Judged> = denied
            .into_iter()
            .filter_map(|one| {
                let Effect::Deny(denials) = one.verdict.effect else { return None };
                let effect = Effect::Deny(denials.into_iter().map(tell).collect());
                let audit = vec![("preflight".to_owned(), "denied".to_owned())];
                let verdict = Verdict { effect, audit, ..Verdict::allow(one.verdict.policy) };
                Some(Judged { verdict, enforcement, on_error: OnError::Allow, exception: None })
            })
            .collect();
        let evaluated = judged.iter().map(|one| one.verdict.clone().into()).collect();
        Foreseen { judged, evaluated }
    }
}

fn is_denial(one: &Judged) -> bool {
    matches!(one.verdict.effect, Effect::Deny(_)) && one.ends_request()
}

/// Whether an update changes nothing of what the tenant wants: a syncer brings back what became of it on the host, a
/// finalizer goes.
fn is_upkeep(review: &Review) -> bool {
    let request = &review.request;
    let (Some(object), Some(old)) = (&request.object, &request.old_object) else { return false };
    let read = |text: &JsonText| tree(text.as_str()).ok();
    let (Some(mut object), Some(mut old)) = (read(object), read(old)) else { return false };
    if object.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null()) {
        return true;
    }
    for one in [&mut object, &mut old] {
        if let Some(fields) = one.as_object_mut() {
            fields.shift_remove("metadata");
            fields.shift_remove("status");
            if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
                spec.shift_remove("nodeName");
            }
        }
    }
    object == old
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
