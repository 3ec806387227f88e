//! The server as a whole: bound first, so that every fault of its configuration shows before anything else is
//! loaded; then run until it has drained.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::accept::{Accepted, Acceptor};
use super::ca::{self, Authority};
use super::checks::{Checks, Gate};
use super::connection::{self, Shared};
use super::drain::Phase;
use super::health::Page;
use super::plain::PlainServer;
use super::tls::{self, Keeper};
use super::{Admit, Config, DrainConfig, Drained, HttpError, Limits, Shutdown, TlsSource};
use crate::telemetry::Metrics;

/// How long connections that are cut off may take to notice.
const CUT_OFF_TIME: Duration = Duration::from_secs(1);

/// A server that holds its ports. Health and metrics are served from [`Server::bind`] on, the webhook from
/// [`Server::run`] on; until then its connections wait in the kernel's queue.
pub struct Server {
    acceptor: Acceptor,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    health_address: Option<SocketAddr>,
    authority_path: Option<PathBuf>,
    tls: TlsAcceptor,
    limits: Limits,
    drain: DrainConfig,
    checks: Arc<Checks>,
    metrics: Arc<Metrics>,
    /// The plain ports and the keeper of the certificate; dropped with the server.
    beside: JoinSet<()>,
}

impl Server {
    /// Takes the ports and the certificate.
    ///
    /// # Errors
    /// Every fault of the configuration, each naming what to change: a port in use, a file that cannot be read, a key
    /// that does not belong to its certificate, a state folder that cannot be used.
    pub async fn bind(config: Config, checks: Arc<Checks>, metrics: Arc<Metrics>) -> Result<Self, HttpError> {
        checks.set("server", Gate::Ready, Err("not accepting yet".to_owned()));
        let Config { listen, limits, drain, .. } = config;
        let keeper = keeper(config.tls, config.client_ca, listen).await?;
        let tls = TlsAcceptor::from(Arc::new(keeper.server_config()?));
        let authority_path = keeper.authority_path();
        keeper.publish(SystemTime::now(), &checks, &metrics);

        let acceptor = Acceptor::bind(listen, "--listen", limits.connections).await?;
        let address =
            acceptor.address().map_err(|fault| HttpError::Bind { address: listen, flag: "--listen", fault })?;
        let mut beside = JoinSet::new();
        let health = Page::Health(Arc::clone(&checks));
        let health_address = plain(&mut beside, config.health_listen, "--health-listen", health).await?;
        let scrape = Page::Metrics(Arc::clone(&metrics));
        let metrics_address = plain(&mut beside, config.metrics_listen, "--metrics-listen", scrape).await?;
        beside.spawn(tls::keep(keeper, Arc::clone(&checks), Arc::clone(&metrics)));
        Ok(Self {
            acceptor,
            address,
            metrics_address,
            health_address,
            authority_path,
            tls,
            limits,
            drain,
            checks,
            metrics,
            beside,
        })
    }

    /// Where the webhook listens, with the port the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health_address
    }

    /// The certificate that clients are to trust, where the server made its own.
    pub fn authority_path(&self) -> Option<PathBuf> {
        self.authority_path.clone()
    }

    /// Serves until `shutdown` starts and everything in flight is answered, or the drain's deadline passes.
    pub async fn run<A: Admit>(self, admit: Arc<A>, shutdown: Shutdown) -> Drained {
        let Self { acceptor, tls, limits, drain, checks, metrics, beside, .. } = self;
        let shared = Arc::new(Shared::new(admit, limits, metrics, tls));
        checks.set("server", Gate::Ready, Ok(()));

        accept_until(&acceptor, &shared, shutdown.started()).await;
        checks.set("shutdown", Gate::Ready, Err("the process is shutting down".to_owned()));
        shared.enter(Phase::Draining);
        accept_until(&acceptor, &shared, tokio::time::sleep(drain.delay)).await;
        for accepted in acceptor.close() {
            spawn(&shared, accepted);
        }
        shared.enter(Phase::Stopping);

        let drained = wait_for_connections(&shared, drain.deadline).await;
        // Until here probes and scrapes could watch.
        drop(beside);
        drained
    }
}

/// Loads or makes the certificate, off the runtime: it reads and writes files.
async fn keeper(source: TlsSource, client_ca: Option<PathBuf>, listen: SocketAddr) -> Result<Keeper, HttpError> {
    let keeper = move || match source {
        TlsSource::Brought(serving) => Ok(Keeper::of_serving(serving)),
        TlsSource::Files { cert, key } => Keeper::of_files(&cert, &key),
        TlsSource::SelfSigned { state_dir, names } => {
            let now = SystemTime::now();
            let authority = Authority::open(&state_dir, ca::subjects(listen.ip(), &names), now)?;
            Keeper::of_authority(authority, now)
        }
    };
    let load = move || {
        let mut keeper = keeper()?;
        if let Some(path) = client_ca {
            keeper.admit_only(&path)?;
        }
        Ok(keeper)
    };
    match tokio::task::spawn_blocking(load).await {
        Ok(keeper) => keeper,
        Err(error) => Err(HttpError::Tls(rustls::Error::General(error.to_string()))),
    }
}

async fn plain(
    beside: &mut JoinSet<()>,
    address: Option<SocketAddr>,
    flag: &'static str,
    page: Page,
) -> Result<Option<SocketAddr>, HttpError> {
    let Some(address) = address else { return Ok(None) };
    let server = PlainServer::bind(address, flag, page).await?;
    let address = server.address();
    beside.spawn(server.run());
    Ok(address)
}

async fn accept_until<A: Admit>(acceptor: &Acceptor, shared: &Arc<Shared<A>>, end: impl Future<Output = ()>) {
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            () = end.as_mut() => return,
            accepted = acceptor.next() => spawn(shared, accepted),
        }
    }
}

fn spawn<A: Admit>(shared: &Arc<Shared<A>>, (stream, permit): Accepted) {
    tokio::spawn(connection::serve(Arc::clone(shared), stream, shared.phases(), permit));
}

/// Waits until every connection is gone.
async fn wait_for_connections<A>(shared: &Shared<A>, deadline: Duration) -> Drained {
    if timeout(deadline, shared.all_closed()).await.is_ok() {
        return Drained { cut_off: 0 };
    }
    let cut_off = shared.open_connections();
    tracing::warn!(cut_off, "the drain's deadline has passed: closing connections that are still busy");
    shared.enter(Phase::Aborting);
    let _ = timeout(CUT_OFF_TIME, shared.all_closed()).await;
    Drained { cut_off }
}
