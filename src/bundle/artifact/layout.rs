//! A bundle as an OCI artifact in an image layout (OCI image specification 1.1): a folder that `oras`, `skopeo` and `crane`
//! push to any registry as it is. The one layer is the bundle file.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::file::{Artifact, MAX_BYTES};
use super::{ArtifactError, store};
use crate::bundle::hash::hex_hash;

/// What the artifact is, in manifest and index.
pub const ARTIFACT_TYPE: &str = "application/vnd.bylaw.bundle.v1";

/// The bundle file.
pub const LAYER_TYPE: &str = "application/vnd.bylaw.bundle.v1+javascript";

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";

/// Of an index or a manifest.
const MAX_JSON: u64 = 1 << 20;

/// Bundles of one layout.
const MAX_BUNDLES: usize = 256;

/// What an index or a manifest says of a blob.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    artifact_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// Whether a folder says that it is one.
#[must_use]
pub fn is_layout(folder: &Path) -> bool {
    folder.join(MARK).is_file()
}

/// The bundle files of a layout. Each is what its digest says.
///
/// # Errors
/// Where there is none, or the layout is not what it says it is.
pub fn layers(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let wrong = |reason: String| ArtifactError::Layout { path: folder.to_owned(), reason };
    let index: Index = parsed(&read(&folder.join(INDEX), MAX_JSON).map_err(&wrong)?, INDEX).map_err(&wrong)?;
    if index.manifests.len() > MAX_BUNDLES {
        return Err(wrong(format!("{INDEX} names more than {MAX_BUNDLES} manifests")));
    }
    let mut found = Vec::new();
    for named in index.manifests.iter().filter(|named| named.media_type == MANIFEST_TYPE) {
        let (_, text) = blob(folder, named, MAX_JSON).map_err(&wrong)?;
        let manifest: Manifest = parsed(&text, &named.digest).map_err(&wrong)?;
        if named.artifact_type.as_deref().or(manifest.artifact_type.as_deref()) != Some(ARTIFACT_TYPE) {
            continue;
        }
        for layer in manifest.layers.iter().filter(|layer| layer.media_type == LAYER_TYPE) {
            found.push(blob(folder, layer, MAX_BYTES).map_err(&wrong)?.0);
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(wrong(format!("its {INDEX} names no artifact of type {ARTIFACT_TYPE}")));
    }
    Ok(found)
}

/// The path and the content of a blob.
fn blob(folder: &Path, named: &Descriptor, limit: u64) -> Result<(PathBuf, Vec<u8>), String> {
    // A digest becomes a part of a path: nothing but digits.
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let digits = named.digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(is_digit));
    let Some(digits) = digits else {
        let shown: String = named.digest.chars().take(80).collect();
        return Err(format!("{shown:?} is no digest (`sha256:` and 64 digits)"));
    };
    let path = folder.join("blobs/sha256").join(digits);
    let content = read(&path, limit)?;
    if content.len() as u64 != named.size || hex_hash(&content) != digits {
        return Err(format!("blob sha256:{digits} is not what its digest and size say; get the layout anew"));
    }
    Ok((path, content))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    // A link would lead out of the layout, a pipe would be read for ever.
    if !fs::symlink_metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{name} is no file"));
    }
    let mut content = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > limit {
        return Err(format!("{name} is larger than {limit} bytes"));
    }
    Ok(content)
}

fn parsed<'t, T: Deserialize<'t>>(text: &'t [u8], name: &str) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("{name}: {error}"))
}

/// Makes a layout, or replaces the bundle of one. The index comes last: until then the old one is in force.
///
/// # Errors
/// Where the folder holds something else, or cannot be written to.
pub fn write_layout(folder: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
    let unwritable = |error: std::io::Error| ArtifactError::Unwritable(error.to_string());
    let is_empty =
        fs::read_dir(folder).map_or(Ok(true), |mut entries| entries.next().transpose().map(|one| one.is_none()));
    let before = if is_layout(folder) { Some(layers(folder)?) } else { None };
    if before.is_none() && !is_empty.map_err(unwritable)? {
        let reason = "the folder holds something else; name one that is new or empty".to_owned();
        return Err(ArtifactError::Layout { path: folder.to_owned(), reason });
    }
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(unwritable)?;
    let put = |media_type: &str, content: &[u8]| -> Result<Value, ArtifactError> {
        let digits = hex_hash(content);
        store::write(&blobs.join(&digits), content)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digits}"), "size": content.len()}))
    };
    let mut layer = put(LAYER_TYPE, artifact.to_text()?.as_bytes())?;
    set(&mut layer, "annotations", json!({"org.opencontainers.image.title": "bundle.js"}));
    let policies: Vec<&str> = artifact.record.policies.iter().map(|policy| policy.name.as_str()).collect();
    let annotations = json!({
        "dev.bylaw.bundle.hash": format!("sha256:{}", artifact.content_hash()?),
        "dev.bylaw.bundle.policies": policies.join(","),
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": ARTIFACT_TYPE,
        "config": put(EMPTY_TYPE, EMPTY)?, "layers": [layer], "annotations": annotations,
    });
    let mut index_entry = put(MANIFEST_TYPE, manifest.to_string().as_bytes())?;
    set(&mut index_entry, "artifactType", json!(ARTIFACT_TYPE));
    set(&mut index_entry, "annotations", json!({"org.opencontainers.image.ref.name": "latest"}));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [index_entry]});
    store::write(&folder.join(MARK), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    store::write(&folder.join(INDEX), index.to_string().as_bytes())?;
    let now = layers(folder)?;
    for gone in before.into_iter().flatten().filter(|layer| !now.contains(layer)) {
        drop(fs::remove_file(gone));
    }
    Ok(())
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
