//! Keeps the registry at what a cluster shows: workloads with the vCluster chart's label, and the objects of our own
//! kinds. Of each only what the registry needs is kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::Tenancy;
use super::sightings::{Seen, Source, key, registry};
use crate::cluster::{Outage, next_event};

/// The label of what the chart makes. On a pod it says nothing, for a tenant may label his pods so.
const OF_CHART: &str = "app=vcluster";

const SOURCES: [Source; 4] = [Source::StatefulSets, Source::Deployments, Source::VirtualClusters, Source::Tenants];

/// The watches; they end with this.
pub struct RegistryWatch {
    tasks: Vec<AbortHandle>,
    settled: watch::Receiver<bool>,
}

impl Drop for RegistryWatch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl RegistryWatch {
    /// Waits until it is known which virtual clusters there are, or that nobody may know; false where it took longer.
    pub async fn wait_until_settled(&self, at_most: Duration) -> bool {
        let mut settled = self.settled.clone();
        tokio::time::timeout(at_most, settled.wait_for(|settled| *settled)).await.is_ok_and(|settled| settled.is_ok())
    }
}

/// Begins to follow a cluster.
#[must_use]
pub fn watch(client: &Client, runtime: &Handle, tenancy: &Arc<Tenancy>) -> RegistryWatch {
    tenancy.await_registry();
    let (tell, settled) = watch::channel(false);
    let sources = SOURCES.map(|source| (source, Progress::Unseen, Seen::default()));
    let state = Arc::new(State { sources: Mutex::new(sources), tenancy: Arc::clone(tenancy), settled: tell });
    let follow = |source: Source| runtime.spawn(follow(client.clone(), source, Arc::clone(&state))).abort_handle();
    RegistryWatch { tasks: SOURCES.map(follow).into(), settled }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unseen,
    /// It could not be listed; it is tried again.
    Failed,
    Listed,
}

struct State {
    sources: Mutex<[(Source, Progress, Seen); 4]>,
    tenancy: Arc<Tenancy>,
    settled: watch::Sender<bool>,
}

impl State {
    /// Changes one source; `change` says whether the registry is to be made anew.
    fn with(&self, source: Source, change: impl FnOnce(&mut Progress, &mut Seen) -> bool) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, progress, seen)) = sources.iter_mut().find(|(of, ..)| *of == source) else { return };
        if !change(progress, seen) || sources.iter().any(|(_, progress, _)| *progress == Progress::Unseen) {
            return;
        }
        // A cluster need not have our own kinds; without its workloads nothing is known of it.
        let is_workload = |source: Source| matches!(source, Source::StatefulSets | Source::Deployments);
        if sources.iter().all(|(source, progress, _)| !is_workload(*source) || *progress == Progress::Listed) {
            self.tenancy.publish(registry(sources.iter().map(|(source, _, seen)| (*source, seen))));
        }
        self.settled.send_replace(true);
    }
}

async fn follow(client: Client, source: Source, state: Arc<State>) {
    let resource = resource(source);
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let config = match source {
        Source::StatefulSets | Source::Deployments => watcher::Config::default().labels(OF_CHART),
        Source::VirtualClusters | Source::Tenants => watcher::Config::default(),
    };
    let mut events = std::pin::pin!(watcher(api, config));
    let mut outage = Outage::default();
    let complain = |error: &watcher::Error| {
        let kind = &*resource.kind;
        match source {
            Source::StatefulSets | Source::Deployments => {
                warn!(kind, %error, "virtual clusters cannot be watched: requests are told no tenant until they can be");
            }
            Source::VirtualClusters | Source::Tenants => {
                info!(kind, %error, "cannot watch: those that are known hold");
            }
        }
        state.with(source, |progress, _| {
            let is_first = *progress == Progress::Unseen;
            if is_first {
                *progress = Progress::Failed;
            }
            is_first
        });
    };
    let mut listed = Seen::default();
    while let Some(event) = next_event(&mut events, &mut outage, complain).await {
        match event {
            Event::Init => listed = Seen::default(),
            Event::InitApply(object) => drop(read(object).map(|object| listed.take(source, &object))),
            Event::InitDone => {
                let all = std::mem::take(&mut listed);
                state.with(source, |progress, seen| {
                    (*progress, *seen) = (Progress::Listed, all);
                    true
                });
            }
            Event::Apply(object) => {
                if let Some(object) = read(object) {
                    state.with(source, |_, seen| seen.take(source, &object));
                }
            }
            Event::Delete(object) => {
                if let Some(object) = read(object) {
                    state.with(source, |_, seen| seen.forget(&key(&object)));
                }
            }
        }
    }
}

fn read(object: DynamicObject) -> Option<Value> {
    serde_json::to_value(object).ok()
}

fn resource(source: Source) -> ApiResource {
    let (group, version, kind, plural) = match source {
        Source::StatefulSets => ("apps", "v1", "StatefulSet", "statefulsets"),
        Source::Deployments => ("apps", "v1", "Deployment", "deployments"),
        Source::VirtualClusters => ("bylaw.dev", "v1alpha1", "VirtualCluster", "virtualclusters"),
        Source::Tenants => ("bylaw.dev", "v1alpha1", "Tenant", "tenants"),
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
