//! `bylaw serve`: the webhook server on policies from folders, and from a cluster.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use clap::Args;
use kube::Client;
use tokio::runtime::Handle;

use super::Verdict;
use super::announce::announce;
use super::operate;
use super::oversight::Oversight;
use super::pool_health::watch_pool;
use super::registrar;
use super::replica::{Replica, Site};
use super::runtime::{Stage, logging};
use crate::cluster::{
    Accounts, CacheLimits, Cluster, ClusterNamespaces, Connection, Inventory, Kind, OfflineNamespaces, connect_bare_too,
};
use crate::config::Settings;
use crate::controllers::{Controllers, Setup, Standings};
use crate::engine::Engine;
use crate::host::{Host, Objects};
use crate::http::{Checks, Config, DrainConfig, Gate, Limits, Server, Serving, Shutdown, TlsSource};
use crate::ledger::{ClusterStore, Ledger, WallClock};
use crate::matching::NamespaceLabels;
use crate::operator::{Duties, Leading, Operator, Source};
use crate::policy::{Catalog, Loader, watch};
use crate::pool::{Pool, PoolSize};
use crate::reports::Sources;
use crate::telemetry::{Metrics, PolicyState};
use crate::tenancy::registration::Registrar;
use crate::tenancy::{self, KeyWatch, RegistryWatch, Tenancy};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw serve -p policies\n  bylaw serve --kubeconfig ~/.kube/config --webhook-url https://192.0.2.1:8443\n  bylaw serve -p policies --inventory manifests/ --listen 0.0.0.0:8443 --tls-cert \
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
    operate::tell_passed_over();
    let stage = Stage::with(settings.cpu_limit.map(Into::into))?;
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
    let serving = Arc::new(Serving::default());
    let config = config(settings, &serving);
    let server = Server::bind(config, Arc::clone(&checks), Arc::clone(&stage.metrics)).await?;
    let address = server.address().to_string();
    let replica = replica(stage, settings, &address, serving, &checks, &shutdown).await?;
    let world = World::connect(stage, settings).await?;
    let mut loader = stage.loader(&settings.policies, settings.compat, None)?;
    let mut source = world.source(stage, settings);
    if let Some(source) = &source {
        loader = loader.with_cluster(source.live.clone());
    }
    let catalog = first_catalog(&mut loader, source.as_mut()).await?;
    report(&catalog, &checks, &stage.metrics);
    let count = catalog.all().count();
    world.prepare(&catalog).await;
    let cluster = world.cluster.clone();
    let current = Arc::new(ArcSwap::new(catalog));
    let sources = world.sources(&current, &stage.metrics);
    let host = host(stage, settings, world.objects, world.client.as_ref());
    let around = (Arc::clone(&world.namespaces), Arc::clone(&world.tenancy));
    let engine = engine(stage, settings, host.clone(), current, around)?;

    let (in_force, catalogs) = tokio::sync::watch::channel(engine.catalog());
    let watcher = {
        let (engine, checks, metrics) = (Arc::clone(&engine), Arc::clone(&checks), Arc::clone(&stage.metrics));
        let runtime = stage.handle().clone();
        watch(loader, move |catalog| {
            report(&catalog, &checks, &metrics);
            if let Some(cluster) = cluster.clone() {
                let kinds = kinds_read(&catalog);
                runtime.spawn(async move { cluster.prepare(kinds).await });
            }
            engine.publish(Arc::clone(&catalog));
            tracing::info!(policies = catalog.all().count(), generation = catalog.generation, "policies in force");
            in_force.send_replace(catalog);
        })?
    };
    // Where replicas share nothing, there is no other that writes.
    let (alone, leads_alone) = Leading::new();
    alone.set(replica.is_none());
    let files = || operate::authority(settings.webhook_ca.clone().or_else(|| server.authority_path()));
    let (leadership, trusted) = match &replica {
        Some(replica) => (replica.leadership.clone(), replica.bundle.clone()),
        None => (leads_alone, files()),
    };
    let within = (stage.handle(), leadership.clone());
    let oversight = sources.map(|sources| Oversight::start(sources, &engine, within, &settings.reports));
    let controllers = world.cluster.clone().map(|cluster| {
        let (engine, metrics, catalogs) = (Arc::clone(&engine), Arc::clone(&stage.metrics), catalogs.clone());
        let recorder = oversight.as_ref().and_then(Oversight::recorder);
        let setup = Setup { engine, host, cluster, catalogs, leadership: leadership.clone(), recorder, metrics };
        Controllers::start(setup, settings.controllers, stage.handle())
    });
    let operator = match source {
        Some(source) => {
            let client = world.client.as_ref().context("an operator without a cluster")?;
            let host = registrar::Host {
                client: client.clone(),
                tenancy: Arc::clone(&world.tenancy),
                namespaces: Arc::clone(&world.namespaces),
            };
            let recorder = oversight.as_ref().and_then(Oversight::recorder);
            let followed = registrar::Followed { catalogs, authority: trusted, leadership, recorder };
            let standings = controllers.as_ref().map(Controllers::standings);
            let within = (&engine, Arc::clone(&checks), stage.handle());
            Some(operated(source, host, followed, standings, (settings, &address), within).await?)
        }
        None => None,
    };
    let watching = {
        let (engine, checks, metrics) = (Arc::clone(&engine), Arc::clone(&checks), Arc::clone(&stage.metrics));
        tokio::spawn(watch_pool(engine, checks, metrics, shutdown.clone()))
    };
    let authority = replica.as_ref().map_or_else(|| server.authority_path(), Replica::authority_path);
    announce(settings, &server, authority, count);
    let drained = server.run(engine, shutdown).await;
    watching.abort();
    if let Some(oversight) = oversight {
        oversight.finish().await;
    }
    drop((controllers, operator, watcher, alone));
    if let Some(replica) = replica {
        replica.end().await;
    }
    tracing::info!(?drained, "stopped");
    match watching.await {
        Ok(why) => Err(anyhow::anyhow!(why)),
        Err(_) => Ok(()),
    }
}

