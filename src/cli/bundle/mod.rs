//! `bylaw bundle`: policies made into one file that says what is in it, looked into, and verified.

mod make;
mod manifest;
mod open;
mod tell;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::Verdict;
use super::output::OutputFormat;
use crate::lint::{Level, Rule};
use crate::policy::{Dialect, Inspect as _, InspectError, PolicySpec};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  bylaw bundle policies -o bundle.js --sign key.pem\n  bylaw bundle policies -o bundle.yaml     JsPolicy and \
                  JsPolicyBundle objects\n  bylaw bundle policies -o bundle           an OCI image layout, to be pushed as it is\n  \
                  bylaw bundle verify bundle.js --key pub.pem\n  bylaw serve -p bundle.js"
)]
pub(super) struct BundleArgs {
    #[command(subcommand)]
    command: Option<BundleCommand>,
    #[command(flatten)]
    make: Option<MakeArgs>,
}

#[derive(Debug, Args)]
struct MakeArgs {
    /// A policy file, a folder of them, a policy package, its tarball, or another bundle
    path: PathBuf,
    /// What to write: a `.js` file, a `.yaml` file, or a folder for an OCI layout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Sign with this private key: PEM, Ed25519 or ECDSA on P-256
    #[arg(long, value_name = "KEY.pem")]
    sign: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    /// Show what is in a bundle: policies, the permissions they ask for, packages, sizes
    #[command(after_help = "Example:\n  bylaw bundle inspect bundle.js -o json")]
    Inspect(InspectArgs),
    /// Check content, signature, policies, packages, state and lint of a bundle
    #[command(after_help = "Example:\n  bylaw bundle verify bundle.js --key pub.pem")]
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct InspectArgs {
    /// A bundle: a `.js` file, `JsPolicyBundle` objects, or an OCI layout
    file: PathBuf,
    /// How to write the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// A bundle: a `.js` file, `JsPolicyBundle` objects, or an OCI layout
    file: PathBuf,
    /// It must be signed with this public key (PEM); one of them, where many are given
    #[arg(long = "key", value_name = "PUB.pem")]
    keys: Vec<PathBuf>,
    /// The level of a rule of `bylaw lint`: off, warn or error; may be given many times
    #[arg(long = "rule", value_name = "RULE=LEVEL", value_parser = super::lint::level)]
    levels: Vec<(Rule, Level)>,
    /// How to write the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &BundleArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    match (&args.command, &args.make) {
        (Some(BundleCommand::Inspect(args)), _) => tell::run(args),
        (Some(BundleCommand::Verify(args)), _) => verify::run(args),
        (None, Some(args)) => make::run(args, verbosity),
        (None, None) => anyhow::bail!("name what to bundle; `bylaw bundle --help` says how"),
    }
}

/// A key is some hundred bytes.
const MAX_KEY: u64 = 64 << 10;

/// The bytes of a file with a key.
fn read_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(MAX_KEY).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

/// Looks into scripts in an isolate that serves nobody.
struct Looker {
    inspector: crate::isolate::Inspector,
    /// The inspection thread asks it for what policies may not have at load.
    stage: super::runtime::Stage,
}

impl Looker {
    fn new() -> anyhow::Result<Self> {
        let stage = super::runtime::Stage::new()?;
        let host = stage.host(crate::host::Objects::Nowhere);
        let inspector = crate::isolate::Inspector::start(host, std::sync::Arc::clone(&stage.limits))
            .context("cannot start the inspection thread")?;
        Ok(Self { inspector, stage })
    }

    /// The policies of a bundle as they would be in force; those that would not be are left out.
    fn specs(&self, bundle: &Path) -> Vec<std::sync::Arc<PolicySpec>> {
        let catalog = self.stage.loader(&[bundle.to_owned()], None, None).and_then(|mut loader| Ok(loader.load()?));
        let revisions = catalog.map(|catalog| catalog.revisions.clone()).unwrap_or_default();
        revisions.iter().map(|revision| std::sync::Arc::clone(&revision.spec)).collect()
    }

    fn declared(&self, origin: &str, script: &str) -> Result<Vec<serde_json::Value>, InspectError> {
        self.inspector.inspect(origin, script, Dialect::Module)
    }

    fn compiles(&self, origin: &str, script: &str) -> Result<(), InspectError> {
        self.inspector.inspect(origin, script, Dialect::Script).map(drop)
    }
}

/// `name@version` of a source in a map; `None` for a file of the author's.
fn package_of(source: &str) -> Option<String> {
    let parts = if source.starts_with('@') { 2 } else { 1 };
    let end = source.match_indices('/').nth(parts - 1).map(|(at, _)| at)?;
    let key = source.get(..end)?;
    let (name, version) = crate::bundle::npm::split(key);
    let is_version = version.starts_with(|first: char| first.is_ascii_digit());
    (!name.is_empty() && is_version).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_a_package_is_told_from_a_file() {
        assert_eq!(package_of("semver@7.8.6/index.js").as_deref(), Some("semver@7.8.6"));
        assert_eq!(package_of("@a/b@1.0.0-rc.1/x/y.js").as_deref(), Some("@a/b@1.0.0-rc.1"));
        for file in ["policy.ts", "a/b@2.ts", "@a/b.ts", "me@home/policy.ts", "../x@1.ts"] {
            assert_eq!(package_of(file), None, "{file}");
        }
    }
}
