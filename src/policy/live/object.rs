//! A JsPolicy and a `JsPolicyBundle` as the API server has them, without what does not matter here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::parameters::ConfigMapRef;
use crate::bundle::{BundleLimits, bundle_hash, content_hash, unpack};
use crate::policy::confined::full_name;

/// On a `JsPolicyBundle` of ours: what it was made of, so that nothing is bundled twice.
pub const SOURCE_ANNOTATION: &str = "bylaw.dev/source";
/// On a `JsPolicyBundle` of ours: the hash of its content, which tells one that somebody changed.
pub const CONTENT_ANNOTATION: &str = "bylaw.dev/content";
/// On a `JsPolicyBundle` of ours: name, version and integrity of each package in it.
pub const PACKAGES_ANNOTATION: &str = "bylaw.dev/packages";
/// On a `JsPolicyBundle` of ours: the spec, without the code, that the code was last good with.
pub const SPEC_ANNOTATION: &str = "bylaw.dev/spec";

/// The annotations of a JsPolicy that mean something to Bylaw begin so.
const MEANT: [&str; 2] = ["policy.jspolicy.com/", "bylaw.dev/"];

/// The fields of a spec in which code stands.
const CODE: [&str; 2] = ["javascript", "typescript"];

/// A JsPolicy, or a `TenantPolicy`.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyObject {
    /// By which the policy is known; a tenant's has the namespace in it.
    pub name: Arc<str>,
    /// The namespace of a `TenantPolicy`, and its own name there.
    pub home: Option<(Arc<str>, Arc<str>)>,
    pub uid: String,
    pub generation: i64,
    /// `metadata` with name and annotations, and `spec`.
    pub value: Value,
    /// `status.bundleHash`, which jsPolicy kept.
    pub bundle_hash: String,
    pub config_map: Option<ConfigMapRef>,
    pub bytes: usize,
}

impl PolicyObject {
    /// What a watch brought. `None` for what has no name, which no API server sends. `namespace` is where `ConfigMap`s
    /// are that the object does not say the namespace of.
    #[must_use]
    pub fn of(object: &Value, namespace: &str) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let own_name = text("/metadata/name")?;
        // A JsPolicy is in none.
        let home = text("/metadata/namespace").filter(|home| !home.is_empty());
        let name = home.map_or_else(|| own_name.to_owned(), |home| full_name(home, own_name));
        let annotations: serde_json::Map<String, Value> = object
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(key, _)| MEANT.iter().any(|meant| key.starts_with(meant)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
        let config_map = if home.is_some() { None } else { ConfigMapRef::of(&spec, namespace) };
        let mut metadata = json!({ "name": own_name, "annotations": annotations });
        if let (Some(home), Some(metadata)) = (home, metadata.as_object_mut()) {
            metadata.insert("namespace".to_owned(), home.into());
        }
        let value = json!({ "metadata": metadata, "spec": spec });
        let bytes = value.to_string().len();
        Some(Self {
            name: name.into(),
            home: home.map(|home| (home.into(), own_name.into())),
            uid: text("/metadata/uid").unwrap_or_default().to_owned(),
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default(),
            value,
            bundle_hash: text("/status/bundleHash").unwrap_or_default().to_owned(),
            config_map,
            bytes,
        })
    }

    #[must_use]
    pub fn spec(&self) -> &Value {
        self.value.get("spec").unwrap_or(&Value::Null)
    }

    /// The same object with another spec.
    #[must_use]
    pub fn with_spec(&self, spec: Value) -> Self {
        let mut object = self.clone();
        if let Some(fields) = object.value.as_object_mut() {
            fields.insert("spec".to_owned(), spec);
        }
        object
    }

