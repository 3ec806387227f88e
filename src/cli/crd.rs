//! `bylaw crd`: the definitions of our own kinds, and the rights that go with them.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Verdict;
use super::output::{OutputFormat, print, say, yaml};
use super::runtime::{Offline, Stage, quiet_logging};
use crate::config::Compat;
use crate::crd::definitions;
use crate::rbac::{Asked, Asker, Install, Settings, asked, objects, values};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw crd | kubectl apply --server-side --force-conflicts -f -\n  bylaw crd --rbac -p policies | kubectl \
                  apply -f -\n  bylaw crd --values -p policies > rights.yaml && helm install bylaw charts/bylaw -f rights.yaml"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct CrdArgs {
    /// Print a service account with the rights that Bylaw and the policies need instead
    #[arg(long)]
    rbac: bool,
    /// Print the rights of the policies as values of the chart instead
    #[arg(long, conflicts_with = "rbac", requires = "policies")]
    values: bool,
    /// With --rbac or --values: a policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// With --rbac: the namespace that Bylaw runs in
    #[arg(long, default_value = "bylaw-system", requires = "rbac")]
    namespace: String,
    /// With --rbac: the name of the installation
    #[arg(long, default_value = "bylaw", requires = "rbac")]
    name: String,
    /// With --rbac: the right to remove the webhook configurations that jsPolicy made, whatever their names
    #[arg(long, requires = "rbac")]
    take_over: bool,
    /// With --rbac: the right to keep a webhook configuration for each policy
    #[arg(long, requires = "rbac")]
    per_policy: bool,
    /// With --rbac: the right to write reports of wgpolicyk8s.io
    #[arg(long, requires = "rbac")]
    policy_reports: bool,
    /// With --rbac: the right to write reports of openreports.io
    #[arg(long, requires = "rbac")]
    open_reports: bool,
    /// With --rbac: the right to read the kubeconfigs of virtual clusters, which are Secrets of any namespace
    #[arg(long, requires = "rbac")]
    vclusters: bool,
    /// With --rbac: the right to read this Secret, for a certificate that somebody else renews
    #[arg(long, value_name = "NAME", requires = "rbac")]
    tls_secret: Option<String>,
    /// The rights that another engine gave its policies
    #[arg(long, value_enum)]
    compat: Option<Compat>,
    /// How to write them; text is YAML too
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &CrdArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    quiet_logging(verbosity)?;
    if !args.rbac && !args.values {
        return write(args.output, definitions());
    }
    let asked = args.asked()?;
    for warning in &asked.warnings {
        eprintln!("warning: {warning}");
    }
    if args.values {
        let format = if args.output == OutputFormat::Json { OutputFormat::Json } else { OutputFormat::Yaml };
        print(format, &values(&asked))?;
        return Ok(Verdict::Yes);
    }
    let settings = Settings {
        take_over: args.take_over,
        per_policy: args.per_policy,
        policy_reports: args.policy_reports,
        open_reports: args.open_reports,
        vclusters: args.vclusters,
        tls_secret: args.tls_secret.as_deref(),
    };
    write(args.output, &objects(&Install { name: &args.name, namespace: &args.namespace, settings }, &asked))
}

impl CrdArgs {
    /// What the policies ask for; nothing where there are none.
    fn asked(&self) -> anyhow::Result<Asked> {
        if self.policies.is_empty() {
            return Ok(Asked::default());
        }
        let stage = Stage::new()?;
        let catalog = Offline { compat: self.compat, ..Offline::of(&self.policies) }.catalog(&stage)?;
        Ok(asked(catalog.all().map(|revision| Asker::of(revision))))
    }
}

fn write(format: OutputFormat, objects: &[Value]) -> anyhow::Result<Verdict> {
    match format {
        OutputFormat::Json => {
            print(OutputFormat::Json, &json!({ "apiVersion": "v1", "kind": "List", "items": objects }))?;
        }
        OutputFormat::Text | OutputFormat::Yaml => {
            for object in objects {
                say(&yaml(object)?)?;
            }
        }
    }
    Ok(Verdict::Yes)
}
