//! What of a virtual cluster's kubeconfig is believed: an authority, and a certificate or a token, each written in it. Its
//! syncer may write that Secret, so nothing in it may run a program, read a file, or choose whom Bylaw calls.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::AuthInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Far above any kubeconfig with one context.
const LONGEST: usize = 256 * 1024;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    clusters: Vec<Named<ClusterEntry>>,
    #[serde(default)]
    users: Vec<Named<UserEntry>>,
    #[serde(default)]
    contexts: Vec<Named<ContextEntry>>,
    #[serde(default, rename = "current-context")]
    current: String,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(flatten)]
    entry: T,
}

#[derive(Deserialize)]
struct ClusterEntry {
    cluster: Map<String, Value>,
}

#[derive(Deserialize)]
struct UserEntry {
    #[serde(default)]
    user: Map<String, Value>,
}

#[derive(Deserialize)]
struct ContextEntry {
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

/// Who says where the API server is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Server<'a> {
    /// The one who registered it, or what the chart makes of its name.
    At(&'a str),
    /// The kubeconfig, which an admin brought; where it means its own machine, it is at this address.
    OfFile { instead: &'a str },
}

/// What a user may have; anything else is refused by name.
const OF_USER: [&str; 3] = ["client-certificate-data", "client-key-data", "token"];
/// The same of a cluster. `server` is not always heeded.
const OF_CLUSTER: [&str; 3] = ["server", "certificate-authority-data", "disable-compression"];

/// The way that a kubeconfig shows.
///
/// # Errors
/// What is wrong with it; no value of it is ever repeated.
pub(super) fn read(text: &[u8], server: Server<'_>) -> Result<Config, String> {
    if text.len() > LONGEST {
        return Err(format!("its kubeconfig is larger than {} KiB", LONGEST / 1024));
    }
    let text = std::str::from_utf8(text).map_err(|_| "its kubeconfig is not text".to_owned())?;
    let File { clusters, users, contexts, current } =
        serde_saphyr::from_str(text).map_err(|_| "its kubeconfig is none".to_owned())?;
    let context = match contexts.iter().find(|context| context.name == current) {
        Some(context) => Some(&context.entry.context),
        None if contexts.len() == 1 => contexts.first().map(|context| &context.entry.context),
        None => None,
    };
    let context = context.ok_or("its kubeconfig has no current context")?;
    let cluster = clusters.iter().find(|one| one.name == context.cluster).ok_or("its context names no cluster")?;
    let (cluster, none) = (&cluster.entry.cluster, Map::new());
    let user = users.iter().find(|one| one.name == context.user).map_or(&none, |user| &user.entry.user);
    only("cluster", cluster, &OF_CLUSTER)?;
    only("user", user, &OF_USER)?;
    let mut config = Config::new(url(cluster, server)?);
    config.root_cert = Some(authority(cluster)?);
    config.auth_info = auth_info(user)?;
    config.default_retry = false;
    Ok(config)
}

fn only(what: &str, fields: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && value != "";
    match fields.iter().find(|(name, value)| is_set(value) && !known.contains(&name.as_str())) {
        // Of those that mean something one says which it is; any other could be a text of its author's.
        Some((name, _)) if REFUSED.contains(&name.as_str()) => {
            Err(format!("the {what} of its kubeconfig has {name}, which Bylaw does not follow: give the data itself"))
        }
        Some(_) => Err(format!("the {what} of its kubeconfig has a field that Bylaw does not know")),
        None => Ok(()),
    }
}

/// What runs programs, reads files, or leads elsewhere.
const REFUSED: [&str; 15] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "client-certificate",
    "client-key",
    "certificate-authority",
    "insecure-skip-tls-verify",
    "proxy-url",
    "tls-server-name",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
];

fn url(cluster: &Map<String, Value>, server: Server<'_>) -> Result<hyper::Uri, String> {
    let text = match server {
        Server::At(url) => url,
        Server::OfFile { instead } => {
            let told = cluster.get("server").and_then(Value::as_str).unwrap_or_default();
            if is_own_machine(told) { instead } else { told }
        }
    };
    let url: hyper::Uri = text.trim_end_matches('/').parse().map_err(|_| "its server is no URL".to_owned())?;
    let is_bare = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if url.scheme_str() != Some("https") || !is_bare {
        return Err("its server is not called over https".to_owned());
    }
    Ok(url)
}

/// What vCluster writes there for whoever forwards a port.
fn is_own_machine(url: &str) -> bool {
    let parsed = url::Url::parse(url).ok();
    parsed.is_none_or(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(url::Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    })
}

fn authority(cluster: &Map<String, Value>) -> Result<Vec<Vec<u8>>, String> {
    let pem =
        decoded(cluster, "certificate-authority-data")?.ok_or("its kubeconfig has no certificate-authority-data")?;
    let certificates: Result<Vec<Vec<u8>>, _> =
        CertificateDer::pem_slice_iter(&pem).map(|one| one.map(|one| one.to_vec())).collect();
    let certificates = certificates.map_err(|_| "its certificate-authority-data is no PEM".to_owned())?;
    if certificates.is_empty() {
        Err("its certificate-authority-data holds no certificate".to_owned())
    } else {
        Ok(certificates)
    }
}

fn auth_info(user: &Map<String, Value>) -> Result<AuthInfo, String> {
    let mut told = Map::new();
    for field in OF_USER {
        if let Some(text) = user.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            told.insert(field.to_owned(), json!(text));
        }
    }
    for field in ["client-certificate-data", "client-key-data"] {
        decoded(&told, field)?;
    }
    if told.contains_key("client-certificate-data") != told.contains_key("client-key-data") {
        return Err("its client certificate and its client key go together".to_owned());
    }
    if told.is_empty() {
        return Err("its kubeconfig has neither a client certificate nor a token".to_owned());
    }
    serde_json::from_value(Value::Object(told)).map_err(|_| "its user is none".to_owned())
}

fn decoded(fields: &Map<String, Value>, field: &str) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()) else { return Ok(None) };
    STANDARD.decode(text.trim()).map(Some).map_err(|_| format!("its {field} is no base64"))
}

#[cfg(test)]
#[path = "kubeconfig_tests.rs"]
mod tests;