/// What an operator of a cluster does beside serving; it ends with this.
async fn operated(
    source: Source,
    host: registrar::Host,
    followed: registrar::Followed,
    standings: Option<tokio::sync::watch::Receiver<Standings>>,
    (settings, address): (&Settings, &str),
    (engine, checks, runtime): (&Arc<Engine>, Arc<Checks>, &Handle),
) -> anyhow::Result<(Registrar, Operator)> {
    let registered = Arc::clone(engine);
    let duties = Duties {
        registration: operate::registration(settings, &host.client, address).await?,
        catalogs: followed.catalogs.clone(),
        authority: followed.authority.clone(),
        leadership: followed.leadership.clone(),
        has_tenants: host.tenancy.has_tenants(),
        allowed: settings.reports.allowed(),
        checks,
        standings,
        register: Box::new(move |webhooks| registered.register(webhooks)),
    };
    Ok((registrar::start(host, followed, settings, address, runtime), source.operate(duties)))
}

async fn first_catalog(loader: &mut Loader, source: Option<&mut Source>) -> anyhow::Result<Arc<Catalog>> {
    let catalog = loader.load()?;
    let Some(source) = source else { return Ok(catalog) };
    // What was known from before is there by now: what the cluster adds to it can only be better.
    source.open().await;
    Ok(loader.reload(&BTreeSet::new()).unwrap_or(catalog))
}

fn engine(
    stage: &Stage,
    settings: &Settings,
    host: Host,
    catalog: Arc<ArcSwap<Catalog>>,
    (namespaces, tenancy): (Arc<dyn NamespaceLabels>, Arc<Tenancy>),
) -> anyhow::Result<Arc<Engine>> {
    let (limits, metrics) = (Arc::clone(&stage.limits), Arc::clone(&stage.metrics));
    let pool = Pool::start(size(settings), host, limits, Arc::clone(&catalog), Arc::clone(&metrics))?;
    let engine = Engine::new(pool, catalog, namespaces, metrics, settings.echo);
    Ok(Arc::new(engine.with_tenancy(tenancy)))
}

/// Host functions whose ledger, where there is a cluster, is shared in Bylaw's namespace.
fn host(stage: &Stage, settings: &Settings, objects: Objects, client: Option<&Client>) -> Host {
    let (host, metrics) = (stage.host(objects), Arc::clone(&stage.metrics));
    let ledger = if let Some(client) = client {
        let namespace = operate::own_namespace(settings).unwrap_or_else(|| "default".to_owned());
        let store = Arc::new(ClusterStore::new(client.clone(), &namespace));
        Ledger::shared(store, stage.handle(), metrics, Arc::new(WallClock))
    } else {
        Ledger::alone(metrics)
    };
    host.set_ledger(ledger);
    host
}

