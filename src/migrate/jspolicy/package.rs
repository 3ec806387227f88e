//! Policies of an npm package, as jsPolicy's template has them: a `policy.yaml`, and its source in `index.ts` beside it.
//!
//! The files are linked from a copy, from which imports of jsPolicy's types are taken out: nothing is left of them when
//! it runs, and the package need not be installed. No script of the package is run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::bundle::{MAX_SOURCE_BYTES, link_script, scan};

const ENTRIES: [&str; 4] = ["index.ts", "index.mts", "index.js", "index.mjs"];

const EXTENSIONS: [&str; 5] = ["", ".ts", ".js", "/index.ts", "/index.js"];

/// Files of one policy; the template has a handful.
const MOST_FILES: usize = 500;

/// Packages of types alone.
const TYPES: [&str; 2] = ["@jspolicy/types", "@kubernetes/client-node"];

/// The source that belongs to a manifest.
pub(super) fn entry(manifest: &Path) -> Option<PathBuf> {
    let is_policy = manifest.file_stem().is_some_and(|stem| stem == "policy");
    let folder = manifest.parent().filter(|_| is_policy)?;
    ENTRIES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// One script of a file and what it imports.
pub(super) fn linked(entry: &Path) -> Result<String, String> {
    let mut files = BTreeMap::new();
    gather(entry, &mut files)?;
    let top = files.keys().filter_map(|path| path.parent()).fold(None, |top: Option<PathBuf>, folder| match top {
        None => Some(folder.to_owned()),
        Some(top) => Some(common(&top, folder)),
    });
    let top = top.unwrap_or_default();
    let copy = Copy::create().map_err(|error| format!("cannot copy the package: {error}"))?;
    for (path, text) in &files {
        let target = copy.0.join(path.strip_prefix(&top).unwrap_or(path));
        let write = target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&target, text));
        write.map_err(|error| format!("cannot copy {}: {error}", path.display()))?;
    }
    let entry = normal(entry);
    let target = copy.0.join(entry.strip_prefix(&top).unwrap_or(&entry));
    let shown = format!("{}/", copy.0.display());
    let linked =
        link_script(&target).map_err(|error| error.to_string().replace(&shown, &format!("{}/", top.display())))?;
    Ok(linked.script)
}

/// A file and all that it imports by a path.
fn gather(path: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<(), String> {
    let path = normal(path);
    if files.contains_key(&path) {
        return Ok(());
    }
    if files.len() >= MOST_FILES {
        return Err(format!("it imports more than {MOST_FILES} files"));
    }
    let shown = path.display().to_string();
    let unreadable = |error: std::io::Error| format!("cannot read {shown}: {error}");
    if fs::metadata(&path).map_err(unreadable)?.len() > MAX_SOURCE_BYTES {
        return Err(format!("{shown} is larger than {MAX_SOURCE_BYTES} bytes"));
    }
    let text = fs::read_to_string(&path).map_err(unreadable)?.replace("\r\n", "\n");
    let scanned = scan(&shown, &path, &text).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut without_types = text.clone();
    let mut further = Vec::new();
    for import in scanned.imports.iter().rev() {
        if TYPES.contains(&import.specifier.as_str()) {
            take_out(&mut without_types, import.start as usize, import.end as usize);
        } else if import.specifier.starts_with('.') {
            let found = EXTENSIONS
                .iter()
                .map(|end| folder.join(format!("{}{end}", import.specifier)))
                .find(|path| path.is_file());
            further.extend(found);
        }
    }
    files.insert(path, without_types);
    further.iter().try_for_each(|path| gather(path, files))
}

/// Blanks the statement that a specifier ends.
fn take_out(text: &mut String, start: usize, end: usize) {
    let before = text.get(..start).unwrap_or_default();
    let Some(begin) = before.rfind("import") else { return };
    let rest = text.get(end..).unwrap_or_default();
    let end = if rest.starts_with(';') { end + 1 } else { end };
    let blank: String =
        text.get(begin..end).unwrap_or_default().chars().map(|one| if one == '\n' { '\n' } else { ' ' }).collect();
    text.replace_range(begin..end, &blank);
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

fn common(left: &Path, right: &Path) -> PathBuf {
    left.components().zip(right.components()).take_while(|(left, right)| left == right).map(|(left, _)| left).collect()
}

/// A folder that is gone when this is dropped.
struct Copy(PathBuf);

impl Copy {
    fn create() -> std::io::Result<Self> {
        let base = std::env::temp_dir();
        let mut number = 0_u32;
        loop {
            let path = base.join(format!("bylaw-package-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_policy_and_its_library_become_one_script() {
        let folder = package(&[
            ("src/policies/a/policy.yaml", ""),
            (
                "src/policies/a/index.ts",
                "import \"@jspolicy/types\";\nimport { check } from \"../../lib/check\";\ncheck(request);\n",
            ),
            (
                "src/lib/check.ts",
                "import { V1AdmissionRequest } from '@jspolicy/types';\nexport function check(asked: V1AdmissionRequest) { if (!asked.name) deny('no name'); }\n",
            ),
        ]);
        let entry = entry(&folder.path().join("src/policies/a/policy.yaml")).unwrap();
        let script = linked(&entry).unwrap();
        assert!(script.contains("deny(\"no name\")") && script.contains("check(request)"), "{script}");
        assert!(!script.contains("import"), "{script}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = package(&[("policy.yaml", ""), ("index.ts", "import { x } from './gone';\nx();\n")]);
        let told = linked(&entry(&folder.path().join("policy.yaml")).unwrap()).unwrap_err();
        assert!(told.contains("index.ts:1:") && told.contains("gone"), "{told}");
        assert_eq!(entry(&folder.path().join("other.yaml")), None);
    }
}
