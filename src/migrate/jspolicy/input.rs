//! jsPolicy's objects out of files and folders, each with the text that it was written in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cluster::documents::{self, Document, Unreadable};

/// One file; a bundle in a manifest stays below etcd's 1.5 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// Files of one migration.
const MAX_FILES: usize = 10_000;

/// Folders in folders.
const MAX_DEPTH: usize = 32;

/// Folders that hold no policies of the author's.
const SKIPPED: [&str; 2] = ["node_modules", "cases"];

/// Files of JSON that are no manifests.
const NO_MANIFESTS: [&str; 4] = ["package.json", "package-lock.json", "tsconfig.json", "jsconfig.json"];

/// Why nothing was migrated at all.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{} is larger than {} MiB", .0.display(), MAX_BYTES >> 20)]
    TooLarge(PathBuf),
    #[error("{}: more than {MAX_FILES} files; name the folders with policies", .0.display())]
    TooManyFiles(PathBuf),
    #[error("{}:{line}:{column}: {cause}", path.display())]
    Broken { path: PathBuf, line: u64, column: u64, cause: String },
    #[error("two policies are called {name}: one in {first}, one in {second}; rename one of them")]
    Twice { name: String, first: String, second: String },
    #[error("there is no JsPolicy in {0}")]
    Nothing(String),
    #[error("the engine: {0}")]
    Engine(String),
}

/// One object of jsPolicy's.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub name: String,
    pub path: PathBuf,
    /// As it was written.
    pub raw: String,
    pub object: Value,
    /// Lines of comment that stood before it.
    pub comments: Vec<String>,
}

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub policies: Vec<Found>,
    pub bundles: BTreeMap<String, Found>,
    pub notes: Vec<String>,
}

pub(super) fn read(paths: &[PathBuf]) -> Result<Sources, InputError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, 0, &mut files)?;
    }
    let mut sources = Sources::default();
    for file in &files {
        sources.add_file(file)?;
    }
    if sources.policies.is_empty() {
        let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(InputError::Nothing(shown.join(", ")));
    }
    Ok(sources)
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    let unreadable = |cause| InputError::Unreadable { path: path.to_owned(), cause };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for entry in entries {
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_folder = entry.is_dir();
        let extension = entry.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_manifest = matches!(extension, "yaml" | "yml" | "json") && !NO_MANIFESTS.contains(&name);
        if name.starts_with('.') || (is_folder && SKIPPED.contains(&name)) || (!is_folder && !is_manifest) {
            continue;
        }
        collect(&entry, depth + 1, files)?;
        if files.len() > MAX_FILES {
            return Err(InputError::TooManyFiles(path.to_owned()));
        }
    }
    Ok(())
}

