//! Where an object names others of its tenant, kind by kind. Only these fields are ever renamed: a tenant who writes
//! something that looks like a host name elsewhere, into an image say, must find it there unchanged.

use serde_json::Value;

/// The fields of a pod that name a `ConfigMap`, a Secret or a claim. `*` stands for each item of a list.
const POD: &[&str] = &[
    "spec/imagePullSecrets/*/name",
    "spec/volumes/*/configMap/name",
    "spec/volumes/*/secret/secretName",
    "spec/volumes/*/persistentVolumeClaim/claimName",
    "spec/volumes/*/projected/sources/*/configMap/name",
    "spec/volumes/*/projected/sources/*/secret/name",
    "spec/volumes/*/azureFile/secretName",
    "spec/volumes/*/cephfs/secretRef/name",
    "spec/volumes/*/cinder/secretRef/name",
    "spec/volumes/*/csi/nodePublishSecretRef/name",
    "spec/volumes/*/flexVolume/secretRef/name",
    "spec/volumes/*/iscsi/secretRef/name",
    "spec/volumes/*/rbd/secretRef/name",
    "spec/volumes/*/scaleIO/secretRef/name",
    "spec/volumes/*/storageos/secretRef/name",
    "spec/containers/*/env/*/valueFrom/configMapKeyRef/name",
    "spec/containers/*/env/*/valueFrom/secretKeyRef/name",
    "spec/containers/*/envFrom/*/configMapRef/name",
    "spec/containers/*/envFrom/*/secretRef/name",
    "spec/initContainers/*/env/*/valueFrom/configMapKeyRef/name",
    "spec/initContainers/*/env/*/valueFrom/secretKeyRef/name",
    "spec/initContainers/*/envFrom/*/configMapRef/name",
    "spec/initContainers/*/envFrom/*/secretRef/name",
    "spec/ephemeralContainers/*/env/*/valueFrom/configMapKeyRef/name",
    "spec/ephemeralContainers/*/env/*/valueFrom/secretKeyRef/name",
    "spec/ephemeralContainers/*/envFrom/*/configMapRef/name",
    "spec/ephemeralContainers/*/envFrom/*/secretRef/name",
];

const INGRESS: &[&str] = &[
    "spec/defaultBackend/service/name",
    "spec/defaultBackend/resource/name",
    "spec/rules/*/http/paths/*/backend/service/name",
    "spec/rules/*/http/paths/*/backend/resource/name",
    "spec/tls/*/secretName",
];

const CLAIM: &[&str] = &["spec/dataSource/name", "spec/dataSourceRef/name"];

const ENDPOINTS: &[&str] = &["subsets/*/addresses/*/targetRef/name", "subsets/*/notReadyAddresses/*/targetRef/name"];

const ENDPOINT_SLICE: &[&str] = &["endpoints/*/targetRef/name"];

const ROUTE: &[&str] = &[
    "spec/parentRefs/*/name",
    "spec/rules/*/backendRefs/*/name",
    "spec/rules/*/filters/*/requestMirror/backendRef/name",
    "spec/rules/*/backendRefs/*/filters/*/requestMirror/backendRef/name",
];

const GATEWAY: &[&str] = &["spec/listeners/*/tls/certificateRefs/*/name"];

const BACKEND_TLS: &[&str] = &["spec/targetRefs/*/name", "spec/validation/caCertificateRefs/*/name"];

const SERVICE_ACCOUNT: &[&str] = &["secrets/*/name", "imagePullSecrets/*/name"];

/// The fields that name what is in no namespace.
const POD_CLUSTER: &[&str] = &["spec/priorityClassName"];
const CLAIM_CLUSTER: &[&str] = &["spec/storageClassName"];

/// The fields of a kind that name objects of the same namespace.
pub(in crate::tenancy) fn names_in(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => POD,
        "Ingress" => INGRESS,
        "PersistentVolumeClaim" => CLAIM,
        "Endpoints" => ENDPOINTS,
        "EndpointSlice" => ENDPOINT_SLICE,
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" => ROUTE,
        "Gateway" => GATEWAY,
        "BackendTLSPolicy" => BACKEND_TLS,
        "ServiceAccount" => SERVICE_ACCOUNT,
        _ => &[],
    }
}

/// The fields of a kind that name what is in no namespace.
pub(super) fn cluster_names_in(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pod" => POD_CLUSTER,
        "PersistentVolumeClaim" | "PersistentVolume" => CLAIM_CLUSTER,
        _ => &[],
    }
}

/// Gives each text at `path` a new one, where there is one for it.
pub(in crate::tenancy) fn rename(object: &mut Value, path: &str, new: &impl Fn(&str) -> Option<String>) {
    each(object, path, &mut |value| {
        if let Some(text) = value.as_str().and_then(new) {
            *value = text.into();
        }
    });
}

/// Calls `change` with each value at `path`.
pub(in crate::tenancy) fn each(value: &mut Value, path: &str, change: &mut dyn FnMut(&mut Value)) {
    let (step, rest) = path.split_once('/').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let mut go_on = |value: &mut Value| match rest {
        Some(rest) => each(value, rest, change),
        None => change(value),
    };
    match (step, value) {
        ("*", Value::Array(items)) => items.iter_mut().for_each(go_on),
        (key, Value::Object(fields)) => fields.get_mut(key).map(&mut go_on).unwrap_or_default(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_reaches_each_item_and_nothing_of_another_form() {
        let mut object = json!({"spec": {"tls": [{"secretName": "a"}, {"secretName": 7}, 3, {"secretName": "b"}]}});
        rename(&mut object, "spec/tls/*/secretName", &|name| (name == "a").then(|| "new".to_owned()));
        assert_eq!(
            object,
            json!({"spec": {"tls": [{"secretName": "new"}, {"secretName": 7}, 3, {"secretName": "b"}]}})
        );
        let mut other = json!({"spec": []});
        rename(&mut other, "spec/tls/*/secretName", &|_| Some("new".to_owned()));
        assert_eq!(other, json!({"spec": []}));
    }
}
