//! What the status of a `PolicyException` says: whether it counts, and where it does not, why. Only the leader watches them
//! for that, and writes some a second at most, however many expire at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use super::follow::{Seen, follow};
use super::{FIELD_MANAGER, Leadership};
use crate::policy::{Catalog, Exception, MOST_EXCEPTIONS_IN_NAMESPACE, Pattern};
use crate::review::clip::clip;

/// Exceptions that are told of.
const MOST: usize = 10_000;

/// Writes in one round, and how long after it the next begins.
const A_ROUND: usize = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// How long after a write that failed it is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How long nothing is looked at, even where nothing is known to happen: clocks are set.
const LONGEST: Duration = Duration::from_mins(10);

const LONGEST_MESSAGE: usize = 1_000;

/// Keeps the status of all exceptions while this replica leads.
pub(super) struct Exceptions {
    pub client: Client,
    pub leadership: Leadership,
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    /// The policies that may be excepted from.
    pub allowed: Arc<[Pattern]>,
}

/// Namespace and name.
type Key = (String, String);

type Known = BTreeMap<Key, Value>;

/// A status that is to be written.
struct Due {
    key: Key,
    uid: String,
    status: Value,
}

/// Whether one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    counts: bool,
    reason: &'static str,
    message: String,
}

impl Exceptions {
    pub(super) async fn run(mut self) {
        while self.leadership.wait_for(true).await.is_some() {
            let known = Arc::new(Mutex::new(Known::new()));
            let (tell, mut told) = watch::channel(());
            let mut watching = JoinSet::new();
            let kept = Arc::clone(&known);
            watching.spawn(follow(
                Api::all_with(self.client.clone(), &resource()),
                watcher::Config::default(),
                move |seen| {
                    take(&mut lock(&kept), seen);
                    tell.send_replace(());
                },
            ));
            loop {
                let next = self.round(&known).await;
                let mut leadership = self.leadership.clone();
                let goes_on = tokio::select! {
                    seen = told.changed() => seen.is_ok(),
                    published = self.catalogs.changed() => {
                        if published.is_err() {
                            return;
                        }
                        true
                    }
                    () = tokio::time::sleep(next) => true,
                    _ = leadership.wait_for(false) => false,
                };
                if !goes_on {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Writes what is not said yet, as much of it as one round may. When to look again, if nothing happens before.
    async fn round(&mut self, known: &Mutex<Known>) -> Duration {
        let catalog = Arc::clone(&self.catalogs.borrow_and_update());
        let now = Timestamp::now();
        let (due, mut next) = self.due(&lock(known), &catalog, now);
        if due.len() > A_ROUND {
            next = Duration::ZERO;
        }
        for Due { key, uid, status } in due.into_iter().take(A_ROUND) {
            if !self.write(&key, &uid, &status).await {
                // Most likely none can be written.
                return RETRY;
            }
            // The watch tells of it in a moment; it is not to be written again until then.
            if let Some(object) = lock(known).get_mut(&key).and_then(Value::as_object_mut) {
                object.insert("status".to_owned(), status);
            }
        }
        next
    }

    /// What is to be written, and when something changes by itself.
    fn due(&self, known: &Known, catalog: &Catalog, now: Timestamp) -> (Vec<Due>, Duration) {
        let (mut due, mut next) = (Vec::new(), LONGEST);
        let mut counted = ("", 0);
        for (key, object) in known {
            let read = Exception::read(object);
            if let Ok(exception) = &read {
                counted = if counted.0 == key.0 { (counted.0, counted.1 + 1) } else { (&*key.0, 1) };
                let left = exception.expires().saturating_sub(now.as_millisecond());
                if let Ok(left) = u64::try_from(left).map(Duration::from_millis) {
                    // A moment later, so that it is over by then.
                    next = next.min(left + Duration::from_millis(50));
                }
            }
            let standing = match read {
                Ok(_) if counted.1 > MOST_EXCEPTIONS_IN_NAMESPACE => Standing::not(
                    "TooMany",
                    format!("its namespace has more than {MOST_EXCEPTIONS_IN_NAMESPACE}, and the first by name count"),
                ),
                Ok(exception) => self.standing(&exception, catalog, now),
                Err(errors) => {
                    Standing::not("Invalid", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
                }
            };
            if let Some(status) = standing.unless_told(object, now) {
                let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
                due.push(Due { key: key.clone(), uid, status });
            }
        }
        (due, next)
    }

    fn standing(&self, exception: &Exception, catalog: &Catalog, now: Timestamp) -> Standing {
        if now.as_millisecond() >= exception.expires() {
            return Standing::not("Expired", "its time is over: policies judge again what it let past".to_owned());
        }
        let why_not = |policy: &String| {
            let found = catalog.revisions.iter().find(|revision| *revision.spec.name == **policy);
            match found {
                None => Some(format!("{policy} is no policy that is enforced here")),
                Some(found) if found.oversight.refuses_exceptions => {
                    Some(format!("{policy} does not let itself be excepted from"))
                }
                Some(_) if !self.allowed.iter().any(|pattern| pattern.matches(policy)) => {
                    Some(format!("{policy} is not among the policies that --allow-exceptions names"))
                }
                Some(_) => None,
            }
        };
        let without: Vec<String> = exception.policies().iter().filter_map(why_not).collect();
        if without.len() == exception.policies().len() {
            return Standing::not("NothingExcepted", without.join("; "));
        }
        Standing { counts: true, reason: "InForce", message: without.join("; ") }
    }

    async fn write(&self, (namespace, name): &Key, uid: &str, status: &Value) -> bool {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource());
        let patch = json!({ "metadata": { "uid": uid }, "status": status });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let write = async { api.patch_status(name, &params, &Patch::Merge(&patch)).await };
        match self.leadership.guard(write).await {
            Ok(Ok(_)) => true,
            // It is gone, or another of its name: the watch will tell.
            Ok(Err(kube::Error::Api(answer))) if answer.code == 404 || answer.code == 409 => true,
            Ok(Err(error)) => {
                warn!(namespace, name, %error, "the status of a PolicyException cannot be written");
                false
            }
            Err(_) => false,
        }
    }
}

impl Standing {
    fn not(reason: &'static str, message: String) -> Self {
        Self { counts: false, reason, message }
    }

    /// The status to write; `None` where the object says so already.
    fn unless_told(&self, object: &Value, now: Timestamp) -> Option<Value> {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let before =
            conditions.into_iter().flatten().find(|one| one.get("type").and_then(Value::as_str) == Some("Ready"));
        let said = |field: &str| before.and_then(|before| before.get(field));
        let generation = object.pointer("/metadata/generation").cloned().unwrap_or_default();
        let (word, message) = (if self.counts { "True" } else { "False" }, clip(&self.message, LONGEST_MESSAGE));
        let is_same = |field: &str, value: &str| said(field).and_then(Value::as_str).unwrap_or_default() == value;
        let is_told = is_same("status", word)
            && is_same("reason", self.reason)
            && is_same("message", message)
            && said("observedGeneration") == Some(&generation);
        if is_told {
            return None;
        }
        let since = said("lastTransitionTime").filter(|_| is_same("status", word)).cloned();
        let since = since.unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        let condition = json!({
            "type": "Ready", "status": word, "reason": self.reason, "message": message,
            "observedGeneration": generation, "lastTransitionTime": since,
        });
        Some(json!({ "observedGeneration": generation, "conditions": [condition] }))
    }
}

fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "PolicyException"),
        "policyexceptions",
    )
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(known: &mut Known, seen: Seen) {
    let key = |object: &Value| {
        let word = |name: &str| object.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        (word("/metadata/namespace"), word("/metadata/name"))
    };
    match seen {
        Seen::All(objects) => *known = objects.into_iter().take(MOST).map(|object| (key(&object), object)).collect(),
        Seen::One(object) => {
            let key = key(&object);
            if known.len() < MOST || known.contains_key(&key) {
                known.insert(key, object);
            }
        }
        Seen::Gone { namespace, name } => drop(known.remove(&(namespace, name))),
        Seen::Lost(_) => {}
    }
}

#[cfg(test)]
#[path = "exceptions_tests.rs"]
mod tests;
