//! Writes what follows from the policies back to their objects: status, bundles, events. The leader alone, each thing once,
//! a few at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{debug, warn};

use super::bundles::bundle;
use super::feed::{api_of, tenant_policies};
use super::status::{Condition, conditions, fingerprint, status};
use super::webhooks::Registry;
use super::{FIELD_MANAGER, Leadership};
use crate::bundle::content_hash;
use crate::controllers::{self, Standings};
use crate::policy::live::{BundleState, Live, ObjectReport, Reports, Standing};
use crate::policy::{PolicyType, TENANT_API_VERSION, TENANT_KIND};

/// Writes under way at once: a thousand policies take seconds, and the API server has others to answer.
const AT_ONCE: usize = 8;

/// How long after a write that failed it is tried again.
const RETRY: Duration = Duration::from_secs(2);

const LONGEST_RETRY: Duration = Duration::from_mins(5);

/// Changes that come together are written together. A policy that is edited a hundred times a second is told of so often.
const TOGETHER: Duration = Duration::from_millis(100);

/// Events of one round; those beyond are left out, for the status says the same.
const MAX_EVENTS: usize = 20;

const API_VERSION: &str = "policy.jspolicy.com/v1beta1";

/// What was written of one policy.
#[derive(Debug, Clone, Default)]
struct Written {
    uid: String,
    /// See `status::fingerprint`.
    state: String,
    /// The status, for the times in it.
    status: Value,
    /// What was said of it last: the state of `Ready` and why.
    told: Option<(Option<bool>, &'static str)>,
    bundle: WrittenBundle,
}

/// What a policy was last written of: where none of it is another, there is nothing to write.
struct Looked {
    report: Arc<ObjectReport>,
    is_asked: bool,
    error: Option<String>,
    standing: Option<controllers::Standing>,
}

impl Looked {
    fn is_of(&self, report: &Arc<ObjectReport>, registry: &Registry, standing: Option<&controllers::Standing>) -> bool {
        Arc::ptr_eq(&self.report, report)
            && self.is_asked == registry.ready.contains_key(&report.name)
            && self.error == registry.error
            && self.standing.as_ref() == standing
    }
}

/// The bundle that was written, or could not be.
#[derive(Debug, Clone, Default)]
struct WrittenBundle {
    key: String,
    at: Option<Instant>,
    /// How often in vain: it is not in the cluster as it was written.
    in_vain: u32,
}

impl WrittenBundle {
    /// When it is to be written again, if it is not seen in the cluster by then.
    fn due(&self) -> Option<Instant> {
        let doubled = 1_u32.checked_shl(self.in_vain).unwrap_or(u32::MAX);
        self.at.map(|at| at + RETRY.saturating_mul(doubled).min(LONGEST_RETRY))
    }
}

pub(super) struct Writer {
    client: Client,
    policies: Api<DynamicObject>,
    bundles: Api<DynamicObject>,
    recorder: Recorder,
    live: Live,
    leadership: Leadership,
    registry: watch::Receiver<Registry>,
    standings: watch::Receiver<Standings>,
    written: BTreeMap<Arc<str>, Written>,
    looked: BTreeMap<Arc<str>, Looked>,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        live: Live,
        leadership: Leadership,
        (registry, standings): (watch::Receiver<Registry>, watch::Receiver<Standings>),
    ) -> Self {
        let of = |kind: &str, plural: &str| api_of(&client, "policy.jspolicy.com", "v1beta1", kind, plural);
        let (policies, bundles) = (of("JsPolicy", "jspolicies"), of("JsPolicyBundle", "jspolicybundles"));
        let reporter = Reporter { controller: "bylaw".to_owned(), instance: std::env::var("POD_NAME").ok() };
        let recorder = Recorder::new(client.clone(), reporter);
        let (written, looked) = Default::default();
        Self { client, policies, bundles, recorder, live, leadership, registry, standings, written, looked }
    }

