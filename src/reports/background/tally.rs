//! What one scan found, by namespace: everything counted, some of it kept.

use std::collections::BTreeMap;

use serde::Serialize;

use super::memory::Memory;
use crate::reports::violation::{Action, Violation};

/// Results of one namespace: some hundred kilobytes of one object.
const MOST_OF_NAMESPACE: usize = 500;

/// Results of all namespaces that are held at once.
const MOST: usize = 50_000;

/// `summary` of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub pass: u32,
    pub fail: u32,
    pub warn: u32,
    pub error: u32,
    pub skip: u32,
}

impl Counts {
    pub const fn is_nothing(&self) -> bool {
        self.pass == 0 && self.fail == 0 && self.warn == 0 && self.error == 0 && self.skip == 0
    }
}

/// What was found in one namespace; an empty name is for the cluster.
#[derive(Debug, Default)]
pub struct ScanReport {
    pub namespace: String,
    pub violations: Vec<Violation>,
    pub counts: Counts,
}

#[derive(Default)]
pub(super) struct Tally {
    pub objects: usize,
    kept: usize,
    namespaces: BTreeMap<String, ScanReport>,
}

impl Tally {
    pub(super) fn pass(&mut self, namespace: &str, passes: u32) {
        let counts = &mut self.of(namespace).counts;
        counts.pass = counts.pass.saturating_add(passes);
    }

    pub(super) fn take(&mut self, violation: Violation) {
        let may_keep = self.kept < MOST;
        let report = self.of(violation.asked.home());
        let counts = &mut report.counts;
        let count = match violation.action {
            _ if violation.exception.is_some() => &mut counts.skip,
            _ if violation.is_failure => &mut counts.error,
            Action::Deny => &mut counts.fail,
            Action::Warn => &mut counts.warn,
            Action::Dry | Action::Controller => &mut counts.skip,
        };
        *count = count.saturating_add(1);
        if may_keep && report.violations.len() < MOST_OF_NAMESPACE {
            report.violations.push(violation);
            self.kept += 1;
        }
    }

    /// The reports, and empty ones for namespaces that had one and have nothing left.
    pub(super) fn into_reports(mut self, memory: &mut Memory) -> impl Iterator<Item = ScanReport> {
        for namespace in memory.reported.take().unwrap_or_default() {
            self.of(&namespace);
        }
        let lasting = self.namespaces.values().filter(|report| !report.counts.is_nothing());
        memory.reported = Some(lasting.map(|report| report.namespace.clone()).collect());
        self.namespaces.into_values()
    }

    fn of(&mut self, namespace: &str) -> &mut ScanReport {
        let made = || ScanReport { namespace: namespace.to_owned(), ..ScanReport::default() };
        self.namespaces.entry(namespace.to_owned()).or_insert_with(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Enforcement;
    use crate::reports::testing::violation;

    #[test]
    fn everything_is_counted_and_some_of_it_kept() {
        let mut tally = Tally::default();
        tally.pass("shop", 7);
        (0..600).for_each(|at| tally.take(violation("a.b.c", &at.to_string(), at)));
        let warned = Violation { action: Action::from(Enforcement::Warn), ..violation("a.b.c", "w", 0) };
        let excepted = Violation { exception: Some("e".into()), ..violation("a.b.c", "e", 0) };
        tally.take(warned);
        tally.take(excepted);
        let reports: Vec<ScanReport> = tally.into_reports(&mut Memory::default()).collect();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].counts, Counts { pass: 7, fail: 600, warn: 1, error: 0, skip: 1 });
        assert_eq!(reports[0].violations.len(), MOST_OF_NAMESPACE);
    }

    #[test]
    fn a_namespace_with_nothing_left_is_told_of_once() {
        let mut memory = Memory::default();
        let mut tally = Tally::default();
        tally.pass("shop", 1);
        assert_eq!(tally.into_reports(&mut memory).count(), 1);
        let emptied: Vec<ScanReport> = Tally::default().into_reports(&mut memory).collect();
        assert!(emptied.len() == 1 && emptied[0].namespace == "shop" && emptied[0].counts.is_nothing());
        assert_eq!(Tally::default().into_reports(&mut memory).count(), 0);
    }
}
