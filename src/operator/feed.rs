//! From the watches of a cluster to the policies that are loaded: `JsPolicy` objects, their bundles, and the `ConfigMap`s that they
//! take parameters from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::follow::{Seen, Why, follow};
use crate::policy::live::{BundleObject, ConfigMapData, ConfigMapRef, Full, Live, PolicyObject};
use crate::policy::tenant_policy_name;

/// `ConfigMap`s that are watched, each by a watch of its own: a role need not see all of them.
const MAX_CONFIG_MAPS: usize = 256;

/// How often it is looked whether all `ConfigMap`s are there, by whoever waits for them at the start.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How much of the cluster has been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Not all of it yet.
    Opening,
    /// All of it, and what changes is seen.
    Open,
    /// Nothing new can be seen; `ever`: it was open before.
    Lost { ever: bool, why: String },
}

/// The watches. Dropping it ends them.
pub struct Feed {
    tasks: Vec<AbortHandle>,
    policies: watch::Receiver<View>,
    bundles: watch::Receiver<View>,
    config_maps: Arc<ConfigMaps>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Feed {
    /// Starts watching; `namespace` is where `ConfigMap`s are that a policy does not say the namespace of.
    #[must_use]
    pub fn start(client: &Client, runtime: &Handle, live: &Live, namespace: &str) -> Self {
        let (see_policies, policies) = watch::channel(View::Opening);
        let (see_bundles, bundles) = watch::channel(View::Opening);
        let config_maps = Arc::new(ConfigMaps::default());
        let of = |kind: &str, plural: &str| api_of(client, "policy.jspolicy.com", "v1beta1", kind, plural);
        let mut tasks = Vec::new();
        {
            let (live, namespace) = (live.clone(), namespace.to_owned());
            let mut seer = Seer::new(see_policies, "JsPolicy");
            tasks.push(runtime.spawn(follow(of("JsPolicy", "jspolicies"), watcher::Config::default(), move |seen| {
                seer.see(&seen);
                take_policies(&live, &namespace, seen);
            })));
        }
        {
            let live = live.clone();
            let mut seer = Seer::new(see_bundles, "JsPolicyBundle");
            tasks.push(runtime.spawn(follow(
                of("JsPolicyBundle", "jspolicybundles"),
                watcher::Config::default(),
                move |seen| {
                    seer.see(&seen);
                    take_bundles(&live, seen);
                },
            )));
        }
        {
            // Nobody waits for them: a cluster need not have the kind.
            let live = live.clone();
            let api = api_of(client, "bylaw.dev", "v1alpha1", "TenantPolicy", "tenantpolicies");
            tasks.push(runtime.spawn(follow(api, watcher::Config::default(), move |seen| {
                take_tenant_policies(&live, seen);
            })));
        }
        let keep = keep_config_maps(client.clone(), runtime.clone(), live.clone(), Arc::clone(&config_maps));
        tasks.push(runtime.spawn(keep));
        let tasks = tasks.iter().map(tokio::task::JoinHandle::abort_handle).collect();
        Self { tasks, policies, bundles, config_maps }
    }

    /// How much of the cluster is seen now.
    #[must_use]
    pub fn view(&self) -> View {
        let (policies, bundles) = (self.policies.borrow().clone(), self.bundles.borrow().clone());
        match (policies, bundles) {
            (View::Open, bundles) => bundles,
            (policies, _) => policies,
        }
    }

    /// Waits until all has been seen once, `ConfigMap`s too; false where that takes longer.
    pub async fn opened(&self, at_most: Duration, live: &Live) -> bool {
        let (mut policies, mut bundles) = (self.policies.clone(), self.bundles.clone());
        let all = async {
            drop(policies.wait_for(|view| *view == View::Open).await);
            drop(bundles.wait_for(|view| *view == View::Open).await);
            while !self.config_maps.have_all(live) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(at_most, all).await.is_ok()
    }

    /// Waits until something is known: all of it, or that nothing can be.
    pub async fn settled(&self, at_most: Duration) {
        let mut policies = self.policies.clone();
        drop(tokio::time::timeout(at_most, policies.wait_for(|view| *view != View::Opening)).await);
    }

    /// Told whenever another part of the cluster is seen.
    #[must_use]
    pub fn watched(&self) -> watch::Receiver<View> {
        self.policies.clone()
    }
}

/// An API by its name, without asking the server for it.
pub(super) fn api_of(client: &Client, group: &str, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    Api::all_with(client.clone(), &resource)
}

/// Those of one namespace.
pub(super) fn tenant_policies(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "TenantPolicy");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&kind, "tenantpolicies"))
}

/// Keeps account of a watch, and tells of an outage once.
struct Seer {
    view: watch::Sender<View>,
    kind: &'static str,
    ever: bool,
}

impl Seer {
    fn new(view: watch::Sender<View>, kind: &'static str) -> Self {
        Self { view, kind, ever: false }
    }

