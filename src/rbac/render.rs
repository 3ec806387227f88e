//! The rules as objects: one role for what Bylaw needs, one for what policies ask, bound to its `ServiceAccount`.

use serde_json::{Value, json};

use super::Rule;
use super::own::{Settings, own};

const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
const API_GROUP: &str = "rbac.authorization.k8s.io";

/// What the objects are for.
#[derive(Debug, Clone, Copy)]
pub struct Install<'i> {
    pub name: &'i str,
    pub namespace: &'i str,
    pub settings: Settings<'i>,
}

/// The `ServiceAccount`, its roles and their bindings. `asked` are the rules of the policies; without any they have no role.
#[must_use]
pub fn objects(install: &Install<'_>, asked: &[Rule]) -> Vec<Value> {
    let Install { name, namespace, settings } = *install;
    let (cluster, local) = own(name, settings);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, Some(namespace)),
    })];
    objects.extend(role(install, "ClusterRole", name, &cluster));
    objects.extend(role(install, "Role", name, &local));
    if !asked.is_empty() {
        objects.extend(role(install, "ClusterRole", &format!("{name}-policies"), asked));
    }
    objects
}

/// The rules of the policies as values of the chart.
#[must_use]
pub fn values(asked: &[Rule]) -> Value {
    json!({ "rbac": { "policyRules": asked } })
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": { "app.kubernetes.io/name": "bylaw" } });
    if let (Some(namespace), Some(fields)) = (namespace, metadata.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    metadata
}

/// A role and its binding.
fn role(install: &Install<'_>, kind: &str, name: &str, rules: &[Rule]) -> [Value; 2] {
    let namespace = (kind == "Role").then_some(install.namespace);
    let role =
        json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": metadata(name, namespace), "rules": rules });
    let binding = json!({
        "apiVersion": API_VERSION,
        "kind": format!("{kind}Binding"),
        "metadata": metadata(name, namespace),
        "roleRef": { "apiGroup": API_GROUP, "kind": kind, "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": install.name, "namespace": install.namespace }],
    });
    [role, binding]
}
