//! Files of cases: read within bounds, document by document, with what is wrong in them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::case::Case;
use super::error::{Fault, Place};
use super::fields::{Fields, at};
use crate::bundle::shown_path;
use crate::cluster::documents::{self, Unreadable};

/// One file: far above what anybody writes by hand, and above what a generator should put into one.
const MAX_BYTES: u64 = 16 << 20;

/// Files of one folder.
const MAX_FILES: usize = 10_000;

/// The cases of one file, and what else they are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct CaseFile {
    pub cases: Vec<Arc<Case>>,
    pub faults: Vec<Fault>,
    /// Files that its objects come from.
    pub used: Vec<PathBuf>,
}

impl CaseFile {
    pub(super) fn read(path: &Path) -> Self {
        let shown = shown_path(path);
        let file = Place { file: Arc::new(path.to_owned()), shown: shown.as_str().into(), line: 0, column: 0 };
        let broken = |place: Place, message: String| Self { faults: vec![Fault { place, message }], ..Self::default() };
        let text = match read(path) {
            Ok(text) => text,
            Err(reason) => return broken(file, reason),
        };
        let documents: Vec<Option<Spanned<Fields>>> = match documents::typed_from_yaml(&text) {
            Ok(documents) => documents,
            Err(Unreadable { line, column, cause }) => return broken(Place { line, column, ..file }, cause),
        };
        let mut read = Self::default();
        for document in documents.into_iter().flatten() {
            let place = at(&file, document.referenced);
            read.cases.extend(Case::read(document.value, place, &mut read.faults, &mut read.used).map(Arc::new));
        }
        read
    }
}

/// The files of cases in one folder, by name. Those in folders inside are what cases take their objects from.
pub(super) fn in_folder(folder: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    let is_case = |path: &PathBuf| {
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        let is_kind = path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json");
        !is_hidden && is_kind && path.is_file()
    };
    entries.flatten().take(MAX_FILES).map(|entry| entry.path()).filter(is_case).collect()
}

/// The one document of a file.
pub(super) fn one_document(path: &Path) -> Result<Value, String> {
    let text = read(path)?;
    let shown = shown_path(path);
    let documents = documents::from_yaml(&text)
        .map_err(|Unreadable { line, column, cause }| format!("{shown}:{line}:{column}: {cause}"))?;
    match <[documents::Document; 1]>::try_from(documents) {
        Ok([document]) => Ok(document.value),
        Err(documents) => Err(format!("{shown}: expected one document, found {}", documents.len())),
    }
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    let shown = shown_path(path);
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
        Ok(bytes) if bytes as u64 > MAX_BYTES => Err(format!("{shown} is larger than {} MiB", MAX_BYTES >> 20)),
        Ok(_) => Ok(text),
    }
}
