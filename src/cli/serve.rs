//! `bylaw serve`: the webhook server on policies from folders.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Args;
use kube::Client;

use super::Verdict;
use super::output::say;
use super::oversight::Oversight;
use super::pool_health::watch_pool;
use super::runtime::{Stage, logging};
use crate::cluster::{
    CacheLimits, Cluster, ClusterNamespaces, Connection, Inventory, Kind, OfflineNamespaces, connect,
};
use crate::config::Settings;
use crate::engine::Engine;
use crate::host::Objects;
use crate::http::{Checks, Config, DrainConfig, Gate, Limits, Server, Shutdown, TlsSource};
use crate::matching::NamespaceLabels;
use crate::policy::{Catalog, watch};
use crate::pool::{Pool, PoolSize};
use crate::reports::Sources;
use crate::telemetry::{Metrics, PolicyState};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bylaw serve -p policies\n  bylaw serve -p policies --inventory manifests/ --listen 0.0.0.0:8443 --tls-cert \
                        tls.crt --tls-key tls.key"
)]
pub(super) struct ServeArgs {
    /// All of these settings as YAML; flags and the environment stand over it
    #[arg(long, value_name = "FILE", env = "BYLAW_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(args: ServeArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    let settings = match &args.config {
        Some(path) => args.settings.or_file(path)?,
        None => args.settings,
    };
    settings.check()?;
    logging(verbosity, settings.log_json)?;
    let stage = Stage::new()?;
    stage.block_on(serve(&stage, &settings))?;
    Ok(Verdict::Yes)
}

async fn serve(stage: &Stage, settings: &Settings) -> anyhow::Result<()> {
    let shutdown = Shutdown::default();
    shutdown.on_signals()?;
    let checks = Arc::new(Checks::default());
    checks.set("pool", Gate::Ready, Err("isolates are being made".to_owned()));
    checks.set("policies", Gate::Ready, Err("policies are being loaded".to_owned()));

    // What can keep it from starting comes first, so that nothing is said of policies before that.
    let server = Server::bind(config(settings), Arc::clone(&checks), Arc::clone(&stage.metrics)).await?;
    let world = World::connect(stage, settings).await?;
    let mut loader = stage.loader(&settings.policies, settings.compat, None)?;
    let catalog = loader.load()?;
    report(&catalog, &checks, &stage.metrics);
    let count = catalog.revisions.len();
    world.prepare(&catalog).await;
    let cluster = world.cluster.clone();
    let current = Arc::new(ArcSwap::new(catalog));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut size = PoolSize::for_cores(cores);
    if let Some(budget) = settings.memory_budget {
        size.memory = usize::try_from(budget.as_u64()).unwrap_or(usize::MAX);
    }
    let pool = Pool::start(
        size,
        stage.host(world.objects),
        Arc::clone(&stage.limits),
        Arc::clone(&current),
        Arc::clone(&stage.metrics),
    )?;
    let sources = world.client.clone().map(|client| Sources {
        client,
        catalog: Arc::clone(&current),
        metrics: Arc::clone(&stage.metrics),
    });
    let engine = Arc::new(Engine::new(pool, current, world.namespaces, Arc::clone(&stage.metrics), settings.echo));
    let oversight =
        sources.map(|sources| Oversight::start(sources, &engine, (stage.handle(), None), &settings.reports));

    let watcher = {
        let (engine, checks, metrics) = (Arc::clone(&engine), Arc::clone(&checks), Arc::clone(&stage.metrics));
        let runtime = stage.handle().clone();
        watch(loader, move |catalog| {
            report(&catalog, &checks, &metrics);
            if let Some(cluster) = cluster.clone() {
                let kinds = kinds_read(&catalog);
                runtime.spawn(async move { cluster.prepare(kinds).await });
            }
            engine.publish(catalog);
        })?
    };
    let watching = {
        let (engine, checks, metrics) = (Arc::clone(&engine), Arc::clone(&checks), Arc::clone(&stage.metrics));
        tokio::spawn(watch_pool(engine, checks, metrics, shutdown.clone()))
    };
    announce(settings, &server, count);
    let drained = server.run(engine, shutdown).await;
    watching.abort();
    if let Some(oversight) = oversight {
        oversight.finish().await;
    }
    drop(watcher);
    tracing::info!(?drained, "stopped");
    match watching.await {
        Ok(why) => Err(anyhow::anyhow!(why)),
        Err(_) => Ok(()),
    }
}

/// Where policies read and write, and where namespaces have their labels from.
struct World {
    objects: Objects,
    namespaces: Arc<dyn NamespaceLabels>,
    cluster: Option<Cluster>,
    client: Option<Client>,
}

