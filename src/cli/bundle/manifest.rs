//! Bundles as objects of the cluster: a `JsPolicyBundle` for each policy, and for modules the `JsPolicy` that it belongs to.

use serde_json::{Value, json};

use super::super::output::yaml;
use super::make::Script;
use crate::bundle::artifact::{Artifact, PolicyRecord};
use crate::bundle::pack;

const API_VERSION: &str = "policy.jspolicy.com/v1beta1";

/// The objects, each a document.
pub(super) fn manifest(artifact: Option<&Artifact>, scripts: &[Script]) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(artifact) = artifact {
        let packed = packed(&artifact.to_text()?)?;
        for policy in &artifact.record.policies {
            text.push_str(&yaml(&js_policy(policy))?);
            text.push_str(&yaml(&bundle(&policy.name, &packed))?);
        }
    }
    for script in scripts {
        text.push_str(&yaml(&bundle(&script.name, &packed(&script.text)?))?);
    }
    Ok(text)
}

fn packed(text: &str) -> anyhow::Result<String> {
    pack(text).map_err(|error| anyhow::anyhow!("spec.bundle {error}"))
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
