//! The README lists the metrics: those that `/metrics` shows, no more and no fewer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Metrics;

/// As a query names them: `# TYPE` leaves out what the format puts behind the name.
fn shown() -> BTreeSet<String> {
    let page = Arc::new(Metrics::default()).render();
    let name = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let end = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        Some(format!("{name}{end}"))
    };
    page.lines().filter_map(name).collect()
}

fn listed() -> BTreeSet<String> {
    let (_, section) = include_str!("../../README.md").split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let names = |row: &str| -> Option<Vec<String>> {
        let cell = row.strip_prefix("| `")?.split(" | ").next()?;
        let words = format!("`{cell}");
        let names =
            words.split('`').skip(1).step_by(2).map(|name| name.split('{').next().unwrap_or_default().to_owned());
        Some(names.collect())
    };
    section.lines().filter_map(names).flatten().collect()
}

#[test]
fn the_readme_lists_the_metrics_that_there_are() {
    assert_eq!(listed(), shown());
}
