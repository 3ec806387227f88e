//! What these commands know of a host: from its cluster, or from manifests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use kube::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cluster::{ClusterNamespaces, Connection, Inventory, OfflineNamespaces, connect};
use crate::config::Settings;
use crate::matching::NamespaceLabels;
use crate::tenancy::{
    DoorKey, Register, Tenancy, Tenant, VirtualCluster, key_of_cluster, key_of_folder, named, registry_of, watch,
};

/// A list of what there is takes milliseconds.
const WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug, Args)]
pub(super) struct HostArgs {
    /// The host's cluster
    #[arg(long, value_name = "FILE", env = "BYLAW_KUBECONFIG", conflicts_with_all = ["in_cluster", "inventory"], required_unless_present_any = ["in_cluster", "inventory"])]
    kubeconfig: Option<PathBuf>,
    /// The cluster that this process runs in
    #[arg(long, conflicts_with = "inventory")]
    in_cluster: bool,
    /// Manifests in the place of a cluster
    #[arg(long, value_name = "PATH")]
    inventory: Option<PathBuf>,
    /// The namespace of the server, which keeps the key of the tokens there [default: --state-dir keeps it]
    #[arg(long, value_name = "NAMESPACE", env = "BYLAW_NAMESPACE")]
    namespace: Option<String>,
    /// The state folder of a server that is in no namespace
    #[arg(long, value_name = "DIR", env = "BYLAW_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

/// A host that may be left out.
#[derive(Debug, Args)]
pub(super) struct HostConnection {
    /// The host's cluster; what is to be applied is printed where none is given
    #[arg(long, value_name = "FILE", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// The cluster that this process runs in
    #[arg(long)]
    in_cluster: bool,
}

impl HostConnection {
    pub(super) const fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.in_cluster
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        Ok(connect(&self.kubeconfig.clone().map_or(Connection::InCluster, Connection::Kubeconfig)).await?)
    }
}

/// A host as it is now.
pub(super) struct Host {
    runtime: Runtime,
    pub client: Option<Client>,
    pub tenancy: Arc<Tenancy>,
    namespaces: Box<dyn NamespaceLabels>,
    own_namespace: Option<String>,
    state_dir: PathBuf,
}

impl HostArgs {
    pub(super) fn look(&self) -> anyhow::Result<Host> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let tenancy = Arc::new(Tenancy::default());
        let settings = Settings { state_dir: self.state_dir.clone(), ..Settings::default() };
        let (own_namespace, state_dir) = (self.namespace.clone(), settings.state_dir());
        if let Some(path) = &self.inventory {
            let inventory = Arc::new(Inventory::load(&[path])?);
            tenancy.publish(registry_of(&inventory, None).unwrap_or_default());
            let namespaces = Box::new(OfflineNamespaces { inventory, ..OfflineNamespaces::default() });
            return Ok(Host { runtime, client: None, tenancy, namespaces, own_namespace, state_dir });
        }
        let connection = self.kubeconfig.clone().map_or(Connection::InCluster, Connection::Kubeconfig);
        let (client, namespaces) = runtime.block_on(async {
            let client = connect(&connection).await?;
            let registry = watch(&client, runtime.handle(), &tenancy);
            let namespaces = ClusterNamespaces::watch(client.clone(), runtime.handle());
            let is_known = registry.wait_until_settled(WITHIN).await && tenancy.knows();
            if !is_known {
                bail!(
                    "the virtual clusters cannot be listed: StatefulSets and Deployments must be readable; -v says more"
                );
            }
            namespaces.wait_until_ready(WITHIN).await;
            Ok((client, namespaces))
        })?;
        let (client, namespaces) = (Some(client), Box::new(namespaces));
        Ok(Host { runtime, client, tenancy, namespaces, own_namespace, state_dir })
    }
}

impl Host {
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The virtual cluster `NAMESPACE/NAME`.
    pub(super) fn find(&self, place: &str) -> anyhow::Result<Arc<VirtualCluster>> {
        let wanted = named(place).with_context(|| format!("{place:?} is not NAMESPACE/NAME"))?;
        let registry = self.tenancy.registry();
        if let Some(found) = registry.at(&wanted.namespace, &wanted.name) {
            return Ok(Arc::clone(found));
        }
        let known: Vec<String> = registry.vclusters().take(10).map(|one| place_of(one)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("there is no virtual cluster {place}; known: {known}; `bylaw vcluster register` makes one known")
    }

    /// The key that the tokens of its virtual clusters are drawn from.
    pub(super) fn key(&self) -> anyhow::Result<DoorKey> {
        match (&self.client, &self.own_namespace) {
            (Some(client), Some(namespace)) => Ok(self.block_on(key_of_cluster(client, namespace))?),
            _ => Ok(key_of_folder(&self.state_dir)?),
        }
    }

    pub(super) fn tenant(&self, vcluster: &VirtualCluster) -> Tenant {
        self.tenancy.tenant_of(vcluster, "", true, &*self.namespaces)
    }

    /// What is known of a virtual cluster, for `-o json`.
    pub(super) fn told(&self, vcluster: &VirtualCluster) -> Value {
        let tenant = self.tenant(vcluster);
        let tenant: Value = serde_json::from_str(&tenant.text).unwrap_or_default();
        let of = |field: &str| tenant.get(field).cloned().unwrap_or_default();
        let access = vcluster.access.as_deref();
        let mut told = json!({
            "namespace": &*vcluster.namespace, "name": &*vcluster.name, "version": &*vcluster.version,
            "isVersionKnown": vcluster.has_known_syncer(), "state": vcluster.state.as_str(),
            "account": &*vcluster.account, "owner": of("owner"), "labels": of("labels"),
            "parameters": of("parameters"),
            "register": access.map_or(Register::Off, |access| access.register).as_str(),
        });
        if let (Some(access), Some(fields)) = (access, told.as_object_mut()) {
            fields.insert("kubeconfigSecret".to_owned(), json!(&*access.secret));
            fields.extend(access.url.as_ref().map(|url| ("url".to_owned(), json!(&**url))));
        }
        told
    }
}

pub(super) fn place_of(vcluster: &VirtualCluster) -> String {
    format!("{}/{}", vcluster.namespace, vcluster.name)
}
