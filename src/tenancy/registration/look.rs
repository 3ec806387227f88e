//! One look at one virtual cluster: whether what should be there stands, what is put right, whether it reaches Bylaw.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Fault, Remote, clipped};
use super::clients::Clients;
use super::desired::{PROBED_IN, Plan, Stage, Wanted, all_paths, wanted};
use super::stands::stands;
use super::{AccessError, status::Condition};
use crate::engine::PROBED;
use crate::operator::webhooks::corrections;
use crate::policy::Catalog;
use crate::tenancy::{Tenant, VirtualCluster};

/// API servers take note of a configuration within a second or so.
const PROBES: u32 = 5;
const BETWEEN_PROBES: Duration = Duration::from_millis(500);

/// What is known of one from looks before.
#[derive(Debug)]
pub(super) struct Memory {
    pub vcluster: Arc<VirtualCluster>,
    pub stage: Option<Stage>,
    /// By path the hash of what was last seen to stand.
    stood: BTreeMap<String, String>,
    user: Option<String>,
    narrows: bool,
    /// What was last said of it; `None` until that has been read.
    pub conditions: Option<Vec<Condition>>,
    /// Looks that failed, in a row.
    pub failures: u32,
}

impl Memory {
    pub(super) fn of(vcluster: Arc<VirtualCluster>) -> Self {
        Self { vcluster, stage: None, stood: BTreeMap::new(), user: None, narrows: true, conditions: None, failures: 0 }
    }
}

/// What is asked for there.
pub(super) struct Site<'a> {
    pub clients: &'a Clients,
    pub catalog: &'a Catalog,
    pub door: &'a str,
    pub authority: &'a str,
    pub tenant: &'a Tenant,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Kinds of what stood once and did not any more.
    pub tampered: Vec<String>,
    /// Why Bylaw is not reached from there, if so.
    pub unreached: Option<String>,
}

