//! `bylaw bundle inspect`: what is in a bundle. The policies are those that the script declares when it is asked, whatever
//! the bundle says of itself.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::Verdict;
use super::super::output::{OutputFormat, print, say};
use super::open::{Content, open};
use super::{InspectArgs, Looker};
use crate::bundle::artifact::{Artifact, PolicyRecord};
use crate::bundle::content_hash;

/// One bundle as it is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    bundle: String,
    /// A script of jsPolicy says nothing of itself.
    is_script: bool,
    hash: String,
    engine: String,
    signatures: Vec<String>,
    policies: Vec<PolicyRecord>,
    packages: Vec<Package>,
    lint: Vec<String>,
    sizes: Sizes,
}

#[derive(Debug, Serialize)]
struct Package {
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<String>,
}

/// In bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sizes {
    file: usize,
    script: usize,
    source_map: usize,
}

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<Verdict> {
    let looker = Looker::new()?;
    let mut all = Vec::new();
    for (name, content) in open(&args.file)? {
        all.push(match content.map_err(|error| anyhow::anyhow!("{name}: {error}"))? {
            Content::Bundle(artifact) => told(name, &artifact, &looker)?,
            Content::Script(script) => of_script(name, &script),
        });
    }
    match args.output {
        OutputFormat::Text => say(&all.iter().map(text).collect::<Vec<_>>().join("\n"))?,
        format => print(format, &all)?,
    }
    Ok(Verdict::Yes)
}

fn told(bundle: String, artifact: &Artifact, looker: &Looker) -> anyhow::Result<Told> {
    let declared = looker.declared(&bundle, &artifact.script);
    let declared = declared.map_err(|error| anyhow::anyhow!("{bundle}: cannot be loaded: {error}"))?;
    let packages = artifact.record.lock.packages().map(|package| Package {
        name: package.name.to_owned(),
        version: package.version.to_owned(),
        integrity: package.integrity.map(str::to_owned),
    });
    Ok(Told {
        is_script: false,
        hash: format!("sha256:{}", artifact.content_hash()?),
        engine: artifact.record.engine.clone(),
        signatures: artifact.signatures.iter().map(crate::bundle::artifact::Signature::told).collect(),
        policies: declared.iter().map(PolicyRecord::of).collect(),
        packages: packages.collect(),
        lint: artifact.record.lint.clone(),
        sizes: Sizes {
            file: artifact.to_text()?.len(),
            script: artifact.script.len(),
            source_map: artifact.source_map.as_ref().map_or(0, String::len),
        },
        bundle,
    })
}

fn of_script(bundle: String, script: &str) -> Told {
    Told {
        bundle,
        is_script: true,
        hash: format!("sha256:{}", content_hash(script)),
        engine: String::new(),
        signatures: Vec::new(),
        policies: Vec::new(),
        packages: Vec::new(),
        lint: Vec::new(),
        sizes: Sizes { file: script.len(), script: script.len(), source_map: 0 },
    }
}

fn text(told: &Told) -> String {
    let mut text = format!("{}  {}\n", told.bundle, told.hash);
    let mut line = |text_of: String| {
        let _ = writeln!(text, "  {text_of}");
    };
    let size = |bytes: usize| bytesize::ByteSize::b(bytes as u64).display().iec().to_string();
    let Sizes { file, script, source_map } = told.sizes;
    if told.is_script {
        line(format!("{}: a script of jsPolicy, which says nothing of itself", size(script)));
        return text;
    }
    line(format!(
        "{}: script {}, source map {}; made by bylaw {}",
        size(file),
        size(script),
        size(source_map),
        told.engine
    ));
    match told.signatures.as_slice() {
        [] => line("not signed".to_owned()),
        signatures => line(format!("signed: {} (`bylaw bundle verify --key` checks it)", signatures.join(", "))),
    }
    line(format!("policies: {}", told.policies.len()));
    for policy in &told.policies {
        let title = policy.title.as_deref().map(|title| format!("  {title}")).unwrap_or_default();
        line(format!("  {}  {}{title}", policy.name, policy.handlers.join(", ")));
        let asks = policy.asks();
        line(format!("    may: {}", if asks.is_empty() { "nothing".to_owned() } else { asks.join(", ") }));
    }
    line(format!("packages: {}", told.packages.len()));
    for package in &told.packages {
        let integrity = package.integrity.as_deref().unwrap_or("no integrity is known");
        line(format!("  {}@{}  {integrity}", package.name, package.version));
    }
    for finding in &told.lint {
        line(format!("lint: {finding}"));
    }
    text
}
