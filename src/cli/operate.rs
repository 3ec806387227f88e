//! `bylaw serve` in a cluster: the operator's part of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Settings;
use crate::operator::webhooks::Registration;
use crate::policy::Vantage;

/// Where a pod finds the namespace that it is in.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// How often the authority's file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Far above any chain of authorities.
const MAX_AUTHORITY: u64 = 1 << 20;

/// Bylaw's own namespace. `None` outside of a cluster, unless it is said.
pub(super) fn own_namespace(settings: &Settings) -> Option<String> {
    let of_pod = || {
        let text = settings.in_cluster.then(|| std::fs::read_to_string(NAMESPACE_FILE).ok()).flatten()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let told = || variable("POD_NAMESPACE").or_else(|| variable("KUBE_NAMESPACE"));
    settings.namespace.clone().or_else(told).or_else(of_pod)
}

/// The Service that leads to Bylaw, as `NAMESPACE/NAME` or `NAMESPACE/NAME:PORT`. jsPolicy's is taken over in place.
pub(super) fn service(settings: &Settings, namespace: &str) -> String {
    let named = || settings.service_name.clone().or_else(|| variable("JS_POLICY_SERVICE_NAME"));
    let own = || format!("{namespace}/{}", named().unwrap_or_else(|| "jspolicy".to_owned()));
    settings.webhook_service.clone().unwrap_or_else(own)
}

/// Where API servers call without a Service; `address` is where the server listens.
pub(super) fn url(settings: &Settings, address: &str) -> Option<String> {
    let is_service = settings.webhook_service.is_some() || settings.in_cluster && own_namespace(settings).is_some();
    let told = || variable("JS_POLICY_WEBHOOK_URL");
    settings.webhook_url.clone().or_else(told).or_else(|| (!is_service).then(|| format!("https://{address}")))
}

/// What jsPolicy's variables tuned that there is no more.
const PASSED_OVER: [(&str, &str); 4] = [
    ("VM_POOL_SIZE", "isolates follow the cores; --memory-budget bounds them"),
    ("WEBPACK_CONFIG", "there is no webpack; the bundler needs no settings"),
    ("PROFILING", "the time of each run is in bylaw_evaluation_duration_seconds"),
    ("DEBUG", "-v says more"),
];

/// Says which of them are set: whoever did that relies on something.
pub(super) fn tell_passed_over() {
    for (name, instead) in PASSED_OVER.into_iter().filter(|(name, _)| variable(name).is_some()) {
        tracing::warn!("{name} means nothing here: {instead}");
    }
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the webhook configurations say whatever the policies are.
pub(super) async fn registration(settings: &Settings, client: &Client, address: &str) -> anyhow::Result<Registration> {
    let namespace = own_namespace(settings);
    let exempt = match &settings.exempt_namespaces {
        Some(named) => named.iter().filter(|name| !name.is_empty()).cloned().collect(),
        None => ["kube-system".to_owned()].into_iter().chain(namespace.clone()).collect(),
    };
    let name = settings.webhook_name.clone().unwrap_or_else(|| "bylaw".to_owned());
    let client_config = match url(settings, address) {
        Some(url) => https(&url)?,
        None => {
            service_of(&service(settings, namespace.as_deref().unwrap_or_default())).context("--webhook-service")?
        }
    };
    let owner = match namespace.filter(|_| settings.in_cluster) {
        Some(namespace) => owner(client, &namespace).await,
        None => None,
    };
    let shape = settings.webhook_mode.unwrap_or_default();
    // jsPolicy's variable for the same.
    let own_kinds = variable("UPDATE_WEBHOOK").is_none_or(|value| value != "false");
    let (vantage, tenants) = (Vantage::Host, false);
    Ok(Registration { name, client: client_config, shape, exempt, owner, narrows: true, own_kinds, tenants, vantage })
}

/// `clientConfig` of a URL, without a path.
pub(super) fn https(url: &str) -> anyhow::Result<Value> {
    let parsed = url::Url::parse(url).with_context(|| url.to_owned())?;
    anyhow::ensure!(parsed.scheme() == "https", "{url}: an API server calls webhooks over https only");
    Ok(json!({ "url": url.trim_end_matches('/') }))
}

/// `clientConfig` of a Service, without a path.
pub(super) fn service_of(service: &str) -> anyhow::Result<Value> {
    let form = "must be NAMESPACE/NAME or NAMESPACE/NAME:PORT";
    let (namespace, name) = service.split_once('/').with_context(|| form.to_owned())?;
    let (name, port) = match name.split_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().with_context(|| format!("{port:?} is not a port"))?),
        None => (name, 443),
    };
    Ok(json!({ "service": { "namespace": namespace, "name": name, "port": port } }))
}

/// The namespace that Bylaw is in: when it goes, the configurations go, and nothing calls for a server that is gone.
async fn owner(client: &Client, namespace: &str) -> Option<Value> {
    use k8s_openapi::api::core::v1::Namespace;
    let api: kube::Api<Namespace> = kube::Api::all(client.clone());
    let found = tokio::time::timeout(Duration::from_secs(5), api.get_metadata(namespace)).await;
    match found {
        Ok(Ok(found)) => {
            let uid = found.metadata.uid?;
            Some(json!({ "apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": uid }))
        }
        Ok(Err(error)) => {
            tracing::warn!(namespace, %error, "the webhook configurations do not go with the namespace when it is deleted");
            None
        }
        Err(_) => None,
    }
}

/// The authority in a file, whenever that changes; empty where none is named.
pub(super) fn authority(path: Option<PathBuf>) -> watch::Receiver<Option<Arc<[u8]>>> {
    let read = |path: &PathBuf| -> Option<Arc<[u8]>> {
        let is_sane = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= MAX_AUTHORITY);
        let pem = is_sane.then(|| std::fs::read(path).ok()).flatten()?;
        pem.starts_with(b"-----BEGIN CERTIFICATE-----").then(|| pem.into())
    };
    let first = path.as_ref().and_then(read).unwrap_or_default();
    let (tell, told) = watch::channel(Some(first));
    if let Some(path) = path {
        tokio::spawn(async move {
            while !tell.is_closed() {
                tokio::time::sleep(LOOK).await;
                // Half a file is none: what was trusted before still is.
                if let Some(pem) = read(&path) {
                    tell.send_if_modified(|known| {
                        let is_other = known.as_deref() != Some(&*pem);
                        *known = Some(pem);
                        is_other
                    });
                }
            }
        });
    }
    told
}
