//! Reading what the command line names: files, standard input, values.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cluster::documents::{self, Unreadable};

/// Manifests and reviews given by hand; the API server's own limit is 3 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// The text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
    };
    let bytes = read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes as u64 > MAX_BYTES {
        bail!("{} is larger than {} MiB", path.display(), MAX_BYTES >> 20);
    }
    Ok(text)
}

/// The documents of a YAML or JSON file; empty ones are skipped.
pub(super) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    parsed(path, &read(path)?)
}

/// The same of a text that was read already.
pub(super) fn parsed(path: &Path, text: &str) -> anyhow::Result<Vec<Value>> {
    let json = if text.trim_start().starts_with('{') { documents::from_json(text).ok() } else { None };
    let documents = match json {
        Some(documents) => documents,
        None => documents::from_yaml(text).map_err(|Unreadable { line, column, cause }| {
            anyhow::anyhow!("{}:{line}:{column}: {cause}", path.display())
        })?,
    };
    Ok(documents.into_iter().map(|document| document.value).collect())
}

/// `key=value`, as kubectl has it.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

/// Labels given one by one.
pub(super) fn labels(pairs: &[(String, String)]) -> BTreeMap<String, String> {
    pairs.iter().cloned().collect()
}
