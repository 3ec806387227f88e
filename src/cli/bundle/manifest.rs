//! Bundles as objects of the cluster: a `JsPolicyBundle` for each policy, and for modules the `JsPolicy` that it belongs to.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::output::yaml;
use super::make::Script;
use crate::bundle::artifact::{Artifact, PolicyRecord};
use crate::bundle::{BundleLimits, unpack};

const API_VERSION: &str = "policy.jspolicy.com/v1beta1";

/// etcd takes 1.5 MiB, everything counted.
const MAX_PACKED: usize = 1_400_000;

/// The objects, each a document.
pub(super) fn manifest(artifact: Option<&Artifact>, scripts: &[Script]) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(artifact) = artifact {
        let packed = pack(&artifact.to_text()?)?;
        for policy in &artifact.record.policies {
            text.push_str(&yaml(&js_policy(policy))?);
            text.push_str(&yaml(&bundle(&policy.name, &packed))?);
        }
    }
    for script in scripts {
        text.push_str(&yaml(&bundle(&script.name, &pack(&script.text)?))?);
    }
    Ok(text)
}

/// What says which requests it judges; all else is in the module.
fn js_policy(policy: &PolicyRecord) -> Value {
    let field = |name: &str, otherwise: &[&str]| match policy.r#match.get(name) {
        Some(value) if value.as_array().is_some_and(|items| !items.is_empty()) => value.clone(),
        _ => json!(otherwise),
    };
    json!({
        "apiVersion": API_VERSION, "kind": "JsPolicy", "metadata": {"name": policy.name},
        "spec": {"operations": field("operations", &["*"]), "resources": field("resources", &[])},
    })
}

fn bundle(name: &str, packed: &str) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": "JsPolicyBundle", "metadata": {"name": name}, "spec": {"bundle": packed},
    })
}

/// The same text gives the same bytes: no time stands in the gzip stream.
fn pack(text: &str) -> anyhow::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).context("cannot pack the bundle")?;
    let packed = STANDARD.encode(encoder.finish().context("cannot pack the bundle")?);
    if packed.len() > MAX_PACKED {
        let size = packed.len();
        bail!(
            "packs to {size} bytes, and the API server takes no object above {MAX_PACKED}; write an OCI layout instead"
        );
    }
    // What nobody could load must not be written.
    unpack(&packed, BundleLimits::default()).map_err(|error| anyhow::anyhow!("spec.bundle {error}"))?;
    Ok(packed)
}
