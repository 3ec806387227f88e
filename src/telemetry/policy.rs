//! The counters of one policy, resolved once when it is loaded and then only added to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::decision::{Cause, Effect, Verdict};
use crate::tenancy::mutations::Class;

use super::histogram::{EVALUATION_BOUNDS, Histogram};

/// Denial codes a policy may have of its own before the rest share one series: a policy picks its codes freely, and
/// a hostile one must not mint series.
const MAX_CODES: usize = 16;

/// `metav1.Status.code` of a denial that names none (contract §2).
const DEFAULT_DENY_CODE: u16 = 403;

/// What kind of run was measured: jsPolicy's label `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    Validating,
    Mutating,
    Controller,
}

impl PolicyKind {
    pub(super) const ALL: [Self; 3] = [Self::Validating, Self::Mutating, Self::Controller];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "Validating",
            Self::Mutating => "Mutating",
            Self::Controller => "Controller",
        }
    }
}

/// What a run came to, before enforcement turned it into a warning or dropped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Allow,
    /// Allowed, with at least one warning.
    Warn,
    /// Allowed, with a changed object.
    Mutate,
    /// Denied, with this `status.code`.
    Deny {
        code: u16,
    },
    Error(Cause),
}

impl From<&Verdict> for Outcome {
    fn from(verdict: &Verdict) -> Self {
        match &verdict.effect {
            Effect::Deny(denials) => {
                Self::Deny { code: denials.first().and_then(|denial| denial.code).unwrap_or(DEFAULT_DENY_CODE) }
            }
            Effect::Error(error) => Self::Error(error.cause),
            Effect::Allow if verdict.mutation.is_some() => Self::Mutate,
            Effect::Allow if !verdict.warnings.is_empty() => Self::Warn,
            Effect::Allow => Self::Allow,
        }
    }
}

/// The values of the label `verdict`, in the order of [`KindMetrics::verdicts`].
pub(super) const VERDICTS: [&str; 5] = ["allow", "warn", "mutate", "deny", "error"];

impl Outcome {
    const fn index(self) -> usize {
        match self {
            Self::Allow => 0,
            Self::Warn => 1,
            Self::Mutate => 2,
            Self::Deny { .. } => 3,
            Self::Error(_) => 4,
        }
    }
}

/// What a run of a controller came to: label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    Done,
    /// It wants to see the object again.
    Requeued,
    /// It said that something is wrong with the object.
    Denied,
    /// It failed, and is asked again.
    Failed,
    /// Somebody else had changed what it wrote, and it is asked again.
    Conflicted,
}

/// In the order of [`Reconciled`].
const RECONCILED: [&str; 5] = ["done", "requeued", "denied", "failed", "conflicted"];

/// Every cause, in the order of its declaration and of [`PolicyMetrics::errors`].
pub(super) const CAUSES: [Cause; 10] = [
    Cause::Exception,
    Cause::Timeout,
    Cause::Cpu,
    Cause::Memory,
    Cause::Unsettled,
    Cause::BadResult,
    Cause::Matching,
    Cause::Overload,
    Cause::Shunned,
    Cause::Internal,
];

/// The series of one policy. Hold the `Arc` beside the compiled policy: recording looks nothing up.
#[derive(Debug)]
pub struct PolicyMetrics {
    name: Arc<str>,
    revision: Mutex<String>,
    validating: KindMetrics,
    mutating: KindMetrics,
    reconciling: KindMetrics,
    /// What a controller's runs came to.
    reconciles: [AtomicU64; RECONCILED.len()],
    /// Objects that wait for a controller.
    queued: AtomicU64,
    errors: [AtomicU64; CAUSES.len()],
    excepted: AtomicU64,
    /// Changes of copies on the host, by what becomes of them.
    changed_copies: [AtomicU64; Class::ALL.len()],
}

#[derive(Debug)]
pub(super) struct KindMetrics {
    pub verdicts: [AtomicU64; VERDICTS.len()],
    pub duration: Histogram,
    /// Denials with the usual code.
    usual_denials: AtomicU64,
    /// All others by their code, behind a lock because they are rare.
    other_denials: Mutex<BTreeMap<u16, u64>>,
}

impl KindMetrics {
    fn new() -> Self {
        Self {
            verdicts: [const { AtomicU64::new(0) }; VERDICTS.len()],
            duration: Histogram::new(EVALUATION_BOUNDS),
            usual_denials: AtomicU64::new(0),
            other_denials: Mutex::default(),
        }
    }

    /// Runs by HTTP code as jsPolicy counted them: 200 allowed, the denial's own code, 500 for a failure, and 0 where
    /// the policy used more codes than are worth a series each.
    pub(super) fn by_code(&self) -> BTreeMap<u16, u64> {
        let [allow, warn, mutate, _, error] = &self.verdicts;
        let mut by_code = self.other_denials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let allowed = allow.load(Relaxed) + warn.load(Relaxed) + mutate.load(Relaxed);
        *by_code.entry(200).or_default() += allowed;
        *by_code.entry(DEFAULT_DENY_CODE).or_default() += self.usual_denials.load(Relaxed);
        *by_code.entry(500).or_default() += error.load(Relaxed);
        by_code.retain(|_, runs| *runs > 0);
        by_code
    }

    fn denied(&self, code: u16) {
        if code == DEFAULT_DENY_CODE {
            self.usual_denials.fetch_add(1, Relaxed);
            return;
        }
        let mut others = self.other_denials.lock().unwrap_or_else(PoisonError::into_inner);
        let has_series = others.len() < MAX_CODES || others.contains_key(&code);
        *others.entry(if has_series { code } else { 0 }).or_default() += 1;
    }
}

