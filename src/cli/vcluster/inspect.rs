//! `bylaw vcluster inspect`.

use std::time::Duration;

use clap::Args;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::host::{Host, HostArgs};
use crate::cli::Verdict;
use crate::cli::output::{OutputFormat, print, say};
use crate::tenancy::VirtualCluster;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw vcluster inspect team-a/dev --kubeconfig ~/.kube/config\n  bylaw vcluster inspect team-a/dev --kubeconfig ~/.kube/config --namespace bylaw-system --token -o json"
)]
pub(super) struct InspectArgs {
    /// The virtual cluster: NAMESPACE/NAME
    #[arg(value_name = "NAMESPACE/NAME")]
    vcluster: String,
    /// Show its token too: whoever knows it speaks as its API server
    #[arg(long)]
    token: bool,
    #[command(flatten)]
    host: HostArgs,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<Verdict> {
    let host = args.host.look()?;
    let vcluster = host.find(&args.vcluster)?;
    let mut told = host.told(&vcluster);
    let status = host.block_on(status(&host, &vcluster)).unwrap_or_default();
    let token = args.token.then(|| host.key()).transpose()?.map(|key| key.token(&vcluster).reveal().to_owned());
    if let Some(fields) = told.as_object_mut() {
        fields.insert("conditions".to_owned(), status);
        fields.extend(token.map(|token| ("token".to_owned(), token.into())));
    }
    match args.output {
        OutputFormat::Text => say(&text(&told))?,
        other => print(other, &told)?,
    }
    Ok(Verdict::Yes)
}

/// The conditions of the object that registers it, where there is one.
async fn status(host: &Host, vcluster: &VirtualCluster) -> Option<Value> {
    vcluster.access.as_ref()?;
    let kind = GroupVersionKind::gvk("bylaw.dev", "v1alpha1", "VirtualCluster");
    let resource = ApiResource::from_gvk_with_plural(&kind, "virtualclusters");
    let api: Api<DynamicObject> = Api::namespaced_with(host.client.clone()?, &vcluster.namespace, &resource);
    let found = tokio::time::timeout(ANSWERS_WITHIN, api.get(&vcluster.name)).await.ok()?.ok()?;
    found.data.pointer("/status/conditions").cloned()
}

fn text(told: &Value) -> String {
    let rows = [
        ("namespace", "namespace"),
        ("name", "name"),
        ("version", "version"),
        ("state", "state"),
        ("syncer", "account"),
        ("owner", "owner"),
        ("register", "register"),
        ("url", "url"),
        ("kubeconfig", "kubeconfigSecret"),
        ("token", "token"),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (name, field) in rows {
        let Some(text) = told.get(field).and_then(Value::as_str) else { continue };
        let unknown = field == "version" && told.get("isVersionKnown") == Some(&json!(false));
        let text = if text.is_empty() { "(none)" } else { text };
        let note = if unknown { "  (what its syncer does is not known)" } else { "" };
        lines.push(format!("{name:<11} {text}{note}"));
    }
    for (name, field) in [("labels", "labels"), ("parameters", "parameters")] {
        let all = told.get(field).and_then(Value::as_object).into_iter().flatten();
        lines.extend(all.map(|(key, value)| {
            format!("{name:<11} {key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        }));
    }
    let conditions = told.get("conditions").and_then(Value::as_array).into_iter().flatten();
    for condition in conditions {
        let of = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        lines.push(
            format!("{:<11} {} {}: {}", of("type"), of("status"), of("reason"), of("message")).trim_end().to_owned(),
        );
    }
    lines.join("\n") + "\n"
}
