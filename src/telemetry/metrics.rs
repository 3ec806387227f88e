//! Every metric of the process in one struct, each a field with a type that says how it may be changed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::histogram::{Histogram, SHOWN_BOUNDS};
use super::labels::{Certificate, Foretold, PolicyState, ReviewOutcome, Route, WorkerEnd};
use super::ledger::LedgerMetrics;
use super::policy::PolicyMetrics;

/// Policies with series of their own. A policy that runs has up to a hundred lines in a scrape; beyond a thousand of
/// them a scrape would be larger than 10 MB, so the rest share [`OTHER`].
const MAX_POLICIES: usize = 1_000;

/// No policy can have this name: Kubernetes names have no underscore.
const OTHER: &str = "_other";

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Adds, or with a negative number subtracts.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// The HTTP codes of requests refused before a review was seen.
pub(super) const REFUSALS: [u16; 9] = [400, 403, 404, 405, 408, 413, 415, 500, 503];

#[derive(Debug)]
pub(super) struct RouteMetrics {
    pub outcomes: [Counter; ReviewOutcome::ALL.len()],
    pub duration: Histogram,
}

impl Default for RouteMetrics {
    fn default() -> Self {
        Self { outcomes: Default::default(), duration: Histogram::new(SHOWN_BOUNDS) }
    }
}

/// All that is measured. Shared by an `Arc`; every method takes `&self` and none of the recording ones blocks.
#[derive(Debug)]
pub struct Metrics {
    /// `bylaw_shed_total`: reviews answered by a failure mode because there was no room or no time left.
    pub shed: Counter,
    /// `bylaw_reports_dropped_total`: what was to be reported and never will be, for want of room.
    pub reports_dropped: Counter,
    /// `bylaw_report_writes_total`: requests that changed violations, reports or events.
    pub report_writes: Counter,
    /// `bylaw_scanned_objects_total`: existing objects judged in the background.
    pub scanned_objects: Counter,
    /// `bylaw_controller_throttled_total`: times that a controller waited because it had written too much.
    pub controllers_throttled: Counter,
    /// `bylaw_controller_dropped_total`: changes that no controller was told of, for want of room.
    pub controllers_dropped: Counter,
    /// `bylaw_denials_repeated_total{why="known"}`: denials of what a syncer sent again, from memory.
    pub denials_repeated: Counter,
    /// `bylaw_denials_repeated_total{why="limited"}`: the same for want of its tenant's share.
    pub denials_limited: Counter,
    /// What became of reservations.
    pub ledger: LedgerMetrics,
    /// `bylaw_isolates`.
    pub isolates: Gauge,
    /// `bylaw_isolate_heap_bytes`.
    pub isolate_heap_bytes: Gauge,
    /// `bylaw_isolate_threads_lost`: since the start.
    pub lost_threads: Gauge,
    /// `bylaw_policies_shunned`: not asked for a while.
    pub shunned_policies: Gauge,
    /// `bylaw_workers`: worker processes, the spare one included.
    pub workers: Gauge,
    /// `bylaw_leader`: 1 while this replica is the one that writes.
    pub leader: Gauge,
    /// `bylaw_connections`: open TLS connections.
    pub connections: Gauge,
    /// `bylaw_handshake_failures_total`: connections that never got as far as HTTP.
    pub handshake_failures: Counter,
    pub(super) routes: [RouteMetrics; Route::ALL.len()],
    pub(super) refusals: [Counter; REFUSALS.len()],
    pub(super) policy_states: [Gauge; PolicyState::ALL.len()],
    pub(super) expiries: [Gauge; Certificate::ALL.len()],
    pub(super) worker_ends: [Counter; WorkerEnd::ALL.len()],
    pub(super) foretold: [Counter; Foretold::ALL.len()],
    policies: RwLock<BTreeMap<Arc<str>, Arc<PolicyMetrics>>>,
    /// Shared by the policies beyond [`MAX_POLICIES`].
    other: Arc<PolicyMetrics>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            shed: Counter::default(),
            reports_dropped: Counter::default(),
            report_writes: Counter::default(),
            scanned_objects: Counter::default(),
            controllers_throttled: Counter::default(),
            controllers_dropped: Counter::default(),
            denials_repeated: Counter::default(),
            denials_limited: Counter::default(),
            ledger: LedgerMetrics::default(),
            isolates: Gauge::default(),
            isolate_heap_bytes: Gauge::default(),
            lost_threads: Gauge::default(),
            shunned_policies: Gauge::default(),
            workers: Gauge::default(),
            leader: Gauge::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            routes: Default::default(),
            refusals: Default::default(),
            policy_states: Default::default(),
            expiries: Default::default(),
            worker_ends: Default::default(),
            foretold: Default::default(),
            policies: RwLock::default(),
            other: Arc::new(PolicyMetrics::new(OTHER.into())),
        }
    }
}