/// The text of a file under the bound.
pub(super) fn text(path: &Path) -> Result<String, InputError> {
    let unreadable = |cause| InputError::Unreadable { path: path.to_owned(), cause };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > MAX_BYTES {
        return Err(InputError::TooLarge(path.to_owned()));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

impl Sources {
    fn add_file(&mut self, path: &Path) -> Result<(), InputError> {
        let text = text(path)?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let parsed = if is_json { documents::from_json(&text) } else { documents::from_yaml(&text) };
        let documents = parsed.map_err(|Unreadable { line, column, cause }| InputError::Broken {
            path: path.to_owned(),
            line,
            column,
            cause,
        })?;
        let chunks = if is_json { Vec::new() } else { chunks(&text) };
        let is_told_apart = chunks.len() == documents.len();
        for (at, Document { value, .. }) in documents.into_iter().enumerate() {
            let chunk = chunks.get(at).filter(|_| is_told_apart).copied();
            self.add(path, value, chunk)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, object: Value, raw: Option<&str>) -> Result<(), InputError> {
        let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = word("/kind");
        if let Some(items) = object.get("items").and_then(Value::as_array).filter(|_| kind.ends_with("List")) {
            for item in items.clone() {
                self.add(path, item, None)?;
            }
            return Ok(());
        }
        let name = match word("/metadata/name") {
            name if name.is_empty() => "unnamed".to_owned(),
            name => name,
        };
        let comments = raw.map(comments).unwrap_or_default();
        let raw = raw.map_or_else(|| format!("{object:#}\n"), str::to_owned);
        let shown = path.display();
        match kind.as_str() {
            "JsPolicy" => {
                if let Some(first) = self.policies.iter().find(|known| known.name == name) {
                    let first = first.path.display().to_string();
                    return Err(InputError::Twice { name, first, second: shown.to_string() });
                }
                self.policies.push(Found { name, path: path.to_owned(), raw, object, comments });
            }
            "JsPolicyBundle" => {
                self.bundles.insert(name.clone(), Found { name, path: path.to_owned(), raw, object, comments });
            }
            "JsPolicyViolations" => {
                self.notes.push(format!("{shown}: JsPolicyViolations {name} is a record, no policy"));
            }
            other => {
                let other = if other.is_empty() { "a document without a kind" } else { other };
                self.notes.push(format!("{shown}: {other} {name} is passed over: it is no JsPolicy"));
            }
        }
        Ok(())
    }
}

/// The documents of a YAML text as they are written.
fn chunks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            found.push(text.get(start..at).unwrap_or_default());
            start = at + line.len();
        }
        at += line.len();
    }
    found.push(text.get(start..).unwrap_or_default());
    let has_content = |chunk: &&str| {
        chunk.lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with('%') && line != "..."
        })
    };
    found.into_iter().filter(has_content).collect()
}

/// What stands above an object.
fn comments(raw: &str) -> Vec<String> {
    let above = raw.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| line.starts_with('#'));
    above.map(|line| line.trim_start_matches('#').trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::folder;

    const POLICY: &str = "# Says no.\nkind: JsPolicy\nmetadata: {name: a.b.c}\nspec: {javascript: deny()}\n";

    #[test]
    fn objects_keep_their_text_and_what_stands_above_them() {
        let two = format!(
            "---\n{POLICY}---\nkind: JsPolicyBundle\nmetadata: {{name: x.y.z}}\n---\n# nothing\n---\nkind: Pod\n"
        );
        let folder = folder(&[("p.yaml", &two), ("node_modules/q.yaml", POLICY), ("package.json", "{}")]);
        let sources = read(&[folder.path().to_owned()]).unwrap();
        let policy = &sources.policies[0];
        assert_eq!((policy.raw.as_str(), policy.comments.as_slice()), (POLICY, ["Says no.".to_owned()].as_slice()));
        assert!(sources.bundles.contains_key("x.y.z"));
        assert!(sources.notes[0].contains("Pod unnamed is passed over"), "{:?}", sources.notes);
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_are_taken() {
        let text = format!("\u{feff}{}", POLICY.replace('\n', "\r\n"));
        let folder = folder(&[("p.yaml", &text)]);
        let sources = read(&[folder.path().to_owned()]).unwrap();
        assert_eq!(sources.policies[0].comments, ["Says no."]);
    }

    #[test]
    fn broken_yaml_is_told_with_its_place() {
        let folder = folder(&[("p.yaml", "kind: JsPolicy\nmetadata: {name: [}\n")]);
        let told = read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(told.contains("p.yaml:2:"), "{told}");
    }

    #[test]
    fn two_policies_of_one_name_are_refused() {
        let folder = folder(&[("p.yaml", POLICY), ("q.yaml", POLICY)]);
        let told = read(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(told.starts_with("two policies are called a.b.c: one in "), "{told}");
    }

    #[test]
    fn a_folder_without_policies_and_a_missing_one_are_told() {
        let folder = folder(&[("p.yaml", "kind: Pod\n")]);
        assert!(read(&[folder.path().to_owned()]).unwrap_err().to_string().starts_with("there is no JsPolicy in "));
        assert!(read(&[folder.path().join("no")]).unwrap_err().to_string().starts_with("cannot read "));
    }
}
