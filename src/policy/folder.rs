//! Which files of a folder may hold policies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bundle::artifact::{ArtifactError, is_layout, layers};
use crate::bundle::{normalise, shown_path};

use super::error::PolicyError;

/// Far above any folder of policies, far below a home folder.
const MAX_FILES: usize = 10_000;

const MAX_DEPTH: usize = 32;

/// Folders that hold no policies: packages that are imported, and test cases.
const SKIPPED_FOLDERS: [&str; 2] = ["node_modules", "cases"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Module,
    Manifest,
    /// A package, as `npm pack` makes it.
    Tarball,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub kind: FileKind,
    /// Named by the user, or by a package.json: then it has to be a policy.
    pub explicit: bool,
}

/// What was found under one path.
#[derive(Debug, Clone, Default)]
pub(super) struct Discovery {
    /// Sorted by path.
    pub files: Vec<Found>,
    /// Folders in which a change matters.
    pub folders: BTreeSet<PathBuf>,
}

/// Looks at one path that the user gave: a file, a folder, or a package.
pub(super) fn discover(root: &Path) -> Result<Discovery, PolicyError> {
    let root = normalise(&std::path::absolute(root).map_err(|error| unreadable(root, &error))?);
    let metadata = fs::metadata(&root).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => PolicyError::Missing { path: shown_path(&root) },
        _ => unreadable(&root, &error),
    })?;
    let mut discovery = Discovery::default();
    if metadata.is_dir() {
        let mut walk = Walk { root: &root, discovery: &mut discovery, seen: BTreeSet::new() };
        walk.folder(&root, 0)?;
    } else {
        let kind = kind_of(&root).ok_or_else(|| PolicyError::UnknownKind { path: shown_path(&root) })?;
        discovery.folders.extend(root.parent().map(Path::to_owned));
        discovery.files.push(Found { path: root, kind, explicit: true });
    }
    discovery.files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(discovery)
}

fn unreadable(path: &Path, error: &std::io::Error) -> PolicyError {
    PolicyError::Unreadable { path: shown_path(path), reason: error.to_string() }
}

struct Walk<'r> {
    root: &'r Path,
    discovery: &'r mut Discovery,
    /// Real paths of the folders entered, against loops of symbolic links.
    seen: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), PolicyError> {
        let real = fs::canonicalize(folder).map_err(|error| unreadable(folder, &error))?;
        if depth > MAX_DEPTH || !self.seen.insert(real) {
            return Ok(());
        }
        self.discovery.folders.insert(folder.to_owned());
        if let Some(entry) = package_entry(folder)? {
            self.discovery.folders.extend(entry.parent().map(Path::to_owned));
            self.discovery.files.push(Found { path: entry, kind: FileKind::Module, explicit: true });
            return Ok(());
        }
        if is_layout(folder) {
            return self.layout(folder);
        }
        let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') || name.is_empty() {
                continue;
            }
            // A file that vanishes meanwhile, or a dangling link, is no policy.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name) {
                    self.folder(&path, depth + 1)?;
                }
            } else if let Some(kind) = kind_of(&path).filter(|_| metadata.is_file() && !is_other(name)) {
                // What lies about is no policy; `-p FILE` says that it is.
                if kind == FileKind::Tarball {
                    continue;
                }
                self.discovery.files.push(Found { path, kind, explicit: false });
            }
            if self.discovery.files.len() > MAX_FILES {
                return Err(PolicyError::TooManyFiles { path: shown_path(self.root), limit: MAX_FILES });
            }
        }
        Ok(())
    }
}

impl Walk<'_> {
    /// The bundles of an OCI layout (`bylaw bundle -o FOLDER`).
    fn layout(&mut self, folder: &Path) -> Result<(), PolicyError> {
        let refused = |error: ArtifactError| PolicyError::NotAPolicy {
            file: shown_path(folder),
            reason: match error {
                ArtifactError::Layout { reason, .. } => format!("is an OCI layout, but {reason}"),
                other => other.to_string(),
            },
        };
        for path in layers(folder).map_err(refused)? {
            self.discovery.folders.extend(path.parent().map(Path::to_owned));
            self.discovery.files.push(Found { path, kind: FileKind::Module, explicit: true });
        }
        Ok(())
    }
}

fn kind_of(path: &Path) -> Option<FileKind> {
    match path.extension()?.to_str()? {
        "ts" | "mts" | "js" | "mjs" => Some(FileKind::Module),
        "yaml" | "yml" | "json" => Some(FileKind::Manifest),
        "tgz" => Some(FileKind::Tarball),
        _ => None,
    }
}