impl Metrics {
    /// Counts one answered review; `duration` from the body being read to the answer being ready.
    pub fn review(&self, route: Route, outcome: ReviewOutcome, duration: Duration) {
        if let Some(metrics) = self.routes.get(route as usize) {
            if let Some(count) = metrics.outcomes.get(outcome as usize) {
                count.increment();
            }
            metrics.duration.record(duration);
        }
    }

    /// Counts a request that was refused with this HTTP status before a review was seen.
    pub fn refused(&self, status: u16) {
        let index = REFUSALS.iter().position(|code| *code == status);
        if let Some(count) = index.and_then(|index| self.refusals.get(index)) {
            count.increment();
        }
    }

    /// Says how many policies are in `state` now.
    pub fn set_policies(&self, state: PolicyState, count: usize) {
        if let Some(gauge) = self.policy_states.get(state as usize) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Counts one worker process that was replaced.
    pub fn worker_ended(&self, end: WorkerEnd) {
        if let Some(count) = self.worker_ends.get(end as usize) {
            count.increment();
        }
    }

    /// Counts what the host was foretold to say.
    pub fn foretold(&self, foretold: Foretold) {
        if let Some(count) = self.foretold.get(foretold as usize) {
            count.increment();
        }
    }

    /// Says when a certificate expires, in seconds since the Unix epoch.
    pub fn set_expiry(&self, certificate: Certificate, unix_seconds: i64) {
        if let Some(gauge) = self.expiries.get(certificate as usize) {
            gauge.set(unix_seconds);
        }
    }

    /// The series of a policy, made if need be. `revision` is shown by `bylaw_policy_revision_info`.
    ///
    /// Call it when the policy is loaded, never for a review.
    pub fn policy(&self, name: &Arc<str>, revision: &str) -> Arc<PolicyMetrics> {
        let mut policies = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = policies.get(name) {
            metrics.set_revision(revision);
            return Arc::clone(metrics);
        }
        if policies.len() >= MAX_POLICIES {
            return Arc::clone(&self.other);
        }
        let metrics = Arc::new(PolicyMetrics::new(Arc::clone(name)));
        metrics.set_revision(revision);
        policies.insert(Arc::clone(name), Arc::clone(&metrics));
        metrics
    }

    /// Drops the series of every policy for which `keep` is false. Runs still going may record into a dropped
    /// handle; nobody sees it any more.
    pub fn retain_policies(&self, mut keep: impl FnMut(&str) -> bool) {
        self.policies.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }

    /// Every policy with series, in the order of names, [`OTHER`] last.
    pub(super) fn policies(&self) -> Vec<Arc<PolicyMetrics>> {
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policies.values().chain([&self.other]).map(Arc::clone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_keeps_its_series_over_revisions() {
        let metrics = Metrics::default();
        let name: Arc<str> = "p".into();
        let first = metrics.policy(&name, "one");
        let second = metrics.policy(&name, "two");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.revision(), "two");
    }

    #[test]
    fn policies_beyond_the_cap_share_one_series() {
        let metrics = Metrics::default();
        let handles: Vec<_> =
            (0..MAX_POLICIES + 2).map(|index| metrics.policy(&format!("policy-{index}").into(), "r")).collect();
        assert!(Arc::ptr_eq(&handles[MAX_POLICIES], &handles[MAX_POLICIES + 1]));
        assert_eq!(metrics.policies().len(), MAX_POLICIES + 1);
    }
}
