//! Where the key of all tokens is kept: a Secret of Bylaw's own namespace, which its replicas share, or a file of the state
//! folder where there is no cluster. Whoever deletes it makes all tokens anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::doors::NoRandomness;
use super::{DoorKey, Tenancy};
use crate::cluster::{Outage, next_event};
use crate::http::{HttpError, state};

/// The Secret.
pub const KEY_SECRET: &str = "bylaw-vcluster-key";
/// The key in it.
const FIELD: &str = "key";
/// The file.
const FILE: &str = "vcluster-key";

/// For one write.
const WITHIN: Duration = Duration::from_secs(10);
/// After one that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    File(#[from] HttpError),
    #[error("{}: this is no key of virtual clusters; delete it, and register them anew", .0.display())]
    Garbage(PathBuf),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("the Secret {namespace}/{KEY_SECRET} cannot be read: {cause}")]
    Secret { namespace: String, cause: String },
    #[error(
        "the Secret {namespace}/{KEY_SECRET} holds no key of virtual clusters; where no server has made it yet, start one"
    )]
    NoKey { namespace: String },
}

/// The key of a state folder, which is made if there is none.
///
/// # Errors
/// Where the folder cannot be read or written, or holds something else.
pub fn key_of_folder(folder: &Path) -> Result<DoorKey, KeyError> {
    state::make_folder(folder)?;
    let _lock = state::lock(folder)?;
    let path = folder.join(FILE);
    if let Some(text) = state::read(&path)? {
        if state::is_exposed(&path) {
            warn!(path = %path.display(), "others may read the key of virtual clusters: chmod 600 mends it");
        }
        return DoorKey::parse(&text).ok_or(KeyError::Garbage(path));
    }
    let key = DoorKey::generate()?;
    state::write(&path, key.to_text().as_bytes(), state::PRIVATE)?;
    Ok(key)
}

/// The key that the servers of a cluster share.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub async fn key_of_cluster(client: &Client, namespace: &str) -> Result<DoorKey, KeyError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let failed = |cause: String| KeyError::Secret { namespace: namespace.to_owned(), cause };
    let found = tokio::time::timeout(WITHIN, api.get_opt(KEY_SECRET)).await;
    let found =
        found.map_err(|_| failed("no answer in time".to_owned()))?.map_err(|error| failed(error.to_string()))?;
    found.as_ref().and_then(key_of).ok_or_else(|| KeyError::NoKey { namespace: namespace.to_owned() })
}

/// The watch; it ends with this.
pub struct KeyWatch {
    task: AbortHandle,
    settled: watch::Receiver<bool>,
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyWatch {
    /// Follows the Secret, and makes it where there is none: of replicas that do so at once, one is quicker.
    #[must_use]
    pub fn start(client: &Client, runtime: &Handle, namespace: &str, tenancy: &Arc<Tenancy>) -> Self {
        let (tell, settled) = watch::channel(false);
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let task = runtime.spawn(follow(api, Arc::clone(tenancy), tell)).abort_handle();
        Self { task, settled }
    }

    /// Waits until the key is known, or that it cannot be; false where it took longer.
    pub async fn wait_until_settled(&self, at_most: Duration) -> bool {
        let mut settled = self.settled.clone();
        tokio::time::timeout(at_most, settled.wait_for(|settled| *settled)).await.is_ok_and(|settled| settled.is_ok())
    }
}

async fn follow(api: Api<Secret>, tenancy: Arc<Tenancy>, settled: watch::Sender<bool>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={KEY_SECRET}"));
    let mut events = std::pin::pin!(watcher(api.clone(), config));
    let mut outage = Outage::default();
    let complain = |error: &watcher::Error| {
        warn!(secret = KEY_SECRET, %error, "the key of virtual clusters cannot be watched: that which is known holds");
        settled.send_replace(true);
    };
    let mut is_there = false;
    while let Some(event) = next_event(&mut events, &mut outage, complain).await {
        match event {
            Event::Init => is_there = false,
            Event::InitApply(secret) | Event::Apply(secret) => {
                is_there = true;
                take(&secret, &tenancy);
                settled.send_replace(true);
            }
            Event::InitDone if is_there => {}
            Event::InitDone | Event::Delete(_) => {
                make(&api).await;
            }
        }
    }
}

fn take(secret: &Secret, tenancy: &Tenancy) {
    match key_of(secret) {
        Some(key) if tenancy.key().as_deref() == Some(&key) => {}
        Some(key) => {
            tenancy.set_key(key);
            info!(secret = KEY_SECRET, "virtual clusters have tokens of this key");
        }
        None => warn!(secret = KEY_SECRET, "it holds no key of virtual clusters: delete it, and a new one is made"),
    }
}

fn key_of(secret: &Secret) -> Option<DoorKey> {
    let ByteString(bytes) = secret.data.as_ref()?.get(FIELD)?;
    DoorKey::parse(std::str::from_utf8(bytes).ok()?)
}

/// Makes the Secret, or finds that somebody else has: the watch tells what is in it.
async fn make(api: &Api<Secret>) {
    let mut is_told = false;
    loop {
        let written = match new() {
            Ok(secret) => tokio::time::timeout(WITHIN, api.create(&PostParams::default(), &secret)).await,
            Err(NoRandomness) => return,
        };
        let why = match written {
            Ok(Ok(_)) => return,
            Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if !std::mem::replace(&mut is_told, true) {
            warn!(secret = KEY_SECRET, why, "the key of virtual clusters cannot be made: they have no tokens");
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn new() -> Result<Secret, NoRandomness> {
    let text = DoorKey::generate()?.to_text();
    let labels = [("app.kubernetes.io/managed-by".to_owned(), "bylaw".to_owned())];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(KEY_SECRET.to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some([(FIELD.to_owned(), ByteString(text.into_bytes()))].into()),
        // It is replaced by being deleted.
        immutable: Some(true),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_key_where_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state");
        let key = key_of_folder(&folder).unwrap();
        assert_eq!(key_of_folder(&folder).unwrap(), key);
        let path = folder.join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "garbage").unwrap();
        let error = key_of_folder(&folder).unwrap_err().to_string();
        assert!(error.contains("vcluster-key") && error.contains("delete it"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert_ne!(key_of_folder(&folder).unwrap(), key);
    }

    #[test]
    fn a_secret_keeps_a_key_and_garbage_is_none() {
        let mut secret = new().unwrap();
        let key = key_of(&secret).unwrap();
        let tenancy = Tenancy::default();
        take(&secret, &tenancy);
        assert_eq!(tenancy.key().as_deref(), Some(&key));
        for garbage in [&b"\xff"[..], b"", b"short"] {
            secret.data = Some([(FIELD.to_owned(), ByteString(garbage.to_vec()))].into());
            take(&secret, &tenancy);
            assert_eq!(tenancy.key().as_deref(), Some(&key), "what is known holds");
        }
    }
}