/// Declarations, tests, and the configuration of tools.
fn is_other(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_module = Path::new(name).extension().is_some_and(|ext| ext != "yaml" && ext != "yml" && ext != "json");
    let marks = [".d", ".test", ".spec", ".config"];
    let is_marked = is_module && marks.iter().any(|mark| stem.ends_with(mark));
    let tools = ["package.json", "package-lock.json", "deno.json", "kustomization.yaml", "pnpm-lock.yaml"];
    is_marked || tools.contains(&name) || name.starts_with("tsconfig") && !is_module
}

/// What a package.json names as its policies (contract §5): `bylaw.policies`, or `exports` with the condition `bylaw`.
fn package_entry(folder: &Path) -> Result<Option<PathBuf>, PolicyError> {
    let path = folder.join("package.json");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    // A package.json of something else is nobody's mistake here.
    let Ok(package) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
    let named = ["/bylaw/policies", "/exports/./bylaw", "/exports/bylaw"];
    let Some(entry) = named.iter().find_map(|pointer| package.pointer(pointer)?.as_str()) else { return Ok(None) };
    let entry = normalise(&folder.join(entry));
    if !entry.starts_with(folder) || !entry.is_file() || kind_of(&entry) != Some(FileKind::Module) {
        let reason = format!("the policies of this package, `{}`, are no module inside of it", shown_path(&entry));
        return Err(PolicyError::NotAPolicy { file: shown_path(&path), reason });
    }
    Ok(Some(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(folder: &Path) -> Vec<String> {
        let files = discover(folder).unwrap().files;
        files.iter().map(|file| file.path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn policies_are_looked_for_in_all_folders_but_some() {
        let folder = folder_with(&[
            "a.ts",
            "b/c.mts",
            "b/d/e.js",
            "b/f.mjs",
            "g.yaml",
            "h.yml",
            "i.json",
            "README.md",
            "j.tsx",
            "node_modules/x/index.js",
            "b/cases/k.yaml",
            ".git/l.ts",
            ".m.ts",
            "n.test.ts",
            "o.d.ts",
            "p.spec.js",
            "vitest.config.ts",
            "package.json",
            "tsconfig.json",
            "tsconfig.build.json",
        ]);
        assert_eq!(found(folder.path()), ["a.ts", "b/c.mts", "b/d/e.js", "b/f.mjs", "g.yaml", "h.yml", "i.json"]);
    }

    #[test]
    fn a_package_gives_its_entry_and_nothing_else() {
        let folder = folder_with(&["p/policies/index.ts", "p/other.ts", "q.ts"]);
        let package = folder.path().join("p/package.json");
        for text in [
            r#"{"bylaw": {"policies": "./policies/index.ts"}}"#,
            r#"{"exports": {".": {"bylaw": "./policies/index.ts"}}}"#,
        ] {
            fs::write(&package, text).unwrap();
            assert_eq!(found(folder.path()), ["p/policies/index.ts", "q.ts"]);
        }
        fs::write(&package, r#"{"name": "p"}"#).unwrap();
        assert_eq!(found(folder.path()), ["p/other.ts", "p/policies/index.ts", "q.ts"]);
        for text in [r#"{"bylaw": {"policies": "./nope.ts"}}"#, r#"{"bylaw": {"policies": "../q.ts"}}"#] {
            fs::write(&package, text).unwrap();
            assert!(matches!(discover(folder.path()), Err(PolicyError::NotAPolicy { .. })), "{text}");
        }
    }

    #[test]
    fn a_missing_path_and_a_strange_file_are_errors_of_one_line() {
        let folder = folder_with(&["a.txt"]);
        let missing = discover(&folder.path().join("nope")).unwrap_err();
        assert!(matches!(missing, PolicyError::Missing { .. }) && !missing.to_string().contains('\n'));
        assert!(matches!(discover(&folder.path().join("a.txt")), Err(PolicyError::UnknownKind { .. })));
    }

    #[test]
    fn a_file_given_by_name_is_taken_whatever_its_name() {
        let folder = folder_with(&["a.test.ts"]);
        let discovery = discover(&folder.path().join("a.test.ts")).unwrap();
        assert!(discovery.files[0].explicit && discovery.folders.contains(folder.path()));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_once() {
        let folder = folder_with(&["real/a.ts"]);
        std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("real/loop")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), folder.path().join("dangling.ts")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real/a.ts"), folder.path().join("linked.ts")).unwrap();
        assert_eq!(found(folder.path()), ["linked.ts", "real/a.ts"]);
    }
}
