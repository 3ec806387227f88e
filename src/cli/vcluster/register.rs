//! `bylaw vcluster register`: the object that makes a virtual cluster known, and says how it is told of Bylaw.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Map, Value, json};

use super::host::HostConnection;
use crate::cli::Verdict;
use crate::cli::output::{OutputFormat, print, say, yaml};
use crate::tenancy::named;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw vcluster register team-a/dev --kubeconfig ~/.kube/config\n  bylaw vcluster register edge/shop --url https://shop.example.com --kubeconfig-secret shop-admin | kubectl apply -f -\n  bylaw vcluster register team-a/dev --how off --kubeconfig ~/.kube/config"
)]
pub(super) struct RegisterArgs {
    /// The virtual cluster: NAMESPACE/NAME
    #[arg(value_name = "NAMESPACE/NAME")]
    vcluster: String,
    /// How its API server is told to ask Bylaw
    #[arg(long, value_enum, default_value_t)]
    how: How,
    /// Where its API server is [default: `https://NAME.NAMESPACE:443`, or what a kubeconfig of yours says]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A Secret of the namespace with its kubeconfig [default: vc-NAME, which vCluster writes]
    #[arg(long, value_name = "NAME")]
    kubeconfig_secret: Option<String>,
    /// The `ServiceAccount` of its syncer, where it is not vc-NAME
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// The version of vCluster, where no workload shows it
    #[arg(long, value_name = "VERSION")]
    vcluster_version: Option<String>,
    #[command(flatten)]
    host: HostConnection,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum How {
    /// Bylaw writes the configurations into it, and keeps them
    #[default]
    Webhook,
    /// Its control plane has them in files: see `bylaw vcluster values --tamper-proof`
    Static,
    /// Not at all; what Bylaw wrote there is taken away
    Off,
}

impl How {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "Webhook",
            Self::Static => "Static",
            Self::Off => "Off",
        }
    }
}

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn run(args: &RegisterArgs) -> anyhow::Result<Verdict> {
    let object = args.object()?;
    if !args.host.is_given() {
        match args.output {
            OutputFormat::Json => print(OutputFormat::Json, &object)?,
            OutputFormat::Text | OutputFormat::Yaml => say(&yaml(&object)?)?,
        }
        return Ok(Verdict::Yes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(async {
        let client = args.host.connect().await?;
        let kind = GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "VirtualCluster");
        let resource = ApiResource::from_gvk_with_plural(&kind, "virtualclusters");
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        let params = PatchParams::apply("bylaw-cli").force();
        let applied = tokio::time::timeout(ANSWERS_WITHIN, api.patch(name, &params, &Patch::Apply(&object))).await;
        let applied = applied.context("the cluster does not answer")?;
        applied.context("the VirtualCluster cannot be applied; `bylaw crd | kubectl apply -f -` makes the kind known")
    })?;
    let how = args.how.as_str();
    match args.output {
        OutputFormat::Text => say(&format!(
            "{} is registered ({how}); `bylaw vcluster inspect {}` shows what comes of it\n",
            args.vcluster, args.vcluster
        ))?,
        other => print(other, &serde_json::to_value(applied)?)?,
    }
    Ok(Verdict::Yes)
}

impl RegisterArgs {
    fn object(&self) -> anyhow::Result<Value> {
        let vcluster = named(&self.vcluster).with_context(|| format!("{:?} is not NAMESPACE/NAME", self.vcluster))?;
        if let Some(url) = &self.url {
            let parsed = url::Url::parse(url).with_context(|| format!("--url {url}"))?;
            if parsed.scheme() != "https" || !parsed.username().is_empty() || parsed.query().is_some() {
                bail!("--url {url}: must be https://HOST:PORT");
            }
        }
        let mut spec = Map::new();
        spec.insert("register".to_owned(), self.how.as_str().into());
        let secret = self.kubeconfig_secret.clone().unwrap_or_else(|| format!("vc-{}", vcluster.name));
        let told = [
            ("url", self.url.clone()),
            ("kubeconfigSecret", Some(secret).filter(|_| self.how != How::Off)),
            ("serviceAccountName", self.service_account.clone()),
            ("version", self.vcluster_version.clone()),
        ];
        spec.extend(told.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?.into()))));
        Ok(json!({
            "apiVersion": "bylaw.dev/v1alpha1", "kind": "VirtualCluster",
            "metadata": { "namespace": &*vcluster.namespace, "name": &*vcluster.name },
            "spec": spec,
        }))
    }
}
