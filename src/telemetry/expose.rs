//! What `GET /metrics` answers: every series in the `OpenMetrics` text format.

mod tenancy;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::histogram::{BELOW_JSPOLICY, EVALUATION_BOUNDS, Histogram, SHOWN_BOUNDS};
use super::labels::{Certificate, PolicyState, ReviewOutcome, Route, WorkerEnd};
use super::ledger;
use super::metrics::{Metrics, REFUSALS};
use super::policy::{PolicyKind, PolicyMetrics, VERDICTS};
use super::process::Process;
use crate::isolate;

/// The `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Metrics {
    /// All series as `OpenMetrics` text.
    pub fn render(self: &Arc<Self>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Page(Arc::clone(self))));
        let mut page = String::with_capacity(16 * 1024);
        // Writing into a String cannot fail; a half-written page still ends without `# EOF` and is refused as such.
        if let Err(error) = text::encode(&mut page, &registry) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        page
    }
}

/// One scrape.
#[derive(Debug)]
struct Page(Arc<Metrics>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let metrics = &*self.0;
        reviews(metrics, &mut encoder)?;
        let policies = metrics.policies();
        evaluations(&policies, &mut encoder)?;
        tenancy::tenancy(metrics, &policies, &mut encoder)?;
        controllers(metrics, &policies, &mut encoder)?;
        ledger::encode(&metrics.ledger, &mut encoder)?;
        as_jspolicy(&policies, &mut encoder)?;
        state(metrics, &policies, &mut encoder)?;
        process(&Process::read(), &mut encoder)
    }
}

fn reviews(metrics: &Metrics, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let routes = || Route::ALL.into_iter().zip(&metrics.routes);
    let labels = |route: Route| [("endpoint", route.endpoint()), ("vantage", route.vantage())];

    let mut family = counters(encoder, "bylaw_reviews", "Admission reviews answered, by endpoint and verdict")?;
    for (route, counts) in routes() {
        for (outcome, count) in ReviewOutcome::ALL.into_iter().zip(&counts.outcomes) {
            let [endpoint, vantage] = labels(route);
            counter(&mut family, &[endpoint, vantage, ("verdict", outcome.as_str())], count.get())?;
        }
    }
    let mut family = histograms(
        encoder,
        "bylaw_review_duration_seconds",
        "Time from a review being read to its answer being ready",
    )?;
    for (route, counts) in routes() {
        histogram(&mut family, &labels(route), &counts.duration, SHOWN_BOUNDS)?;
    }
    let mut family = counters(encoder, "bylaw_requests_refused", "Requests refused before a review was seen, by code")?;
    for (code, count) in REFUSALS.into_iter().zip(&metrics.refusals) {
        counter(&mut family, &[("code", &code.to_string())], count.get())?;
    }
    let mut family = counters(encoder, "bylaw_shed", "Reviews answered by failure mode for want of room or time")?;
    plain_counter(&mut family, metrics.shed.get())?;
    let help = "Violations that were never reported, for want of room";
    let mut family = counters(encoder, "bylaw_reports_dropped", help)?;
    plain_counter(&mut family, metrics.reports_dropped.get())?;
    let help = "Requests that changed violations, reports or events in the cluster";
    let mut family = counters(encoder, "bylaw_report_writes", help)?;
    plain_counter(&mut family, metrics.report_writes.get())?;
    let help = "Existing objects judged in the background";
    let mut family = counters(encoder, "bylaw_scanned_objects", help)?;
    plain_counter(&mut family, metrics.scanned_objects.get())
}

fn evaluations(policies: &[Arc<PolicyMetrics>], encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family =
        counters(encoder, "bylaw_evaluations", "Runs of a policy, by what it said before enforcement changed it")?;
    for policy in policies {
        for (index, verdict) in VERDICTS.into_iter().enumerate() {
            let runs = PolicyKind::ALL
                .iter()
                .filter_map(|kind| policy.kind(*kind).verdicts.get(index))
                .map(|count| count.load(Relaxed))
                .sum();
            if runs > 0 {
                counter(&mut family, &[("policy", policy.name()), ("verdict", verdict)], runs)?;
            }
        }
    }
    let mut family = counters(encoder, "bylaw_evaluation_errors", "Runs of a policy that gave no verdict, by cause")?;
    for policy in policies {
        for (cause, count) in policy.errors().filter(|(_, count)| *count > 0) {
            counter(&mut family, &[("policy", policy.name()), ("cause", cause)], count)?;
        }
    }
    let help = "Denials and failures of a policy that an exception kept from taking effect";
    let mut family = counters(encoder, "bylaw_exceptions_used", help)?;
    for (policy, count) in policies.iter().map(|policy| (policy, policy.exceptions())).filter(|(_, count)| *count > 0) {
        counter(&mut family, &[("policy", policy.name())], count)?;
    }
    let mut family = histograms(encoder, "bylaw_evaluation_duration_seconds", "Time a policy ran, without queueing")?;
    for policy in policies {
        for kind in PolicyKind::ALL {
            let labels = [("policy", policy.name()), ("type", kind.as_str())];
            histogram(&mut family, &labels, &policy.kind(kind).duration, SHOWN_BOUNDS)?;
        }
    }
    Ok(())
}

