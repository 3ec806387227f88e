//! What is said of a registration in the status of its `VirtualCluster` object.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::AccessError;
use super::client::clipped;
use super::look::{Memory, Seen};
use crate::operator::{FIELD_MANAGER, reason};
use crate::tenancy::VirtualCluster;

/// For one answer of the host.
const WITHIN: Duration = Duration::from_secs(5);

/// A condition of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub of: &'static str,
    /// `None` where it cannot be known.
    pub holds: Option<bool>,
    pub reason: &'static str,
    pub message: String,
    /// Since when it holds or does not; as an API server writes it.
    pub since: String,
}

impl Condition {
    fn new(of: &'static str, holds: Option<bool>, reason: &'static str, message: impl Into<String>) -> Self {
        Self { of, holds, reason, message: message.into(), since: String::new() }
    }

    const fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }
}

/// The reason of one that nobody calls.
pub(super) const RESTING: &str = "Resting";

const READY: &str = "Ready";
const REGISTERED: &str = "Registered";
const REACHED: &str = "Reached";

/// All that is said after a look.
pub(super) fn of_look(found: &Result<Seen, AccessError>) -> Vec<Condition> {
    match found {
        Ok(Seen { unreached: None, .. }) => vec![
            Condition::new(READY, Some(true), "Asks", "its API server asks Bylaw"),
            Condition::new(REGISTERED, Some(true), "Applied", "the configurations stand"),
            Condition::new(REACHED, Some(true), "Answered", "its API server reaches Bylaw"),
        ],
        Ok(Seen { unreached: Some(why), .. }) => vec![
            Condition::new(READY, Some(false), "NotReached", "its API server does not reach Bylaw"),
            Condition::new(REGISTERED, Some(true), "Applied", "the configurations stand"),
            Condition::new(REACHED, Some(false), "NotReached", clipped(why)),
        ],
        Err(error) => {
            let told = clipped(&error.to_string());
            vec![
                Condition::new(READY, Some(false), error.reason(), told.clone()),
                Condition::new(REGISTERED, None, error.reason(), told),
                Condition::new(REACHED, None, error.reason(), "its API server was not asked"),
            ]
        }
    }
}

/// Of one that rests: nobody calls it.
pub(super) fn of_rest(state: &str) -> Vec<Condition> {
    let message = format!("it is {state}; what was registered is looked at when it runs again");
    vec![Condition::new(READY, Some(false), RESTING, message)]
}

/// Why nothing can be registered anywhere.
pub(super) fn of_want(message: &str) -> Vec<Condition> {
    vec![Condition::new(READY, Some(false), "NotPossible", message)]
}

/// Of one that is not to be registered any more.
pub(super) fn of_removal(found: &Result<(), AccessError>) -> Vec<Condition> {
    vec![match found {
        Ok(()) => Condition::new(REGISTERED, Some(false), "Removed", "what was registered is taken away"),
        Err(error) => Condition::new(REGISTERED, None, error.reason(), clipped(&error.to_string())),
    }]
}

/// Writes conditions; they keep the time of what has not changed. Nothing is written where nothing is new.
pub(super) async fn write(host: &Client, memory: &mut Memory, mut now: Vec<Condition>) -> Result<(), String> {
    let vcluster = &memory.vcluster;
    let Some(access) = &vcluster.access else { return Ok(()) };
    let api = api(host, vcluster);
    let before = if let Some(before) = memory.conditions.take() {
        before
    } else {
        let found = tokio::time::timeout(WITHIN, api.get_opt(&vcluster.name)).await;
        let found = found.map_err(|_| "no answer in time".to_owned())?.map_err(|error| reason(&error))?;
        let Some(found) = found else { return Ok(()) };
        read(found.data.pointer("/status/conditions"))
    };
    // One that rests is what it was, but that nobody looks.
    if now.iter().all(|condition| condition.reason == RESTING) {
        now.extend(before.iter().filter(|known| known.of != READY).cloned());
    }
    let at = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for condition in &mut now {
        let known = before.iter().find(|known| known.of == condition.of && known.holds == condition.holds);
        condition.since = known.map_or_else(|| at.clone(), |known| known.since.clone());
    }
    if now == before {
        memory.conditions = Some(before);
        return Ok(());
    }
    let written = now.iter().map(|condition| {
        json!({
            "type": condition.of, "status": condition.word(), "reason": condition.reason, "message": condition.message,
            "lastTransitionTime": condition.since, "observedGeneration": access.generation,
        })
    });
    let object = json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "VirtualCluster",
        "metadata": { "name": &*vcluster.name, "namespace": &*vcluster.namespace, "uid": &*access.uid },
        "status": { "observedGeneration": access.generation, "conditions": written.collect::<Vec<Value>>() },
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(&object);
    match tokio::time::timeout(WITHIN, api.patch_status(&vcluster.name, &params, &patch)).await {
        Ok(Ok(_)) => {
            memory.conditions = Some(now);
            Ok(())
        }
        // It is gone, or another: there is nobody to tell.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 || status.code == 409 => Ok(()),
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn read(conditions: Option<&Value>) -> Vec<Condition> {
    let all = conditions.and_then(Value::as_array).into_iter().flatten();
    let one = |condition: &Value| {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        let of = [READY, REGISTERED, REACHED].into_iter().find(|of| *of == text("type"))?;
        let holds = match text("status") {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        // Whatever its reason was: it is written anew once.
        let since = text("lastTransitionTime").to_owned();
        Some(Condition { since, ..Condition::new(of, holds, "Known", "it was so when it was last looked at") })
    };
    all.filter_map(one).collect()
}

fn api(host: &Client, vcluster: &VirtualCluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "VirtualCluster");
    let resource = ApiResource::from_gvk_with_plural(&kind, "virtualclusters");
    Api::namespaced_with(host.clone(), &vcluster.namespace, &resource)
}
