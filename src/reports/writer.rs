//! Writes what the ledger holds, one place after another, and takes back what could not be written.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::background::ScanReport;
use super::json::set;
use super::ledger::{Kind, Ledger, ReportApi, Target};
use super::pace::Pace;
use super::recorder::{Recorder, count};
use super::remote::{Remote, RemoteError};
use super::settings::{ReportKind, ReportSettings};
use super::violation::Violation;
use super::{events, policy_report, violations};
use crate::cluster::{Outage, path_segment};
use crate::policy::{Catalog, DEFAULT_LOG_SIZE};
use crate::telemetry::Metrics;

/// How often one write is tried where others write the same object.
pub(super) const ATTEMPTS: usize = 5;

/// How long a kind that is not served is left alone; its CRD may come.
const UNSERVED_FOR: Duration = Duration::from_mins(1);

/// Reviews taken from the channel at once.
const AT_ONCE: usize = 64;

/// What writing needs.
pub struct Sources {
    pub client: Client,
    pub catalog: Arc<ArcSwap<Catalog>>,
    pub metrics: Arc<Metrics>,
}

/// The tasks that write reports. They end with it.
pub struct Reports {
    recorder: Recorder,
    scans: Option<mpsc::Sender<ScanReport>>,
    finish: watch::Sender<bool>,
    collecting: JoinHandle<()>,
    writing: JoinHandle<()>,
}

impl Reports {
    /// Begins to write what the settings ask for; `None` where that is nothing. Call it inside of a tokio runtime.
    #[must_use]
    pub fn start(sources: Sources, settings: &ReportSettings) -> Option<Self> {
        let kinds = settings.kinds();
        if kinds.is_empty() {
            return None;
        }
        let Sources { client, catalog, metrics } = sources;
        let (recorder, receiver) = Recorder::new(Arc::clone(&metrics));
        let (finish, finishing) = watch::channel(false);
        let size = settings.size();
        let desk = Arc::new(Desk { ledger: Mutex::default(), news: Notify::new(), catalog, kinds, size, metrics });
        let pace = Pace::new(settings.writes());
        let remote = Remote::new(client, pace, Arc::clone(&desk.metrics));
        let (scans, scanned) = mpsc::channel(1);
        let scans = (!desk.report_apis().is_empty()).then_some(scans);
        let (unserved, told, outage) = (HashMap::new(), HashSet::new(), Outage::default());
        let writer = Writer { desk: Arc::clone(&desk), remote, unserved, told, outage };
        let collecting = tokio::spawn(collect(desk, receiver));
        let writing = tokio::spawn(writer.run(finishing, scanned));
        Some(Self { recorder, scans, finish, collecting, writing })
    }

    /// Where requests tell of denials.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Where a scan puts what it found; `None` where no kind of report is asked for.
    #[must_use]
    pub(super) fn scans(&self) -> Option<mpsc::Sender<ScanReport>> {
        self.scans.clone()
    }

    /// Writes what is there without waiting for more, as far as the pace and this time allow.
    pub async fn finish(mut self, within: Duration) {
        self.finish.send_replace(true);
        drop(timeout(within, &mut self.writing).await);
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.collecting.abort();
        self.writing.abort();
    }
}

/// What both tasks share.
pub(super) struct Desk {
    ledger: Mutex<Ledger>,
    news: Notify,
    pub catalog: Arc<ArcSwap<Catalog>>,
    kinds: Vec<ReportKind>,
    size: usize,
    metrics: Arc<Metrics>,
}

async fn collect(desk: Arc<Desk>, mut receiver: mpsc::Receiver<Vec<Violation>>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while receiver.recv_many(&mut batch, AT_ONCE).await > 0 {
        desk.take(batch.drain(..).flatten());
        desk.news.notify_one();
    }
}