    pub(super) async fn run(mut self) {
        let mut reports = self.live.reports();
        loop {
            if self.leadership.wait_for(true).await.is_none() {
                return;
            }
            let now = reports.borrow_and_update().clone();
            let registry = self.registry.borrow_and_update().clone();
            let standings = self.standings.borrow_and_update().clone();
            let is_whole = self.round(&now, &registry, &standings).await;
            let next = self.next_look(is_whole);
            let mut leadership = self.leadership.clone();
            let changed = async {
                tokio::select! {
                    changed = reports.changed() => changed.is_ok(),
                    changed = self.registry.changed() => changed.is_ok(),
                    () = news(&mut self.standings) => true,
                    () = until(next) => true,
                    lost = leadership.wait_for(false) => {
                        // Another may write now; whoever leads next looks at everything anew.
                        self.written.clear();
                        self.looked.clear();
                        lost.is_some()
                    }
                }
            };
            if !changed.await {
                return;
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }

    /// When to look again, if nothing happens before.
    fn next_look(&self, is_whole: bool) -> Option<Instant> {
        let again = (!is_whole).then(|| Instant::now() + RETRY);
        let now = Instant::now();
        let due = self.written.values().filter_map(|written| written.bundle.due()).filter(|due| *due > now);
        due.chain(again).min()
    }

    /// Writes what is not written yet. Whether all of it could be.
    async fn round(&mut self, reports: &Reports, registry: &Registry, standings: &Standings) -> bool {
        self.written.retain(|name, _| reports.objects.contains_key(name));
        self.looked.retain(|name, _| reports.objects.contains_key(name));
        let mut events = 0;
        let mut work = Vec::new();
        for (name, report) in &reports.objects {
            let standing = standings.get(name);
            let is_known = self.looked.get(name).is_some_and(|looked| looked.is_of(report, registry, standing));
            if is_known && matches!(report.bundle, BundleState::Fresh | BundleState::Theirs) {
                continue;
            }
            // It has been seen in the cluster: if it goes again, it is to be written again.
            if let Some(written) = self.written.get_mut(name).filter(|_| report.bundle == BundleState::Fresh) {
                written.bundle = WrittenBundle::default();
            }
            let known = self.written.get(name).filter(|known| known.uid == report.uid);
            let conditions = conditions(report, registry, standing);
            let state = fingerprint(report, &conditions);
            let needs_bundle = needs_bundle(report, known);
            if known.is_none_or(|known| known.state != state) || needs_bundle {
                let may_tell = events < MAX_EVENTS;
                events += usize::from(known.is_some_and(|known| known.told != Some(summary(&conditions))));
                let (report, known) = (Arc::clone(report), known.cloned());
                work.push(Work { report, conditions, state, known, needs_bundle, may_tell });
            } else {
                self.look(report, registry, standing);
            }
        }
        let this = &*self;
        let done: Vec<(Arc<str>, Option<Written>)> = futures::stream::iter(work)
            .map(|work| async move { (Arc::clone(&work.report.name), this.write(work).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let is_whole = done.iter().all(|(_, written)| written.is_some());
        for (name, written) in done {
            let Some(written) = written else { continue };
            if let Some(report) = reports.objects.get(&name) {
                self.look(report, registry, standings.get(&name));
            }
            self.written.insert(name, written);
        }
        is_whole
    }

    /// Whatever this says is written.
    fn look(&mut self, report: &Arc<ObjectReport>, registry: &Registry, standing: Option<&controllers::Standing>) {
        let is_asked = registry.ready.contains_key(&report.name);
        let (error, standing) = (registry.error.clone(), standing.cloned());
        let looked = Looked { report: Arc::clone(report), is_asked, error, standing };
        self.looked.insert(Arc::clone(&report.name), looked);
    }

    async fn write(&self, work: Work) -> Option<Written> {
        let Work { report, conditions, state, known, needs_bundle, may_tell } = work;
        let mut written = match known {
            Some(known) => known,
            None => Written { uid: report.uid.clone(), status: self.status_of(&report).await?, ..Written::default() },
        };
        if needs_bundle {
            let key = self.write_bundle(&report).await?;
            let in_vain = if key == written.bundle.key { written.bundle.in_vain + 1 } else { 0 };
            written.bundle = WrittenBundle { key, at: Some(Instant::now()), in_vain };
        }
        if written.state != state {
            let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let status = status(&report, &conditions, &written.status, &now);
            if !is_told(&status, &written.status) {
                self.write_status(&report, &status).await?;
            }
            (written.status, written.state) = (status, state);
        }
        let summary = summary(&conditions);
        if written.told.replace(summary).is_some_and(|told| told != summary) && may_tell {
            self.tell(&report, &conditions).await;
        }
        Some(written)
    }

    /// Where the object is that a policy comes from.
    fn object(&self, report: &ObjectReport) -> (Api<DynamicObject>, Arc<str>) {
        match &report.home {
            Some((home, name)) => (tenant_policies(&self.client, home), Arc::clone(name)),
            None => (self.policies.clone(), Arc::clone(&report.name)),
        }
    }

    /// What the object says now. It is gone where there is nothing to say.
    async fn status_of(&self, report: &ObjectReport) -> Option<Value> {
        let (api, name) = self.object(report);
        match api.get_opt(&name).await {
            Ok(Some(object)) => Some(object.data.get("status").cloned().unwrap_or_default()),
            Ok(None) => Some(Value::Null),
            Err(error) => {
                debug!(policy = &*report.name, %error, "its status cannot be read");
                None
            }
        }
    }

    async fn write_status(&self, report: &ObjectReport, status: &Value) -> Option<()> {
        let patch = json!({ "metadata": { "uid": report.uid }, "status": status });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let (api, name) = self.object(report);
        let write = async { api.patch_status(&name, &params, &Patch::Merge(&patch)).await };
        match self.leadership.guard(write).await.ok()? {
            Ok(_) => Some(()),
            // It is gone, or another of its name: the watch will tell.
            Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Some(()),
            Err(error) => {
                warn!(policy = &*report.name, %error, "its status cannot be written");
                None
            }
        }
    }

    /// The hash of what was written.
    async fn write_bundle(&self, report: &ObjectReport) -> Option<String> {
        let Some(code) = &report.code else { return Some(String::new()) };
        let Some(object) = self.live.policy(&report.name) else { return Some(String::new()) };
        let bundle = match bundle(report, &object, code) {
            Ok(bundle) => bundle,
            Err(error) => {
                warn!(policy = &*report.name, "its code cannot be kept as a JsPolicyBundle: {error}");
                return Some(bundle_key(report));
            }
        };
        if !self.leadership.is_leader() {
            return None;
        }
        if report.bundle == BundleState::Edited {
            warn!(policy = &*report.name, "somebody changed its JsPolicyBundle, which is written anew");
            let note = "its JsPolicyBundle was changed by hand, and is written anew from its source".to_owned();
            self.publish(report, EventType::Warning, "BundleEdited", note).await;
        }
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let write = async { self.bundles.patch(&report.name, &params, &Patch::Apply(&bundle)).await };
        match self.leadership.guard(write).await.ok()? {
            Ok(_) => Some(bundle_key(report)),
            Err(error) => {
                warn!(policy = &*report.name, %error, "its JsPolicyBundle cannot be written");
                None
            }
        }
    }

    async fn tell(&self, report: &ObjectReport, conditions: &[Condition]) {
        let Some(ready) = conditions.iter().find(|one| one.kind == "Ready") else { return };
        let (kind, reason, note) = match (ready.status, ready.severity) {
            (Some(true), _) if report.kind == PolicyType::Controller => {
                (EventType::Normal, "Running", "it sees its objects, as it is now".to_owned())
            }
            (Some(true), _) => (EventType::Normal, "Enforced", "the API server asks for it as it is now".to_owned()),
            (_, "Error") => (EventType::Warning, ready.reason, ready.message.clone()),
            _ => return,
        };
        self.publish(report, kind, reason, note).await;
    }

    async fn publish(&self, report: &ObjectReport, type_: EventType, reason: &str, note: String) {
        let note = Some(crate::review::clip::clip(&note, 1_000).to_owned());
        let event = Event { type_, reason: reason.to_owned(), note, action: "Reconcile".to_owned(), secondary: None };
        let (api_version, kind) = match report.home {
            Some(_) => (TENANT_API_VERSION, TENANT_KIND),
            None => (API_VERSION, "JsPolicy"),
        };
        let home = report.home.as_ref();
        let reference = ObjectReference {
            api_version: Some(api_version.to_owned()),
            kind: Some(kind.to_owned()),
            namespace: home.map(|(home, _)| home.to_string()),
            name: Some(home.map_or(&report.name, |(_, name)| name).to_string()),
            uid: Some(report.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            debug!(policy = &*report.name, %error, "an event cannot be written");
        }
    }
}

struct Work {
    report: Arc<ObjectReport>,
    conditions: Vec<Condition>,
    state: String,
    known: Option<Written>,
    needs_bundle: bool,
    may_tell: bool,
}

/// Where there are no controllers there is no news of them.
async fn news(standings: &mut watch::Receiver<Standings>) {
    if standings.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

fn summary(conditions: &[Condition]) -> (Option<bool>, &'static str) {
    conditions.iter().find(|one| one.kind == "Ready").map(|one| (one.status, one.reason)).unwrap_or_default()
}

/// Whether it is to be written now; what was written a moment ago may not have been seen yet.
fn needs_bundle(report: &ObjectReport, known: Option<&Written>) -> bool {
    let is_wanted = match report.bundle {
        BundleState::Stale | BundleState::Edited => matches!(report.standing, Standing::Serving),
        BundleState::Fresh | BundleState::Theirs => false,
    };
    if !is_wanted || report.code.is_none() {
        return false;
    }
    let written = known.map(|known| &known.bundle).filter(|bundle| bundle.key == bundle_key(report));
    written.and_then(WrittenBundle::due).is_none_or(|due| due <= Instant::now())
}

fn bundle_key(report: &ObjectReport) -> String {
    let code = report.code.as_ref().map(|code| &*code.hash).unwrap_or_default();
    content_hash(&format!("{} {code} {}", report.source, report.generation))
}

/// Whether the object says so already. What a CRD has no field for is not kept, and never will be.
fn is_told(status: &Value, before: &Value) -> bool {
    let mut expected = status.clone();
    if let Some(fields) = expected.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    expected == *before
}
