//! What a scan found, written as the reports of its own that each namespace has.

use serde_json::Value;

use super::background::ScanReport;
use super::ledger::ReportApi;
use super::policy_report;
use super::remote::RemoteError;
use super::writer::{ATTEMPTS, Writer, report_path};

/// The report of a scan, in every namespace and in the cluster.
pub(super) const NAME: &str = "bylaw-background-scan";

impl Writer {
    /// A scan comes again: what cannot be written now is written then.
    pub(super) async fn scan_report(&mut self, report: &ScanReport) {
        for api in self.desk.report_apis() {
            if let Err(error) = self.write_scan(api, report).await {
                tracing::warn!(%error, namespace = report.namespace, "what a scan found is not written");
            }
        }
    }

    async fn write_scan(&mut self, api: ReportApi, report: &ScanReport) -> Result<(), RemoteError> {
        let ScanReport { namespace, violations, counts } = report;
        let all = report_path(api, namespace)?;
        let path = format!("{all}/{NAME}");
        let catalog = self.desk.catalog.load_full();
        let about = |policy: &str| catalog.get(policy).map(|revision| &revision.about);
        let results: Vec<Value> =
            violations.iter().map(|one| policy_report::result(api, one, about(&one.policy))).collect();
        for _ in 0..ATTEMPTS {
            let there = self.remote.get(&path).await?;
            let base = there.clone().unwrap_or_else(|| policy_report::new_report(api, NAME, namespace));
            let summary = serde_json::json!(counts);
            let report = policy_report::with_results(&base, results.clone(), Some(summary));
            let written = match &there {
                Some(there) if policy_report::is_unchanged(there, &report) => return Ok(()),
                Some(_) => self.remote.replace(&path, &report).await,
                None if counts.is_nothing() => return Ok(()),
                None => self.remote.create(&all, &report).await,
            };
            match written {
                Err(RemoteError::Conflict) => {}
                written => return written.map(drop),
            }
        }
        Err(RemoteError::Conflict)
    }
}
