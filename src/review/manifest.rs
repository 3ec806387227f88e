//! Makes the AdmissionReview that an API server would send for a manifest.

use serde_json::{Value, json};

use super::Operation;
use crate::lint::{built_in, usual_plural};

/// Why there is no review of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("neither an object nor an old object was given")]
    NoObject,
    #[error("the manifest has no {0}")]
    Missing(&'static str),
    #[error("{0}: metadata.name is missing")]
    Unnamed(String),
}

/// What the manifest does not say.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub operation: Operation,
    pub user: &'a str,
    pub groups: &'a [String],
    pub object: Option<&'a Value>,
    pub old_object: Option<&'a Value>,
}

/// How an API server serves a kind that is not built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub plural: String,
    pub namespaced: bool,
}

/// Plurals that no rule gives, among kinds that are not built in.
const IRREGULAR: &[(&str, &str)] =
    &[("PodMetrics", "pods"), ("NodeMetrics", "nodes"), ("JsPolicyViolations", "jspolicyviolations")];

/// The review of one manifest. Where it is not known how its kind is served, its name and its namespace tell.
///
/// # Errors
/// Where the manifest has no apiVersion, kind or name.
pub fn of_manifest(request: &Asked<'_>, served: Option<&Served>) -> Result<Value, ManifestError> {
    let subject = request.object.or(request.old_object).ok_or(ManifestError::NoObject)?;
    let text = |pointer: &str| subject.pointer(pointer).and_then(Value::as_str);
    let api_version = text("/apiVersion").ok_or(ManifestError::Missing("apiVersion"))?;
    let kind = text("/kind").ok_or(ManifestError::Missing("kind"))?;
    let name = text("/metadata/name");
    if name.or_else(|| text("/metadata/generateName")).is_none() {
        return Err(ManifestError::Unnamed(kind.to_owned()));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    // Kinds that nobody knows are taken to be namespaced.
    let (resource, is_namespaced) = match (served, built_in(group, kind)) {
        (Some(served), _) => (served.plural.clone(), served.namespaced),
        (None, Some((plural, is_namespaced))) => (plural.to_owned(), is_namespaced),
        (None, None) => (plural(kind), true),
    };
    let cluster_scoped = !is_namespaced;
    let namespace = match text("/metadata/namespace") {
        _ if cluster_scoped => (kind == "Namespace").then_some(name).flatten(),
        Some(namespace) => Some(namespace),
        None => Some("default"),
    };
    let object = request.object.map(|object| with_namespace(object, namespace.filter(|_| !cluster_scoped)));
    let gvk = json!({ "group": group, "version": version, "kind": kind });
    let gvr = json!({ "group": group, "version": version, "resource": resource });
    let mut admission = json!({
        "uid": "00000000-0000-0000-0000-000000000000",
        "kind": gvk, "resource": gvr, "requestKind": gvk, "requestResource": gvr,
        "name": name.unwrap_or_default(), "namespace": namespace.unwrap_or_default(),
        "operation": request.operation.as_str(),
        "userInfo": { "username": request.user, "groups": request.groups },
        "object": if request.operation == Operation::Delete { None } else { object },
        "oldObject": old_object(request),
        "dryRun": false,
        "options": null,
    });
    if let Some(fields) = admission.as_object_mut() {
        // The API server leaves out what is empty.
        fields.retain(|_, value| value != "");
    }
    Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": admission }))
}

/// A deletion judges what is there: the manifest itself, where no old object was given.
fn old_object(request: &Asked<'_>) -> Option<Value> {
    match request.operation {
        Operation::Create => None,
        Operation::Delete => request.old_object.or(request.object).cloned(),
        Operation::Update | Operation::Connect => request.old_object.cloned(),
    }
}

/// The API server fills the namespace in before it asks anyone.
fn with_namespace(object: &Value, namespace: Option<&str>) -> Value {
    let mut object = object.clone();
    if let (Some(namespace), Some(metadata)) = (namespace, object.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.entry("namespace").or_insert_with(|| namespace.into());
    }
    object
}

fn plural(kind: &str) -> String {
    let irregular = IRREGULAR.iter().find(|(irregular, _)| *irregular == kind);
    irregular.map_or_else(|| usual_plural(kind), |(_, plural)| (*plural).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(object: &Value) -> Value {
        let request =
            Asked { operation: Operation::Create, user: "jane", groups: &[], object: Some(object), old_object: None };
        of_manifest(&request, None).unwrap()
    }

    #[test]
    fn each_kind_gets_its_resource() {
        for (api_version, kind, resource) in [
            ("v1", "Pod", "pods"),
            ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
            ("v1", "Endpoints", "endpoints"),
            ("policy/v1beta1", "PodDisruptionBudget", "poddisruptionbudgets"),
            ("metrics.k8s.io/v1beta1", "PodMetrics", "pods"),
            ("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
        ] {
            let review = create(&json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "a" } }));
            assert_eq!(review["request"]["resource"]["resource"], resource);
        }
    }

    #[test]
    fn a_namespaced_object_without_a_namespace_goes_to_default() {
        let review = create(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }));
        assert_eq!(review["request"]["namespace"], "default");
        assert_eq!(review["request"]["object"]["metadata"]["namespace"], "default");
    }

    #[test]
    fn a_namespace_is_its_own_namespace_and_a_cluster_role_has_none() {
        let namespace = create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a" } }));
        assert_eq!(namespace["request"]["namespace"], "a");
        let api_version = "rbac.authorization.k8s.io/v1";
        let role = create(&json!({ "apiVersion": api_version, "kind": "ClusterRole", "metadata": { "name": "a" } }));
        assert_eq!(role["request"].get("namespace"), None);
        assert_eq!(role["request"]["resource"]["group"], "rbac.authorization.k8s.io");
    }

    #[test]
    fn a_deletion_judges_what_is_there() {
        let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
        let request =
            Asked { operation: Operation::Delete, user: "jane", groups: &[], object: Some(&object), old_object: None };
        let review = of_manifest(&request, None).unwrap();
        assert_eq!(review["request"]["object"], Value::Null);
        assert_eq!(review["request"]["oldObject"], object);
    }
}
