//! The rules as objects: one role for what Bylaw needs, one for what policies ask, bound to its `ServiceAccount`.

use serde_json::{Value, json};

use super::own::{Settings, own};
use super::{Asked, Rule};

const API_VERSION: &str = "rbac.authorization.k8s.io/v1";
const API_GROUP: &str = "rbac.authorization.k8s.io";

/// What the objects are for.
#[derive(Debug, Clone, Copy)]
pub struct Install<'i> {
    pub name: &'i str,
    pub namespace: &'i str,
    pub settings: Settings<'i>,
}

/// The `ServiceAccount`, its roles and their bindings. Policies that ask for nothing have no role.
#[must_use]
pub fn objects(install: &Install<'_>, asked: &Asked) -> Vec<Value> {
    let Install { name, namespace, settings } = *install;
    let (cluster, local) = own(name, settings);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, Some(namespace)),
    })];
    objects.extend(role(install, None, name, &cluster));
    objects.extend(role(install, Some(namespace), name, &local));
    let of_policies = format!("{name}-policies");
    if !asked.rules.is_empty() {
        objects.extend(role(install, None, &of_policies, &asked.rules));
    }
    for (place, rules) in &asked.local {
        // Named apart, for Bylaw's own namespace may be named too.
        let (place, role_name) = match place.as_str() {
            "" => (namespace, of_policies.clone()),
            place => (place, format!("{of_policies}-{place}")),
        };
        objects.extend(role(install, Some(place), &role_name, rules));
    }
    objects
}

/// The rules of the policies as values of the chart.
#[must_use]
pub fn values(asked: &Asked) -> Value {
    let local = asked.local.iter().map(|(namespace, rules)| json!({ "namespace": namespace, "rules": rules }));
    json!({ "rbac": { "policyRules": asked.rules, "policyRoles": local.collect::<Vec<_>>() } })
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": { "app.kubernetes.io/name": "bylaw" } });
    if let (Some(namespace), Some(fields)) = (namespace, metadata.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    metadata
}

/// A role and its binding, for a namespace or for the whole cluster.
fn role(install: &Install<'_>, namespace: Option<&str>, name: &str, rules: &[Rule]) -> [Value; 2] {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
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