impl World {
    async fn connect(stage: &Stage, settings: &Settings) -> anyhow::Result<Self> {
        let connection = match (&settings.kubeconfig, settings.in_cluster) {
            (Some(path), _) => Some(Connection::Kubeconfig(path.clone())),
            (None, true) => Some(Connection::InCluster),
            (None, false) => None,
        };
        if let Some(connection) = connection {
            let client = connect(&connection).await?;
            let namespaces = ClusterNamespaces::watch(client.clone(), stage.handle());
            if !namespaces.wait_until_ready(Duration::from_secs(10)).await {
                tracing::warn!(
                    "the cluster's namespaces are not there yet; policies that select by them decide by their failure mode"
                );
            }
            let cluster = Cluster::new(client.clone(), stage.handle(), CacheLimits::default());
            let objects = Objects::Cluster(cluster.clone());
            return Ok(Self {
                objects,
                namespaces: Arc::new(namespaces),
                cluster: Some(cluster),
                client: Some(client),
            });
        }
        let inventory = match &settings.inventory {
            Some(path) => Arc::new(Inventory::load(&[path])?),
            None => Arc::new(Inventory::from_objects([])?),
        };
        let namespaces =
            Arc::new(OfflineNamespaces { inventory: Arc::clone(&inventory), ..OfflineNamespaces::default() });
        let objects = if settings.inventory.is_some() { Objects::Inventory(inventory) } else { Objects::Nowhere };
        Ok(Self { objects, namespaces, cluster: None, client: None })
    }

    /// Starts the caches of the kinds that policies may read, so that no first request waits for a list.
    async fn prepare(&self, catalog: &Catalog) {
        if let Some(cluster) = &self.cluster {
            cluster.prepare(kinds_read(catalog)).await;
        }
    }
}

/// The kinds that policies name in their permissions; those with a wildcard are cached when they are first read.
fn kinds_read(catalog: &Catalog) -> HashSet<Kind> {
    let named = catalog.revisions.iter().flat_map(|revision| &revision.spec.permissions.read);
    named.filter_map(|kind| Kind::parse(kind).ok()).collect()
}

fn config(settings: &Settings) -> Config {
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => TlsSource::Files { cert: cert.clone(), key: key.clone() },
        _ => TlsSource::SelfSigned { state_dir: settings.state_dir(), names: names(settings) },
    };
    let drain = DrainConfig { delay: Duration::from_secs(settings.drain_delay.unwrap_or(0)), ..DrainConfig::default() };
    Config {
        listen: settings.listen(),
        metrics_listen: Some(settings.metrics_listen()),
        health_listen: Some(settings.health_listen()),
        tls,
        limits: Limits::default(),
        drain,
    }
}

/// The certificate must also carry the name that the API server is told to call.
fn names(settings: &Settings) -> Vec<String> {
    let host = settings
        .webhook_url
        .as_deref()
        .and_then(|url| url::Url::parse(url).ok())
        .and_then(|url| url.host_str().map(str::to_owned));
    host.into_iter().collect()
}

/// Says in readiness and metrics which policies are in force and which files are broken.
fn report(catalog: &Catalog, checks: &Checks, metrics: &Metrics) {
    let stale = catalog.problems.iter().filter(|problem| problem.serving_last_good).count();
    metrics.set_policies(PolicyState::Serving, catalog.revisions.len().saturating_sub(stale));
    metrics.set_policies(PolicyState::Stale, stale);
    metrics.set_policies(PolicyState::Broken, catalog.problems.len() - stale);
    // A broken file does not make the server unready: the last good revision serves, and a restart loop would end that.
    checks.set("policies", Gate::Ready, Ok(()));
    let serving =
        catalog.revisions.iter().map(|revision| format!("{} serves from {}", revision.spec.name, revision.code.origin));
    let broken = catalog.problems.iter().map(ToString::to_string);
    let none = catalog.revisions.is_empty().then(|| "there are no policies: every request is allowed".to_owned());
    checks.set_details("policies", none.into_iter().chain(serving).chain(broken).collect());
}

/// What a newcomer needs next, on standard output.
fn announce(settings: &Settings, server: &Server, policies: usize) {
    let mut lines = Vec::new();
    let url = settings.webhook_url.clone().unwrap_or_else(|| format!("https://{}", server.address()));
    lines.push(format!("Bylaw is serving at {url}"));
    let from = settings.policies.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    lines.push(format!("  policies   {policies} from {from}"));
    let authority = server.authority_path();
    if let Some(path) = &authority {
        lines.push(format!("  authority  {}", path.display()));
    }
    for (name, address, path) in
        [("health", server.health_address(), "readyz"), ("metrics", server.metrics_address(), "metrics")]
    {
        if let Some(address) = address {
            lines.push(format!("  {name:<9}  http://{address}/{path}"));
        }
    }
    if let Some(path) = authority {
        lines.push("Try it:".to_owned());
        lines.push(format!(
            "  curl --cacert {} -H 'Content-Type: application/json' -d '{EXAMPLE}' {url}/validate",
            path.display()
        ));
    }
    lines.push(String::new());
    if let Err(error) = say(&lines.join("\n")) {
        // A full disk behind standard output is no reason not to serve.
        tracing::warn!("{error:#}");
    }
}

/// The shortest review that shows a denial by the starter policies.
const EXAMPLE: &str = concat!(
    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":"default","#,
    r#""kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"userInfo":{"username":"me"},"#,
    r#""object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"#,
    r#""spec":{"containers":[{"name":"web","image":"nginx:latest","securityContext":{"privileged":true}}]}}}}"#
);