fn controllers(metrics: &Metrics, policies: &[Arc<PolicyMetrics>], encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = counters(encoder, "bylaw_controller_reconciles", "Runs of a controller, by what they came to")?;
    for policy in policies {
        for (result, runs) in policy.reconciles().filter(|(_, runs)| *runs > 0) {
            counter(&mut family, &[("policy", policy.name()), ("result", result)], runs)?;
        }
    }
    let mut family = gauges(encoder, "bylaw_controller_queue_depth", "Objects that wait for a controller")?;
    for policy in policies.iter().filter(|policy| policy.reconciles().any(|(_, runs)| runs > 0) || policy.queued() > 0)
    {
        gauge(&mut family, &[("policy", policy.name())], i64::try_from(policy.queued()).unwrap_or(i64::MAX))?;
    }
    let help = "Times that a controller waited because it had written too much";
    let mut family = counters(encoder, "bylaw_controller_throttled", help)?;
    plain_counter(&mut family, metrics.controllers_throttled.get())?;
    let help = "Changes that no controller was told of, for want of room";
    let mut family = counters(encoder, "bylaw_controller_dropped", help)?;
    plain_counter(&mut family, metrics.controllers_dropped.get())
}

/// The two series of jsPolicy, names, labels and buckets unchanged, so that its dashboards go on working.
fn as_jspolicy(policies: &[Arc<PolicyMetrics>], encoder: &mut DescriptorEncoder) -> fmt::Result {
    let bounds = EVALUATION_BOUNDS.get(BELOW_JSPOLICY..).unwrap_or_default();
    let mut family = counters(encoder, "policy_execution", "Executed policies by type, name and response code")?;
    for policy in policies {
        for kind in PolicyKind::ALL {
            for (code, runs) in policy.kind(kind).by_code() {
                let code = if code == 0 { "other".to_owned() } else { code.to_string() };
                counter(&mut family, &[("type", kind.as_str()), ("name", policy.name()), ("code", &code)], runs)?;
            }
        }
    }
    let mut family =
        histograms(encoder, "policy_execution_duration_seconds", "Time of executed policies by type and name")?;
    for policy in policies {
        for kind in PolicyKind::ALL {
            let labels = [("type", kind.as_str()), ("name", policy.name())];
            histogram(&mut family, &labels, &policy.kind(kind).duration, bounds)?;
        }
    }
    Ok(())
}

