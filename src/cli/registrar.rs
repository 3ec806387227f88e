//! `bylaw serve` on a host of virtual clusters: their API servers are told to ask.

use std::sync::Arc;

use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::operate;
use crate::config::Settings;
use crate::matching::NamespaceLabels;
use crate::operator::Leadership;
use crate::policy::Catalog;
use crate::reports::Recorder;
use crate::tenancy::Tenancy;
use crate::tenancy::registration::{ClientLabels, Clients, Registrar, Setup};

/// What the server knows of its host.
pub(super) struct Host {
    pub client: Client,
    pub tenancy: Arc<Tenancy>,
    pub namespaces: Arc<dyn NamespaceLabels>,
}

/// What the registrar follows.
pub(super) struct Followed {
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    pub authority: watch::Receiver<Option<Arc<[u8]>>>,
    pub leadership: Leadership,
    pub recorder: Option<Recorder>,
}

/// Every replica looks into virtual clusters for the labels of their namespaces; the one that leads registers there.
pub(super) fn start(host: Host, followed: Followed, settings: &Settings, address: &str, runtime: &Handle) -> Registrar {
    let Host { client, tenancy, namespaces } = host;
    let clients = Clients::new(client.clone(), runtime);
    tenancy.look_inside_by(Arc::new(ClientLabels::new(clients.clone())));
    let Followed { catalogs, authority, leadership, recorder } = followed;
    let url = url(settings, address);
    let setup = Setup { host: client, clients, tenancy, namespaces, catalogs, authority, leadership, recorder, url };
    Registrar::start(setup, runtime)
}

/// Where API servers of virtual clusters call: what is said, or where the host's calls.
pub(super) fn url(settings: &Settings, address: &str) -> Option<String> {
    let of_service = || {
        let service = operate::service(settings, &operate::own_namespace(settings)?);
        let (namespace, name) = service.split_once('/')?;
        let (name, port) = name.split_once(':').unwrap_or((name, "443"));
        Some(format!("https://{name}.{namespace}.svc:{port}"))
    };
    settings.vcluster_url.clone().or_else(|| operate::url(settings, address)).or_else(of_service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_clusters_call_where_it_is_said_or_where_the_host_calls() {
        let settings = Settings { in_cluster: true, namespace: Some("policies".to_owned()), ..Settings::default() };
        assert_eq!(url(&settings, "0.0.0.0:8443").unwrap(), "https://jspolicy.policies.svc:443");
        let named = Settings { webhook_service: Some("policies/bylaw:8443".to_owned()), ..settings.clone() };
        assert_eq!(url(&named, "").unwrap(), "https://bylaw.policies.svc:8443");
        let outside = Settings { webhook_url: Some("https://192.0.2.1:8443".to_owned()), ..Settings::default() };
        assert_eq!(url(&outside, "").unwrap(), "https://192.0.2.1:8443");
        let told = Settings { vcluster_url: Some("https://bylaw.example.com".to_owned()), ..settings };
        assert_eq!(url(&told, "").unwrap(), "https://bylaw.example.com");
    }
}
