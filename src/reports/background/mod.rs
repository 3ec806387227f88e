//! What exists already, judged now and then by the policies that ask for it (`background: true`): a rule that is new, or an
//! object that came in past it, shows in the reports.
//!
//! One replica scans, the one that leads; or each scans the namespaces of its part (`--scan-shard`), so that every report
//! has one writer. A scan lists page by page, judges no faster than a bounded rate, and leaves out objects that were found
//! good before and have not changed since (`resourceVersion`).

mod memory;
mod shard;
mod tally;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::ledger::ReportApi;
use super::policy_report::{ReportType, type_of};
use super::scan_reports::NAME;
use super::settings::ReportSettings;
use super::violation::{Asked, Violation};
use super::writer::Reports;
use crate::cluster::{ClusterError, Kind, Listed, Survey};
use crate::engine::{Engine, deadline};
use crate::operator::Leadership;
use crate::policy::Revision;
use crate::review::{self, Limits, ManifestError, Operation, of_manifest};
use crate::scan::{Target, names_group, targets};
use crate::telemetry::Metrics;
use memory::{Memory, Seen};
pub use shard::Shard;
pub(super) use tally::ScanReport;
use tally::Tally;

/// Who asks about what exists. No policy can take it for a user of the cluster.
const USER: &str = "system:bylaw:background-scan";

/// A thousand objects a second at most, some at a time: requests come first.
const PORTION: usize = 50;
const PAUSE: Duration = Duration::from_millis(50);

/// How soon a change of the policies leads to another scan.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// What is never looked at: it says what was found, or changes all the time and says nothing.
const PASSED_OVER: [&str; 4] = ["wgpolicyk8s.io", "openreports.io", "events.k8s.io", "coordination.k8s.io"];

/// Scans until it is dropped.
pub struct Background {
    survey: Survey,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    leadership: Leadership,
    shard: Option<Shard>,
    interval: Duration,
    reports: mpsc::Sender<ScanReport>,
}

/// Why one object was not judged.
#[derive(Debug, thiserror::Error)]
enum ObjectError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Review(#[from] review::ReviewError),
}

impl Background {
    /// `None` where no kind of report is asked for that could hold what is found.
    #[must_use]
    pub fn new(
        client: Client,
        engine: &Arc<Engine>,
        reports: &Reports,
        (settings, leadership, metrics): (&ReportSettings, Leadership, Arc<Metrics>),
    ) -> Option<Self> {
        let reports = reports.scans()?;
        let (shard, interval) = (settings.scan_shard, settings.scan_interval());
        let engine = Arc::clone(engine);
        Some(Self { survey: Survey::new(client), engine, metrics, leadership, shard, interval, reports })
    }

    pub async fn run(mut self) {
        let mut memory = Memory::default();
        let mut scanned: Vec<Arc<Revision>> = Vec::new();
        let mut last: Option<Instant> = None;
        loop {
            if !self.is_in_charge().await {
                return;
            }
            let policies = self.policies();
            let is_same = policies.len() == scanned.len()
                && policies.iter().zip(&scanned).all(|(one, other)| Arc::ptr_eq(one, other));
            let is_due = last.is_none_or(|last| last.elapsed() >= self.interval);
            if !is_same || is_due && !policies.is_empty() {
                if !is_same {
                    memory.forget();
                }
                match self.scan(&policies, &mut memory).await {
                    Ok(objects) => tracing::info!(objects, policies = policies.len(), "what exists was judged"),
                    Err(error) => tracing::warn!(%error, "what exists could not be judged; it is tried again"),
                }
                scanned = policies;
                last = Some(Instant::now());
            }
            sleep(LOOKS_EVERY.min(self.interval)).await;
        }
    }

    /// False once nobody leads any more.
    async fn is_in_charge(&mut self) -> bool {
        self.shard.is_some() || self.leadership.wait_for(true).await.is_some()
    }

    fn may_go_on(&self) -> bool {
        self.shard.is_some() || self.leadership.is_leader()
    }

    fn policies(&self) -> Vec<Arc<Revision>> {
        let catalog = self.engine.catalog();
        let asks = |revision: &&Arc<Revision>| revision.oversight.background && revision.spec.validates;
        catalog.revisions.iter().filter(asks).cloned().collect()
    }

