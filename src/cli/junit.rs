//! Results as `JUnit` XML, which every CI reads: suites of cases, each passed, failed or broken.

use std::time::Duration;

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// What is shown as one group.
#[derive(Debug)]
pub(super) struct Suite {
    pub name: String,
    pub cases: Vec<Case>,
}

#[derive(Debug)]
pub(super) struct Case {
    pub name: String,
    /// Where it is written: most viewers group by it.
    pub class: String,
    pub time: Duration,
    pub result: CaseResult,
}

/// `summary` is one line, `detail` many.
#[derive(Debug)]
pub(super) enum CaseResult {
    Passed,
    /// The answer was another one than the expected.
    Failed {
        summary: String,
        detail: String,
    },
}

/// The whole document.
pub(super) fn junit(name: &str, suites: Vec<Suite>) -> anyhow::Result<String> {
    let mut report = Report::new(name);
    for Suite { name, cases } in suites {
        let mut suite = TestSuite::new(name);
        let time: Duration = cases.iter().map(|case| case.time).sum();
        suite.set_time(time);
        suite.add_test_cases(cases.into_iter().map(test_case));
        report.add_test_suite(suite);
    }
    report.to_string().context("cannot write JUnit XML")
}

fn test_case(Case { name, class, time, result }: Case) -> TestCase {
    let status = match result {
        CaseResult::Passed => TestCaseStatus::success(),
        CaseResult::Failed { summary, detail } => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(summary).set_description(detail);
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(class).set_time(time);
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_times_and_texts_are_what_a_ci_reads() {
        let case = |name: &str, result| Case {
            name: name.to_owned(),
            class: "a/cases/b.yaml".to_owned(),
            time: Duration::from_millis(1),
            result,
        };
        let failed = CaseResult::Failed { summary: "allowed".to_owned(), detail: "<&> \u{1b}[31mred\u{7}".to_owned() };
        let cases = vec![case("good", CaseResult::Passed), case("bad \"name\"", failed)];
        let text = junit("bylaw test", vec![Suite { name: "a".to_owned(), cases }]).unwrap();
        for part in [
            r#"<testsuites name="bylaw test" tests="2" skipped="0" failures="1" errors="0""#,
            r#"<testsuite name="a" tests="2" skipped="0" errors="0" failures="1" time="0.002""#,
            r#"<testcase name="good" classname="a/cases/b.yaml" time="0.001""#,
            r#"<testcase name="bad &quot;name&quot;""#,
            r#"<failure message="allowed">&lt;&amp;&gt; red</failure>"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
