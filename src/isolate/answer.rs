//! What a run recorded, from the text that the realm's runtime made of it to a verdict. The text comes out of a realm
//! in which foreign code ran, so it is decoded as strictly as a request.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::decision::{Cause, Denial, Effect, Mutation, Requeue, Verdict};
use crate::policy::{Enforcement, OnError, PolicySpec};

/// Length of the text of one run's record. The realm's runtime drops records long before: beyond it is no record.
pub(super) const MAX_RECORDED: usize = 1 << 20;

/// The record of one run of a module policy.
#[derive(Default)]
pub(super) struct Recorded {
    denials: Vec<Denial>,
    warnings: Vec<String>,
    audit: Vec<(String, String)>,
    pub mutation: Option<Mutation>,
    requeue: Option<Requeue>,
    fault: Option<String>,
}

#[derive(Deserialize)]
struct DenialText {
    message: String,
    field: Option<String>,
    reason: Option<String>,
    code: Option<u16>,
}

/// `requeue` and `requeueAfter` of a controller; milliseconds.
#[derive(Deserialize)]
struct RequeueText {
    after: Option<u64>,
    message: String,
}

/// What a realm writes of a run: denials, warnings, audit annotations, and what a controller wants next.
type RecordText = (Vec<DenialText>, Vec<String>, Vec<(String, String)>, Option<RequeueText>);

impl Recorded {
    /// Decodes `[denials, warnings, audit, requeue]`.
    pub(super) fn parse(text: &str) -> Self {
        match serde_json::from_str::<RecordText>(text) {
            Ok((denials, warnings, audit, requeue)) => {
                let denials = denials
                    .into_iter()
                    .map(|DenialText { message, field, reason, code }| Denial { message, field, reason, code })
                    .collect();
                let requeue = requeue
                    .map(|RequeueText { after, message }| Requeue { after: after.map(Duration::from_millis), message });
                Self { denials, warnings, audit, requeue, ..Self::default() }
            }
            Err(error) => Self::fault(format!("its record cannot be read: {error}")),
        }
    }

    /// A record that does not count, and why.
    pub(super) fn fault(why: String) -> Self {
        Self { fault: Some(why), ..Self::default() }
    }

    pub(super) fn into_verdict(self, policy: Arc<str>) -> Verdict {
        if let Some(fault) = self.fault {
            return Verdict::error(policy, Cause::BadResult, fault);
        }
        let effect = if self.denials.is_empty() { Effect::Allow } else { Effect::Deny(self.denials) };
        let Self { warnings, audit, mutation, requeue, .. } = self;
        Verdict { policy, effect, warnings, audit, mutation, requeue }
    }
}

/// Whether the isolate that gave this verdict was terminated and must be thrown away.
pub(super) fn was_killed(verdict: &Verdict) -> bool {
    matches!(&verdict.effect, Effect::Error(error) if matches!(error.cause, Cause::Timeout | Cause::Cpu | Cause::Memory))
}

/// Whether no later mutating policy needs to run: the request is denied whatever they say.
pub(super) fn ends_chain(verdict: &Verdict, spec: &PolicySpec) -> bool {
    spec.enforcement == Enforcement::Deny
        && match &verdict.effect {
            Effect::Allow => false,
            Effect::Deny(_) => true,
            Effect::Error(_) => spec.on_error == OnError::Deny,
        }
}

/// What a jsPolicy script left in `__response`, `patched` apart. `null` counts as absent, as it does for Go.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Response {
    deny: Option<bool>,
    reason: Option<String>,
    message: Option<String>,
    code: Option<i64>,
    warnings: Option<Vec<Option<String>>>,
    /// `requeue()` of a controller.
    reschedule: Option<bool>,
}

/// The response, and the texts of the patched and the original object.
type ResponseParts = (Option<Response>, Option<String>, Option<String>);

/// UTF-16 units: a response holds the object twice, escaped; the API server takes 3 MiB.
pub(super) const MAX_RESPONSE: usize = 16 << 20;

/// The verdict of a script.
///
/// Wrong types made Go's decoder fail, hence a 500 (research jspolicy §3.2); so they do here, as an error.
pub(super) fn script_verdict(spec: &PolicySpec, text: &str) -> Verdict {
    let fault = |why: String| Verdict::error(spec.name.clone(), Cause::BadResult, why);
    let (response, patched, before) = match serde_json::from_str::<ResponseParts>(text) {
        Ok((response, patched, before)) => (response.unwrap_or_default(), patched, before),
        Err(error) => return fault(format!("its response cannot be read: {error}")),
    };
    let mut verdict = Verdict::allow(spec.name.clone());
    verdict.warnings = response.warnings.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
    if response.reschedule == Some(true) && spec.reconciles {
        let message = response.message.clone().unwrap_or_default();
        verdict.requeue = Some(Requeue { after: None, message });
    }
    if response.deny == Some(true) {
        let code = response.code.filter(|code| *code > 0);
        let Ok(code) = code.map(u16::try_from).transpose() else {
            return fault(format!("deny: {} is not a status code", response.code.unwrap_or_default()));
        };
        let reason = response.reason.filter(|reason| !reason.is_empty());
        let denial = Denial { message: response.message.unwrap_or_default(), field: None, reason, code };
        verdict.effect = Effect::Deny(vec![denial]);
        return verdict;
    }
    if let Some((after, before)) = patched.zip(before).filter(|_| spec.mutates) {
        if !after.starts_with('{') {
            return fault("mutate expects an object".to_owned());
        }
        if before != after {
            verdict.mutation = Some(Mutation { before, after });
        }
    }
    verdict
}
