//! How a virtual cluster is to be told of Bylaw, as the `VirtualCluster` object that registers it says.

use std::sync::Arc;

use serde_json::Value;

/// What there is to know to register at its API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub register: Register,
    /// Where its API server is; what its kubeconfig says where nothing is said.
    pub url: Option<Arc<str>>,
    /// The Secret with its kubeconfig.
    pub secret: Arc<str>,
    /// Of the object.
    pub generation: i64,
    /// Of the object.
    pub uid: Arc<str>,
    /// Its status says that something stands there.
    pub is_registered: bool,
}

/// Who writes the configurations that make its API server ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Register {
    /// Nobody.
    #[default]
    Off,
    /// Bylaw, into its API server.
    Webhook,
    /// Whoever runs its control plane, in files that no tenant can reach.
    Static,
}

impl Register {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Webhook => "Webhook",
            Self::Static => "Static",
        }
    }
}

impl Access {
    /// Of a `VirtualCluster` object of this name.
    pub(super) fn of(object: &Value, name: &str) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        Self {
            register: match text("/spec/register") {
                Some("Webhook") => Register::Webhook,
                Some("Static") => Register::Static,
                _ => Register::Off,
            },
            url: text("/spec/url").map(Arc::from),
            secret: text("/spec/kubeconfigSecret").map_or_else(|| format!("vc-{name}").into(), Arc::from),
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default(),
            uid: text("/metadata/uid").unwrap_or_default().into(),
            is_registered: is_registered(object),
        }
    }
}

fn is_registered(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is_it = |condition: &Value| {
        let is = |field: &str, word: &str| condition.get(field).is_some_and(|value| value == word);
        // What was seen to stand, or was asked to be taken away in vain.
        is("type", "Registered") && !is("status", "False")
    };
    conditions.into_iter().flatten().any(is_it)
}