    /// How many objects were looked at.
    async fn scan(&self, policies: &[Arc<Revision>], memory: &mut Memory) -> Result<usize, ClusterError> {
        let wanted = |group: &str, _: &str| policies.iter().any(|one| names_group(one, group));
        let served = self.survey.served(wanted).await?;
        let is_looked_at = |listed: &Listed| {
            let is_event = listed.kind.group().is_empty() && listed.plural == "events";
            !is_event && !PASSED_OVER.contains(&listed.kind.group())
        };
        let resources: Vec<Listed> = served.resources.into_iter().filter(is_looked_at).collect();
        // What a policy makes of an object may depend on others than the object.
        let may_skip = policies.iter().all(|revision| !depends_on_others(revision));
        let mut tally = Tally::default();
        let mut seen = memory.begin();
        for (listed, of) in targets(policies, &resources, Operation::Create) {
            let mut pages = self.survey.pages(&listed, None);
            loop {
                let texts = match pages.next().await {
                    Ok(Some(texts)) => texts,
                    Ok(None) => break,
                    Err(error @ (ClusterError::Unreachable(_) | ClusterError::Timeout)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(kind = %listed.kind, %error, "a kind is passed over");
                        break;
                    }
                };
                for texts in texts.chunks(PORTION) {
                    if !self.may_go_on() {
                        return Ok(tally.objects);
                    }
                    for text in texts {
                        self.take(text, &of, memory, (&mut tally, &mut seen, may_skip)).await;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
        memory.keep(seen);
        if memory.reported.is_none() {
            memory.reported = Some(self.reported().await);
        }
        let objects = tally.objects;
        for report in tally.into_reports(memory) {
            // Waits until the last one is written: the pace of writing is that of the scan's end.
            if self.reports.send(report).await.is_err() {
                break;
            }
        }
        Ok(objects)
    }

    /// The namespaces that have a report of an earlier scan, whoever made it.
    async fn reported(&self) -> BTreeSet<String> {
        let mut namespaces = BTreeSet::from([String::new()]);
        for api in [ReportApi::PolicyReports, ReportApi::OpenReports] {
            let ReportType { api_version, kind, plural } = type_of(api, true);
            let Ok(kind) = Kind::new(api_version, kind) else { continue };
            let mut pages = self.survey.pages(&Listed { kind, plural: plural.to_owned(), namespaced: true }, None);
            // An API that is not served holds no reports.
            while let Ok(Some(texts)) = pages.next().await {
                let values = texts.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
                let ours = values.filter(|value| value.pointer("/metadata/name").is_some_and(|name| name == NAME));
                namespaces.extend(ours.map(|value| Subject::of(&value).namespace));
            }
        }
        namespaces.retain(|namespace| self.shard.is_none_or(|shard| shard.takes(namespace)));
        namespaces
    }

    async fn take(
        &self,
        text: &str,
        of: &Target,
        memory: &Memory,
        (tally, seen, may_skip): (&mut Tally, &mut Seen, bool),
    ) {
        let judged = async {
            let value: Value = serde_json::from_str(text)?;
            let about = Subject::of(&value);
            if self.shard.is_some_and(|shard| !shard.takes(&about.namespace)) {
                return Ok(());
            }
            tally.objects += 1;
            if may_skip && let Some(passes) = memory.passes(&about.key, &about.version) {
                tally.pass(&about.namespace, passes);
                seen.pass(&about.key, &about.version, passes);
                return Ok(());
            }
            self.metrics.scanned_objects.increment();
            let (asked, violations) = self.judge(&value, of, &about).await?;
            let passes = u32::try_from(asked.saturating_sub(violations.len())).unwrap_or(u32::MAX);
            if violations.is_empty() {
                seen.pass(&about.key, &about.version, passes);
            }
            tally.pass(&about.namespace, passes);
            for violation in violations {
                tally.take(violation);
            }
            Ok::<(), ObjectError>(())
        };
        if let Err(error) = judged.await {
            tracing::debug!(kind = of.served.plural, %error, "an object could not be judged");
        }
    }

    /// How many policies were asked, and what they have against it.
    async fn judge(&self, value: &Value, of: &Target, about: &Subject) -> Result<(usize, Vec<Violation>), ObjectError> {
        let request = review::Asked {
            operation: Operation::Create,
            user: USER,
            groups: &[],
            object: Some(value),
            old_object: None,
        };
        let mut review = of_manifest(&request, Some(&of.served))?;
        if let Some(dry_run) = review.pointer_mut("/request/dryRun") {
            *dry_run = true.into();
        }
        let review = review::parse(review.to_string().into(), &Limits::default())?;
        let judgement = self.engine.judge_existing(&review, deadline(Instant::now(), None)).await;
        let is_asked = |policy: &Arc<str>| of.only.as_ref().is_none_or(|only| only.contains(policy));
        let asked = judgement.evaluated.iter().map(|one| &one.verdict).chain(&judgement.unasked);
        let asked = asked.filter(|verdict| is_asked(&verdict.policy)).count();
        let mut violations = Violation::all(&review, &judgement.objections);
        violations.retain(|violation| is_asked(&violation.policy));
        for violation in &mut violations {
            // Nobody asked for anything.
            let (operation, username) = ("", String::new());
            let asked = Asked { operation, username, object_uid: about.uid.clone(), ..(*violation.asked).clone() };
            violation.asked = Arc::new(asked);
        }
        Ok((asked, violations))
    }
}

/// What a scan has to know of an object before it is judged.
struct Subject {
    namespace: String,
    uid: String,
    /// An object may be listed in several versions.
    key: String,
    version: String,
}

impl Subject {
    fn of(value: &Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let uid = text("/metadata/uid");
        let key = format!("{uid} {}", text("/apiVersion"));
        Self { namespace: text("/metadata/namespace"), uid, key, version: text("/metadata/resourceVersion") }
    }
}

fn depends_on_others(revision: &Revision) -> bool {
    let spec = &revision.spec;
    let selector = &spec.rules.namespace_selector;
    let selects = !selector.match_labels.is_empty() || !selector.match_expressions.is_empty();
    selects || revision.may_wait || !spec.permissions.read.is_empty() || !revision.oversight.overrides.is_empty()
}
