//! The least object of each resource that an API server would let through.

use serde_json::{Value, json};

/// What a resource is called elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub subresource: String,
    pub is_namespaced: bool,
}

/// plural, apiVersion, kind, namespaced
const KNOWN: [(&str, &str, &str, bool); 36] = [
    ("pods", "v1", "Pod", true),
    ("services", "v1", "Service", true),
    ("configmaps", "v1", "ConfigMap", true),
    ("secrets", "v1", "Secret", true),
    ("serviceaccounts", "v1", "ServiceAccount", true),
    ("persistentvolumeclaims", "v1", "PersistentVolumeClaim", true),
    ("replicationcontrollers", "v1", "ReplicationController", true),
    ("endpoints", "v1", "Endpoints", true),
    ("events", "v1", "Event", true),
    ("limitranges", "v1", "LimitRange", true),
    ("resourcequotas", "v1", "ResourceQuota", true),
    ("namespaces", "v1", "Namespace", false),
    ("nodes", "v1", "Node", false),
    ("persistentvolumes", "v1", "PersistentVolume", false),
    ("deployments", "apps/v1", "Deployment", true),
    ("replicasets", "apps/v1", "ReplicaSet", true),
    ("statefulsets", "apps/v1", "StatefulSet", true),
    ("daemonsets", "apps/v1", "DaemonSet", true),
    ("jobs", "batch/v1", "Job", true),
    ("cronjobs", "batch/v1", "CronJob", true),
    ("ingresses", "networking.k8s.io/v1", "Ingress", true),
    ("ingressclasses", "networking.k8s.io/v1", "IngressClass", false),
    ("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", true),
    ("horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler", true),
    ("poddisruptionbudgets", "policy/v1", "PodDisruptionBudget", true),
    ("roles", "rbac.authorization.k8s.io/v1", "Role", true),
    ("rolebindings", "rbac.authorization.k8s.io/v1", "RoleBinding", true),
    ("clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole", false),
    ("clusterrolebindings", "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", false),
    ("storageclasses", "storage.k8s.io/v1", "StorageClass", false),
    ("priorityclasses", "scheduling.k8s.io/v1", "PriorityClass", false),
    ("leases", "coordination.k8s.io/v1", "Lease", true),
    ("runtimeclasses", "node.k8s.io/v1", "RuntimeClass", false),
    ("customresourcedefinitions", "apiextensions.k8s.io/v1", "CustomResourceDefinition", false),
    ("validatingwebhookconfigurations", "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", false),
    ("certificatesigningrequests", "certificates.k8s.io/v1", "CertificateSigningRequest", false),
];

/// The resources that a policy's rule may mean.
pub(super) fn resources(names: &[String], groups: &[String], versions: &[String], scope: &str) -> Vec<Resource> {
    let is_wanted = |is_namespaced: bool| match scope {
        "Cluster" => !is_namespaced,
        "Namespaced" => is_namespaced,
        _ => true,
    };
    let mut found: Vec<Resource> = Vec::new();
    for name in names {
        let (plural, subresource) = name.split_once('/').unwrap_or((name, ""));
        let plurals: Vec<&str> = if plural == "*" {
            let all = ["pods", "configmaps", "deployments", "clusterroles", "namespaces"];
            all.into_iter()
                .filter(|plural| known(plural).is_none_or(|(.., namespaced)| is_wanted(*namespaced)))
                .collect()
        } else {
            vec![plural]
        };
        for plural in plurals {
            let mut resource = resource(plural, groups, versions, is_wanted(true));
            resource.subresource = if subresource == "*" { "status".to_owned() } else { subresource.to_owned() };
            if !found.contains(&resource) {
                found.push(resource);
            }
        }
    }
    found.truncate(6);
    found
}

fn known(plural: &str) -> Option<&'static (&'static str, &'static str, &'static str, bool)> {
    KNOWN.iter().find(|(known, ..)| *known == plural)
}

fn resource(plural: &str, groups: &[String], versions: &[String], may_be_namespaced: bool) -> Resource {
    let only = |names: &[String]| names.iter().find(|name| *name != "*").cloned();
    let (group, version, kind, is_namespaced) = if let Some((_, version, kind, is_namespaced)) = known(plural) {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        (group.to_owned(), version.to_owned(), (*kind).to_owned(), *is_namespaced)
    } else {
        let group = only(groups).unwrap_or_else(|| "example.com".to_owned());
        let version = only(versions).unwrap_or_else(|| "v1".to_owned());
        (group, version, singular(plural), may_be_namespaced)
    };
    Resource { group, version, kind, plural: plural.to_owned(), subresource: String::new(), is_namespaced }
}

/// A kind as it might be called.
fn singular(plural: &str) -> String {
    let stem = match plural.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => plural.strip_suffix('s').unwrap_or(plural).to_owned(),
    };
    let mut letters = stem.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// Whether objects of a kind have no namespace.
pub(super) fn is_cluster_scoped(kind: &str) -> bool {
    KNOWN.iter().any(|(.., known, namespaced)| *known == kind && !namespaced)
}

impl Resource {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The least object, by a name.
    pub(super) fn object(&self, name: &str, namespace: &str) -> Value {
        let mut object = json!({
            "apiVersion": self.api_version(), "kind": self.kind,
            "metadata": {"name": name, "namespace": namespace},
        });
        if !self.is_namespaced
            && let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("namespace");
        }
        let containers = json!([{"name": "main", "image": "registry.example.com/team/app:1.0"}]);
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}});
        let spec = match self.kind.as_str() {
            "Pod" => json!({"containers": containers}),
            "Service" => json!({"type": "ClusterIP", "ports": [{"port": 80}]}),
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
                json!({"selector": {"matchLabels": {"app": "a"}}, "template": template})
            }
            "ReplicationController" | "Job" => json!({"template": template}),
            "CronJob" => json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}),
            "Ingress" => json!({"rules": [{"host": "a.example.com"}]}),
            "ConfigMap" => return merged(object, &json!({"data": {"key": "value"}})),
            "Secret" => return merged(object, &json!({"type": "Opaque", "data": {"key": "dmFsdWU="}})),
            _ => return object,
        };
        merged(object, &json!({"spec": spec}))
    }
}

/// `over` on `base`; lists are item by item.
pub(super) fn merged(base: Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let before = base.remove(key);
                let after = before.map_or_else(|| value.clone(), |before| merged(before, value));
                base.insert(key.clone(), after);
            }
            Value::Object(base)
        }
        (Value::Array(base), Value::Array(over)) => {
            let first = base.first().cloned();
            let items = over.iter().map(|item| first.clone().map_or_else(|| item.clone(), |first| merged(first, item)));
            Value::Array(items.collect())
        }
        (_, over) => over.clone(),
    }
}