fn state(metrics: &Metrics, policies: &[Arc<PolicyMetrics>], encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = gauges(encoder, "bylaw_policies", "Policies found, by what became of them")?;
    for (state, count) in PolicyState::ALL.into_iter().zip(&metrics.policy_states) {
        gauge(&mut family, &[("state", state.as_str())], count.get())?;
    }
    let help = "The revision of a policy that is being enforced";
    let mut family = encoder.encode_descriptor("bylaw_policy_revision", help, None, MetricType::Info)?;
    for policy in policies {
        let revision = policy.revision();
        if !revision.is_empty() {
            family.encode_info(&[("policy", policy.name()), ("revision", &*revision)])?;
        }
    }
    let help = "When a certificate expires, in seconds since the Unix epoch";
    let mut family = gauges(encoder, "bylaw_certificate_expiry_seconds", help)?;
    for (certificate, expiry) in Certificate::ALL.into_iter().zip(&metrics.expiries) {
        if expiry.get() != 0 {
            gauge(&mut family, &[("certificate", certificate.as_str())], expiry.get())?;
        }
    }
    plain_gauge(encoder, "bylaw_isolates", "V8 isolates alive", &metrics.isolates.get())?;
    plain_gauge(encoder, "bylaw_isolate_heap_bytes", "Heap of all V8 isolates", &metrics.isolate_heap_bytes.get())?;
    let help = "Isolate threads given up since the start: policies held them, or ran them out of memory";
    plain_gauge(encoder, "bylaw_isolate_threads_lost", help, &metrics.lost_threads.get())?;
    let help = "Policies that are not asked for a while: all of their last runs had to be ended";
    plain_gauge(encoder, "bylaw_policies_shunned", help, &metrics.shunned_policies.get())?;
    plain_gauge(encoder, "bylaw_workers", "Worker processes, the spare one included", &metrics.workers.get())?;
    let mut family = counters(encoder, "bylaw_worker_restarts", "Worker processes replaced, by why they ended")?;
    for (end, count) in WorkerEnd::ALL.into_iter().zip(&metrics.worker_ends) {
        counter(&mut family, &[("reason", end.as_str())], count.get())?;
    }
    plain_gauge(encoder, "bylaw_leader", "1 while this replica is the one that writes", &metrics.leader.get())?;
    plain_gauge(encoder, "bylaw_connections", "Open TLS connections", &metrics.connections.get())?;
    let help = "Connections that never got as far as HTTP";
    let mut family = counters(encoder, "bylaw_handshake_failures", help)?;
    plain_counter(&mut family, metrics.handshake_failures.get())?;
    let help = "The running version, V8's, and who built V8's library";
    let mut family = encoder.encode_descriptor("bylaw_build", help, None, MetricType::Info)?;
    let (v8, v8_origin) = (isolate::version(), isolate::origin().as_str());
    family.encode_info(&[("version", env!("CARGO_PKG_VERSION")), ("v8", v8), ("v8_origin", v8_origin)])
}

fn process(process: &Process, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let whole = [
        ("process_resident_memory_bytes", "Resident memory size in bytes", process.resident_bytes),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes", process.virtual_bytes),
        ("process_threads", "Threads of the process", process.threads),
        ("process_open_fds", "Open file descriptors", process.open_files),
        ("process_max_fds", "Most file descriptors that may be open", process.max_files),
    ];
    for (name, help, value) in whole {
        if let Some(value) = value {
            plain_gauge(encoder, name, help, &i64::try_from(value).unwrap_or(i64::MAX))?;
        }
    }
    if let Some(seconds) = process.start_seconds {
        plain_gauge(encoder, "process_start_time_seconds", "Start of the process since the Unix epoch", &seconds)?;
    }
    if let Some(seconds) = process.cpu_seconds {
        let mut family = counters(encoder, "process_cpu_seconds", "User and system CPU time spent")?;
        family.encode_counter::<NoLabelSet, f64, u64>(&seconds, None)?;
    }
    Ok(())
}

pub(super) fn counters<'a>(
    encoder: &'a mut DescriptorEncoder,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

fn gauges<'a>(encoder: &'a mut DescriptorEncoder, name: &'a str, help: &str) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn histograms<'a>(
    encoder: &'a mut DescriptorEncoder,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Histogram)
}

