//! The way to an API server: a kubeconfig file, or the service account of the pod.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::Limited;
use hyper::Response;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use tower::util::option_layer;
use tower::{BoxError, Layer, ServiceExt};

use super::ClusterError;

/// Where the credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// `--kubeconfig FILE`, with its current context.
    Kubeconfig(PathBuf),
    /// `--in-cluster`.
    InCluster,
}

/// An API server, with Bylaw's credentials and without.
#[derive(Clone)]
pub struct Connected {
    pub client: Client,
    pub(super) bare: Client,
    /// Hosts and ports at which policies would call it.
    pub(super) addresses: Vec<(String, u16)>,
}

/// Makes a client; nothing is sent before its first use. Call it inside of a tokio runtime.
pub async fn connect(connection: &Connection) -> Result<Client, ClusterError> {
    client_of(config_of(connection).await?)
}

/// The same for a cluster in which policies ask as accounts of their own.
pub async fn connect_bare_too(connection: &Connection) -> Result<Connected, ClusterError> {
    let mut connected = connected(config_of(connection).await?)?;
    if *connection == Connection::InCluster {
        connected.addresses.extend(OF_THE_SERVICE.map(|name| (name.to_owned(), 443)));
    }
    Ok(connected)
}

/// The names of the API server for those in its cluster.
const OF_THE_SERVICE: [&str; 4] =
    ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

fn connected(mut config: Config) -> Result<Connected, ClusterError> {
    let (host, port) = (config.cluster_url.host(), config.cluster_url.port_u16().unwrap_or(443));
    let addresses = host.into_iter().map(|host| (host.to_owned(), port)).collect();
    let client = client_of(config.clone())?;
    config.auth_info = AuthInfo::default();
    Ok(Connected { client, bare: client_of(config)?, addresses })
}

async fn config_of(connection: &Connection) -> Result<Config, ClusterError> {
    match connection {
        Connection::Kubeconfig(path) => from_file(path).await,
        Connection::InCluster => Config::incluster().map_err(|e| ClusterError::NotInCluster(e.to_string())),
    }
}

/// The same with another context of the file than its current one.
///
/// # Errors
/// Where there is no such context: the error names those that there are.
pub async fn connect_to_context(path: &Path, context: &str) -> Result<Connected, ClusterError> {
    let failed = |cause: String| ClusterError::Kubeconfig { path: path.to_owned(), cause };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| failed(e.to_string()))?;
    if !kubeconfig.contexts.iter().any(|known| known.name == context) {
        let known: Vec<&str> = kubeconfig.contexts.iter().map(|known| &*known.name).collect();
        let (context, path) = (context.to_owned(), path.to_owned());
        return Err(ClusterError::UnknownContext { path, context, known: known.join(", ") });
    }
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    connected(Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| failed(e.to_string()))?)
}

/// A client of somebody else's API server: an answer of more than so many bytes is none.
///
/// # Errors
/// Where a certificate or a key of it is of no use.
pub fn bounded_client(config: Config, most: usize) -> Result<Client, ClusterError> {
    stack(config, most).map_err(|e| ClusterError::Client(e.to_string()))
}

fn client_of(config: Config) -> Result<Client, ClusterError> {
    stack(config, usize::MAX).map_err(|e| ClusterError::Client(e.to_string()))
}

/// kube's own stack but for three things: small writes go out at once (each new connection was seen to wait 40 ms for the
/// server's delayed ACK), dead connections are noticed, and nothing is retried behind our back: a `create` that timed out
/// may have happened, and a policy has a deadline.
fn stack(mut config: Config, most: usize) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        config.default_retry = false;
        return Client::try_from(config);
    }
    if CryptoProvider::get_default().is_none() {
        // Fails only where another thread was quicker, which is as good.
        drop(default_provider().install_default());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http = HyperClient::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(tls);
    let service = config.extra_headers_layer()?.layer(http.map_err(BoxError::from));
    let service = option_layer(config.auth_layer()?).layer(service);
    let service =
        service.map_response(move |response: Response<Incoming>| response.map(|body| Limited::new(body, most)));
    Ok(Client::new(config.base_uri_layer().layer(service), config.default_namespace))
}

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

async fn from_file(path: &Path) -> Result<Config, ClusterError> {
    let failed = |cause: String| ClusterError::Kubeconfig { path: path.to_owned(), cause };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| failed(e.to_string()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_kubeconfig_is_named_with_its_flag() {
        let error = connect(&Connection::Kubeconfig("/no/such/file".into())).await.err().unwrap().to_string();
        assert!(error.contains("/no/such/file") && error.contains("--kubeconfig"), "{error}");
    }
}
