//! What several commands need: logging, a runtime, the engine on policies from disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cluster::{Inventory, OfflineNamespaces};
use crate::config::Compat;
use crate::engine::Engine;
use crate::host::{Host, HostLimits, Objects};
use crate::isolate::{Inspector, Limits, set_sdk};
use crate::matching::NamespaceLabels;
use crate::policy::{Catalog, LoadOptions, Loader};
use crate::pool::{Pool, PoolSize};
use crate::telemetry::{self, LogConfig, LogFormat, Metrics};
use crate::tenancy::{Tenancy, VirtualCluster, registry_of};

/// Starts logging to standard error. `verbosity` is 0 for info, more for more.
pub(super) fn logging(verbosity: i8, json: bool) -> anyhow::Result<()> {
    let format = if json { LogFormat::Json } else { LogFormat::Text };
    Ok(telemetry::init(&LogConfig { format, verbosity, filter: std::env::var("BYLAW_LOG").ok() })?)
}

/// The same for a command whose answer and whose error say it all: nothing is logged unless asked for.
pub(super) fn quiet_logging(verbosity: i8) -> anyhow::Result<()> {
    const OFF: i8 = -2;
    logging(if verbosity > 0 { verbosity - 1 } else { OFF }, false)
}

/// The async runtime and what every engine shares.
pub(super) struct Stage {
    runtime: Runtime,
    pub limits: Arc<Limits>,
    pub metrics: Arc<Metrics>,
}

impl Stage {
    pub(super) fn new() -> anyhow::Result<Self> {
        Self::with(None)
    }

    /// With another limit for the processor time of a run.
    pub(super) fn with(cpu: Option<Duration>) -> anyhow::Result<Self> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        set_sdk(crate::bundle::link_sdk()?.script.clone());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let usual = Limits::default();
        let shared_prelude = std::env::var("GLOBAL_CONTEXT").ok();
        let limits = Limits { shared_prelude, cpu: cpu.unwrap_or(usual.cpu), ..usual };
        Ok(Self { runtime, limits: Arc::new(limits), metrics: Arc::new(Metrics::default()) })
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(super) fn handle(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// The host functions over these objects.
    pub(super) fn host(&self, objects: Objects) -> Host {
        Host::new(self.handle().clone(), objects, HostLimits::default())
    }

    /// A loader of policies, with its inspection thread.
    pub(super) fn loader(
        &self,
        paths: &[PathBuf],
        compat: Option<Compat>,
        parameters: Option<Value>,
    ) -> anyhow::Result<Loader> {
        self.loader_for(paths, compat, parameters, false)
    }

    /// The same where tools look at what runs: then every script runs as its author wrote it.
    pub(super) fn loader_for(
        &self,
        paths: &[PathBuf],
        compat: Option<Compat>,
        parameters: Option<Value>,
        is_seen: bool,
    ) -> anyhow::Result<Loader> {
        let host = self.host(Objects::Nowhere);
        let inspector =
            Inspector::start(host, Arc::clone(&self.limits)).context("cannot start the inspection thread")?;
        // What the operator's prelude makes of the globals is known to no proof. The variable is for tests.
        let scripts_apart =
            is_seen || self.limits.shared_prelude.is_some() || std::env::var_os("BYLAW_SCRIPTS_APART").is_some();
        let compat_jspolicy = compat == Some(Compat::Jspolicy);
        let options = LoadOptions { compat_jspolicy, parameters, scripts_apart };
        Ok(Loader::new(paths.to_vec(), Arc::new(inspector), options))
    }
}

/// An engine without a server: what `bylaw review` judges with.
pub(super) struct Offline<'a> {
    pub policies: &'a [PathBuf],
    pub inventory: Option<&'a Path>,
    pub namespace_labels: BTreeMap<String, String>,
    pub compat: Option<Compat>,
    pub parameters: Option<Value>,
    /// A virtual cluster beside those of the inventory.
    pub vcluster: Option<Arc<VirtualCluster>>,
}

impl<'a> Offline<'a> {
    pub(super) fn of(policies: &'a [PathBuf]) -> Self {
        Self {
            policies,
            inventory: None,
            namespace_labels: BTreeMap::new(),
            compat: None,
            parameters: None,
            vcluster: None,
        }
    }

    /// The policies, every one of them: a command that answers once has no last good revision to fall back on.
    pub(super) fn catalog(&self, stage: &Stage) -> anyhow::Result<Arc<Catalog>> {
        let mut loader = stage.loader(self.policies, self.compat, self.parameters.clone())?;
        let catalog = loader.load()?;
        Self::sound(&catalog)?;
        Ok(catalog)
    }

    /// # Errors
    /// Names every policy that cannot be served.
    pub(super) fn sound(catalog: &Catalog) -> anyhow::Result<()> {
        if catalog.problems.is_empty() {
            return Ok(());
        }
        let problems: Vec<String> = catalog.problems.iter().map(ToString::to_string).collect();
        anyhow::bail!("{}", problems.join("\n"))
    }

    pub(super) fn engine(&self, stage: &Stage) -> anyhow::Result<Engine> {
        let catalog = self.catalog(stage)?;
        let inventory = Arc::new(match self.inventory {
            Some(path) => Inventory::load(&[path])?,
            None => Inventory::from_objects([])?,
        });
        let tenancy = Tenancy::default();
        if let Some(registry) = registry_of(&inventory, self.vcluster.as_deref()) {
            tenancy.publish(registry);
        }
        let given = self.namespace_labels.clone();
        let namespaces: Arc<dyn NamespaceLabels> =
            Arc::new(OfflineNamespaces { given, inventory: Arc::clone(&inventory) });
        let objects = if self.inventory.is_some() { Objects::Inventory(inventory) } else { Objects::Nowhere };
        let catalog = Arc::new(ArcSwap::new(catalog));
        let size = PoolSize { threads: 1, spares: 0, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
        let host = stage.host(objects);
        let pool =
            Pool::start(size, host, Arc::clone(&stage.limits), Arc::clone(&catalog), Arc::clone(&stage.metrics))?;
        let engine = Engine::new(pool, catalog, namespaces, Arc::clone(&stage.metrics), false);
        Ok(engine.with_tenancy(Arc::new(tenancy)))
    }
}
