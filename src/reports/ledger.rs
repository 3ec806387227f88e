//! What is yet to be written: violations by where they go, each only as often as it is different, none beyond the caps.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::count;
use super::violation::Violation;

/// How long a first violation waits for others that go to the same place.
const COLLECTED_FOR: Duration = Duration::from_secs(1);

/// Places that are kept at once. A flood over thousands of namespaces must not fill the memory.
const MOST_TARGETS: usize = 2_000;

/// Violations that are kept at once, over all places: some ten megabytes.
const MOST_VIOLATIONS: usize = 20_000;

/// Where violations go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The `JsPolicyViolations` of a policy.
    Violations { policy: std::sync::Arc<str> },
    /// The report of a namespace, or with an empty name that of the cluster.
    Report { api: ReportApi, namespace: String },
    /// The Events of a namespace.
    Events { namespace: String },
}

/// The two APIs of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportApi {
    /// `wgpolicyk8s.io/v1alpha2`
    PolicyReports,
    /// `openreports.io/v1alpha1`
    OpenReports,
}

/// What is written apart from the rest, so that a flood of one kind keeps none of the others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Violations,
    Report(ReportApi, bool),
    Events,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Violations,
        Self::Report(ReportApi::PolicyReports, true),
        Self::Report(ReportApi::PolicyReports, false),
        Self::Report(ReportApi::OpenReports, true),
        Self::Report(ReportApi::OpenReports, false),
        Self::Events,
    ];
}

impl Target {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Violations { .. } => Kind::Violations,
            Self::Report { api, namespace } => Kind::Report(*api, !namespace.is_empty()),
            Self::Events { .. } => Kind::Events,
        }
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    targets: HashMap<Target, Pending>,
    violations: usize,
    /// How often something was taken: whose turn it is.
    turns: usize,
}

#[derive(Debug)]
struct Pending {
    /// The oldest first.
    violations: VecDeque<Violation>,
    due: Instant,
}

impl Ledger {
    /// Takes one in; `cap` is what the target keeps. How many were lost for it: they were never written.
    pub fn add(&mut self, target: Target, violation: Violation, cap: usize, now: Instant) -> u64 {
        self.insert(target, [violation], cap, now + COLLECTED_FOR)
    }

    /// Takes back what could not be written; what came since is newer.
    pub fn put_back(&mut self, target: Target, violations: Vec<Violation>, cap: usize, due: Instant) -> u64 {
        let since = self.targets.remove(&target).map(|pending| pending.violations).unwrap_or_default();
        self.violations -= since.len();
        self.insert(target, violations.into_iter().chain(since), cap, due)
    }

