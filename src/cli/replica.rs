//! One of the replicas of a cluster: the election and the shared certificate, beside a server that serves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::operate;
use crate::cluster::{Connection, connect};
use crate::config::Settings;
use crate::http::{Checks, Serving, Shutdown};
use crate::operator::authority::{
    AUTHORITY_LIFE, Authority, AuthorityConfig, Configurations, LEAF_LIFE, PROPAGATION, SECRET_NAME, watch_bundle,
};
use crate::operator::lease::{Election, ElectionConfig, LEASE_DURATION};
use crate::operator::{Leadership, Leading};
use crate::telemetry::Metrics;

const LEASE_NAME: &str = "bylaw";

/// How long a start waits for the shared certificate before it goes on without: unready, but there.
const CERTIFICATE_WITHIN: Duration = Duration::from_secs(10);

/// How long the end of a process waits for the Lease to be released.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// A replica that runs. Its certificates are kept until it is dropped.
pub(super) struct Replica {
    client: Client,
    namespace: String,
    pub leadership: Leadership,
    /// What webhook configurations are to show as `caBundle`; see [`Authority::bundle`].
    pub bundle: watch::Receiver<Option<Arc<[u8]>>>,
    bundle_path: Option<PathBuf>,
    election: JoinHandle<()>,
    certificates: Option<JoinHandle<()>>,
}

/// Where a replica is.
pub(super) struct Site<'a> {
    pub cluster: &'a Connection,
    /// Bylaw's own, in which all replicas are.
    pub namespace: String,
    /// Where this one listens.
    pub address: &'a str,
}

impl Replica {
    /// Stands for the leadership, and serves the shared certificate through `serving` unless the settings name files.
    pub(super) async fn start(
        site: Site<'_>,
        settings: &Settings,
        serving: Arc<Serving>,
        checks: &Arc<Checks>,
        metrics: &Arc<Metrics>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        // A client of its own: a renewal must not wait behind what policies ask for.
        let Site { cluster, namespace, address } = site;
        let client = connect(cluster).await?;
        let (leading, leadership) = Leading::new();
        let config = ElectionConfig {
            namespace: namespace.clone(),
            name: settings.lease_name.clone().unwrap_or_else(|| LEASE_NAME.to_owned()),
            identity: identity(settings),
            duration: settings.lease_duration.map_or(LEASE_DURATION, Into::into),
        };
        let election = Election::new(client.clone(), config, leading, Arc::clone(checks), Arc::clone(metrics));
        let over = shutdown.clone();
        let election = tokio::spawn(election.run(async move { over.started().await }));
        let mut replica = Self {
            client,
            namespace,
            leadership,
            bundle: watch::Sender::new(None).subscribe(),
            bundle_path: None,
            election,
            certificates: None,
        };
        if let Some(certificate) = &settings.tls_cert {
            let beside = || certificate.with_file_name("ca.crt");
            replica.bundle = watch_bundle(settings.tls_ca.clone().unwrap_or_else(beside));
        } else {
            replica.share_certificate(settings, address, serving, checks, metrics).await;
        }
        Ok(replica)
    }

    async fn share_certificate(
        &mut self,
        settings: &Settings,
        address: &str,
        serving: Arc<Serving>,
        checks: &Arc<Checks>,
        metrics: &Arc<Metrics>,
    ) {
        let service = operate::service(settings, &self.namespace);
        let (namespace, name) = service.split_once('/').unwrap_or((&self.namespace, &service));
        let name = name.split(':').next().unwrap_or_default();
        let url = operate::url(settings, address);
        let shown = Configurations::new(self.client.clone(), namespace, name, url.as_deref());
        let config = AuthorityConfig {
            namespace: self.namespace.clone(),
            secret: settings.tls_secret.clone().unwrap_or_else(|| SECRET_NAME.to_owned()),
            is_foreign: settings.tls_secret.is_some(),
            subjects: subjects(name, namespace, [url.as_deref(), settings.vcluster_url.as_deref()]),
            authority_life: settings.authority_life.map_or(AUTHORITY_LIFE, Into::into),
            leaf_life: settings.certificate_life.map_or(LEAF_LIFE, Into::into),
            propagation: settings.propagation.map_or(PROPAGATION, Into::into),
            state_dir: settings.state_dir(),
        };
        let authority = Authority::new(
            self.client.clone(),
            config,
            serving,
            self.leadership.clone(),
            Arc::new(shown),
            Arc::clone(checks),
            Arc::clone(metrics),
        );
        self.bundle = authority.bundle();
        self.bundle_path = Some(authority.bundle_path());
        self.certificates = Some(tokio::spawn(authority.run()));
        let mut bundle = self.bundle.clone();
        if !matches!(timeout(CERTIFICATE_WITHIN, bundle.wait_for(Option::is_some)).await, Ok(Ok(_))) {
            tracing::warn!("there is no shared certificate yet: not ready until there is");
        }
    }

    /// The file with what clients are to trust, where there is one.
    pub(super) fn authority_path(&self) -> Option<PathBuf> {
        self.bundle_path.clone().filter(|path| path.is_file())
    }

    /// After the server has drained: waits until the Lease is released.
    pub(super) async fn end(mut self) {
        if timeout(RELEASED_WITHIN, &mut self.election).await.is_err() {
            tracing::warn!("the election did not end in time");
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.election.abort();
        if let Some(certificates) = &self.certificates {
            certificates.abort();
        }
    }
}

fn identity(settings: &Settings) -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let told = settings.identity.clone().or_else(|| operate::variable("POD_NAME"));
    told.or_else(host).unwrap_or_else(|| "bylaw".to_owned())
}

/// What API servers may call a replica: the Service, the URL; and loopback, for people.
fn subjects<'u>(service: &str, namespace: &str, urls: impl IntoIterator<Item = Option<&'u str>>) -> Vec<String> {
    let mut subjects: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    subjects.extend(["", ".svc", ".svc.cluster.local"].map(|end| format!("{service}.{namespace}{end}")));
    let urls = urls.into_iter().flatten().filter_map(|url| url::Url::parse(url).ok());
    subjects.extend(urls.filter_map(|url| url.host_str().map(str::to_owned)));
    subjects.sort();
    subjects.dedup();
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_for_the_service_and_for_the_url() {
        let subjects = subjects("jspolicy", "policies", [Some("https://bylaw.example.com:8443"), None]);
        for name in ["jspolicy.policies.svc", "jspolicy.policies.svc.cluster.local", "bylaw.example.com", "127.0.0.1"] {
            assert!(subjects.iter().any(|subject| subject == name), "{subjects:?}");
        }
    }
}
