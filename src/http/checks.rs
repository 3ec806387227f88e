//! What the process knows about its own health: named checks that other folders set and probes read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

/// Lines of detail one check may have on the page.
const MAX_DETAILS: usize = 100;
/// Bytes of one line of detail: file, line, column and a code frame fit.
const MAX_LINE: usize = 2_048;

/// Which probe a check gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `/livez` too: while it fails, a restart is what helps.
    Live,
    /// `/readyz`: while it fails, others should get the requests.
    Ready,
}

#[derive(Debug)]
struct Check {
    gate: Gate,
    result: Result<(), String>,
    details: Vec<String>,
}

/// The registry. A check that was never set does not exist; an empty registry passes.
#[derive(Debug, Default)]
pub struct Checks(RwLock<BTreeMap<&'static str, Check>>);

impl Checks {
    /// Sets a check, keeping its details. `Err` holds the reason for a reader of `?verbose`.
    pub fn set(&self, name: &'static str, gate: Gate, result: Result<(), String>) {
        let mut checks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let check = checks.entry(name).or_insert_with(|| Check { gate, result: Ok(()), details: Vec::new() });
        check.gate = gate;
        check.result = result;
    }

    /// Replaces the lines shown under a check, whether it passes or not: for `policies`, one for each policy whose
    /// latest source is not being served, and why.
    pub fn set_details(&self, name: &'static str, details: Vec<String>) {
        let mut checks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let check =
            checks.entry(name).or_insert_with(|| Check { gate: Gate::Ready, result: Ok(()), details: Vec::new() });
        check.details = bounded(details);
    }

    /// Whether every check of a probe passes.
    pub fn passes(&self, gate: Gate) -> bool {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        checks.values().filter(|check| gates(check.gate, gate)).all(|check| check.result.is_ok())
    }

    /// Every check of a probe with its reason, in the format of kube-apiserver's health endpoints.
    pub(super) fn report(&self, gate: Gate, probe: &str) -> (bool, String) {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::from("[+]ping ok\n");
        let mut passes = true;
        for (name, check) in checks.iter().filter(|(_, check)| gates(check.gate, gate)) {
            // Writing into a String cannot fail.
            let _ = match &check.result {
                Ok(()) => writeln!(page, "[+]{name} ok"),
                Err(reason) => writeln!(page, "[-]{name} failed: {reason}"),
            };
            passes &= check.result.is_ok();
            for line in check.details.iter().flat_map(|detail| detail.lines()) {
                let _ = writeln!(page, "    {line}");
            }
        }
        let _ = writeln!(page, "{probe} check {}", if passes { "passed" } else { "failed" });
        (passes, page)
    }
}

/// A check of liveness gates readiness too.
fn gates(check: Gate, probe: Gate) -> bool {
    check == Gate::Live || probe == Gate::Ready
}

fn bounded(mut details: Vec<String>) -> Vec<String> {
    let beyond = details.len().saturating_sub(MAX_DETAILS);
    details.truncate(MAX_DETAILS);
    for detail in &mut details {
        if detail.len() > MAX_LINE {
            detail.truncate(detail.floor_char_boundary(MAX_LINE));
            detail.push('…');
        }
    }
    if beyond > 0 {
        details.push(format!("and {beyond} more"));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_like_kube_apiservers() {
        let checks = Checks::default();
        checks.set("policies", Gate::Ready, Ok(()));
        checks.set_details("policies", vec!["a.ts:3:7 broken; revision 5ee still serving\n  3 | deny(\n".to_owned()]);
        checks.set("certificate", Gate::Ready, Err("it has expired".to_owned()));
        let (passes, page) = checks.report(Gate::Ready, "readyz");
        assert!(!passes);
        assert_eq!(
            page,
            "[+]ping ok\n[-]certificate failed: it has expired\n[+]policies ok\n    \
             a.ts:3:7 broken; revision 5ee still serving\n      3 | deny(\nreadyz check failed\n"
        );
        assert_eq!(checks.report(Gate::Live, "livez"), (true, "[+]ping ok\nlivez check passed\n".to_owned()));
    }

    #[test]
    fn a_check_of_liveness_gates_readiness_too() {
        let checks = Checks::default();
        checks.set("isolates", Gate::Live, Err("out of memory".to_owned()));
        assert!(!checks.passes(Gate::Live) && !checks.passes(Gate::Ready));
        checks.set("isolates", Gate::Live, Ok(()));
        assert!(checks.passes(Gate::Live) && checks.passes(Gate::Ready));
    }

    #[test]
    fn details_are_bounded_in_number_and_length() {
        let checks = Checks::default();
        checks.set_details("policies", vec!["é".repeat(MAX_LINE); 500]);
        let (_, page) = checks.report(Gate::Ready, "readyz");
        assert_eq!(page.lines().count(), MAX_DETAILS + 4);
        assert!(page.contains("and 400 more"));
        assert!(page.len() < MAX_DETAILS * (MAX_LINE + 20));
    }
}
