//! The `JsPolicyBundle`s of all manifests: a JsPolicy finds its own whichever file it is in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bundle::{content_hash, shown_path};

use super::assemble::Harvest;
use super::catalog::Problem;
use super::code::Code;
use super::error::PolicyError;
use super::files::{ManifestFile, Settings};
use super::jspolicy::CodeSource;
use super::objects::{build_bundled, bundle_code};

/// Unpacked bundles by name.
#[derive(Default)]
pub(super) struct Bundles(BTreeMap<String, Unpacked>);

struct Unpacked {
    /// Hash of the packed text that this came from.
    packed: String,
    code: Result<Arc<Code>, Arc<PolicyError>>,
}

impl Bundles {
    /// Unpacks what is new, and builds the policies that wait for it.
    pub(super) fn gather(
        &mut self,
        manifests: &mut BTreeMap<PathBuf, ManifestFile>,
        settings: &Settings,
        harvest: &mut Harvest,
    ) {
        self.unpack(manifests, harvest);
        for file in manifests.values_mut() {
            let built = self.build(file, settings);
            file.bundled = built;
        }
    }

    fn unpack(&mut self, manifests: &BTreeMap<PathBuf, ManifestFile>, harvest: &mut Harvest) {
        let mut found: BTreeMap<String, Unpacked> = BTreeMap::new();
        let mut files: BTreeMap<&str, &PathBuf> = BTreeMap::new();
        for (path, file) in manifests {
            let Ok(manifest) = &file.parsed else { continue };
            for bundle in &manifest.bundles {
                if let Some(first) = files.get(bundle.name.as_str()) {
                    let (kept, left) = (shown_path(first), shown_path(path));
                    let message =
                        format!("is there in {kept} and again in {left}; the first is used. Remove one of them");
                    let subject = format!("JsPolicyBundle {}", bundle.name);
                    let source = Some(Arc::new(path.clone()));
                    let serving_last_good = false;
                    harvest.problems.push(Problem { subject, message, serving_last_good, source, error: None });
                    continue;
                }
                files.insert(&bundle.name, path);
                let packed = content_hash(&bundle.encoded);
                let known = self.0.remove(&bundle.name).filter(|known| known.packed == packed);
                let unpacked = known
                    .unwrap_or_else(|| Unpacked { packed, code: bundle_code(bundle).map(Arc::new).map_err(Arc::new) });
                found.insert(bundle.name.clone(), unpacked);
            }
        }
        self.0 = found;
    }

    /// The policies of one file whose code is in a bundle. One whose bundle did not change stays as it is.
    fn build(
        &self,
        file: &ManifestFile,
        settings: &Settings,
    ) -> BTreeMap<String, (Option<Arc<Code>>, super::files::BuildResult)> {
        let Ok(manifest) = &file.parsed else { return BTreeMap::new() };
        let shown = shown_path(&file.source);
        let context = file.context(&shown, settings, false);
        let waiting = manifest.policies.iter().filter(|item| item.policy.code == CodeSource::Bundle);
        waiting
            .filter_map(|item| {
                let unpacked = self.0.get(&item.name)?;
                let built = match &unpacked.code {
                    Err(error) => (None, Err(Arc::clone(error))),
                    Ok(code) => match file.bundled.get(&item.name) {
                        Some((Some(known), built)) if Arc::ptr_eq(known, code) => {
                            (Some(Arc::clone(code)), built.clone())
                        }
                        _ => {
                            let built = build_bundled(&context, item, Arc::clone(code)).map_err(Arc::new);
                            (Some(Arc::clone(code)), built)
                        }
                    },
                };
                Some((item.name.clone(), built))
            })
            .collect()
    }
}
