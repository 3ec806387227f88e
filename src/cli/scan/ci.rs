//! The report as CI systems read it: SARIF for code scanning, `JUnit` for lists of tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::junit::{Case, CaseResult, Suite, junit};
use crate::cli::sarif::{SarifFinding, SarifLevel, SarifRule, sarif};
use crate::scan::report::{Report, Tally};
use crate::scan::{Finding, Outcome};

/// The rule of a document that could not be read.
const UNREADABLE: &str = "unreadable";

/// Each policy is a rule.
pub(super) fn as_sarif(report: &Report) -> anyhow::Result<String> {
    let mut rules: Vec<SarifRule> = report.policies.iter().map(|(name, tally)| rule(name, tally)).collect();
    if !report.unreadable.is_empty() {
        rules.push(SarifRule {
            id: UNREADABLE.to_owned(),
            summary: "A document that could not be read, and so was not judged".to_owned(),
            help: String::new(),
            level: SarifLevel::Error,
        });
    }
    let unreadable = report.unreadable.iter().map(|unreadable| SarifFinding {
        rule: UNREADABLE.to_owned(),
        level: SarifLevel::Error,
        message: unreadable.cause.clone(),
        file: file(&unreadable.file),
        line: line(unreadable.line),
        column: line(unreadable.column),
        help: None,
        subject: None,
    });
    let findings: Vec<SarifFinding> = report.findings.iter().map(finding).chain(unreadable).collect();
    let is_complete = report.unreadable.is_empty() && report.skipped.is_empty();
    Ok(serde_json::to_string_pretty(&sarif("bylaw scan", &rules, &findings, is_complete))? + "\n")
}

fn rule(name: &str, tally: &Tally) -> SarifRule {
    let level = match tally.severity {
        Some("critical" | "high") => SarifLevel::Error,
        Some("info") => SarifLevel::Note,
        _ => SarifLevel::Warning,
    };
    let summary = tally.title.clone().unwrap_or_else(|| name.to_owned());
    SarifRule { id: name.to_owned(), summary, help: tally.description.clone().unwrap_or_default(), level }
}

fn finding(finding: &Finding) -> SarifFinding {
    let subject = &finding.subject;
    let place = subject.place.as_ref();
    let parts = [&*subject.namespace, &subject.kind, &subject.name];
    SarifFinding {
        rule: finding.policy.to_string(),
        level: match finding.result {
            Outcome::Denied | Outcome::Failed => SarifLevel::Error,
            Outcome::Warned => SarifLevel::Warning,
            Outcome::WouldDeny | Outcome::WouldChange => SarifLevel::Note,
        },
        message: told(finding),
        file: place.and_then(|place| file(&place.file)),
        line: finding.field_line.or(place.map(|place| place.line)).and_then(line),
        column: None,
        help: None,
        subject: Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")),
    }
}

/// A pipe is no file that anybody could open.
fn file(name: &str) -> Option<String> {
    (!name.starts_with('<')).then(|| name.to_owned())
}

fn line(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}

fn told(finding: &Finding) -> String {
    let said = match finding.result {
        Outcome::Denied | Outcome::Warned => finding.message.clone(),
        other => format!("{}: {}", other.as_str(), finding.message),
    };
    finding.field.as_ref().map_or_else(|| said.clone(), |field| format!("{said} ({field})"))
}

/// Each policy is a suite. A case is a finding; where there is none, all objects are one case.
pub(super) fn as_junit(report: &Report) -> anyhow::Result<String> {
    let mut cases: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for finding in &report.findings {
        let subject = &finding.subject;
        let summary = told(finding);
        let detail = [&finding.place(), &summary].map(String::as_str).join("\n").trim_start().to_owned();
        let result = if finding.result.refuses() { CaseResult::Failed { summary, detail } } else { CaseResult::Passed };
        let name = format!("{} {}", subject.kind, subject.full_name());
        let class = Some(finding.place()).filter(|place| !place.is_empty());
        cases.entry(&finding.policy).or_default().push(case(name, class.as_deref().unwrap_or(&finding.policy), result));
    }
    let mut suites = Vec::new();
    for (policy, tally) in &report.policies {
        let mut of_policy = cases.remove(&**policy).unwrap_or_default();
        if of_policy.is_empty() && tally.objects > 0 {
            of_policy.push(case(format!("{} objects", tally.objects), policy, CaseResult::Passed));
        }
        suites.push(Suite { name: policy.to_string(), cases: of_policy });
    }
    let unreadable = report.unreadable.iter().map(|unreadable| {
        let detail = unreadable.to_string();
        case(unreadable.file.clone(), UNREADABLE, CaseResult::Failed { summary: unreadable.cause.clone(), detail })
    });
    if !report.unreadable.is_empty() {
        suites.push(Suite { name: UNREADABLE.to_owned(), cases: unreadable.collect() });
    }
    junit("bylaw scan", suites)
}

fn case(name: String, class: &str, result: CaseResult) -> Case {
    Case { name, class: class.to_owned(), time: Duration::ZERO, result }
}
