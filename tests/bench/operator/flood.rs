//! A hundred thousand denials in a minute, and the requests to the API server that Bylaw makes of them.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Site, js_policy};
use crate::load::{self, Pace, Plan, Question, Shape};
use crate::options::Options;
use crate::table::Table;

const ROW: &str = "operator/flood of denials";
const DENIALS: u32 = 100_000;
const MINUTE: Duration = Duration::from_mins(1);

/// Denied objects of different names, over and over.
const NAMES: usize = 1_000;

/// What denials are told as.
const TOLD: [&str; 6] =
    ["jspolicyviolations", "policyreports", "clusterpolicyreports", "reports", "clusterreports", "events"];

/// `(group, version, kind, plural, scope)` of the kinds that are not Bylaw's own.
const REPORTS: [(&str, &str, &str, &str, &str); 4] = [
    ("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports", "Namespaced"),
    ("wgpolicyk8s.io", "v1alpha2", "ClusterPolicyReport", "clusterpolicyreports", "Cluster"),
    ("openreports.io", "v1alpha1", "Report", "reports", "Namespaced"),
    ("openreports.io", "v1alpha1", "ClusterReport", "clusterreports", "Cluster"),
];

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    if !options.wants(ROW) {
        return Ok(());
    }
    let site = Site::new()?;
    for report in REPORTS {
        define(&site, report)?;
    }
    let serving = site.serve(&["--report", "violations,policy-reports,open-reports,events"])?;
    for name in ["flooded", "soaked"] {
        site.put(&js_policy(name, "configmaps", json!({"javascript": "deny('never')"})))?;
    }
    site.settled(2)?;
    let questions = (0..NAMES).map(|number| Question {
        path: "/validate?timeout=10s",
        body: review(number),
        expected: r#""allowed":false"#,
    });
    let target = serving.target(questions.collect());
    let server_cpu = || serving.cpu_time();
    let (time, denials) = if options.quick { (MINUTE / 6, DENIALS / 6) } else { (MINUTE, DENIALS) };
    let pace = Pace::Open { per_second: f64::from(denials) / time.as_secs_f64() };
    for _ in 0..options.runs() {
        let since = log(&site)?.len();
        let plan =
            Plan { shape: Shape::Http2 { streams: 64 }, pace, warm_up: Duration::ZERO, time, server_cpu: &server_cpu };
        let load = load::run(&target, &plan)?.sound()?;
        let written = writes(log(&site)?.get(since..).unwrap_or_default());
        #[allow(clippy::cast_precision_loss, reason = "a count for people")]
        for (figure, count) in [("denials", load.latencies.len() as f64), ("writes", written as f64)] {
            table.add(ROW, figure, "", count);
        }
        table.latencies(ROW, &load.latencies);
        table.mebibytes(ROW, "RSS", serving.resident());
    }
    Ok(())
}

fn define(site: &Site, (group, version, kind, plural, scope): (&str, &str, &str, &str, &str)) -> anyhow::Result<()> {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true, "schema": schema}],
        },
    });
    let reply = site.api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
    anyhow::ensure!(reply.is_good(), "{reply:?}");
    let path = format!("/apis/{group}/{version}/{plural}");
    site.until("reports are served", || site.api.get(&path).is_good()).map(drop)
}

fn log(site: &Site) -> std::io::Result<String> {
    fs::read_to_string(site.cluster.audit_log())
}

/// Changes that the API server was asked for.
fn writes(log: &str) -> usize {
    let is_write = |event: &Value| {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        ["create", "update", "patch", "delete"].contains(&text("/verb")) && TOLD.contains(&text("/objectRef/resource"))
    };
    log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(is_write).count()
}

fn review(number: usize) -> Vec<u8> {
    let (name, namespace) = (format!("c{number}"), format!("n{}", number % 50));
    let kind = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let resource = json!({"group": "", "version": "v1", "resource": "configmaps"});
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "namespace": namespace, "name": name, "kind": kind, "resource": resource,
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, "userInfo": {"username": "flood"},
    }})
    .to_string()
    .into()
}
