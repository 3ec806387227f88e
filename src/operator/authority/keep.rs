//! What the replica that leads does: heal the Secret, and renew what is in it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::material::{CA_CERTIFICATES, CA_KEY, CERTIFICATE, KEY, Material, NEXT_KEY, pem};
use super::plan::{Change, Found, plan};
use super::{Seen, Shared, clock};
use crate::cluster::Outage;
use crate::operator::fault::reason;
use crate::operator::{FIELD_MANAGER, NotLeading};

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// Between two writes, so that whoever fights over the Secret is not answered without end.
const BETWEEN_WRITES: Duration = Duration::from_millis(500);

/// For one write.
const WITHIN: Duration = Duration::from_secs(10);

/// The longest time between two looks at the webhook configurations: somebody may never show what we wait for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What is known of whether clients trust a bundle.
#[derive(Default)]
struct Trust {
    /// Since when they do.
    since: Option<(String, Instant)>,
    looked: Option<Instant>,
}

pub(super) async fn keep(shared: Arc<Shared>) {
    let mut leadership = shared.leadership.clone();
    let mut seen = shared.seen.subscribe();
    while leadership.wait_for(true).await.is_some() {
        let mut trust = Trust::default();
        let mut writing = Outage::default();
        while leadership.is_leader() {
            seen.mark_unchanged();
            let pause = match look(&shared, &mut trust).await {
                Ok(None) => TICK,
                Ok(Some(())) => {
                    writing.recovered();
                    BETWEEN_WRITES
                }
                Err(why) => {
                    let pause = writing.failed(std::time::Instant::now());
                    if writing.is_new() {
                        warn!(secret = %shared.place(), why, "the shared certificate could not be written");
                    }
                    pause
                }
            };
            // What changed in between is looked at after the pause.
            tokio::time::sleep(pause.min(BETWEEN_WRITES)).await;
            let rest = pause.saturating_sub(BETWEEN_WRITES);
            let _ = timeout(rest, seen.changed()).await;
        }
    }
    // The election is over, and the process with it.
    std::future::pending::<()>().await;
}

/// Does what is due. `None` where nothing is.
async fn look(shared: &Shared, trust: &mut Trust) -> Result<Option<()>, String> {
    let seen = shared.seen.borrow().clone();
    let last_good = shared.last_good();
    let (secret, material) = match &seen {
        Seen::NotYet => return Ok(None),
        Seen::Absent => (None, None),
        Seen::There { secret, material } => (Some(&**secret), Some(&**material)),
    };
    let found =
        Found { secret: material, last_good: last_good.as_deref(), is_shown: is_shown(shared, material, trust).await };
    let change = plan(found, &shared.terms, clock()).map_err(|error| error.to_string())?;
    let Some(Change { to, why }) = change else { return Ok(None) };
    let write = async {
        match secret {
            None => create(shared, &to).await,
            Some(secret) => replace(shared, secret, &to).await,
        }
    };
    match shared.leadership.guard(write).await {
        Ok(Ok(true)) => info!(secret = %shared.place(), why, "wrote the shared certificate"),
        // Somebody was quicker, or this replica does not lead any more: the watch tells.
        Ok(Ok(false)) | Err(NotLeading) => {}
        Ok(Err(why)) => return Err(why),
    }
    Ok(Some(()))
}

/// Whether the configurations have shown the whole bundle for long enough for every API server to have noticed.
async fn is_shown(shared: &Shared, material: Option<&Material>, trust: &mut Trust) -> bool {
    let Some(material) = material.filter(|material| material.next.is_some()) else {
        *trust = Trust::default();
        return false;
    };
    let propagation = shared.config.propagation;
    if trust.looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN.min(propagation / 2)) {
        trust.looked = Some(Instant::now());
        let bundle = pem(&material.bundle);
        let is_same = trust.since.as_ref().is_some_and(|(shown, _)| *shown == bundle);
        if !shared.shown.shows(bundle.as_bytes()).await {
            trust.since = None;
        } else if !is_same {
            trust.since = Some((bundle, Instant::now()));
        }
    }
    trust.since.as_ref().is_some_and(|(shown, at)| at.elapsed() >= propagation && *shown == pem(&material.bundle))
}

/// Makes the Secret. `false` where there is one already.
pub(super) async fn create(shared: &Shared, material: &Material) -> Result<bool, String> {
    let labels = [("app.kubernetes.io/managed-by".to_owned(), "bylaw".to_owned())];
    let name = Some(shared.config.secret.clone());
    let secret = Secret {
        metadata: ObjectMeta { name, labels: Some(labels.into()), ..ObjectMeta::default() },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(material.to_data()),
        ..Secret::default()
    };
    settled(timeout(WITHIN, shared.secrets.create(&parameters(), &secret)).await)
}

/// Replaces our part of a Secret, unless it has changed since. `false` where it has.
async fn replace(shared: &Shared, old: &Secret, material: &Material) -> Result<bool, String> {
    if old.immutable == Some(true) {
        return delete(shared, old).await;
    }
    let mut secret = old.clone();
    let data = secret.data.get_or_insert_default();
    for name in [CA_CERTIFICATES, CA_KEY, NEXT_KEY, CERTIFICATE, KEY] {
        data.remove(name);
    }
    data.extend(material.to_data().into_iter().filter(|(_, ByteString(value))| !value.is_empty()));
    settled(timeout(WITHIN, shared.secrets.replace(&shared.config.secret, &parameters(), &secret)).await)
}

/// One that was made immutable can only be made anew; the last good content is known or, if not, nobody is served anyhow.
async fn delete(shared: &Shared, old: &Secret) -> Result<bool, String> {
    let preconditions =
        Preconditions { uid: old.metadata.uid.clone(), resource_version: old.metadata.resource_version.clone() };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    settled(timeout(WITHIN, shared.secrets.delete(&shared.config.secret, &parameters)).await)
}

/// A write that came too late is none.
fn settled<T>(written: Result<Result<T, kube::Error>, tokio::time::error::Elapsed>) -> Result<bool, String> {
    match written {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(kube::Error::Api(status)))
            if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
        {
            // A namespace that is missing is "not found" as well, and nothing that time heals.
            if status.message.contains("namespaces") { Err(status.message.clone()) } else { Ok(false) }
        }
        Ok(Err(error)) => Err(reason(&error)),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}