impl PolicyMetrics {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            revision: Mutex::default(),
            validating: KindMetrics::new(),
            mutating: KindMetrics::new(),
            reconciling: KindMetrics::new(),
            reconciles: [const { AtomicU64::new(0) }; RECONCILED.len()],
            queued: AtomicU64::new(0),
            errors: [const { AtomicU64::new(0) }; CAUSES.len()],
            excepted: AtomicU64::new(0),
            changed_copies: [const { AtomicU64::new(0) }; Class::ALL.len()],
        }
    }

    /// Counts one run. `duration` is the time the policy ran, without waiting in a queue.
    pub fn record(&self, kind: PolicyKind, outcome: Outcome, duration: Duration) {
        let metrics = self.kind(kind);
        if let Some(count) = metrics.verdicts.get(outcome.index()) {
            count.fetch_add(1, Relaxed);
        }
        match outcome {
            Outcome::Deny { code } => metrics.denied(code),
            Outcome::Error(cause) => {
                if let Some(count) = self.errors.get(cause as usize) {
                    count.fetch_add(1, Relaxed);
                }
            }
            Outcome::Allow | Outcome::Warn | Outcome::Mutate => {}
        }
        metrics.duration.record(duration);
    }

    /// Counts a run whose verdict an exception kept from taking effect, where it did.
    pub fn excepted(&self, is_so: bool) {
        if is_so {
            self.excepted.fetch_add(1, Relaxed);
        }
    }

    /// Counts a change of what a syncer copied to the host, where it was one.
    pub fn changed_copy(&self, class: Option<Class>) {
        if let Some(count) = class.and_then(|class| self.changed_copies.get(class as usize)) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn changed_copies(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Class::ALL.into_iter().zip(&self.changed_copies).map(|(class, count)| (class.as_str(), count.load(Relaxed)))
    }

    /// Counts one run of a controller.
    pub fn reconciled(&self, result: Reconciled) {
        if let Some(count) = self.reconciles.get(result as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Says how many objects wait for a controller.
    pub fn set_queued(&self, count: usize) {
        self.queued.store(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn queued(&self) -> u64 {
        self.queued.load(Relaxed)
    }

    pub(super) fn reconciles(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RECONCILED.into_iter().zip(&self.reconciles).map(|(result, count)| (result, count.load(Relaxed)))
    }

    pub(super) fn exceptions(&self) -> u64 {
        self.excepted.load(Relaxed)
    }

    pub(super) fn kind(&self, kind: PolicyKind) -> &KindMetrics {
        match kind {
            PolicyKind::Validating => &self.validating,
            PolicyKind::Mutating => &self.mutating,
            PolicyKind::Controller => &self.reconciling,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn set_revision(&self, revision: &str) {
        revision.clone_into(&mut self.revision.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn revision(&self) -> String {
        self.revision.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.iter().zip(&self.errors).map(|(cause, count)| (cause.as_str(), count.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> PolicyMetrics {
        PolicyMetrics::new("a.policy.example.com".into())
    }

    #[test]
    fn codes_are_those_jspolicy_counted() {
        let metrics = metrics();
        for outcome in [
            Outcome::Allow,
            Outcome::Warn,
            Outcome::Mutate,
            Outcome::Deny { code: 403 },
            Outcome::Deny { code: 403 },
            Outcome::Deny { code: 422 },
            Outcome::Error(Cause::Timeout),
        ] {
            metrics.record(PolicyKind::Validating, outcome, Duration::from_micros(3));
        }
        let by_code: Vec<_> = metrics.kind(PolicyKind::Validating).by_code().into_iter().collect();
        assert_eq!(by_code, [(200, 3), (403, 2), (422, 1), (500, 1)]);
        assert!(metrics.kind(PolicyKind::Mutating).by_code().is_empty());
        assert_eq!(metrics.errors().find(|(cause, _)| *cause == "timeout"), Some(("timeout", 1)));
    }

    #[test]
    fn a_policy_cannot_mint_series_with_its_codes() {
        let metrics = metrics();
        for code in 400..1_000 {
            metrics.record(PolicyKind::Validating, Outcome::Deny { code }, Duration::ZERO);
        }
        let by_code = metrics.kind(PolicyKind::Validating).by_code();
        assert!(by_code.len() <= MAX_CODES + 2, "{}", by_code.len());
        assert_eq!(by_code.values().sum::<u64>(), 600);
    }

    #[test]
    fn the_outcome_of_a_verdict_is_what_it_did_to_the_request() {
        let policy: Arc<str> = "p".into();
        let mut verdict = Verdict::allow(Arc::clone(&policy));
        assert_eq!(Outcome::from(&verdict), Outcome::Allow);
        verdict.warnings.push("careful".to_owned());
        assert_eq!(Outcome::from(&verdict), Outcome::Warn);
        verdict.effect = Effect::Deny(vec![crate::decision::Denial { code: Some(409), ..Default::default() }]);
        assert_eq!(Outcome::from(&verdict), Outcome::Deny { code: 409 });
        let failed = Verdict::error(policy, Cause::Memory, "too much");
        assert_eq!(Outcome::from(&failed), Outcome::Error(Cause::Memory));
    }

    #[test]
    fn every_cause_has_a_series_of_its_own() {
        let metrics = metrics();
        for (index, cause) in CAUSES.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
            metrics.record(PolicyKind::Mutating, Outcome::Error(cause), Duration::ZERO);
        }
        assert!(metrics.errors().all(|(_, count)| count == 1));
    }
}