impl Desk {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, violations: impl Iterator<Item = Violation>) {
        let catalog = self.catalog.load();
        let (mut ledger, now) = (self.ledger(), Instant::now());
        let mut lost = 0;
        for violation in violations {
            let oversight = catalog.find(&violation.policy).map(|revision| &revision.oversight);
            if oversight.is_some_and(|oversight| oversight.is_unlogged) {
                continue;
            }
            for target in self.kinds.iter().filter_map(|kind| target(*kind, &violation)) {
                let cap = self.cap(&target, &catalog);
                lost += ledger.add(target, violation.clone(), cap, now);
            }
        }
        self.metrics.reports_dropped.add(lost);
    }

    pub fn report_apis(&self) -> Vec<ReportApi> {
        let api = |kind: &ReportKind| match kind {
            ReportKind::PolicyReports => Some(ReportApi::PolicyReports),
            ReportKind::OpenReports => Some(ReportApi::OpenReports),
            ReportKind::Violations | ReportKind::Events | ReportKind::Nowhere => None,
        };
        self.kinds.iter().filter_map(api).collect()
    }

    fn cap(&self, target: &Target, catalog: &Catalog) -> usize {
        match target {
            Target::Violations { policy } => log_size(catalog, policy),
            Target::Report { .. } => self.size,
            Target::Events { .. } => events::MOST_AT_ONCE,
        }
    }
}

fn log_size(catalog: &Catalog, policy: &str) -> usize {
    catalog.find(policy).map_or(DEFAULT_LOG_SIZE, |revision| revision.oversight.log_size())
}

/// `None` where this kind does not tell of it.
fn target(kind: ReportKind, violation: &Violation) -> Option<Target> {
    let report = |api| Some(Target::Report { api, namespace: violation.asked.home().to_owned() });
    match kind {
        // jsPolicy knew no exceptions: what was let past is no violation.
        ReportKind::Violations if violation.exception.is_some() => None,
        ReportKind::Violations => Some(Target::Violations { policy: Arc::clone(&violation.policy) }),
        ReportKind::PolicyReports => report(ReportApi::PolicyReports),
        ReportKind::OpenReports => report(ReportApi::OpenReports),
        ReportKind::Events => Some(Target::Events { namespace: events::namespace_of(violation).to_owned() }),
        ReportKind::Nowhere => None,
    }
}

pub(super) struct Writer {
    pub desk: Arc<Desk>,
    pub remote: Remote,
    /// Kinds that the API server does not serve, and until when nobody asks again.
    unserved: HashMap<Kind, Instant>,
    /// Kinds of which it was said already that they cannot be written.
    told: HashSet<Kind>,
    outage: Outage,
}

