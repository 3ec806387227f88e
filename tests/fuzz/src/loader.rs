//! The loader: a folder of any files gives a catalog that is in order, and problems that name what is wrong; V8 is stood
//! in for, since it runs policies under limits of its own.
//!
//! An input is one file, or several behind lines `=== NAME`. The file `declares.json` is what the engine says that
//! modules declare.

use std::sync::Arc;

use bylaw::policy::{Catalog, Dialect, Inspect, InspectError, LoadOptions, Loader};
use serde_json::{Value, json};

const MARK: &str = "=== ";
const NAMES: [&str; 9] =
    ["a.yaml", "b.yml", "c.json", "d.ts", "e.js", "f.mts", "g.mjs", "package.json", "declares.json"];

struct Engine(Vec<Value>);

impl Inspect for Engine {
    fn inspect(&self, _origin: &str, script: &str, dialect: Dialect) -> Result<Vec<Value>, InspectError> {
        if let Some(at) = script.find("THROWS") {
            let line = u32::try_from(at).unwrap();
            return Err(InspectError { message: "it throws".to_owned(), line: Some(line), column: Some(line) });
        }
        Ok(if dialect == Dialect::Script { Vec::new() } else { self.0.clone() })
    }
}

pub fn check(data: &[u8]) {
    let files = files(data);
    let folder = tempfile::tempdir().unwrap();
    let mut declared = vec![json!({"name": "a.b.c", "match": {"resources": ["pods"]}, "handlers": ["validate"]})];
    for (name, content) in &files {
        if *name == "declares.json" {
            if let Ok(value) = serde_json::from_slice::<Value>(content) {
                declared = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            }
        } else {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
    }
    let options = LoadOptions { compat_jspolicy: data.len() % 2 == 1, ..LoadOptions::default() };
    let mut loader = Loader::new(vec![folder.path().to_owned()], Arc::new(Engine(declared)), options);
    if let Ok(catalog) = loader.load() {
        holds(&catalog);
        if let Some(again) = loader.reload(&files.iter().map(|(name, _)| folder.path().join(name)).collect()) {
            let names =
                |catalog: &Catalog| catalog.revisions.iter().map(|one| one.spec.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&again), names(&catalog), "the same files are the same policies");
        }
    }
}

/// The parts of an input, the last of each name.
fn files(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut files: Vec<(&'static str, Vec<u8>)> = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let named = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix(MARK));
        let known = named.and_then(|name| NAMES.into_iter().find(|known| *known == name.trim_end()));
        match (known, files.last_mut()) {
            (Some(name), _) => files.push((name, Vec::new())),
            (None, Some((_, content))) => content.extend_from_slice(line),
            (None, None) => files.push((NAMES[0], line.to_vec())),
        }
    }
    files
}

fn holds(catalog: &Catalog) {
    assert!(catalog.revisions.windows(2).all(|pair| pair[0].spec.name < pair[1].spec.name), "sorted, each once");
    for revision in &catalog.revisions {
        let name = &revision.spec.name;
        assert!(bylaw::policy::is_policy_name(name), "{name}");
        assert!(catalog.get(name).is_some_and(|found| Arc::ptr_eq(found, revision)));
        assert_eq!(*revision.code.hash, *bylaw::bundle::content_hash(&revision.code.script));
        assert!(revision.spec.validates || revision.spec.mutates);
        for line in 1..=revision.code.script.lines().count().min(20) {
            if let Some((_, line, column)) = revision.code.locate(u32::try_from(line).unwrap(), 0) {
                assert!(line > 0 && column > 0);
            }
        }
    }
    for problem in &catalog.problems {
        let told = problem.to_string();
        assert!(!problem.serving_last_good, "nothing was served before");
        assert!(told.len() < 32 << 10, "a problem repeats the file: {} bytes", told.len());
        assert!(!told.contains("the bundler failed"), "{told}");
        assert!(!told.contains('\u{1b}') && !told.contains('\u{7}'), "{told:?} reaches a terminal");
    }
}
