//! `bylaw webhook`: the configurations that make an API server send here what the policies match, and nothing else.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::Args;
use serde_json::{Value, json};

use super::Verdict;
use super::operate::{https, service_of};
use super::output::{OutputFormat, print, say, yaml};
use super::runtime::{Offline, Stage};
use crate::cluster::{Connection, connect};
use crate::config::Settings;
use crate::operator::webhooks::{Registration, Shape, configurations, take_away};
use crate::policy::Vantage;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw webhook -p policies --url https://127.0.0.1:8443 | kubectl apply -f -\n  bylaw webhook -p \
                        policies --service bylaw-system/bylaw --ca ca.crt\n  bylaw webhook --remove --kubeconfig ~/.kube/config"
)]
pub(super) struct WebhookArgs {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", required_unless_present = "remove")]
    policies: Vec<PathBuf>,
    /// Where the API server reaches this server: https://HOST:PORT
    #[arg(long, value_name = "URL", required_unless_present_any = ["service", "remove"], conflicts_with = "service")]
    url: Option<String>,
    /// The Service in front of it: NAMESPACE/NAME or NAMESPACE/NAME:PORT
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// The authority that signed its certificate, in PEM [default: the self-signed one in the state folder]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the self-signed authority is kept
    #[arg(long, value_name = "DIR", env = "BYLAW_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Name of both configurations
    #[arg(long, default_value = "bylaw")]
    name: String,
    /// Namespaces whose objects are never asked about; give it empty for none
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', default_value = "kube-system")]
    exempt_namespaces: Vec<String>,
    /// One configuration of each kind, or one for each policy
    #[arg(long, value_enum, default_value_t)]
    mode: Shape,
    /// Take the configurations of a server out of the cluster instead, as before it is uninstalled
    #[arg(long, conflicts_with_all = ["policies", "url", "service", "ca"])]
    remove: bool,
    /// The cluster to take them out of
    #[arg(long, value_name = "FILE", requires = "remove", conflicts_with = "in_cluster")]
    kubeconfig: Option<PathBuf>,
    /// The same of the cluster that this process runs in
    #[arg(long, requires = "remove")]
    in_cluster: bool,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &WebhookArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    if args.remove {
        return remove(args);
    }
    let stage = Stage::new()?;
    let catalog = Offline::of(&args.policies).catalog(&stage)?;
    let client = args.client_config()?;
    let registration = Registration {
        name: args.name.clone(),
        client,
        shape: args.mode,
        exempt: args.exempt_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect(),
        owner: None,
        narrows: true,
        own_kinds: false,
        tenants: false,
        vantage: Vantage::Host,
    };
    let configurations: Vec<Value> =
        configurations(&registration, &catalog, |_| None).into_iter().map(|desired| desired.object).collect();
    if configurations.is_empty() {
        bail!(
            "no policy in {} matches anything",
            args.policies.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    match args.output {
        OutputFormat::Json => {
            print(OutputFormat::Json, &json!({ "apiVersion": "v1", "kind": "List", "items": configurations }))?;
        }
        OutputFormat::Text | OutputFormat::Yaml => {
            for configuration in &configurations {
                say(&yaml(configuration)?)?;
            }
        }
    }
    Ok(Verdict::Yes)
}

/// Whatever a server of this name keeps in a cluster.
fn remove(args: &WebhookArgs) -> anyhow::Result<Verdict> {
    let connection = match &args.kubeconfig {
        Some(path) => Connection::Kubeconfig(path.clone()),
        None if args.in_cluster => Connection::InCluster,
        None => bail!("--remove needs a cluster: give --kubeconfig FILE or --in-cluster"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let removed = runtime.block_on(async {
        let client = connect(&connection).await?;
        anyhow::Ok(take_away(&client, &args.name).await?)
    })?;
    let told: Vec<String> = removed.iter().map(|name| format!("{name} removed")).collect();
    match args.output {
        OutputFormat::Text if told.is_empty() => say(&format!("no configuration is of {}", args.name))?,
        OutputFormat::Text => say(&told.join("\n"))?,
        other => print(other, &json!({ "removed": removed }))?,
    }
    Ok(Verdict::Yes)
}

impl WebhookArgs {
    /// `clientConfig` without a path.
    fn client_config(&self) -> anyhow::Result<Value> {
        let settings = Settings { state_dir: self.state_dir.clone(), ..Settings::default() };
        let path = self.ca.clone().unwrap_or_else(|| settings.state_dir().join("ca.crt"));
        let pem = std::fs::read(&path).with_context(|| {
            format!("cannot read the authority {}: start `bylaw serve` once, or give --ca", path.display())
        })?;
        if !pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
            bail!("{} is not a certificate in PEM", path.display());
        }
        let bundle = base64::engine::general_purpose::STANDARD.encode(pem);
        let mut client = match (&self.url, &self.service) {
            (Some(url), _) => https(url).with_context(|| format!("--url {url}"))?,
            (None, service) => service_of(service.as_deref().unwrap_or_default()).context("--service")?,
        };
        if let Some(fields) = client.as_object_mut() {
            fields.insert("caBundle".to_owned(), bundle.into());
        }
        Ok(client)
    }
}