/// A list of the cluster's virtual clusters takes milliseconds; a cluster that is away is no reason not to serve.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

fn size(settings: &Settings) -> PoolSize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let size = PoolSize::for_cores(cores);
    let memory = settings.memory_budget.map(|budget| usize::try_from(budget.as_u64()).unwrap_or(usize::MAX));
    PoolSize { memory: memory.unwrap_or(size.memory), ..size }
}

/// Joins the other replicas, where there may be any.
async fn replica(
    stage: &Stage,
    settings: &Settings,
    address: &str,
    serving: Arc<Serving>,
    checks: &Arc<Checks>,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<Replica>> {
    let Some((cluster, namespace)) = connection(settings).zip(shared_namespace(settings)) else { return Ok(None) };
    let site = Site { cluster: &cluster, namespace, address };
    Ok(Some(Replica::start(site, settings, serving, checks, &stage.metrics, shutdown).await?))
}

/// The namespace in which replicas share a Lease and a Secret. An operator that is in none is alone.
fn shared_namespace(settings: &Settings) -> Option<String> {
    operate::own_namespace(settings).filter(|_| settings.is_operator())
}

fn connection(settings: &Settings) -> Option<Connection> {
    match (&settings.kubeconfig, settings.in_cluster) {
        (Some(path), _) => Some(Connection::Kubeconfig(path.clone())),
        (None, true) => Some(Connection::InCluster),
        (None, false) => None,
    }
}

/// Where policies read and write, and where namespaces have their labels from.
struct World {
    objects: Objects,
    namespaces: Arc<dyn NamespaceLabels>,
    cluster: Option<Cluster>,
    client: Option<Client>,
    tenancy: Arc<Tenancy>,
    /// They end with this.
    _watches: Option<(RegistryWatch, Option<KeyWatch>)>,
}

impl World {
    async fn connect(stage: &Stage, settings: &Settings) -> anyhow::Result<Self> {
        let tenancy = Arc::new(Tenancy::new(&settings.tenant_admins)?);
        if let Some(connection) = connection(settings) {
            let connected = connect_bare_too(&connection).await?;
            let accounts = Accounts::new(&connected, operate::own_namespace(settings));
            let client = connected.client;
            let registry = tenancy::watch(&client, stage.handle(), &tenancy);
            let namespace = shared_namespace(settings);
            let key = namespace.map(|namespace| KeyWatch::start(&client, stage.handle(), &namespace, &tenancy));
            let namespaces = ClusterNamespaces::watch(client.clone(), stage.handle());
            if !namespaces.wait_until_ready(Duration::from_secs(10)).await {
                tracing::warn!(
                    "the cluster's namespaces are not there yet; policies that select by them decide by their failure mode"
                );
            }
            if !registry.wait_until_settled(SETTLED_WITHIN).await {
                tracing::warn!("it is not known yet which virtual clusters there are; requests are told no tenant");
            }
            match &key {
                Some(key) => drop(key.wait_until_settled(SETTLED_WITHIN).await),
                None => own_key(settings, &tenancy),
            }
            let cluster = Cluster::with_accounts(client.clone(), accounts, stage.handle(), CacheLimits::default());
            let objects = Objects::Cluster(cluster.clone());
            let (cluster, client) = (Some(cluster), Some(client));
            let namespaces = Arc::new(namespaces);
            return Ok(Self { objects, namespaces, cluster, client, tenancy, _watches: Some((registry, key)) });
        }
        let inventory = match &settings.inventory {
            Some(path) => Arc::new(Inventory::load(&[path])?),
            None => Arc::new(Inventory::from_objects([])?),
        };
        if let Some(registry) = tenancy::registry_of(&inventory, None) {
            tenancy.publish(registry);
            own_key(settings, &tenancy);
        }
        let namespaces =
            Arc::new(OfflineNamespaces { inventory: Arc::clone(&inventory), ..OfflineNamespaces::default() });
        let objects = if settings.inventory.is_some() { Objects::Inventory(inventory) } else { Objects::Nowhere };
        Ok(Self { objects, namespaces, cluster: None, client: None, tenancy, _watches: None })
    }

    /// What reports are made from, where there is a cluster to keep them.
    fn sources(&self, catalog: &Arc<ArcSwap<Catalog>>, metrics: &Arc<Metrics>) -> Option<Sources> {
        let client = self.client.clone()?;
        Some(Sources { client, catalog: Arc::clone(catalog), metrics: Arc::clone(metrics) })
    }

    /// The policies of the cluster, where they are asked for.
    fn source(&self, stage: &Stage, settings: &Settings) -> Option<Source> {
        let client = self.client.as_ref().filter(|_| settings.is_operator())?;
        let namespace = operate::own_namespace(settings).unwrap_or_else(|| "default".to_owned());
        Some(Source::known(client.clone(), stage.handle(), &namespace, &settings.state_dir()))
    }

    /// Starts the caches of the kinds that policies may read, so that no first request waits for a list.
    async fn prepare(&self, catalog: &Catalog) {
        if let Some(cluster) = &self.cluster {
            cluster.prepare(kinds_read(catalog)).await;
        } else if !catalog.controllers.is_empty() {
            tracing::warn!("policies that reconcile are not run: they need --kubeconfig FILE or --in-cluster");
        }
    }
}

/// Gives virtual clusters tokens where nobody shares them.
fn own_key(settings: &Settings, tenancy: &Tenancy) {
    match tenancy::key_of_folder(&settings.state_dir()) {
        Ok(key) => tenancy.set_key(key),
        Err(error) => tracing::warn!(%error, "virtual clusters have no tokens: they cannot ask"),
    }
}

/// The kinds that policies name in their permissions; those with a wildcard are cached when they are first read. What is read
/// as a `ServiceAccount` is read live.
fn kinds_read(catalog: &Catalog) -> HashSet<Kind> {
    let permissions = catalog.all().map(|revision| &revision.spec.permissions);
    let named = permissions.filter(|one| one.service_account.is_none()).flat_map(|permissions| &permissions.read);
    named.filter_map(|kind| Kind::parse(kind).ok()).collect()
}

fn config(settings: &Settings, serving: &Arc<Serving>) -> Config {
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => TlsSource::Files { cert: cert.clone(), key: key.clone() },
        _ if shared_namespace(settings).is_some() => TlsSource::Brought(Arc::clone(serving)),
        _ => TlsSource::SelfSigned { state_dir: settings.state_dir(), names: names(settings) },
    };
    let drain = DrainConfig { delay: Duration::from_secs(settings.drain_delay.unwrap_or(0)), ..DrainConfig::default() };
    Config {
        listen: settings.listen(),
        metrics_listen: Some(settings.metrics_listen()),
        health_listen: Some(settings.health_listen()),
        tls,
        client_ca: settings.client_ca.clone(),
        limits: Limits::default(),
        drain,
    }
}