impl Writer {
    async fn run(mut self, mut finishing: watch::Receiver<bool>, mut scanned: mpsc::Receiver<ScanReport>) {
        loop {
            let is_last = *finishing.borrow();
            let horizon = Instant::now() + if is_last { UNSERVED_FOR * 60 } else { Duration::ZERO };
            let taken = self.desk.ledger().take(horizon);
            if let Some((target, violations)) = taken {
                self.write(target, violations).await;
                // One of each in turn: neither may starve the other.
                if let Ok(report) = scanned.try_recv() {
                    self.scan_report(&report).await;
                }
                continue;
            }
            if is_last {
                return;
            }
            let due = self.desk.ledger().due();
            let due = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.desk.news.notified() => {}
                Some(report) = scanned.recv() => self.scan_report(&report).await,
                _ = finishing.changed() => {}
            }
        }
    }

    async fn write(&mut self, target: Target, violations: Vec<Violation>) {
        let kind = target.kind();
        let catalog = self.desk.catalog.load_full();
        // A policy that is no more takes its violations along.
        let is_gone = matches!(&target, Target::Violations { policy } if catalog.find(policy).is_none());
        if is_gone || self.unserved.get(&kind).is_some_and(|until| Instant::now() < *until) {
            self.desk.metrics.reports_dropped.add(count(violations.len()));
            return;
        }
        let written = match &target {
            Target::Violations { policy } => self.violations(policy, &violations, &catalog).await,
            Target::Report { api, namespace } => self.report(*api, namespace, &violations, &catalog).await,
            Target::Events { namespace } => self.events(namespace, &violations).await,
        };
        match written {
            Ok(()) => {
                self.outage.recovered();
                self.told.remove(&kind);
            }
            Err(error) if error.may_pass() => {
                let pause = self.outage.failed(std::time::Instant::now());
                if self.outage.is_new() {
                    tracing::warn!(%error, ?target, "violations could not be written; they are tried again");
                }
                let cap = self.desk.cap(&target, &catalog);
                let lost = self.desk.ledger().put_back(target, violations, cap, Instant::now() + pause);
                self.desk.metrics.reports_dropped.add(lost);
            }
            Err(error) => {
                if matches!(error, RemoteError::NotServed(_)) {
                    self.unserved.insert(kind, Instant::now() + UNSERVED_FOR);
                }
                // Once: whoever floods the server must not flood the log.
                if self.told.insert(kind) {
                    tracing::warn!(%error, ?target, "violations are not written");
                } else {
                    tracing::debug!(%error, ?target, "violations are not written");
                }
                self.desk.metrics.reports_dropped.add(count(violations.len()));
            }
        }
    }

    async fn violations(&mut self, policy: &str, new: &[Violation], catalog: &Catalog) -> Result<(), RemoteError> {
        let all = format!("/apis/{}/jspolicyviolations", violations::API_VERSION);
        let path = format!("{all}/{}", segment("a policy", policy)?);
        for _ in 0..ATTEMPTS {
            let mut there = if let Some(there) = self.remote.get(&path).await? {
                there
            } else {
                let uid = self.uid_of(policy).await?;
                match self.remote.create(&all, &violations::new_object(policy, uid.as_deref())).await {
                    Err(RemoteError::Conflict) => continue,
                    created => created?,
                }
            };
            let entries = violations::merged(&there, new, log_size(catalog, policy));
            if there.pointer("/status/violations") == Some(&entries) {
                return Ok(());
            }
            set(&mut there, "status", json!({"violations": entries}));
            match self.remote.replace(&format!("{path}/status"), &there).await {
                Err(RemoteError::Conflict | RemoteError::NotFound(_)) => {}
                replaced => return replaced.map(drop),
            }
        }
        Err(RemoteError::Conflict)
    }

    /// Of the `JsPolicy`; a policy of a folder has none.
    async fn uid_of(&self, policy: &str) -> Result<Option<String>, RemoteError> {
        let owner = self.remote.get(&format!("/apis/{}/jspolicies/{policy}", violations::API_VERSION)).await?;
        let uid = owner.as_ref().and_then(|owner| owner.pointer("/metadata/uid")).and_then(Value::as_str);
        Ok(uid.map(str::to_owned))
    }

    async fn report(
        &mut self,
        api: ReportApi,
        namespace: &str,
        new: &[Violation],
        catalog: &Catalog,
    ) -> Result<(), RemoteError> {
        let (all, name) = (report_path(api, namespace)?, policy_report::name_of(namespace));
        let path = format!("{all}/{name}");
        for _ in 0..ATTEMPTS {
            let there = self.remote.get(&path).await?;
            let base = there.clone().unwrap_or_else(|| policy_report::new_report(api, &name, namespace));
            let report = policy_report::merged(api, &base, new, self.desk.size, catalog);
            if there.as_ref().is_some_and(|there| there.get("results") == report.get("results")) {
                return Ok(());
            }
            let written = match &there {
                Some(_) => self.remote.replace(&path, &report).await,
                None => self.remote.create(&all, &report).await,
            };
            match written {
                Err(RemoteError::Conflict) => {}
                written => return written.map(drop),
            }
        }
        Err(RemoteError::Conflict)
    }

    async fn events(&mut self, namespace: &str, new: &[Violation]) -> Result<(), RemoteError> {
        let all = format!("/api/v1/namespaces/{}/events", segment("a namespace", namespace)?);
        for violation in new {
            match self.remote.create(&all, &events::event(violation)).await {
                Err(RemoteError::Conflict) => {
                    let path = format!("{all}/{}", events::name_of(violation));
                    if let Some(there) = self.remote.get(&path).await? {
                        self.remote.merge(&path, &events::again(&there, violation)).await?;
                    }
                }
                written => drop(written?),
            }
        }
        Ok(())
    }
}

/// Where the reports of a namespace are; of the cluster where it is empty.
pub(super) fn report_path(api: ReportApi, namespace: &str) -> Result<String, RemoteError> {
    let report = policy_report::type_of(api, !namespace.is_empty());
    let (api_version, plural) = (report.api_version, report.plural);
    Ok(match namespace {
        "" => format!("/apis/{api_version}/{plural}"),
        namespace => format!("/apis/{api_version}/namespaces/{}/{plural}", segment("a namespace", namespace)?),
    })
}

/// What a request says of itself need not be a name.
fn segment<'a>(what: &'static str, text: &'a str) -> Result<&'a str, RemoteError> {
    path_segment(what, text).map_err(|error| RemoteError::Refused(error.to_string()))
}
