//! Where the texts of modules come from: the disk, memory, or packages in memory; and what they are called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::BundleError;
use super::link::Language;
use super::lookup::Lookup;
use super::npm::tree::{Place, ROOT};
use super::source::{MAX_SOURCE_BYTES, read};

/// What to do about an import of a package.
pub(super) enum Packages {
    /// There are none here.
    Refused,
    /// Stop: who can look for packages is to link this.
    NotHere,
    Found(Box<Lookup>),
}

/// Where modules come from.
pub(super) struct Sources {
    /// Texts by path, over whatever else there is.
    texts: BTreeMap<PathBuf, Arc<str>>,
    /// Inline source: its path, and the name that errors show instead. It has no files beside it.
    inline: Option<(PathBuf, String)>,
    /// Where the others are.
    place: Option<Place>,
    pub(super) packages: Packages,
}

impl Sources {
    /// Files on disk.
    pub(super) fn disk(packages: Packages) -> Self {
        Self { texts: BTreeMap::new(), inline: None, place: Some(Place::default()), packages }
    }

    /// Files on disk, and one more.
    pub(super) fn with_entry(path: &Path, text: &str, packages: Packages) -> Self {
        Self { texts: BTreeMap::from([(path.to_owned(), Arc::from(text))]), ..Self::disk(packages) }
    }

    /// The same, where packages are in memory beside what is on the disk.
    pub(super) fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// Packages in memory.
    pub(super) fn packed(place: Place) -> Self {
        let packages = Packages::Found(Box::new(Lookup::new(place.clone())));
        Self { texts: BTreeMap::new(), inline: None, place: Some(place), packages }
    }

    /// One module without neighbours, and the path it gets.
    pub(super) fn inline(file: &str, text: &str, language: Language, packages: Packages) -> (Self, PathBuf) {
        Self::inline_in(Path::new("/inline"), file, text, language, None, packages)
    }

    /// The same in a folder, above which its packages are.
    pub(super) fn inline_in(
        folder: &Path,
        file: &str,
        text: &str,
        language: Language,
        place: Option<Place>,
        packages: Packages,
    ) -> (Self, PathBuf) {
        // No file that a module could import has this name.
        let path = folder.join(format!(".policy.{}", language.extension()));
        let texts = BTreeMap::from([(path.clone(), Arc::from(text))]);
        (Self { texts, inline: Some((path.clone(), file.to_owned())), place, packages }, path)
    }

    /// These texts and nothing else.
    pub(super) fn memory(texts: BTreeMap<PathBuf, Arc<str>>) -> Self {
        Self { texts, inline: None, place: None, packages: Packages::Refused }
    }

    /// The name of a module in messages: as short as the reader's working directory allows.
    pub(super) fn shown(&self, path: &Path) -> String {
        if let Some((inline, shown)) = &self.inline
            && inline == path
        {
            return shown.clone();
        }
        match path.strip_prefix(ROOT) {
            Ok(inside) => inside.to_string_lossy().into_owned(),
            Err(_) => shown_path(path),
        }
    }

    pub(super) fn text(&self, path: &Path) -> Result<Arc<str>, BundleError> {
        if let Some(text) = self.texts.get(path) {
            return Ok(Arc::clone(text));
        }
        let unreadable = |reason: String| BundleError::Unreadable { file: self.shown(path), reason };
        match &self.place {
            Some(Place(Some(tree))) if !tree.is_of_disk(path) => {
                let bytes = tree.text(path).ok_or_else(|| unreadable("it is not part of the package".to_owned()))?;
                if bytes.len() as u64 > MAX_SOURCE_BYTES {
                    return Err(unreadable(format!("larger than {MAX_SOURCE_BYTES} bytes")));
                }
                let text = std::str::from_utf8(bytes)
                    .map_err(|error| unreadable(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
                Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into())
            }
            Some(_) => read(path, &self.shown(path)).map(Arc::from),
            None => Err(unreadable("it is not part of the bundle".to_owned())),
        }
    }

    pub(super) fn is_file(&self, path: &Path) -> bool {
        self.texts.contains_key(path) || self.place.as_ref().is_some_and(|place| place.is_file(path))
    }

    /// The names in a folder.
    pub(super) fn names(&self, folder: &Path) -> Vec<String> {
        self.place.as_ref().map(|place| place.names(folder).into_iter().collect()).unwrap_or_default()
    }

    /// Whether a module is inline source, which cannot name files by a path.
    pub(super) fn is_inline(&self, path: &Path) -> bool {
        self.inline.as_ref().is_some_and(|(inline, _)| inline == path)
    }

    /// Whether a file is read from the disk.
    pub(super) fn is_on_disk(&self, path: &Path) -> bool {
        match &self.place {
            Some(Place(Some(tree))) => tree.is_of_disk(path),
            Some(Place(None)) => true,
            None => false,
        }
    }
}

/// A path as messages show it: relative to the working directory where it is inside.
pub(crate) fn shown_path(path: &Path) -> String {
    let inside = std::env::current_dir().ok().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
    inside.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// Whether a module on disk is part of an installed package.
pub(super) fn is_installed(path: &Path) -> bool {
    path.starts_with(ROOT) || path.components().any(|part| part.as_os_str() == "node_modules")
}
