//! `bylaw migrate`: policies from elsewhere, into a folder that every other command takes.

mod court;
mod pretence;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Verdict;
use super::inputs::documents;
use super::output::{OutputFormat, print, say, yaml};
use super::runtime::Stage;
use crate::migrate::folder::OutFolder;
use crate::migrate::jspolicy::{Body, Migration, migrate};
use crate::review::{self, Limits};
use court::EngineCourt;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bylaw migrate jspolicy manifests --out policies")]
pub(super) struct MigrateArgs {
    #[command(subcommand)]
    origin: Origin,
}

#[derive(Debug, Subcommand)]
enum Origin {
    /// Make modules in TypeScript of jsPolicy's scripts, each compared with its original before it is taken
    #[command(
        after_help = "Examples:\n  bylaw migrate jspolicy manifests --out policies\n  bylaw migrate jspolicy policy.yaml policy.bundle.yaml \
                      --out policies --review review.json -o json\n\nWhat cannot be carried over is kept as it is, and runs as it did. \
                      Exit 0: all was carried over; 1: some was left; 2: nothing was done."
    )]
    Jspolicy(JspolicyArgs),
}

#[derive(Debug, Args)]
struct JspolicyArgs {
    /// Manifests with `JsPolicy` and `JsPolicyBundle` objects, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The folder to fill, a folder in it for each policy
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write over what the folder has
    #[arg(long)]
    force: bool,
    /// Admission reviews on which both must say the same, beside those that are made up; may be given many times
    #[arg(long = "review", value_name = "FILE")]
    reviews: Vec<PathBuf>,
    /// How to write the report
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &MigrateArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let Origin::Jspolicy(args) = &args.origin;
    // Before the work, so that it is not for nothing.
    let folder = OutFolder::open(&args.out, args.force)?;
    let mut reviews = Vec::new();
    for path in &args.reviews {
        reviews.extend(reviews_of(path)?);
    }
    let stage = Stage::new()?;
    let mut court = EngineCourt::new(&stage)?;
    let Migration { report, files } = migrate(&args.paths, &reviews, &mut court)?;
    for (file, body) in &files {
        let text = match body {
            Body::Text(text) => text.clone(),
            Body::Documents(documents) => documents.iter().map(yaml).collect::<anyhow::Result<String>>()?,
            Body::Packages(packages) => {
                let path = folder.path(file);
                packages.install(path.parent().unwrap_or(&path)).map_err(anyhow::Error::msg)?;
                packages.package_json(std::fs::read_to_string(&path).ok().as_deref())
            }
        };
        folder.write(file, &text)?;
        remove_other(&folder, file);
    }
    match args.output {
        OutputFormat::Text => say(&report.text())?,
        format => print(format, &report)?,
    }
    Ok(if report.left == 0 { Verdict::Yes } else { Verdict::No })
}

/// A policy that was carried over after all, or is not any more, must not stand there twice.
fn remove_other(folder: &OutFolder, file: &str) {
    if let Some(stem) = file.strip_suffix("policy.ts") {
        folder.remove(&format!("{stem}policy.yaml"));
    } else if let Some(stem) = file.strip_suffix("policy.yaml") {
        folder.remove(&format!("{stem}policy.ts"));
        folder.remove(&format!("{stem}cases/migrated.yaml"));
        folder.remove(&format!("{stem}packages.d.ts"));
    }
}

/// The reviews of a file: whole ones, or the requests in them.
fn reviews_of(path: &Path) -> anyhow::Result<Vec<Value>> {
    let mut reviews = Vec::new();
    for document in documents(path)? {
        let review = if document.get("request").is_some() {
            document
        } else if document.get("uid").is_some() {
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": document})
        } else {
            bail!(
                "{}: holds a document that is no AdmissionReview; `bylaw review --object` takes manifests",
                path.display()
            );
        };
        review::parse(review.to_string().into(), &Limits::default()).with_context(|| path.display().to_string())?;
        reviews.push(review);
    }
    Ok(reviews)
}