    /// When there is something to write.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.targets.values().map(|pending| pending.due).min()
    }

    /// Of the kind whose turn it is, what has waited longest.
    pub fn take(&mut self, now: Instant) -> Option<(Target, Vec<Violation>)> {
        let kinds = Kind::ALL.iter().cycle().skip(self.turns % Kind::ALL.len()).take(Kind::ALL.len());
        let first_of = |kind: &Kind| {
            let due = self.targets.iter().filter(|(target, pending)| pending.due <= now && target.kind() == *kind);
            due.min_by_key(|(_, pending)| pending.due).map(|(target, _)| target.clone())
        };
        let (passed, target) = kinds.enumerate().find_map(|(passed, kind)| Some((passed, first_of(kind)?)))?;
        self.turns += passed + 1;
        let pending = self.targets.remove(&target)?;
        self.violations -= pending.violations.len();
        Some((target, pending.violations.into()))
    }

    fn insert(
        &mut self,
        target: Target,
        violations: impl IntoIterator<Item = Violation>,
        cap: usize,
        due: Instant,
    ) -> u64 {
        // Policies are as many as there are; namespaces as many as requests name.
        let is_bounded = matches!(target, Target::Violations { .. });
        if !is_bounded && self.targets.len() >= MOST_TARGETS && !self.targets.contains_key(&target) {
            return count(violations.into_iter().count());
        }
        let mut lost = 0;
        let pending = self.targets.entry(target).or_insert_with(|| Pending { violations: VecDeque::new(), due });
        for mut violation in violations {
            let known = pending.violations.iter().position(|other| other.is_like(&violation));
            if let Some(known) = known.and_then(|at| pending.violations.remove(at)) {
                violation.times = violation.times.saturating_add(known.times);
                pending.violations.push_back(violation);
                continue;
            }
            if pending.violations.len() >= cap.max(1) || self.violations >= MOST_VIOLATIONS {
                let oldest = pending.violations.pop_front();
                self.violations -= usize::from(oldest.is_some());
                lost += 1;
                if oldest.is_none() {
                    continue;
                }
            }
            pending.violations.push_back(violation);
            self.violations += 1;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::violation;
    use super::*;

    fn of(policy: &str) -> Target {
        Target::Violations { policy: policy.into() }
    }

    fn names(taken: Option<(Target, Vec<Violation>)>) -> Vec<String> {
        taken.unwrap().1.iter().map(|violation| violation.asked.name.clone()).collect()
    }

    #[test]
    fn what_is_said_again_is_kept_once_and_counted() {
        let (mut ledger, mut now) = (Ledger::default(), Instant::now());
        for (at, name) in ["a", "b", "a", "a"].into_iter().enumerate() {
            ledger.add(of("p"), violation("p", name, i64::try_from(at).unwrap()), 20, now);
        }
        assert!(ledger.take(now).is_none(), "others may come");
        now += COLLECTED_FOR;
        let (_, taken) = ledger.take(now).unwrap();
        let kept: Vec<_> = taken.iter().map(|one| (&*one.asked.name, one.times, one.at)).collect();
        assert_eq!(kept, [("b", 1, 1), ("a", 3, 3)]);
        assert_eq!((ledger.due(), ledger.violations), (None, 0));
    }

    #[test]
    fn a_target_keeps_the_newest_and_counts_what_it_lost() {
        let (mut ledger, mut now) = (Ledger::default(), Instant::now());
        let lost: u64 = (0..100).map(|at| ledger.add(of("p"), violation("p", &at.to_string(), at), 3, now)).sum();
        assert_eq!((lost, ledger.violations), (97, 3));
        now += COLLECTED_FOR;
        assert_eq!(names(ledger.take(now)), ["97", "98", "99"]);
    }

    #[test]
    fn all_targets_together_are_bounded() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let mut lost = 0;
        for at in 0..MOST_TARGETS + 5 {
            for name in 0..12 {
                let target = Target::Events { namespace: at.to_string() };
                lost += ledger.add(target, violation("p", &name.to_string(), 0), 40, now);
            }
        }
        assert_eq!((ledger.targets.len(), ledger.violations), (MOST_TARGETS, MOST_VIOLATIONS));
        assert_eq!(lost, (MOST_TARGETS as u64 + 5) * 12 - MOST_VIOLATIONS as u64);
        assert_eq!(
            ledger.add(of("p"), violation("p", "a", 0), 20, now),
            1,
            "there is room for the place, not for the violation"
        );
    }

    #[test]
    fn a_flood_of_one_kind_keeps_no_other_waiting() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        for at in 0..100 {
            let report = Target::Report { api: ReportApi::PolicyReports, namespace: at.to_string() };
            ledger.add(report, violation("p", "a", 0), 20, now);
            ledger.add(Target::Events { namespace: at.to_string() }, violation("p", "a", 0), 20, now);
        }
        ledger.add(of("p"), violation("p", "a", 0), 20, now + Duration::from_millis(1));
        let later = now + COLLECTED_FOR * 2;
        let taken: Vec<Kind> = (0..4).map(|_| ledger.take(later).unwrap().0.kind()).collect();
        let report = Kind::Report(ReportApi::PolicyReports, true);
        assert_eq!(taken, [Kind::Violations, report, Kind::Events, report]);
    }

    #[test]
    fn what_waits_longest_is_written_first_and_what_failed_waits_again() {
        let (mut ledger, mut now) = (Ledger::default(), Instant::now());
        ledger.add(of("p"), violation("p", "a", 0), 20, now);
        now += Duration::from_millis(10);
        ledger.add(of("q"), violation("q", "b", 0), 20, now);
        now += COLLECTED_FOR;
        let (target, taken) = ledger.take(now).unwrap();
        assert_eq!(target, of("p"));
        ledger.add(of("p"), violation("p", "c", 1), 20, now);
        ledger.put_back(target, taken, 20, now + Duration::from_mins(1));
        assert_eq!(ledger.take(now).unwrap().0, of("q"));
        assert!(ledger.take(now).is_none());
        now += Duration::from_mins(1);
        assert_eq!(names(ledger.take(now)), ["a", "c"]);
    }
}
