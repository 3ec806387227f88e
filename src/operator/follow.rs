//! Watching one kind of object for as long as the process lives, whatever becomes of the API server meanwhile.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;

use crate::cluster::Outage;

/// How often a kind that the API server does not serve is asked for: its CRD may come any time.
const ABSENT: Duration = Duration::from_secs(1);

/// Objects that a list may bring; what comes beyond is left out by whoever keeps them.
const MAX_LISTED: usize = 20_000;

/// What a watch tells.
pub(super) enum Seen {
    /// These are all there are.
    All(Vec<Value>),
    One(Value),
    /// The name of one that is gone.
    Gone(String),
    /// Nothing can be seen at the moment, and why. What was seen before may still be so.
    Lost(Why),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The API server does not serve the kind.
    Absent,
    Error(String),
}

/// Follows objects until it is aborted. Each that is told of is without `managedFields`.
///
/// After an outage all of them are listed anew: a watch that goes on in silence would never say that it is well again.
pub(super) async fn follow(api: Api<DynamicObject>, config: watcher::Config, mut tell: impl FnMut(Seen)) {
    let anew = || watcher(api.clone(), config.clone());
    let mut events = std::pin::pin!(anew());
    let mut outage = Outage::default();
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Vec::new(),
            Ok(Event::InitApply(object)) => {
                if listed.len() < MAX_LISTED {
                    listed.extend(value_of(object));
                }
            }
            Ok(Event::InitDone) => {
                outage.recovered();
                tell(Seen::All(std::mem::take(&mut listed)));
            }
            Ok(Event::Apply(object)) => {
                outage.recovered();
                if let Some(object) = value_of(object) {
                    tell(Seen::One(object));
                }
            }
            Ok(Event::Delete(object)) => {
                outage.recovered();
                tell(Seen::Gone(object.metadata.name.unwrap_or_default()));
            }
            Err(error) if is_absent(&error) => {
                tell(Seen::Lost(Why::Absent));
                tokio::time::sleep(ABSENT).await;
                events.set(anew());
            }
            Err(error) => {
                let now = Instant::now();
                let is_lost = !outage.is_mere_break(&error, now);
                let pause = outage.watch_failed(&error, now);
                if is_lost {
                    tell(Seen::Lost(Why::Error(error.to_string())));
                }
                tokio::time::sleep(pause).await;
                if is_lost {
                    events.set(anew());
                }
            }
        }
    }
}

fn is_absent(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn value_of(mut object: DynamicObject) -> Option<Value> {
    object.metadata.managed_fields = None;
    serde_json::to_value(object).ok()
}
