//! `bylaw bundle verify`: whether a bundle is what it was when it was made, by whom, and what it says of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::super::Verdict;
use super::super::output::{OutputFormat, print, say};
use super::make::ENTRY;
use super::open::{Content, open};
use super::{Looker, VerifyArgs, package_of, read_key};
use crate::bundle::artifact::{Artifact, ArtifactError, PolicyRecord, PublicKey};
use crate::bundle::npm::{Integrity, Lock};
use crate::bundle::{content_hash, map_sources, map_texts, module_state};
use crate::lint::{Finding, Level, Rule, lint_texts};
use crate::policy::PolicySpec;

/// What was looked at, and what came of it.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    what: &'static str,
    good: bool,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

impl Check {
    fn new(what: &'static str, good: bool, message: impl Into<String>) -> Self {
        Self { what, good, message: message.into(), details: Vec::new() }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    bundle: String,
    good: bool,
    checks: Vec<Check>,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<Verdict> {
    let keys = args.keys.iter().map(|path| public_key(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let looker = Looker::new()?;
    let opened = open(&args.file)?;
    let specs = looker.specs(&args.file);
    let look = |(name, content)| report(name, content, &keys, &looker, |artifact| lint(artifact, &specs, &args.levels));
    let reports: Vec<Report> = opened.into_iter().map(look).collect();
    match args.output {
        OutputFormat::Text => say(&reports.iter().map(text).collect::<String>())?,
        format => print(format, &reports)?,
    }
    Ok(if reports.iter().all(|report| report.good) { Verdict::Yes } else { Verdict::No })
}

fn public_key(path: &Path) -> anyhow::Result<PublicKey> {
    PublicKey::parse(&read_key(path)?).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))
}

fn report(
    bundle: String,
    content_of: Result<Content, ArtifactError>,
    keys: &[PublicKey],
    looker: &Looker,
    lint: impl Fn(&Artifact) -> Check,
) -> Report {
    let checks = match content_of {
        Err(error) => vec![Check::new("content", false, error.to_string())],
        Ok(Content::Script(script)) => {
            let told = format!("sha256:{}, a script of jsPolicy, which says nothing of itself", content_hash(&script));
            let loads = looker.compiles(&bundle, &script);
            let message = loads.as_ref().err().map_or("it compiles".to_owned(), ToString::to_string);
            vec![
                Check::new("content", true, told),
                Check::new("signature", keys.is_empty(), "is not signed"),
                Check::new("policies", loads.is_ok(), message),
            ]
        }
        Ok(Content::Bundle(artifact)) => vec![
            content(&artifact),
            signature(&artifact, keys),
            policies(&bundle, &artifact, looker),
            packages(&artifact),
            state(&artifact),
            lint(&artifact),
        ],
    };
    Report { bundle, good: checks.iter().all(|check| check.good), checks }
}

/// It was read, so that it holds; what is told is what it is.
fn content(artifact: &Artifact) -> Check {
    match artifact.content_hash() {
        Ok(hash) => Check::new("content", true, format!("sha256:{hash}")),
        Err(error) => Check::new("content", false, error.to_string()),
    }
}

fn signature(artifact: &Artifact, keys: &[PublicKey]) -> Check {
    let signed: Vec<String> = artifact.signatures.iter().map(crate::bundle::artifact::Signature::told).collect();
    if keys.is_empty() {
        let told =
            if signed.is_empty() { "is not signed".to_owned() } else { format!("not checked: {}", signed.join(", ")) };
        return Check::new("signature", true, format!("{told}; give --key to ask for one"));
    }
    let found = keys.iter().find(|key| artifact.is_signed_by(key).unwrap_or(false));
    match found {
        Some(key) => Check::new("signature", true, format!("by key {}", key.id())),
        None if signed.is_empty() => Check::new("signature", false, "is not signed"),
        None => {
            let claims = |key: &&PublicKey| artifact.signatures.iter().any(|signature| signature.key == key.id());
            let asked: Vec<String> = keys.iter().map(PublicKey::id).collect();
            let told = match keys.iter().find(claims) {
                Some(key) => format!("the signature of key {} is not of this content", key.id()),
                None => format!("is of {}, and not of key {}", signed.join(", "), asked.join(", ")),
            };
            Check::new("signature", false, told)
        }
    }
}

/// What the script declares is what the bundle says it does.
fn policies(bundle: &str, artifact: &Artifact, looker: &Looker) -> Check {
    let declared = match looker.declared(bundle, &artifact.script) {
        Ok(declared) => declared,
        Err(error) => return Check::new("policies", false, format!("cannot be loaded: {error}")),
    };
    let found: Vec<PolicyRecord> = declared.iter().map(PolicyRecord::of).collect();
    if found == artifact.record.policies {
        return Check::new("policies", true, format!("{}, as recorded", found.len()));
    }
    let differing = found.iter().zip(&artifact.record.policies).find(|(found, recorded)| found != recorded);
    let what = differing.map_or_else(
        || format!("declares {} policies, and {} are recorded", found.len(), artifact.record.policies.len()),
        |(found, _)| format!("{} declares something else than is recorded", found.name),
    );
    Check::new("policies", false, what)
}

/// The lock is whole: whatever the script came from is in it, with what that needs.
fn packages(artifact: &Artifact) -> Check {
    let lock = &artifact.record.lock;
    let missing = missing_packages(artifact, lock);
    if let Some(first) = missing.first() {
        return Check::new("packages", false, format!("{first} is part of it, and not in its lock"));
    }
    let strange =
        lock.packages().find(|package| package.integrity.is_some_and(|text| Integrity::parse(text).is_none()));
    if let Some(package) = strange {
        return Check::new("packages", false, format!("the integrity of {}@{} is none", package.name, package.version));
    }
    let open = lock.packages().filter(|package| package.integrity.is_none()).count();
    let count = lock.packages().count();
    let note = if open == 0 { String::new() } else { format!(", {open} of them without a known integrity") };
    Check::new("packages", true, format!("{count} locked{note}"))
}

fn missing_packages(artifact: &Artifact, lock: &Lock) -> Vec<String> {
    let needed = lock.packages.values().flat_map(|locked| locked.dependencies.values().cloned());
    let sources = artifact.source_map.as_deref().map(map_sources).unwrap_or_default();
    let parts = sources.iter().filter_map(|source| package_of(source));
    let all: BTreeSet<String> = needed.chain(parts).collect();
    all.into_iter().filter(|key| !lock.packages.contains_key(key)).collect()
}

/// What the script keeps from one request to the next is what is recorded.
fn state(artifact: &Artifact) -> Check {
    let found = match module_state(&artifact.linked()) {
        Ok(found) => found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Err(error) => return Check::new("state", false, error.to_string()),
    };
    if found != artifact.record.lint {
        let what = format!("finds {} things, and {} are recorded", found.len(), artifact.record.lint.len());
        return Check::new("state", false, what);
    }
    match found.first() {
        None => Check::new("state", true, "it keeps nothing from one request to the next"),
        Some(first) => Check::new("state", true, format!("as recorded: {first}")),
    }
}

/// The rules of `bylaw lint` on the author's own sources, as the bundle's source map has them. What runs is the script: who
/// does not trust the maker of a bundle asks for a signature.
fn lint(artifact: &Artifact, specs: &[Arc<PolicySpec>], levels: &[(Rule, Level)]) -> Check {
    let texts = artifact.source_map.as_deref().map(map_texts).unwrap_or_default();
    let is_own = |name: &str| {
        package_of(name).is_none() && Path::new(name).extension().is_none_or(|ending| ending != "json") && name != ENTRY
    };
    let texts: Vec<(String, String)> = texts.into_iter().filter(|(name, _)| is_own(name)).collect();
    if texts.is_empty() {
        return Check::new("lint", true, "not checked: it has no source of its policies");
    }
    let found = match lint_texts(&texts, specs, levels) {
        Ok(found) => found,
        Err(error) => return Check::new("lint", false, error.to_string()),
    };
    let is_error = |finding: &&Finding| finding.level == Level::Error;
    let (errors, files) = (found.iter().filter(is_error).count(), texts.len());
    let message = match (errors, found.len() - errors) {
        (0, 0) => format!("nothing to mend, files {files}"),
        (errors, warnings) => format!("errors {errors}, warnings {warnings}, files {files}"),
    };
    Check { details: found.iter().map(told).collect(), ..Check::new("lint", errors == 0, message) }
}

fn told(finding: &Finding) -> String {
    let word = if finding.level == Level::Error { "error" } else { "warning" };
    let place = finding.place().map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}{word}[{}] {}", finding.rule, finding.diagnostic.message)
}

fn text(report: &Report) -> String {
    let mut lines = vec![report.bundle.clone()];
    for Check { what, good, message, details } in &report.checks {
        lines.push(format!("  {what:<10} {:<4} {message}", if *good { "ok" } else { "NO" }));
        lines.extend(details.iter().map(|detail| format!("{:<18}{detail}", "")));
    }
    lines.join("\n") + "\n"
}