/// The certificate must also carry the name that the API server is told to call.
fn names(settings: &Settings) -> Vec<String> {
    let urls = [&settings.webhook_url, &settings.vcluster_url].into_iter().flatten();
    let parsed = urls.filter_map(|url| url::Url::parse(url).ok());
    parsed.filter_map(|url| url.host_str().map(str::to_owned)).collect()
}

/// Says in readiness and metrics which policies are in force and which files are broken.
fn report(catalog: &Catalog, checks: &Checks, metrics: &Metrics) {
    let stale = catalog.problems.iter().filter(|problem| problem.serving_last_good).count();
    metrics.set_policies(PolicyState::Serving, catalog.all().count().saturating_sub(stale));
    metrics.set_policies(PolicyState::Stale, stale);
    metrics.set_policies(PolicyState::Broken, catalog.problems.len() - stale);
    // A broken file does not make the server unready: the last good revision serves, and a restart loop would end that.
    checks.set("policies", Gate::Ready, Ok(()));
    let serving = catalog.all().map(|revision| format!("{} serves from {}", revision.spec.name, revision.code.origin));
    let broken = catalog.problems.iter().map(ToString::to_string);
    let none = catalog.all().next().is_none().then(|| "there are no policies: every request is allowed".to_owned());
    checks.set_details("policies", none.into_iter().chain(serving).chain(broken).collect());
}
