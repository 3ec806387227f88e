//! What was carried over, what was not, and why: for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// The answer of a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub carried: usize,
    pub left: usize,
    pub policies: Vec<PolicyReport>,
    /// Files and documents that are no policies, or could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyReport {
    pub name: String,
    /// Where it was found.
    pub source: String,
    /// Where it is now, in the new folder.
    pub file: String,
    pub carried: bool,
    /// Why it was left as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether Bylaw runs it as it is: all but those of type Controller, for now.
    pub runs: bool,
    /// Reviews on which both said the same.
    pub compared: usize,
    /// Cases written of them.
    pub cases: usize,
    /// What differs without a difference in verdicts, and what has no counterpart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Report {
    /// Sorts the policies by name, and counts them.
    #[must_use]
    pub fn new(mut policies: Vec<PolicyReport>, notes: Vec<String>) -> Self {
        policies.sort_by(|left, right| left.name.cmp(&right.name));
        let carried = policies.iter().filter(|policy| policy.carried).count();
        Self { carried, left: policies.len() - carried, policies, notes }
    }

    /// The table that a person reads.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.policies.iter().map(|policy| policy.name.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        for policy in &self.policies {
            let PolicyReport { name, file, compared, cases, .. } = policy;
            let _ = match &policy.reason {
                None => writeln!(text, "carried  {name:width$}  {file}, {compared} reviews alike, {cases} cases"),
                Some(reason) => writeln!(text, "left     {name:width$}  {}", indented(reason)),
            };
            for note in &policy.notes {
                let _ = writeln!(text, "         {:width$}  note: {}", "", indented(note));
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let idle = self.policies.iter().filter(|policy| !policy.runs).count();
        let left = match (self.left, idle) {
            (0, _) => String::new(),
            (left, 0) => format!(", {left} left as they are (Bylaw runs those too)"),
            (left, idle) => {
                format!(", {left} left as they are (Bylaw runs those too, but not yet the {idle} of type Controller)")
            }
        };
        let _ = writeln!(text, "{} of {} policies carried over{left}", self.carried, self.policies.len());
        text
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n           ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, reason: Option<&str>) -> PolicyReport {
        PolicyReport {
            name: name.to_owned(),
            source: "p.yaml".to_owned(),
            file: format!("{name}/policy.ts"),
            carried: reason.is_none(),
            reason: reason.map(str::to_owned),
            runs: true,
            compared: 12,
            cases: 3,
            notes: vec!["line 2: a note".to_owned()],
        }
    }

    #[test]
    fn the_table_says_what_was_carried_and_why_the_rest_was_not() {
        let report = Report::new(vec![policy("b.b.b", Some("line 3: it\nis so")), policy("a.a.a", None)], vec![]);
        assert_eq!(
            report.text(),
            "carried  a.a.a  a.a.a/policy.ts, 12 reviews alike, 3 cases\n\
             \x20               note: line 2: a note\n\
             left     b.b.b  line 3: it\n           is so\n\
             \x20               note: line 2: a note\n\
             1 of 2 policies carried over, 1 left as they are (Bylaw runs those too)\n"
        );
    }

    #[test]
    fn controllers_are_not_said_to_run() {
        let idle = PolicyReport { runs: false, ..policy("a.a.a", Some("of type Controller")) };
        let text = Report::new(vec![idle, policy("b.b.b", Some("x"))], vec![]).text();
        let last = "0 of 2 policies carried over, 2 left as they are (Bylaw runs those too, but not yet the 1 of type Controller)";
        assert_eq!(text.lines().last(), Some(last));
    }
}
