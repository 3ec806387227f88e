//! `bylaw webhook`: the configurations that make an API server send here what the policies match, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::Args;
use serde_json::{Value, json};

use super::Verdict;
use super::output::{OutputFormat, print, say, yaml};
use super::runtime::{Offline, Stage};
use crate::config::Settings;
use crate::matching::WORKLOADS;
use crate::policy::{Catalog, MatchSpec, PolicySpec, Revision, Scope};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw webhook -p policies --url https://127.0.0.1:8443 | kubectl apply -f -\n  bylaw webhook -p \
                        policies --service bylaw-system/bylaw --ca ca.crt"
)]
pub(super) struct WebhookArgs {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// Where the API server reaches this server: https://HOST:PORT
    #[arg(long, value_name = "URL", required_unless_present = "service", conflicts_with = "service")]
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
    /// How to write them
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Namespaces that a webhook must not be able to lock up: the control plane's own.
const EXEMPT_NAMESPACES: [&str; 1] = ["kube-system"];

pub(super) fn run(args: &WebhookArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let stage = Stage::new()?;
    let catalog = Offline::of(&args.policies).catalog(&stage)?;
    let client = args.client_config()?;
    let configurations = configurations(&args.name, &client, &catalog);
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
        if let Some(url) = &self.url {
            let parsed = url::Url::parse(url).with_context(|| format!("--url {url}"))?;
            if parsed.scheme() != "https" {
                bail!("--url {url}: an API server calls webhooks over https only");
            }
            return Ok(json!({ "url": url.trim_end_matches('/'), "caBundle": bundle }));
        }
        let service = self.service.as_deref().unwrap_or_default();
        let (namespace, name) =
            service.split_once('/').context("--service must be NAMESPACE/NAME or NAMESPACE/NAME:PORT")?;
        let (name, port) = match name.split_once(':') {
            Some((name, port)) => {
                (name, port.parse::<u16>().with_context(|| format!("--service: {port:?} is not a port"))?)
            }
            None => (name, 443),
        };
        Ok(json!({ "service": { "namespace": namespace, "name": name, "port": port }, "caBundle": bundle }))
    }
}

/// A `ValidatingWebhookConfiguration` and a `MutatingWebhookConfiguration`, each where there is a policy for it.
fn configurations(name: &str, client: &Value, catalog: &Catalog) -> Vec<Value> {
    let kinds = [("ValidatingWebhookConfiguration", "validate"), ("MutatingWebhookConfiguration", "mutate")];
    let made = kinds.into_iter().filter_map(|(kind, path)| {
        let concerns = |spec: &PolicySpec| if path == "validate" { spec.validates } else { spec.mutates };
        let webhooks = webhooks(path, client, catalog, concerns);
        (!webhooks.is_empty()).then(|| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": { "name": name, "labels": { "app.kubernetes.io/name": "bylaw" } }, "webhooks": webhooks,
            })
        })
    });
    made.collect()
}

/// One webhook for all policies that the API server treats alike.
fn webhooks(path: &str, client: &Value, catalog: &Catalog, concerns: impl Fn(&PolicySpec) -> bool) -> Vec<Value> {
    let mut webhooks = BTreeMap::<String, Vec<&Revision>>::new();
    for revision in catalog.revisions.iter().filter(|revision| concerns(&revision.spec)) {
        webhooks.entry(revision.webhook()).or_default().push(revision);
    }
    webhooks.iter().map(|(name, members)| webhook(name, path, client, members)).collect()
}

fn webhook(name: &str, path: &str, client: &Value, members: &[&Revision]) -> Value {
    let rules: BTreeSet<String> = members.iter().flat_map(|one| rules(&one.spec.rules)).collect();
    let rules: Vec<Value> = rules.into_iter().map(|text| text.parse().unwrap_or_default()).collect();
    let timeout = members.iter().map(|one| one.spec.timeout.as_secs()).max().unwrap_or(10).clamp(1, 30);
    // They are the same for all members.
    let (failure, matching) =
        members.first().map(|one| (one.webhook_failure, one.spec.rules.match_policy)).unwrap_or_default();
    json!({
        "name": format!("{name}.{path}.bylaw.dev"),
        "clientConfig": with_path(client, &format!("{path}/{name}")),
        "rules": rules,
        "failurePolicy": format!("{failure:?}"),
        "matchPolicy": format!("{matching:?}"),
        "namespaceSelector": { "matchExpressions": [
            { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": EXEMPT_NAMESPACES },
        ] },
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": timeout,
        "admissionReviewVersions": ["v1", "v1beta1"],
    })
}

fn with_path(client: &Value, path: &str) -> Value {
    let mut client = client.clone();
    if let Some(url) = client.get("url").and_then(Value::as_str).map(|url| format!("{url}/{path}")) {
        client.as_object_mut().and_then(|fields| fields.insert("url".to_owned(), url.into()));
    } else if let Some(service) = client.get_mut("service").and_then(Value::as_object_mut) {
        service.insert("path".to_owned(), format!("/{path}").into());
    }
    client
}

/// Rules as texts, so that equal ones are kept once and in a fixed order.
fn rules(spec: &MatchSpec) -> Vec<String> {
    let any_if_empty = |list: &[String]| if list.is_empty() { vec!["*".to_owned()] } else { list.to_vec() };
    let mut rules =
        vec![rule(spec, &any_if_empty(&spec.api_groups), &any_if_empty(&spec.api_versions), &spec.resources)];
    if spec.workloads {
        let v1 = ["v1".to_owned()];
        for group in ["", "apps", "batch"] {
            let resources = WORKLOADS.iter().filter(|(of, _)| *of == group).map(|(_, resource)| (*resource).to_owned());
            rules.push(rule(spec, &[group.to_owned()], &v1, &resources.collect::<Vec<_>>()));
        }
    }
    rules
}

fn rule(spec: &MatchSpec, groups: &[String], versions: &[String], resources: &[String]) -> String {
    let operations: Vec<&str> = match spec.operations.as_slice() {
        [] => vec!["*"],
        some => some.iter().map(|operation| operation.as_str()).collect(),
    };
    let scope = match spec.scope {
        Scope::All => "*",
        Scope::Cluster => "Cluster",
        Scope::Namespaced => "Namespaced",
    };
    json!({
        "operations": operations, "apiGroups": groups, "apiVersions": versions, "resources": resources, "scope": scope,
    })
    .to_string()
}