    /// The spec without the code in it.
    #[must_use]
    pub fn bare_spec(&self) -> Value {
        let mut spec = self.spec().clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|name, _| !CODE.contains(&name.as_str()));
        }
        spec
    }

    /// What its code is made of, as a hash: jsPolicy's own for inline scripts, or every policy of a migrated cluster would
    /// be bundled anew. Empty where the code is in a bundle.
    #[must_use]
    pub fn source_hash(&self) -> String {
        let spec = self.spec();
        let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default();
        let dependencies = spec.get("dependencies").and_then(|value| serde_json::from_value(value.clone()).ok());
        let javascript = text("javascript");
        if !javascript.trim().is_empty() {
            return bundle_hash(javascript, dependencies.as_ref());
        }
        if text("typescript").trim().is_empty() && spec.get("package").is_none() {
            return String::new();
        }
        let field = |name: &str| spec.get(name).cloned().unwrap_or_default();
        let source = json!([field("typescript"), field("package"), field("dependencies")]);
        content_hash(&source.to_string())
    }
}

/// A `JsPolicyBundle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleObject {
    pub name: Arc<str>,
    /// Base64 of gzip.
    pub encoded: Arc<str>,
    /// Annotations of ours, where Bylaw made it.
    pub source: Option<String>,
    pub content: Option<String>,
    pub packages: Option<String>,
    pub spec: Option<String>,
    /// The uid of the JsPolicy that it was made for.
    pub owner: Option<String>,
}

impl BundleObject {
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let annotation = |name: &str| {
            let annotations = object.pointer("/metadata/annotations")?;
            annotations.get(name)?.as_str().map(str::to_owned)
        };
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
        let owner = owners
            .filter(|owner| owner.get("kind").and_then(Value::as_str) == Some("JsPolicy"))
            .find_map(|owner| owner.get("uid").and_then(Value::as_str).map(str::to_owned));
        Some(Self {
            name: text("/metadata/name")?.into(),
            encoded: text("/spec/bundle").unwrap_or_default().into(),
            source: annotation(SOURCE_ANNOTATION),
            content: annotation(CONTENT_ANNOTATION),
            packages: annotation(PACKAGES_ANNOTATION),
            spec: annotation(SPEC_ANNOTATION),
            owner,
        })
    }

    /// As the API server would have it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let annotations = [
            (SOURCE_ANNOTATION, &self.source),
            (CONTENT_ANNOTATION, &self.content),
            (PACKAGES_ANNOTATION, &self.packages),
            (SPEC_ANNOTATION, &self.spec),
        ];
        let annotations: serde_json::Map<String, Value> = annotations
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text.as_deref()?.into())))
            .collect();
        let owners: Vec<Value> = self.owner.iter().map(|uid| json!({ "kind": "JsPolicy", "uid": uid })).collect();
        json!({
            "metadata": { "name": self.name, "annotations": annotations, "ownerReferences": owners },
            "spec": { "bundle": self.encoded },
        })
    }

    /// Whether a Bylaw made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.source.is_some()
    }

    /// Whether it is ours and somebody changed what is in it.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.is_ours() && self.content.as_deref() != Some(&content_hash(&self.encoded))
    }

    /// Whether it holds what the source of a policy comes to, made by Bylaw, or by jsPolicy before it.
    #[must_use]
    pub fn is_of(&self, policy: &PolicyObject) -> bool {
        let source = policy.source_hash();
        if source.is_empty() || self.encoded.is_empty() {
            return false;
        }
        match &self.source {
            Some(made_of) => *made_of == source && !self.is_edited(),
            None => policy.bundle_hash == source && self.owner.as_deref() == Some(policy.uid.as_str()),
        }
    }

    /// Whether its content has this hash: that of the text, or the one that a bundle states of itself.
    #[must_use]
    pub fn has_content(&self, hash: &str) -> bool {
        let Ok(text) = unpack(&self.encoded, BundleLimits::default()) else { return false };
        let stated = || crate::bundle::artifact::Artifact::parse(&text).ok()?.content_hash().ok();
        content_hash(&text) == hash || stated().as_deref() == Some(hash)
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        let annotations = [&self.source, &self.content, &self.packages, &self.spec];
        self.encoded.len() + annotations.into_iter().flatten().map(String::len).sum::<usize>()
    }
}
