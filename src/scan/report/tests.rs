use std::sync::Arc;

use super::*;
use crate::scan::{Place, Subject};

fn subject(namespace: &str, name: &str, line: u64) -> Arc<Subject> {
    Arc::new(Subject {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        place: Some(Place { file: "pods.yaml".into(), line }),
    })
}

fn report() -> Report {
    let mut report = Report::default();
    let about = About {
        category: Some("Pods & more".to_owned()),
        severity: Some(crate::policy::Severity::High),
        ..About::default()
    };
    report.policies.insert("no-root.example".into(), Tally::of(&about));
    report.policies.insert("stamp.example".into(), Tally::default());
    let mut denied =
        Finding::new(Outcome::Denied, "no-root.example".into(), subject("shop", "web", 3), "<b>may be root</b>");
    denied.field = Some("spec.containers[0].image".to_owned());
    denied.field_line = Some(9);
    let mut changed =
        Finding::new(Outcome::WouldChange, "stamp.example".into(), subject("", "node", 12), "1 operation");
    changed.operations = Some(1);
    changed.patch = Some(json!([{"op": "add", "path": "/metadata/labels/x", "value": "\"'</script>"}]));
    let asked = vec![Arc::from("no-root.example")];
    report.take(Checked { asked: asked.clone(), findings: vec![denied] });
    report.take(Checked { asked: asked.clone(), findings: vec![changed] });
    report.take(Checked { asked, findings: Vec::new() });
    let cause = "the manifest has no kind".to_owned();
    report.pass_over(Unreadable { file: "pods.yaml".to_owned(), line: 20, column: 0, cause });
    report.skip("v1/Secret".to_owned(), "secrets is forbidden".to_owned());
    report
}

#[test]
fn the_table_has_a_line_for_each_finding_and_a_sum() {
    insta::assert_snapshot!(table(&report(), false));
}

#[test]
fn only_the_result_is_coloured() {
    let coloured = table(&report(), true);
    assert!(coloured.contains("\u{1b}[31mdenied\u{1b}[0m") && coloured.contains("\u{1b}[36mwould change\u{1b}[0m"));
    let plain = coloured.replace("\u{1b}[31m", "").replace("\u{1b}[36m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, table(&report(), false));
}

#[test]
fn programs_get_every_field() {
    insta::assert_snapshot!(format!("{:#}", report().json()));
}

#[test]
fn the_page_holds_no_markup_of_others() {
    let page = html(&report());
    assert!(page.contains("&lt;b&gt;may be root&lt;/b&gt;") && page.contains("Pods &amp; more"), "{page}");
    assert!(page.contains("\\&quot;&#39;&lt;/script&gt;"), "{page}");
    assert_eq!((page.matches("<b>").count(), page.matches("</script>").count()), (0, 1));
}

#[test]
fn the_page_needs_nothing_else_and_reads_in_light_and_dark() {
    let page = html(&report());
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(page.contains("default-src &#39;none&#39;") && page.contains("light-dark("));
    for filter in ["name=\"policy\"", "name=\"namespace\"", "name=\"severity\"", "data-namespace=\"(cluster)\""] {
        assert!(page.contains(filter), "{filter}");
    }
}

#[test]
fn what_is_not_listed_is_counted() {
    let mut report = Report::default();
    let finding = Finding::new(Outcome::Denied, "p".into(), subject("a", "b", 1), "no");
    let many = vec![finding; LISTED + 5];
    report.take(Checked { asked: Vec::new(), findings: many });
    assert_eq!((report.findings.len(), report.counts.unlisted, report.counts.denied), (LISTED, 5, 1));
    assert!(table(&report, false).contains("and 5 more\n"));
    assert_eq!(report.policies["p"].findings[&Outcome::Denied], LISTED as u64 + 5);
}