pub(super) fn counter<const N: usize>(family: &mut MetricEncoder, labels: &Labels<'_, N>, value: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

pub(super) fn plain_counter(family: &mut MetricEncoder, value: u64) -> fmt::Result {
    family.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn gauge<const N: usize>(family: &mut MetricEncoder, labels: &Labels<'_, N>, value: i64) -> fmt::Result {
    family.encode_family(labels)?.encode_gauge(&value)
}

/// A series appears with its first observation: five thousand policies that never run cost a scrape nothing.
fn histogram<const N: usize>(
    family: &mut MetricEncoder,
    labels: &Labels<'_, N>,
    histogram: &Histogram,
    bounds: &[u64],
) -> fmt::Result {
    let folded = histogram.folded(bounds);
    if folded.count == 0 {
        return Ok(());
    }
    family.encode_family(labels)?.encode_histogram::<NoLabelSet>(folded.sum, folded.count, &folded.buckets, None)
}

fn plain_gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
    gauges(encoder, name, help)?.encode_gauge(value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::decision::Cause;
    use crate::telemetry::Outcome;

    /// The page without the process metrics, which differ from run to run.
    fn page(metrics: &Arc<Metrics>) -> String {
        let page = metrics.render();
        page.lines().filter(|line| !line.contains("process_")).fold(String::new(), |page, line| page + line + "\n")
    }

    #[test]
    fn everything_of_the_contract_is_on_the_page() {
        let metrics = Arc::new(Metrics::default());
        metrics.review(Route::Validate, ReviewOutcome::Deny, Duration::from_micros(30));
        metrics.refused(413);
        metrics.shed.increment();
        metrics.isolates.set(3);
        metrics.isolate_heap_bytes.set(4_096);
        metrics.workers.set(2);
        metrics.worker_ended(WorkerEnd::Memory);
        metrics.set_policies(PolicyState::Serving, 2);
        metrics.set_expiry(Certificate::Serving, 1_800_000_000);
        let policy = metrics.policy(&"a.example.com".into(), "5ee");
        policy.record(PolicyKind::Validating, Outcome::Deny { code: 403 }, Duration::from_micros(8));
        policy.record(PolicyKind::Mutating, Outcome::Error(Cause::Timeout), Duration::from_secs(2));
        let page = page(&metrics);
        for line in [
            r#"bylaw_reviews_total{endpoint="validate",vantage="host",verdict="deny"} 1"#,
            r#"bylaw_reviews_total{endpoint="mutate",vantage="virtual",verdict="allow"} 0"#,
            r#"bylaw_review_duration_seconds_bucket{le="0.00005",endpoint="validate",vantage="host"} 1"#,
            r#"bylaw_requests_refused_total{code="413"} 1"#,
            "bylaw_shed_total 1",
            r#"bylaw_evaluations_total{policy="a.example.com",verdict="deny"} 1"#,
            r#"bylaw_evaluations_total{policy="a.example.com",verdict="error"} 1"#,
            r#"bylaw_evaluation_errors_total{policy="a.example.com",cause="timeout"} 1"#,
            r#"bylaw_evaluation_duration_seconds_count{policy="a.example.com",type="Mutating"} 1"#,
            r#"policy_execution_total{type="Validating",name="a.example.com",code="403"} 1"#,
            r#"policy_execution_total{type="Mutating",name="a.example.com",code="500"} 1"#,
            r#"policy_execution_duration_seconds_bucket{le="0.001",type="Validating",name="a.example.com"} 1"#,
            r#"policy_execution_duration_seconds_sum{type="Mutating",name="a.example.com"} 2.0"#,
            r#"bylaw_policies{state="serving"} 2"#,
            r#"bylaw_policy_revision_info{policy="a.example.com",revision="5ee"} 1"#,
            r#"bylaw_certificate_expiry_seconds{certificate="serving"} 1800000000"#,
            "bylaw_isolates 3",
            "bylaw_isolate_heap_bytes 4096",
            "bylaw_workers 2",
            r#"bylaw_worker_restarts_total{reason="memory"} 1"#,
            r#"bylaw_worker_restarts_total{reason="worn"} 0"#,
        ] {
            assert!(page.lines().any(|found| same_series(found, line)), "no line {line} in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }

    /// Two lines of the format are equal whatever the order of their labels.
    fn same_series(left: &str, right: &str) -> bool {
        let parts = |line: &str| {
            let mut parts: Vec<String> = line.split(['{', '}', ',']).map(str::to_owned).collect();
            parts.sort();
            parts
        };
        let number = |line: &str| line.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok());
        parts(left) == parts(right) && number(left) == number(right)
    }

    #[test]
    fn series_of_a_policy_that_went_away_are_gone() {
        let metrics = Arc::new(Metrics::default());
        for name in ["stays", "goes"] {
            let policy = metrics.policy(&name.into(), "r");
            policy.record(PolicyKind::Validating, Outcome::Allow, Duration::ZERO);
        }
        metrics.retain_policies(|name| name == "stays");
        let page = page(&metrics);
        assert!(page.contains(r#"policy="stays""#));
        assert!(!page.contains("goes"), "{page}");
    }

    #[test]
    fn a_policy_that_never_ran_costs_a_scrape_one_line() {
        let metrics = Arc::new(Metrics::default());
        metrics.policy(&"idle".into(), "r");
        assert_eq!(page(&metrics).lines().filter(|line| line.contains("idle")).count(), 1);
    }

    #[test]
    fn the_process_is_on_the_page() {
        let page = Arc::new(Metrics::default()).render();
        for name in [
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ] {
            assert!(page.lines().any(|line| line.starts_with(name)), "no {name} in\n{page}");
        }
    }
}
