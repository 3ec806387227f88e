//! The face towards the API server: TLS, limits, routes, health, and a drain that loses nothing.
//!
//! Whoever judges implements [`Admit`]; this folder brings it whole bodies under bounds and deadlines and knows
//! nothing of reviews. [`Server::bind`] takes the ports and the certificate, [`Server::run`] serves until a
//! [`Shutdown`] has drained.

mod accept;
mod body;
mod ca;
mod callers;
mod checks;
mod connection;
mod drain;
mod error;
mod health;
pub(crate) mod issue;
mod limits;
mod pair;
mod plain;
mod routes;
mod server;
mod serving;
mod silence;
pub(crate) mod state;
mod timeout;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use hyper::StatusCode;

pub use ca::ca_bundle;
pub use checks::{Checks, Gate};
pub use drain::{Drained, Shutdown};
pub use error::{HttpError, PairFault};
pub use limits::Limits;
pub(crate) use pair::Pair;
pub use server::Server;
pub use serving::Serving;

use crate::telemetry::Route;

/// Where to listen and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// The webhook itself, over TLS.
    pub listen: SocketAddr,
    /// `GET /metrics`, plain.
    pub metrics_listen: Option<SocketAddr>,
    /// `GET /livez /readyz /healthz`, plain.
    pub health_listen: Option<SocketAddr>,
    pub tls: TlsSource,
    /// PEM certificates of the authority that callers must have one of; everybody may call where there is none.
    pub client_ca: Option<PathBuf>,
    pub limits: Limits,
    pub drain: DrainConfig,
}

/// Where the serving certificate comes from.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// PEM files that someone else renews; a change is served without a restart.
    Files { cert: PathBuf, key: PathBuf },
    /// An authority of our own in `state_dir`, with a leaf for loopback, the listening address and `names` (DNS names
    /// or IP addresses).
    SelfSigned { state_dir: PathBuf, names: Vec<String> },
    /// What somebody else brings, and brings anew before it expires.
    Brought(Arc<Serving>),
}

/// How a shutdown goes.
#[derive(Debug, Clone, Copy)]
pub struct DrainConfig {
    /// How long to go on accepting after turning unready: in a cluster, as long as endpoints take to propagate.
    pub delay: Duration,
    /// How long requests in flight may take after that before they are cut off.
    pub deadline: Duration,
}

impl Default for DrainConfig {
    /// No delay: outside a cluster nobody balances load by readiness. 25 s are nearly the longest webhook timeout and
    /// stay below the 30 s after which a kubelet kills.
    fn default() -> Self {
        Self { delay: Duration::ZERO, deadline: Duration::from_secs(25) }
    }
}

/// What a request asks for, by its path.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /validate`: every validating policy that matches.
    Validate,
    /// `POST /mutate`: every mutating policy that matches.
    Mutate,
    /// `POST /validate/<webhook>` and `POST /mutate/<webhook>`: of the policies that match, those that the webhook was
    /// registered for.
    Webhook { name: String, mutate: bool },
    /// `POST /policy/<name>`: that policy alone, as jsPolicy serves it.
    Policy(String),
    /// `POST /crds`: validation of our own kinds.
    Crds,
    /// `POST /vcluster/<token>/{validate,mutate}`: reviews of one virtual cluster. The token is a secret.
    /// `…/<webhook>` behind it narrows it as above.
    VirtualCluster { token: String, webhook: Option<String>, mutate: bool, certificate: Option<Arc<str>> },
}

impl Endpoint {
    /// The labels under which a review of this endpoint is counted.
    pub const fn route(&self) -> Route {
        match self {
            Self::Validate | Self::Webhook { mutate: false, .. } => Route::Validate,
            Self::Mutate | Self::Webhook { mutate: true, .. } => Route::Mutate,
            Self::Policy(_) => Route::Policy,
            Self::Crds => Route::Crds,
            Self::VirtualCluster { mutate: false, .. } => Route::VirtualValidate,
            Self::VirtualCluster { mutate: true, .. } => Route::VirtualMutate,
        }
    }
}

/// Never shows a token: endpoints end up in logs.
impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Validate => formatter.write_str("Validate"),
            Self::Mutate => formatter.write_str("Mutate"),
            Self::Webhook { name, mutate } => {
                formatter.debug_struct("Webhook").field("name", name).field("mutate", mutate).finish()
            }
            Self::Policy(name) => formatter.debug_tuple("Policy").field(name).finish(),
            Self::Crds => formatter.write_str("Crds"),
            Self::VirtualCluster { mutate, .. } => {
                formatter.debug_struct("VirtualCluster").field("mutate", mutate).finish_non_exhaustive()
            }
        }
    }
}

/// The whole answer to one request, always JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Answer {
    /// `{"error": message}` with this status.
    pub fn error(status: StatusCode, message: &str) -> Self {
        let body = serde_json::json!({ "error": message }).to_string();
        Self { status, body: body.into() }
    }
}

/// The future of an [`Answer`].
pub type Answering<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Judges the bodies that the server brings. One request is one call, concurrent with all others.
pub trait Admit: Send + Sync + 'static {
    /// Answers one request. `timeout` is what is left of the time the API server gives, if it said so; it may be
    /// zero. A body that is no `AdmissionReview` is answered with 400, anything that is one with 200 (contract §2).
    fn admit(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answering<'_>;

    /// Whether `/policy/<name>` exists: an unknown one is refused before its body is read.
    fn knows_policy(&self, name: &str) -> bool;

    /// Whether a token is that of a virtual cluster, and the common name of the caller's certificate, if it has one, not
    /// that of another: whoever comes with anything else is refused before the body is read.
    fn knows_vcluster(&self, token: &str, certificate: Option<&str>) -> bool;
}
