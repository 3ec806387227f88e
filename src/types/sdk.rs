//! `@bylaw/sdk` as an npm package, made of the sources that are built in: what `bylaw init` puts beside a policy, so that
//! editors, test runners and tsc find it without a registry. It is the version that this engine has.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::TypesError;
use super::emit::{declarations, javascript, with_emitted_names};
use crate::bundle::{SDK_SOURCES, sdk_sources};

/// The version of the SDK in this binary.
pub const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

macro_rules! kubernetes {
    ($($file:literal),* $(,)?) => {
        &[$((concat!("k8s/", $file), include_str!(concat!("../../sdk-ts/k8s/", $file)))),*]
    };
}

/// Modules beside those that the engine serves. Those of `testing` and `eslint` are for Node.js alone.
const MODULES: &[(&str, &str)] = sdk_sources![
    "context.ts",
    "eslint/estree.ts",
    "eslint/index.ts",
    "eslint/rules.ts",
    "testing/case.ts",
    "testing/clock.ts",
    "testing/decision.ts",
    "testing/engine-quota.ts",
    "testing/engine.ts",
    "testing/expect.ts",
    "testing/host.ts",
    "testing/index.ts",
    "testing/json.ts",
    "testing/judge.ts",
    "testing/ledger.ts",
    "testing/matching.ts",
    "testing/parameters.ts",
    "testing/patch.ts",
    "testing/request.ts",
    "testing/runtime.ts",
    "testing/schema.ts",
    "testing/selector-text.ts",
    "testing/world.ts",
];

/// Types only.
const KUBERNETES: &[(&str, &str)] = kubernetes![
    "admissionregistration/v1.ts",
    "admissionregistration/v1alpha1.ts",
    "admissionregistration/v1beta1.ts",
    "apiextensions/v1.ts",
    "apiregistration/v1.ts",
    "apiserverinternal/v1alpha1.ts",
    "apps/v1.ts",
    "authentication/v1.ts",
    "authorization/v1.ts",
    "autoscaling/v1.ts",
    "autoscaling/v2.ts",
    "batch/v1.ts",
    "certificates/v1.ts",
    "certificates/v1alpha1.ts",
    "certificates/v1beta1.ts",
    "coordination/v1.ts",
    "coordination/v1alpha2.ts",
    "coordination/v1beta1.ts",
    "core/v1.ts",
    "discovery/v1.ts",
    "events/v1.ts",
    "flowcontrol/v1.ts",
    "meta/v1.ts",
    "networking/v1.ts",
    "networking/v1beta1.ts",
    "node/v1.ts",
    "policy/v1.ts",
    "rbac/v1.ts",
    "resource/v1.ts",
    "resource/v1alpha3.ts",
    "resource/v1beta1.ts",
    "resource/v1beta2.ts",
    "scheduling/v1.ts",
    "scheduling/v1alpha2.ts",
    "storage/v1.ts",
    "storage/v1beta1.ts",
    "storagemigration/v1beta1.ts",
];

const MANIFEST: &str = include_str!("../../sdk-ts/package.json");
const README: &str = include_str!("../../sdk-ts/README.md");
const GLOBALS: &str = include_str!("../../sdk-ts/globals.d.ts");
const SNIPPETS: &str = include_str!("../../sdk-ts/snippets/bylaw.code-snippets");
const LICENSE: &str = include_str!("../../LICENSE");
/// Fields of the manifest that are for those who work on the SDK.
const FOR_DEVELOPERS: [&str; 3] = ["scripts", "devDependencies", "files"];

/// Snippets for Visual Studio Code.
#[must_use]
pub const fn snippets() -> &'static str {
    SNIPPETS
}

fn modules() -> impl Iterator<Item = (&'static str, &'static str)> {
    SDK_SOURCES.iter().chain(MODULES).copied()
}

/// The files of the package by their path in it.
pub fn sdk_package() -> Result<Vec<(PathBuf, String)>, TypesError> {
    let mut files = vec![
        (PathBuf::from("package.json"), manifest()?),
        (PathBuf::from("README.md"), README.to_owned()),
        (PathBuf::from("LICENSE"), LICENSE.to_owned()),
        (PathBuf::from("globals.d.ts"), GLOBALS.to_owned()),
        (PathBuf::from("snippets/bylaw.code-snippets"), SNIPPETS.to_owned()),
    ];
    for (name, text) in modules() {
        let failed = |cause| TypesError::Sdk { file: name, cause };
        let place = Path::new("dist").join(name);
        files.push((place.with_extension("js"), javascript(name, text).map_err(failed)?));
        files.push((place.with_extension("d.ts"), declarations(text).map_err(failed)?));
    }
    for (name, text) in KUBERNETES {
        let place = Path::new("dist").join(name);
        files.push((place.with_extension("js"), "export {};\n".to_owned()));
        files.push((place.with_extension("d.ts"), with_emitted_names(text)));
    }
    Ok(files)
}

fn manifest() -> Result<String, TypesError> {
    let failed = |cause: String| TypesError::Sdk { file: "package.json", cause };
    let mut manifest: Map<String, Value> = serde_json::from_str(MANIFEST).map_err(|error| failed(error.to_string()))?;
    for field in FOR_DEVELOPERS {
        manifest.shift_remove(field);
    }
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| failed(error.to_string()))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    fn sources(folder: &Path, found: &mut BTreeSet<String>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk-ts");
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                sources(&path, found);
            } else {
                found.insert(path.display().to_string());
            }
        }
    }

    #[test]
    fn every_source_of_the_sdk_is_built_in() {
        let mut found = BTreeSet::new();
        sources(Path::new("src"), &mut found);
        sources(Path::new("k8s"), &mut found);
        let all = modules().chain(KUBERNETES.iter().copied());
        let built_in: BTreeSet<String> = all.map(|(name, _)| name.to_owned()).collect();
        assert_eq!(built_in, found);
    }

    #[test]
    fn the_package_has_what_its_exports_name() {
        let files = sdk_package().unwrap();
        let has = |name: &str| files.iter().any(|(path, _)| path == Path::new(name.trim_start_matches("./")));
        let (_, manifest) = &files[0];
        let manifest: Value = serde_json::from_str(manifest).unwrap();
        assert_eq!(manifest["version"], SDK_VERSION);
        assert_eq!(manifest.get("scripts"), None);
        for (name, entry) in manifest["exports"].as_object().unwrap() {
            for condition in ["types", "default"] {
                if let Some(file) = entry[condition].as_str() {
                    assert!(has(&file.replace('*', "core/v1")), "{name}: {file}");
                }
            }
        }
    }

    #[test]
    fn no_emitted_file_names_a_source() {
        for (path, text) in sdk_package().unwrap() {
            let code = path.starts_with("dist");
            assert!(!code || !text.contains(".ts\";"), "{}", path.display());
        }
    }
}
