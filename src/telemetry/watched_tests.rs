//! The dashboard and the alerts of the chart ask for metrics that there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Metrics;

/// Every series that a page may have, whether it was observed or not.
fn series() -> BTreeSet<String> {
    let page = Arc::new(Metrics::default()).render();
    let of = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            _ => &[""],
        };
        Some(ends.iter().map(|end| format!("{name}{end}")).collect::<Vec<_>>())
    };
    page.lines().filter_map(of).flatten().collect()
}

/// The values of every `expr` in it.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| expressions(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_and_the_alerts_exists() {
    let dashboard = serde_json::from_str(include_str!("../../charts/bylaw/files/dashboard.json")).unwrap();
    let alerts: Value = serde_saphyr::from_str(include_str!("../../charts/bylaw/files/alerts.yaml")).unwrap();
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    expressions(&alerts, &mut asked);
    assert!(asked.len() > 25, "{}", asked.len());
    let known = series();
    for expression in &asked {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics: Vec<&str> = words
            .filter(|word| ["bylaw_", "process_", "policy_"].iter().any(|start| word.starts_with(start)))
            .collect();
        assert!(!metrics.is_empty(), "{expression}");
        for metric in metrics {
            assert!(known.contains(metric), "{metric} of {expression}");
        }
    }
}

#[test]
fn every_alert_says_what_it_is_about_and_how_bad() {
    let alerts: Value = serde_saphyr::from_str(include_str!("../../charts/bylaw/files/alerts.yaml")).unwrap();
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{rule}");
    }
}
