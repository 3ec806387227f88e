//! What is written, and how much of it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::background::Shard;
use super::pace::WRITES_A_MINUTE;
use crate::policy::Pattern;

/// jsPolicy's default of `POLICY_REPORT_MAX_EVENTS`.
const REPORT_SIZE: u32 = 50;

/// As often as the peers do.
const SCAN_INTERVAL: u64 = 3_600;

/// Results of one report, whatever is asked for: it is one object.
const MOST_OF_REPORT: u32 = 1_000;

/// Where denials are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// `JsPolicyViolations`, one for each policy
    Violations,
    /// `PolicyReport` and `ClusterPolicyReport` of wgpolicyk8s.io/v1alpha2
    PolicyReports,
    /// `Report` and `ClusterReport` of openreports.io/v1alpha1
    OpenReports,
    /// Events
    Events,
    /// Nowhere in the cluster
    #[value(name = "none")]
    #[serde(rename = "none")]
    Nowhere,
}

/// The settings of `bylaw serve` that concern what is told of denials, and who is excepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReportSettings {
    /// Where denials are told in the cluster, by commas [default: violations]
    #[arg(long = "report", value_name = "KIND", value_enum, value_delimiter = ',', env = "BYLAW_REPORT")]
    pub kinds: Vec<ReportKind>,
    /// Results that one policy report keeps [default: 50]
    #[arg(long = "report-size", value_name = "NUMBER", env = "POLICY_REPORT_MAX_EVENTS")]
    pub size: Option<u32>,
    /// Most writes of violations, reports and events in a minute [default: 25]
    #[arg(long = "report-writes", value_name = "NUMBER", env = "BYLAW_REPORT_WRITES")]
    pub writes: Option<u32>,
    /// A policy that a `PolicyException` of the cluster may except from, with `*` for any part of its name; may be given
    /// many times [default: none]
    #[arg(long = "allow-exceptions", value_name = "POLICY", value_delimiter = ',', env = "BYLAW_ALLOW_EXCEPTIONS")]
    pub allow_exceptions: Vec<String>,
    /// Seconds between two scans of what exists, for policies with `background: true` [default: 3600]
    #[arg(long = "scan-interval", value_name = "SECONDS", env = "BYLAW_SCAN_INTERVAL")]
    pub scan_interval: Option<u64>,
    /// Scan the namespaces of one part only, such as 0/3, 1/3, 2/3 on three replicas [default: the one that leads scans all]
    #[arg(long = "scan-shard", value_name = "PART/PARTS", env = "BYLAW_SCAN_SHARD")]
    pub scan_shard: Option<Shard>,
}

impl ReportSettings {
    /// Each of `self`, or where it is absent, of `file`.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let either = |own: Vec<String>, other| if own.is_empty() { other } else { own };
        Self {
            kinds: if self.kinds.is_empty() { file.kinds } else { self.kinds },
            size: self.size.or(file.size),
            writes: self.writes.or(file.writes),
            allow_exceptions: either(self.allow_exceptions, file.allow_exceptions),
            scan_interval: self.scan_interval.or(file.scan_interval),
            scan_shard: self.scan_shard.or(file.scan_shard),
        }
    }

    /// jsPolicy's `ENABLE_POLICY_REPORTS=true` puts policy reports in the place of violations.
    #[must_use]
    pub fn kinds(&self) -> Vec<ReportKind> {
        let as_reports = || std::env::var_os("ENABLE_POLICY_REPORTS").is_some_and(|value| value == "true");
        match &*self.kinds {
            [] if as_reports() => vec![ReportKind::PolicyReports],
            [] => vec![ReportKind::Violations],
            given if given.contains(&ReportKind::Nowhere) => Vec::new(),
            given => given.to_vec(),
        }
    }

    /// The policies that a `PolicyException` of the cluster may except from.
    #[must_use]
    pub fn allowed(&self) -> Arc<[Pattern]> {
        self.allow_exceptions.iter().filter_map(|text| Pattern::parse(text)).collect()
    }

    #[must_use]
    pub fn scan_interval(&self) -> Duration {
        Duration::from_secs(self.scan_interval.unwrap_or(SCAN_INTERVAL).max(1))
    }

    #[must_use]
    pub fn size(&self) -> usize {
        self.size.unwrap_or(REPORT_SIZE).clamp(1, MOST_OF_REPORT) as usize
    }

    #[must_use]
    pub fn writes(&self) -> u32 {
        self.writes.unwrap_or(WRITES_A_MINUTE).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_are_written_where_nothing_else_is_asked_for() {
        assert_eq!(ReportSettings::default().kinds(), [ReportKind::Violations]);
        let kinds = vec![ReportKind::Events, ReportKind::Nowhere];
        assert!(ReportSettings { kinds, ..ReportSettings::default() }.kinds().is_empty());
    }

    #[test]
    fn no_report_is_without_end() {
        let size = |size| ReportSettings { size: Some(size), ..ReportSettings::default() }.size();
        assert_eq!((size(0), size(3), size(1_000_000), ReportSettings::default().size()), (1, 3, 1_000, 50));
    }
}
