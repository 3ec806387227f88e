//! `bylaw scan`: manifests, or the objects of a live cluster, judged by all policies, and one report of it.

mod ci;
mod judge;
mod live;
mod manifests;
mod progress;
mod work;
mod world;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::Verdict;
use super::inputs::label;
use super::output::{OutputFormat, print, say};
use super::runtime::{Offline, Stage};
use super::subject::{one_document, operation};
use crate::config::Compat;
use crate::policy::Catalog;
use crate::review::Operation;
use crate::scan::report::{Report, html, table};
use judge::Asking;
use progress::Progress;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw scan -p policies manifests/\n  helm template chart | bylaw scan -p policies - -o sarif > scan.sarif\n  \
                        bylaw scan -p policies --kubeconfig ~/.kube/config --context staging -o html > scan.html"
)]
pub(super) struct ScanArgs {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// Manifests: files, folders with all .yaml, .yml and .json files in them, `-` for standard input
    #[arg(value_name = "PATH", required_unless_present = "kubeconfig", conflicts_with = "kubeconfig")]
    paths: Vec<PathBuf>,
    /// Judge the objects of this cluster instead
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// Only the objects of this namespace
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    namespace: Option<String>,
    /// What is asked of each object: CREATE, UPDATE, DELETE or CONNECT
    #[arg(long, value_parser = operation, default_value = "CREATE")]
    operation: Operation,
    /// The user who asks
    #[arg(long, default_value = "kubernetes-admin", value_name = "NAME")]
    user: String,
    /// A group of the user; may be given many times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A label of every namespace; may be given many times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label, conflicts_with = "kubeconfig")]
    namespace_labels: Vec<(String, String)>,
    /// More objects that `get` and `list` see, and namespaces with their labels; they are not judged
    #[arg(long, value_name = "PATH", conflicts_with = "kubeconfig")]
    inventory: Option<PathBuf>,
    /// Parameters for every policy, in place of its own
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Give policies the rights that another engine gave them
    #[arg(long, value_enum)]
    compat: Option<Compat>,
    /// Show what mutating policies would change
    #[arg(long)]
    show_patches: bool,
    /// Stop at the first object that is denied, or that cannot be read
    #[arg(long)]
    fail_fast: bool,
    /// How to write the report
    #[arg(short, long, value_enum, default_value_t)]
    output: ScanFormat,
}

/// The value of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ScanFormat {
    /// A table for people
    #[default]
    Text,
    Json,
    Yaml,
    /// For code scanning
    Sarif,
    /// For lists of tests
    Junit,
    /// A page that needs nothing else
    Html,
}

pub(super) fn run(args: &ScanArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let stage = Stage::new()?;
    let catalog = args.catalog(&stage)?;
    let progress = Arc::new(Progress::new(verbosity >= 0));
    let report = match &args.kubeconfig {
        Some(kubeconfig) => live::scan(args, kubeconfig, &stage, &catalog, &progress),
        None => manifests::scan(args, &stage, &catalog, &progress),
    };
    progress.finish();
    let report = report?;
    args.write(&report)?;
    match (report.counts.denied, report.counts.unreadable) {
        (0, 0) => Ok(Verdict::Yes),
        (0, 1) => bail!("a document could not be read"),
        (0, unreadable) => bail!("{unreadable} documents could not be read"),
        _ => Ok(Verdict::No),
    }
}

impl ScanArgs {
    fn catalog(&self, stage: &Stage) -> anyhow::Result<Arc<Catalog>> {
        let parameters = self.parameters.as_deref().map(one_document).transpose()?;
        let offline = Offline { compat: self.compat, parameters, ..Offline::of(&self.policies) };
        let catalog = offline.catalog(stage)?;
        if catalog.revisions.is_empty() {
            let notes: Vec<String> = catalog.notes.iter().map(ToString::to_string).collect();
            bail!("there are no policies to judge by: {}", notes.join("\n"));
        }
        Ok(catalog)
    }

    fn asking(&self) -> Asking {
        Asking {
            operation: self.operation,
            user: self.user.clone(),
            groups: self.groups.clone(),
            // What policies write while a cluster is looked at must not come to be.
            dry_run: self.kubeconfig.is_some(),
            show_patches: self.show_patches,
        }
    }

    fn write(&self, report: &Report) -> anyhow::Result<()> {
        match self.output {
            ScanFormat::Text => {
                let in_colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                say(&table(report, in_colour))
            }
            ScanFormat::Json => print(OutputFormat::Json, &report.json()),
            ScanFormat::Yaml => print(OutputFormat::Yaml, &report.json()),
            ScanFormat::Sarif => say(&ci::as_sarif(report)?),
            ScanFormat::Junit => say(&ci::as_junit(report)?),
            ScanFormat::Html => say(&html(report)),
        }
    }
}
