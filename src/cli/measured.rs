//! The figures of `bylaw bench`: gathered run by run, reported by policy.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::explain::word;
use crate::decision::{Cause, Effect, EvaluationError};
use crate::engine::Judgement;
use crate::isolate::Evaluated;
use crate::policy::{Catalog, Dialect, PolicySpec};

/// What is known of each policy so far.
pub(super) struct Measured<'c> {
    catalog: &'c Catalog,
    /// Processor time that a run of a module policy may take.
    cpu: Duration,
    policies: Vec<One>,
    reviews: Vec<Duration>,
}

/// One handler of one policy.
struct One {
    policy: Arc<str>,
    handler: &'static str,
    times: Vec<Duration>,
    allocated: Vec<u64>,
    limit: Duration,
    verdict: &'static str,
    failure: Option<EvaluationError>,
}

/// All of it, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    runs: usize,
    /// One review with all its policies, the way to the isolate and back included.
    review: Times,
    policies: Vec<Line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    policy: Arc<str>,
    handler: &'static str,
    verdict: &'static str,
    #[serde(flatten)]
    times: Times,
    /// The median of a few runs; absent where the policy's runs are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    allocated_bytes: Option<u64>,
    limit_micros: f64,
    within_limits: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// Microseconds.
#[derive(Serialize)]
struct Times {
    #[serde(rename = "p50Micros")]
    p50: f64,
    #[serde(rename = "p99Micros")]
    p99: f64,
    #[serde(rename = "maxMicros")]
    max: f64,
}

impl<'c> Measured<'c> {
    pub(super) fn new(catalog: &'c Catalog, cpu: Duration) -> Self {
        Self { catalog, cpu, policies: Vec::new(), reviews: Vec::new() }
    }

    /// Takes in a run that was timed.
    pub(super) fn take(&mut self, judgement: &Judgement, time: Duration) {
        self.reviews.push(time);
        self.each(judgement, |one, evaluated| {
            one.times.push(evaluated.time);
            one.verdict = word(&evaluated.verdict);
            if let Effect::Error(failure) = &evaluated.verdict.effect {
                one.failure.get_or_insert_with(|| failure.clone());
            }
        });
    }

    /// Takes in a run that counted what it allocated.
    pub(super) fn count(&mut self, judgement: &Judgement) {
        self.each(judgement, |one, evaluated| one.allocated.extend(evaluated.allocated));
    }

    /// Whether no policy had to be stopped: more runs of one that has would say nothing new.
    pub(super) fn keeps_within(judgement: &Judgement) -> bool {
        !judgement
            .evaluated
            .iter()
            .any(|one| matches!(&one.verdict.effect, Effect::Error(failure) if breaks_limit(failure.cause)))
    }

    fn each(&mut self, judgement: &Judgement, mut take: impl FnMut(&mut One, &Evaluated)) {
        for (at, evaluated) in judgement.evaluated.iter().enumerate() {
            let policy = &evaluated.verdict.policy;
            // Mutating handlers come first, so a policy's second run in a review is its validating one.
            let before = judgement.evaluated.get(..at).unwrap_or_default();
            let is_second = before.iter().any(|one| one.verdict.policy == *policy);
            let Some(spec) = self.catalog.get(policy).map(|revision| &revision.spec) else { continue };
            let handler = if spec.mutates && !is_second { "mutate" } else { "validate" };
            let found = self.policies.iter().position(|one| one.policy == *policy && one.handler == handler);
            let at = found.unwrap_or_else(|| {
                self.policies.push(One::new(spec, handler, self.cpu));
                self.policies.len() - 1
            });
            if let Some(one) = self.policies.get_mut(at) {
                take(one, evaluated);
            }
        }
    }

    pub(super) fn into_report(self) -> Report {
        let runs = self.reviews.len();
        let policies = self.policies.into_iter().map(One::into_line).collect();
        Report { runs, review: Times::of(self.reviews), policies }
    }
}

impl One {
    fn new(spec: &PolicySpec, handler: &'static str, cpu: Duration) -> Self {
        let limit = match spec.dialect {
            Dialect::Module => spec.timeout.min(cpu),
            Dialect::Script => spec.timeout,
        };
        let (times, allocated) = (Vec::new(), Vec::new());
        Self { policy: Arc::clone(&spec.name), handler, times, allocated, limit, verdict: "", failure: None }
    }

    fn into_line(mut self) -> Line {
        self.allocated.sort_unstable();
        Line {
            policy: self.policy,
            handler: self.handler,
            verdict: self.verdict,
            times: Times::of(self.times),
            allocated_bytes: self.allocated.get(self.allocated.len() / 2).copied(),
            limit_micros: micros(self.limit),
            within_limits: !self.failure.as_ref().is_some_and(|failure| breaks_limit(failure.cause)),
            failure: self.failure.map(|failure| failure.message),
        }
    }
}

/// Whether the policy was stopped, rather than failed by itself.
fn breaks_limit(cause: Cause) -> bool {
    matches!(cause, Cause::Timeout | Cause::Cpu | Cause::Memory | Cause::Overload)
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |share: usize| micros(times.get(last * share / 100).copied().unwrap_or_default());
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e9).round() / 1e3
}

impl Report {
    /// Every policy gave a verdict, within its limits.
    pub(super) fn is_good(&self) -> bool {
        self.policies.iter().all(|line| line.failure.is_none())
    }

    pub(super) fn text(&self) -> String {
        let width = self.policies.iter().map(|line| line.policy.len()).max().unwrap_or(0).max(6);
        let mut text = format!(
            "{:<width$}  {:<8}  {:<7}  {:>9}  {:>9}  {:>9}  {:>9}  limits ({} runs)\n",
            "policy", "handler", "verdict", "p50", "p99", "max", "allocates", self.runs
        );
        for line in &self.policies {
            let allocated = line.allocated_bytes.map_or_else(|| "-".to_owned(), bytes);
            let row = [&*line.policy, line.handler, line.verdict];
            let _ = writeln!(text, "{}  {allocated:>9}  {}", start(row, width, &line.times), line.limits());
        }
        let _ = writeln!(text, "{}", start(["all, there and back", "", ""], width, &self.review));
        text
    }
}

fn start([policy, handler, verdict]: [&str; 3], width: usize, times: &Times) -> String {
    let [p50, p99, max] = [times.p50, times.p99, times.max].map(time);
    format!("{policy:<width$}  {handler:<8}  {verdict:<7}  {p50:>9}  {p99:>9}  {max:>9}")
}

impl Line {
    fn limits(&self) -> String {
        match &self.failure {
            Some(failure) if self.within_limits => format!("failed: {failure}"),
            Some(failure) => format!("NOT KEPT: {failure}"),
            None => {
                let share = self.times.max / self.limit_micros * 100.0;
                format!("kept: at most {share:.2} % of {}", time(self.limit_micros))
            }
        }
    }
}

fn time(micros: f64) -> String {
    match micros {
        _ if micros >= 1e6 => format!("{:.1} s", micros / 1e6),
        _ if micros >= 1e3 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{micros:.1} us"),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{} KiB", count >> 10),
        _ => format!("{} MiB", count >> 20),
    }
}
