//! Opening bundles, in whichever form they come.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::super::inputs;
use crate::bundle::artifact::{Artifact, ArtifactError, is_bundle_text, is_layout, layers};
use crate::bundle::{BundleLimits, unpack};

/// What a bundle holds.
pub(super) enum Content {
    Bundle(Box<Artifact>),
    /// A script of jsPolicy, as its own controller packs it: nothing else is known of it.
    Script(String),
}

/// A bundle, or why it is none; with a name for people.
pub(super) type Opened = (String, Result<Content, ArtifactError>);

/// All bundles of a file or a layout.
///
/// # Errors
/// Where the path cannot be read at all: what is wrong with a bundle stands in its place.
pub(super) fn open(path: &Path) -> anyhow::Result<Vec<Opened>> {
    let shown = path.display().to_string();
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    if metadata.is_dir() {
        if !is_layout(path) {
            bail!(
                "{shown}: is a folder, and no OCI layout; `bylaw bundle {shown} -o bundle.js` makes a bundle of its policies"
            );
        }
        return Ok(match layers(path) {
            Err(error) => vec![(shown, Err(error))],
            Ok(found) => found.iter().map(|layer| (shown.clone(), whole(Artifact::read(layer)))).collect(),
        });
    }
    let is_manifest =
        path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known));
    if is_manifest { of_manifest(path) } else { Ok(vec![(shown, whole(Artifact::read(path)))]) }
}

fn whole(artifact: Result<Artifact, ArtifactError>) -> Result<Content, ArtifactError> {
    artifact.map(Box::new).map(Content::Bundle)
}

fn unpacked(script: String) -> Result<Content, ArtifactError> {
    if is_bundle_text(&script) { whole(Artifact::parse(&script)) } else { Ok(Content::Script(script)) }
}

fn of_manifest(path: &Path) -> anyhow::Result<Vec<Opened>> {
    let text = |document: &Value, pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let documents = inputs::documents(path)?;
    let bundles = documents.iter().filter(|document| document.get("kind").is_some_and(|kind| kind == "JsPolicyBundle"));
    let opened: Vec<Opened> = bundles
        .map(|document| {
            let name = text(document, "/metadata/name").unwrap_or_default();
            let packed = text(document, "/spec/bundle").unwrap_or_default();
            let script = unpack(&packed, BundleLimits::default())
                .map_err(|error| ArtifactError::Damaged(format!("spec.bundle {error}")));
            (format!("JsPolicyBundle {name}"), script.and_then(unpacked))
        })
        .collect();
    if opened.is_empty() {
        bail!("{}: holds no JsPolicyBundle", path.display());
    }
    Ok(opened)
}