pub(super) async fn look(site: &Site<'_>, memory: &mut Memory) -> Result<Seen, AccessError> {
    let remote = site.clients.of(&memory.vcluster).await?;
    let user = match &memory.user {
        Some(user) => user.clone(),
        None => who_am_i(&remote).await.map_err(|fault| remote.told(fault))?,
    };
    memory.user = Some(user.clone());
    let mut observed = BTreeMap::new();
    for path in all_paths() {
        match remote.get(&path).await {
            Ok(object) => drop(observed.insert(path, object)),
            Err(Fault::NotFound) => {}
            Err(fault) => return Err(remote.told(fault)),
        }
    }
    let plan = |stage: Stage, narrows: bool| {
        let (door, authority, tenant) = (site.door, site.authority, site.tenant);
        wanted(&Plan { door, authority, tenant, stage, user: &user, narrows }, site.catalog)
    };
    let stage = if let Some(stage) = memory.stage {
        stage
    } else {
        // A leader before this one may have brought it up: then nothing is weakened for a moment.
        let is_up = plan(Stage::Up, true).iter().all(|one| is_there(one, &observed));
        let is_up = is_up || is_told(&observed, site.door) && probe(&remote).await.is_ok();
        if is_up { Stage::Up } else { Stage::ComingUp }
    };
    memory.stage = Some(stage);
    let all = plan(stage, memory.narrows);
    let tampered = tampered(&all, &observed, &memory.stood);
    let is_changed = put_right(&remote, &all, &observed, memory).await?;
    for path in all_paths().iter().filter(|path| !all.iter().any(|one| one.path == **path)) {
        if observed.contains_key(path) {
            remote.delete(path).await.map_err(|fault| remote.told(fault))?;
        }
    }
    let mut reached = probe(&remote).await;
    for _ in 1..PROBES {
        if reached.is_ok() || !is_changed {
            break;
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
        reached = probe(&remote).await;
    }
    if reached.is_ok() && stage == Stage::ComingUp {
        memory.stage = Some(Stage::Up);
        put_right(&remote, &plan(Stage::Up, memory.narrows), &BTreeMap::new(), memory).await?;
    }
    Ok(Seen { tampered, unreached: reached.err() })
}

/// Takes away all that is ours.
pub(super) async fn take_away(clients: &Clients, vcluster: &VirtualCluster) -> Result<(), AccessError> {
    let remote = clients.of(vcluster).await?;
    for path in all_paths() {
        remote.delete(&path).await.map_err(|fault| remote.told(fault))?;
    }
    Ok(())
}

fn is_there(wanted: &Wanted, observed: &BTreeMap<String, Value>) -> bool {
    observed.get(&wanted.path).is_some_and(|found| stands(wanted, found))
}

/// Whether its API server has been told of this door.
fn is_told(observed: &BTreeMap<String, Value>, door: &str) -> bool {
    observed.values().any(|object| {
        let webhooks = object.get("webhooks").and_then(Value::as_array).into_iter().flatten();
        let mut urls = webhooks.filter_map(|webhook| webhook.pointer("/clientConfig/url")?.as_str());
        urls.any(|url| url.starts_with(door))
    })
}

/// What stood as it should, and does not any more though nothing else is wanted.
fn tampered(all: &[Wanted], observed: &BTreeMap<String, Value>, stood: &BTreeMap<String, String>) -> Vec<String> {
    let is_tampered = |one: &&Wanted| stood.get(&one.path) == Some(&one.hash()) && !is_there(one, observed);
    all.iter().filter(is_tampered).map(|one| one.kind().to_owned()).collect()
}

/// Makes all of it so. Whether anything was to be done.
async fn put_right(
    remote: &Remote,
    all: &[Wanted],
    observed: &BTreeMap<String, Value>,
    memory: &mut Memory,
) -> Result<bool, AccessError> {
    let mut is_changed = false;
    memory.stood.retain(|path, _| all.iter().any(|one| one.path == *path));
    for one in all {
        if !is_there(one, observed) {
            is_changed = true;
            match apply(remote, one).await {
                Ok(true) => {}
                // It does not know a field of it: that is no tampering later.
                Ok(false) => continue,
                // An API server without such policies: then nothing protects it.
                Err(Fault::NotFound) if !one.is_configuration() => continue,
                Err(Fault::Refused(422 | 400, _)) if memory.narrows && one.is_configuration() => {
                    // A condition that this API server does not understand: from the next look on they are the engine's.
                    memory.narrows = false;
                    return Err(AccessError::Refused("it does not take the conditions of policies".to_owned()));
                }
                Err(fault) => return Err(remote.told(fault)),
            }
        }
        memory.stood.insert(one.path.clone(), one.hash());
    }
    Ok(is_changed)
}

/// Applies, and writes over what somebody put beside it where that weakens it. Whether it stands then.
async fn apply(remote: &Remote, one: &Wanted) -> Result<bool, Fault> {
    let applied = remote.apply(&one.path, &one.object).await?;
    if stands(one, &applied) {
        return Ok(true);
    }
    let again = if one.is_configuration() {
        let operations = corrections(&one.object, &applied);
        if operations.is_empty() {
            return Ok(false);
        }
        remote.edit(&one.path, &operations.into()).await?
    } else {
        remote.delete(&one.path).await?;
        remote.apply(&one.path, &one.object).await?
    };
    Ok(stands(one, &again))
}

async fn who_am_i(remote: &Remote) -> Result<String, Fault> {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let answer = remote.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await?;
    let user = answer.pointer("/status/userInfo/username").and_then(Value::as_str);
    user.map(clipped).ok_or_else(|| Fault::Silent("it does not say who Bylaw is there".to_owned()))
}

/// Asks for what only Bylaw refuses; why it is not reached otherwise.
async fn probe(remote: &Remote) -> Result<(), String> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": PROBED, "namespace": PROBED_IN },
    });
    match remote.create(&format!("/api/v1/namespaces/{PROBED_IN}/configmaps?dryRun=All"), &object).await {
        Err(Fault::Refused(_, message)) if message.contains("Bylaw answers") => Ok(()),
        Err(Fault::Refused(_, message) | Fault::Silent(message)) => Err(message),
        Err(Fault::NotFound) => Err(format!("it has no namespace {PROBED_IN} yet")),
        Ok(_) => Err("its API server does not ask yet".to_owned()),
    }
}
