//! What `/metrics` tells, and that no client can make it grow.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::{Target, answer, request_of, run};
use super::command::bylaw;
use super::folder::{Folder, policy};
use super::reviews::{config_map, with};
use super::server::Server;

/// One sample of the page, which is a count; 0 where it is not there.
pub fn value(server: &Server, series: &str) -> u64 {
    let (status, page) = server.get(server.metrics_url());
    assert_eq!(status, 200);
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

fn serve() -> (Folder, Server) {
    let chooses = r#"
  validate({ object, deny, warn }) {
    switch (object.data.run) {
      case "deny": deny("no"); break;
      case "warn": warn("hm"); break;
      case "throw": throw new Error("x");
      case "loop": for (;;);
    }
  },"#;
    let mutating = policy("mutating", "mutate({ object }) { object.data.b = \"c\"; }");
    let folder = Folder::new(&[("chooses.ts", &policy("chooses", chooses)), ("mutating.ts", &mutating)]);
    let server = folder.serve(&[]);
    (folder, server)
}

/// Names of series, labels included.
fn series(server: &Server) -> BTreeSet<String> {
    let (_, page) = server.get(server.metrics_url());
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

#[test]
fn every_metric_of_the_contract_that_applies_is_there() {
    let (_folder, server) = serve();
    server.post("/validate", &config_map(json!({"run": "throw"})));
    let (_, page) = server.get(server.metrics_url());
    for name in [
        "bylaw_reviews_total",
        "bylaw_review_duration_seconds_bucket",
        "bylaw_evaluations_total",
        "bylaw_evaluation_duration_seconds_bucket",
        "bylaw_evaluation_errors_total",
        "bylaw_shed_total",
        "bylaw_reports_dropped_total",
        "bylaw_report_writes_total",
        "bylaw_isolates",
        "bylaw_isolate_heap_bytes",
        "bylaw_policies",
        "bylaw_policy_revision_info",
        "bylaw_certificate_expiry_seconds",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(page.lines().any(|line| line.starts_with(name)), "{name} is not in\n{page}");
    }
    assert!(page.ends_with("# EOF\n"), "not OpenMetrics: {:?}", &page[page.len() - 40..]);
}

#[test]
fn the_version_and_the_origin_of_v8_are_told_by_a_metric_and_by_the_program_alike() {
    let (_folder, server) = serve();
    let series = series(&server);
    let build = series.iter().find_map(|series| series.strip_prefix("bylaw_build_info{")).expect("it is there");
    let label = |name: &str| build.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap();
    let by = match label("v8_origin") {
        "upstream" => "upstream's build",
        "source" => "built from source",
        other => panic!("{other}"),
    };
    let v8 = label("v8");
    assert!(v8.split('.').count() == 4 && v8.split('.').all(|part| part.parse::<u32>().is_ok()), "{v8}");
    let told = bylaw(&["--version"]).out;
    assert_eq!(told, format!("bylaw {} (V8 {v8}, {by})\n", label("version")));
}

#[test]
fn reviews_and_evaluations_are_counted_by_what_they_came_to() {
    let (_folder, server) = serve();
    for (run, count) in [("nothing", 4), ("warn", 1), ("deny", 3), ("throw", 2)] {
        for _ in 0..count {
            server.post("/validate", &config_map(json!({"run": run})));
        }
    }
    server.post("/mutate", &config_map(json!({})));
    server.post("/validate", &json!({}));
    let reviews = |endpoint: &str, verdict: &str| {
        value(
            &server,
            &format!("bylaw_reviews_total{{endpoint=\"{endpoint}\",vantage=\"host\",verdict=\"{verdict}\"}}"),
        )
    };
    assert_eq!(reviews("validate", "allow"), 5);
    assert_eq!(reviews("validate", "deny"), 3);
    assert_eq!(reviews("validate", "error"), 2);
    assert_eq!(reviews("validate", "malformed"), 1);
    assert_eq!(reviews("mutate", "allow"), 1);
    let evaluations = |policy: &str, verdict: &str| {
        value(
            &server,
            &format!("bylaw_evaluations_total{{policy=\"{policy}.policies.example\",verdict=\"{verdict}\"}}"),
        )
    };
    assert_eq!(evaluations("chooses", "allow"), 4);
    assert_eq!(evaluations("chooses", "warn"), 1);
    assert_eq!(evaluations("chooses", "deny"), 3);
    assert_eq!(evaluations("chooses", "error"), 2);
    assert_eq!(evaluations("mutating", "mutate"), 1);
    let errors = "bylaw_evaluation_errors_total{policy=\"chooses.policies.example\",cause=\"exception\"}";
    assert_eq!(value(&server, errors), 2);
    let count = "bylaw_evaluation_duration_seconds_count{policy=\"chooses.policies.example\",type=\"Validating\"}";
    assert_eq!(value(&server, count), 10);
}

#[test]
fn isolates_and_their_heaps_are_counted() {
    let (_folder, server) = serve();
    server.post("/validate", &config_map(json!({})));
    let begun = Instant::now();
    while value(&server, "bylaw_isolates") < 1 || value(&server, "bylaw_isolate_heap_bytes") < 100_000 {
        assert!(begun.elapsed() < Duration::from_secs(5), "they are not counted");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..3 {
        server.post("/validate?timeout=1s", &config_map(json!({"run": "loop"})));
    }
    server.post("/validate", &config_map(json!({})));
    std::thread::sleep(Duration::from_millis(200));
    let isolates = value(&server, "bylaw_isolates");
    assert!((1..=32).contains(&isolates), "{isolates} isolates");
}

#[test]
fn refusals_are_counted_by_code() {
    let (_folder, server) = serve();
    let target = Target::of(&server);
    run(async {
        for (path, content_type, code) in [("/validate", "text/plain", 415), ("/nowhere", "application/json", 404)] {
            let mut connection = target.http1().await;
            assert_eq!(
                answer(connection.0.send_request(request_of(path, content_type, "{}")).await.unwrap()).await.0,
                code
            );
        }
    });
    assert_eq!(value(&server, "bylaw_requests_refused_total{code=\"415\"}"), 1);
    assert_eq!(value(&server, "bylaw_requests_refused_total{code=\"404\"}"), 1);
}

#[test]
fn nothing_a_client_sends_makes_a_series() {
    let (_folder, server) = serve();
    for run in ["nothing", "warn", "deny", "throw"] {
        server.post("/validate", &config_map(json!({"run": run})));
        server.post("/mutate", &config_map(json!({"run": run})));
        server.post("/policy/chooses.policies.example", &config_map(json!({"run": run})));
    }
    let before = series(&server);
    for number in 0..50 {
        let text = format!("some-{number}");
        let fields = json!({"uid": text, "namespace": text, "name": text, "userInfo": {"username": text}});
        server.post("/validate", &with(config_map(json!({"run": "deny"})), fields));
        server.post(&format!("/policy/unknown-{number}.policies.example"), &config_map(json!({})));
        server.post(&format!("/path/{number}"), &config_map(json!({})));
    }
    let fresh: Vec<String> = series(&server).difference(&before).cloned().collect();
    assert!(fresh.is_empty(), "{fresh:#?}");
}
