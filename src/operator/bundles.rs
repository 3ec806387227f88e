//! The `JsPolicyBundle` of a policy: its code, so that nobody bundles it again, and what it was made of.

use serde_json::{Map, Value, json};

use crate::bundle::artifact::{Artifact, PolicyRecord, Record};
use crate::bundle::npm::Lock;
use crate::bundle::{content_hash, pack};
use crate::policy::live::{
    CONTENT_ANNOTATION, ObjectReport, PACKAGES_ANNOTATION, PolicyObject, SOURCE_ANNOTATION, SPEC_ANNOTATION,
};
use crate::policy::{Code, Dialect};

/// All annotations of an object may have 256 KiB together.
const MAX_ANNOTATION: usize = 100 << 10;

/// # Errors
/// Where the code is too large for an object, in words.
pub fn bundle(report: &ObjectReport, object: &PolicyObject, code: &Code) -> Result<Value, String> {
    let text = match code.dialect {
        Dialect::Script => code.script.to_string(),
        Dialect::Module => artifact(report, code).to_text().map_err(|error| error.to_string())?,
    };
    let packed = pack(&text).map_err(|error| error.to_string())?;
    let mut annotations = Map::new();
    annotations.insert(SOURCE_ANNOTATION.to_owned(), report.source.as_str().into());
    annotations.insert(CONTENT_ANNOTATION.to_owned(), content_hash(&packed).into());
    let packages = (!report.packages.is_empty()).then(|| serde_json::to_string(&report.packages).unwrap_or_default());
    let spec = Some(object.bare_spec().to_string());
    for (name, text) in [(PACKAGES_ANNOTATION, packages), (SPEC_ANNOTATION, spec)] {
        if let Some(text) = text.filter(|text| text.len() <= MAX_ANNOTATION) {
            annotations.insert(name.to_owned(), text.into());
        }
    }
    Ok(json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicyBundle",
        "metadata": {
            "name": report.name, "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": report.name,
                "uid": report.uid, "controller": true,
            }],
        },
        "spec": { "bundle": packed },
    }))
}

fn artifact(report: &ObjectReport, code: &Code) -> Artifact {
    let policies = vec![PolicyRecord { name: report.name.to_string(), ..PolicyRecord::default() }];
    Artifact {
        script: code.script.to_string(),
        source_map: code.source_map.as_deref().map(str::to_owned),
        record: Record {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            policies,
            lock: if report.packages.is_empty() { Lock::default() } else { report.packages.clone() },
            lint: Vec::new(),
        },
        signatures: Vec::new(),
    }
}
