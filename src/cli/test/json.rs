//! Results for programs.

use serde_json::{Value, json};

use super::Report;
use crate::cases::{Played, told};

pub(super) fn json(report: &Report) -> anyhow::Result<String> {
    let suites: Vec<Value> = report
        .results
        .iter()
        .map(|result| {
            let cases: Vec<Value> = result.played.iter().map(case).collect();
            json!({ "folder": &*result.folder, "cases": cases })
        })
        .collect();
    let failed = report.failed();
    let value = json!({
        "passed": report.played().count() - failed,
        "failed": failed,
        "seconds": report.time.as_secs_f64(),
        "untested": report.untested,
        "updated": report.updated,
        "coverage": report.coverage.as_deref().map(told),
        "suites": suites,
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// One case on its own.
pub(super) fn case(played: &Played) -> Value {
    let (case, outcome) = (&played.test.case, &played.outcome);
    let policies: Vec<&str> = played.test.policies.iter().map(|revision| &*revision.spec.name).collect();
    json!({
        "name": case.name,
        "file": &*case.place.shown,
        "line": case.place.line,
        "policies": policies,
        "passed": outcome.is_good(),
        "came": outcome.came,
        "milliseconds": outcome.time.as_secs_f64() * 1e3,
        "misses": outcome.misses,
        "log": outcome.lines,
    })
}
