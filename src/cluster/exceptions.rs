//! The `PolicyException` objects of a cluster, watched. Whoever uses them looks at their time himself, so that one which
//! has expired counts for nothing even where the watch is broken.

use std::collections::HashMap;
use std::sync::Arc;

use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::events::next_event;
use super::outage::Outage;
use crate::policy::Exception;

/// Exceptions that are kept, over all namespaces.
const MOST: usize = 10_000;

/// The watch; it ends with this.
pub struct ExceptionWatch(AbortHandle);

impl Drop for ExceptionWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls `tell` with all exceptions whenever they are others.
pub fn watch_exceptions(
    client: Client,
    runtime: &Handle,
    tell: impl FnMut(Vec<Arc<Exception>>) + Send + 'static,
) -> ExceptionWatch {
    ExceptionWatch(runtime.spawn(follow(client, tell)).abort_handle())
}

async fn follow(client: Client, mut tell: impl FnMut(Vec<Arc<Exception>>) + Send) {
    let resource = ApiResource {
        group: "bylaw.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "bylaw.dev/v1alpha1".to_owned(),
        kind: "PolicyException".to_owned(),
        plural: "policyexceptions".to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let (mut known, mut listed) = (Known::default(), Known::default());
    let mut outage = Outage::default();
    let complain = |error: &watcher::Error| info!(%error, "cannot watch PolicyExceptions: those that are known hold until they expire");
    while let Some(event) = next_event(&mut events, &mut outage, complain).await {
        match event {
            Event::Init => listed = Known::default(),
            Event::InitApply(object) => {
                listed.take(&object);
                continue;
            }
            Event::InitDone => known = std::mem::take(&mut listed),
            Event::Apply(object) => known.take(&object),
            Event::Delete(object) => known.forget(&object),
        }
        tell(known.0.values().cloned().collect());
    }
}

/// By namespace and name.
#[derive(Default)]
struct Known(HashMap<(String, String), Arc<Exception>>);

impl Known {
    fn take(&mut self, object: &DynamicObject) {
        // What it was before it was changed into something else holds no more, whatever that is.
        self.forget(object);
        let (namespace, name) = key(object);
        let read = serde_json::to_value(object).map_err(|error| error.to_string()).and_then(|value: Value| {
            Exception::read(&value)
                .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        });
        match read {
            Ok(_) if self.0.len() >= MOST => {
                warn!(namespace, name, "PolicyException without effect: there are {MOST} already");
            }
            Ok(exception) => drop(self.0.insert((namespace, name), Arc::new(exception))),
            Err(error) => warn!(namespace, name, "PolicyException without effect: {error}"),
        }
    }

    fn forget(&mut self, object: &DynamicObject) {
        self.0.remove(&key(object));
    }
}

fn key(object: &DynamicObject) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
