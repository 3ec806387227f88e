//! The clients of virtual clusters: made when they are needed, and dropped when they are not. A thousand that are idle cost
//! nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::Api;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::client::{Remote, clipped};
use super::kubeconfig::{Server, read};
use super::{AccessError, place};
use crate::tenancy::VirtualCluster;

/// A client that nobody has used for so long is dropped, and its connections with it.
const IDLE: Duration = Duration::from_secs(45);
/// How often that is looked for.
const SWEEP: Duration = Duration::from_secs(15);
/// How long it is taken for granted that the Secret is what it was.
const FRESH: Duration = Duration::from_secs(10);
/// For one answer of the host.
const WITHIN: Duration = Duration::from_secs(5);
/// Clients at a time; more are made and not kept.
const MOST: usize = 512;

/// The keys under which vCluster and others keep a kubeconfig in a Secret.
const KEYS: [&str; 3] = ["config", "kubeconfig", "value"];

/// Cheap to clone.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    host: Client,
    kept: Mutex<HashMap<Who, Kept>>,
    sweep: Mutex<Option<AbortHandle>>,
}

/// By place and uid: one that is made anew has another way in.
type Who = (Arc<str>, Arc<str>, Arc<str>);

struct Kept {
    remote: Remote,
    /// Of the Secret, and of what the registration says beside it.
    version: (String, Option<Arc<str>>),
    checked: Instant,
    used: Instant,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(sweep) = self.sweep.lock().unwrap_or_else(PoisonError::into_inner).take() {
            sweep.abort();
        }
    }
}

impl Clients {
    /// Reads Secrets with the host's client.
    #[must_use]
    pub fn new(host: Client, runtime: &Handle) -> Self {
        let inner = Arc::new(Inner { host, kept: Mutex::default(), sweep: Mutex::default() });
        let weak = Arc::downgrade(&inner);
        let sweep = runtime.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(inner) = weak.upgrade() else { return };
                inner.kept().retain(|_, kept| kept.used.elapsed() < IDLE);
            }
        });
        *inner.sweep.lock().unwrap_or_else(PoisonError::into_inner) = Some(sweep.abort_handle());
        Self(inner)
    }

    /// Clients that are kept now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.kept().len()
    }

    /// One for whoever rests is none any more.
    pub(super) fn forget(&self, vcluster: &VirtualCluster) {
        self.0.kept().remove(&who(vcluster));
    }

    /// The client of a virtual cluster that an object registers.
    pub(super) async fn of(&self, vcluster: &VirtualCluster) -> Result<Remote, AccessError> {
        let Some(access) = &vcluster.access else {
            return Err(AccessError::NoSecret(place(vcluster)));
        };
        let who = who(vcluster);
        if let Some(kept) = self.0.kept().get_mut(&who)
            && kept.checked.elapsed() < FRESH
            && kept.version.1 == access.url
        {
            kept.used = Instant::now();
            return Ok(kept.remote.clone());
        }
        let named = format!("{}/{}", vcluster.namespace, access.secret);
        let api: Api<Secret> = Api::namespaced(self.0.host.clone(), &vcluster.namespace);
        let unreadable = |cause: String| AccessError::Unreadable(named.clone(), clipped(&cause));
        let found = tokio::time::timeout(WITHIN, api.get_opt(&access.secret)).await;
        let found = found.map_err(|_| unreadable("no answer in time".to_owned()))?;
        let secret = match found {
            Ok(found) => found.ok_or_else(|| AccessError::NoSecret(named.clone()))?,
            Err(error) => return Err(unreadable(crate::operator::reason(&error))),
        };
        let version = (secret.metadata.resource_version.clone().unwrap_or_default(), access.url.clone());
        let now = Instant::now();
        if let Some(kept) = self.0.kept().get_mut(&who)
            && kept.version == version
        {
            (kept.checked, kept.used) = (now, now);
            return Ok(kept.remote.clone());
        }
        let remote = remote(vcluster, &secret).map_err(|why| AccessError::BadSecret(named, why))?;
        let mut all = self.0.kept();
        if all.len() < MOST || all.contains_key(&who) {
            all.insert(who, Kept { remote: remote.clone(), version, checked: now, used: now });
        }
        Ok(remote)
    }
}

impl Inner {
    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Who, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(vcluster: &VirtualCluster) -> Who {
    (Arc::clone(&vcluster.namespace), Arc::clone(&vcluster.name), Arc::clone(&vcluster.uid))
}

fn remote(vcluster: &VirtualCluster, secret: &Secret) -> Result<Remote, String> {
    let data = secret.data.as_ref();
    let text = KEYS.iter().find_map(|key| data.and_then(|data| data.get(*key)));
    let ByteString(text) = text.ok_or_else(|| format!("it has none of the keys {}", KEYS.join(", ")))?;
    let (namespace, name) = (&vcluster.namespace, &vcluster.name);
    // The name that the certificate of its API server is for.
    let of_chart = format!("https://{name}.{namespace}:443");
    let access = vcluster.access.as_deref();
    let server = match access.and_then(|access| access.url.as_deref()) {
        Some(url) => Server::At(url),
        // What its own syncer writes does not choose whom Bylaw calls.
        None if access.is_none_or(|access| *access.secret == *format!("vc-{name}")) => Server::At(&of_chart),
        None => Server::OfFile { instead: &of_chart },
    };
    Remote::new(read(text, server)?)
}