    fn see(&mut self, seen: &Seen) {
        let kind = self.kind;
        let view = match seen {
            Seen::All(_) => {
                self.ever = true;
                View::Open
            }
            // A list that follows will tell whether that is all.
            Seen::One(_) | Seen::Gone { .. } if self.ever => View::Open,
            Seen::One(_) | Seen::Gone { .. } => return,
            Seen::Lost(Why::Absent) => {
                let why = format!("the cluster does not serve {kind}: install its CRD");
                View::Lost { ever: self.ever, why }
            }
            Seen::Lost(Why::Error(error)) => {
                View::Lost { ever: self.ever, why: format!("{kind} cannot be watched: {error}") }
            }
        };
        self.view.send_if_modified(|before| {
            let is_other = std::mem::discriminant(before) != std::mem::discriminant(&view);
            match &view {
                View::Lost { why, .. } if is_other => warn!("{why}; what is known is enforced"),
                View::Open if is_other => info!(kind, "watching"),
                _ => {}
            }
            let changed = *before != view;
            *before = view;
            changed
        });
    }
}

fn take_policies(live: &Live, namespace: &str, seen: Seen) {
    let of = |object: &Value| PolicyObject::of(object, namespace);
    let taken = match seen {
        Seen::All(objects) => live.replace(objects.iter().filter_map(of).collect()),
        Seen::One(object) => of(&object).map_or(Ok(()), |object| live.put(object)),
        Seen::Gone { name, .. } => {
            live.remove(&name);
            Ok(())
        }
        Seen::Lost(_) => Ok(()),
    };
    told(taken);
}

fn take_tenant_policies(live: &Live, seen: Seen) {
    let of = |object: &Value| PolicyObject::of(object, "");
    let taken = match seen {
        Seen::All(objects) => live.replace_tenants(objects.iter().filter_map(of).collect()),
        Seen::One(object) => of(&object).map_or(Ok(()), |object| live.put(object)),
        Seen::Gone { namespace, name } => {
            live.remove(&tenant_policy_name(&namespace, &name));
            Ok(())
        }
        Seen::Lost(Why::Absent) => Ok(()),
        Seen::Lost(Why::Error(error)) => {
            tracing::debug!(error, "tenants' policies cannot be watched");
            Ok(())
        }
    };
    told(taken);
}

fn take_bundles(live: &Live, seen: Seen) {
    let taken = match seen {
        Seen::All(objects) => live.replace_bundles(objects.iter().filter_map(BundleObject::of).collect()),
        Seen::One(object) => BundleObject::of(&object).map_or(Ok(()), |bundle| live.put_bundle(bundle)),
        Seen::Gone { name, .. } => {
            live.remove_bundle(&name);
            Ok(())
        }
        Seen::Lost(_) => Ok(()),
    };
    told(taken);
}

fn told(taken: Result<(), Full>) {
    if let Err(full) = taken {
        tracing::error!("{full}: some are not enforced as they are now");
    }
}

/// The `ConfigMap`s that are watched.
#[derive(Default)]
struct ConfigMaps(Mutex<BTreeMap<ConfigMapRef, (AbortHandle, watch::Receiver<bool>)>>);

impl ConfigMaps {
    fn have_all(&self, live: &Live) -> bool {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_seen = |of: &ConfigMapRef| watched.get(of).is_some_and(|(_, seen)| *seen.borrow());
        live.config_maps().iter().take(MAX_CONFIG_MAPS).all(is_seen)
    }
}

impl Drop for ConfigMaps {
    fn drop(&mut self) {
        let watched = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (task, _) in watched.values() {
            task.abort();
        }
    }
}

/// Watches exactly those that policies name.
async fn keep_config_maps(client: Client, runtime: Handle, live: Live, config_maps: Arc<ConfigMaps>) {
    let mut refused = false;
    let mut changes = live.changes();
    loop {
        changes.borrow_and_update();
        let wanted = live.config_maps();
        {
            let mut watched = config_maps.0.lock().unwrap_or_else(PoisonError::into_inner);
            watched.retain(|of, (task, _)| {
                let is_kept = wanted.contains(of);
                if !is_kept {
                    task.abort();
                    live.forget_config_map(of);
                }
                is_kept
            });
            let missing: Vec<&ConfigMapRef> = wanted.iter().filter(|of| !watched.contains_key(of)).collect();
            for of in missing {
                if watched.len() >= MAX_CONFIG_MAPS {
                    if !std::mem::replace(&mut refused, true) {
                        warn!(
                            "policies take parameters from more than {MAX_CONFIG_MAPS} ConfigMaps: some are not read"
                        );
                    }
                    break;
                }
                let (see, seen) = watch::channel(false);
                let task = runtime.spawn(follow_config_map(client.clone(), of.clone(), live.clone(), see));
                watched.insert(of.clone(), (task.abort_handle(), seen));
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn follow_config_map(client: Client, of: ConfigMapRef, live: Live, see: watch::Sender<bool>) {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "ConfigMap"), "configmaps");
    let api: Api<DynamicObject> = Api::namespaced_with(client, &of.namespace, &resource);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", of.name));
    follow(api, config, move |seen| {
        match seen {
            Seen::All(objects) => live.put_config_map(&of, objects.first().map(data)),
            Seen::One(object) => live.put_config_map(&of, Some(data(&object))),
            Seen::Gone { .. } | Seen::Lost(Why::Absent) => live.put_config_map(&of, None),
            Seen::Lost(Why::Error(error)) => {
                if !*see.borrow() {
                    warn!(
                        namespace = of.namespace,
                        name = of.name,
                        error,
                        "a ConfigMap with parameters cannot be read"
                    );
                }
                return;
            }
        }
        see.send_replace(true);
    })
    .await;
}

fn data(object: &Value) -> ConfigMapData {
    let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
