//! The report for people: one line a finding, columns as wide as they must be.

use std::fmt::Write as _;

use super::Report;
use crate::scan::{Finding, Outcome};

/// Wider columns are not padded: one long name must not push all others apart.
const WIDEST: usize = 48;

const HEAD: [&str; 6] = ["RESULT", "SEVERITY", "OBJECT", "POLICY", "PLACE", "MESSAGE"];

/// The findings as a table, then what could not be judged, then one line that sums it up.
#[must_use]
pub fn table(report: &Report, with_colours: bool) -> String {
    let rows: Vec<[String; 6]> = report.findings.iter().map(|finding| row(report, finding)).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
            let head = HEAD.get(column).map_or(0, |head| head.len());
            cells.filter(|width| *width <= WIDEST).max().unwrap_or(0).max(head)
        };
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        line(&mut text, &HEAD.map(str::to_owned), &widths, None);
        for (row, finding) in rows.iter().zip(&report.findings) {
            line(&mut text, row, &widths, with_colours.then(|| colour(finding.result)));
            steps(&mut text, finding);
        }
        if report.counts.unlisted > 0 {
            let _ = writeln!(text, "and {} more", report.counts.unlisted);
        }
        text.push('\n');
    }
    for unreadable in &report.unreadable {
        let _ = writeln!(text, "unreadable  {}", one_line(&unreadable.to_string()));
    }
    for skipped in &report.skipped {
        let _ = writeln!(text, "skipped  {}: {}", skipped.kind, one_line(&skipped.cause));
    }
    let _ = writeln!(text, "{}", report.summary());
    text
}

fn row(report: &Report, finding: &Finding) -> [String; 6] {
    let subject = &finding.subject;
    let message = match &finding.field {
        Some(field) => format!("{} ({field})", finding.message),
        None => finding.message.clone(),
    };
    [
        finding.result.as_str().to_owned(),
        report.severity(finding).unwrap_or("-").to_owned(),
        one_line(&format!("{} {}", subject.kind, subject.full_name())),
        finding.policy.to_string(),
        Some(finding.place())
            .filter(|place| !place.is_empty())
            .map_or_else(|| "-".to_owned(), |place| one_line(&place)),
        one_line(&message),
    ]
}

fn line(text: &mut String, row: &[String; 6], widths: &[usize], colour: Option<&str>) {
    for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
        // The last column ends where its text does.
        let padding = if at + 1 == row.len() { 0 } else { width.saturating_sub(cell.chars().count()) + 2 };
        match colour.filter(|_| at == 0) {
            Some(colour) => drop(write!(text, "{colour}{cell}\u{1b}[0m{:padding$}", "")),
            None => drop(write!(text, "{cell}{:padding$}", "")),
        }
    }
    text.push('\n');
}

/// What a mutation would do, where it was asked for.
fn steps(text: &mut String, finding: &Finding) {
    let steps = finding.patch.as_ref().and_then(|patch| patch.as_array()).into_iter().flatten();
    for step in steps {
        let field = |name: &str| step.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let value = step.get("value").map(|value| format!(" = {value}")).unwrap_or_default();
        let _ = writeln!(text, "    {} {}{}", field("op"), one_line(field("path")), one_line(&value));
    }
}

const fn colour(result: Outcome) -> &'static str {
    match result {
        Outcome::Denied | Outcome::Failed => "\u{1b}[31m",
        Outcome::Warned | Outcome::WouldDeny => "\u{1b}[33m",
        Outcome::WouldChange => "\u{1b}[36m",
    }
}

fn one_line(text: &str) -> String {
    text.replace(|character: char| character.is_control(), " ")
}
