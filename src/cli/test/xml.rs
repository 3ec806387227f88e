//! Results for CI.

use super::Report;
use super::text::misses;
use crate::cases::Played;
use crate::cli::junit::{Case, CaseResult, Suite, junit};

pub(super) fn xml(report: &Report) -> anyhow::Result<String> {
    let suites = report
        .results
        .iter()
        .map(|result| Suite { name: result.folder.to_string(), cases: result.played.iter().map(case).collect() });
    junit("bylaw test", suites.collect())
}

fn case(played: &Played) -> Case {
    let (case, outcome) = (&played.test.case, &played.outcome);
    let result = if outcome.is_good() {
        CaseResult::Passed
    } else {
        let fields: Vec<&str> = outcome.misses.iter().map(|miss| miss.field).collect();
        let detail = format!("{}\n{}", case.place, misses(played));
        CaseResult::Failed { summary: format!("not as expected: {}", fields.join(", ")), detail }
    };
    Case { name: case.name.clone(), class: case.place.shown.to_string(), time: outcome.time, result }
}
