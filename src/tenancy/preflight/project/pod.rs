//! The spec of a pod as the syncer writes it, with the virtual cluster's DNS and the host's `ServiceAccount`. Addresses, the
//! variables of services and the text of tokens are known to the syncer alone, and left out.

use serde_json::{Value, json};

use super::metadata::About;
use super::{Forward, remove};
use crate::tenancy::view::each;

/// Where the token for the virtual API server would be. Its real name ends at random.
const TOKEN: &str = "vcluster.loft.sh/token-00000000";

/// The domain of clusters where nothing else is said.
const DOMAIN: &str = "cluster.local";

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The longest name of a host.
const HOST_NAME: usize = 63;

pub(super) fn forward(object: &mut Value, about: &About, forward: &Forward<'_>) {
    let mut has_token = false;
    for key in CONTAINERS {
        each(object, &format!("spec/{key}/*/env/*/valueFrom/fieldRef"), &mut |field| field_ref(field, forward));
    }
    each(object, "spec/volumes/*/downwardAPI/items/*/fieldRef", &mut |field| field_ref(field, forward));
    each(object, "spec/volumes/*/projected/sources/*/downwardAPI/items/*/fieldRef", &mut |field| {
        field_ref(field, forward);
    });
    each(object, "spec/volumes/*/projected/sources/*", &mut |source| has_token |= token(source));
    each(object, "spec/volumes/*", &mut |volume| ephemeral(volume, about, forward));
    let annotations = object.pointer_mut("/metadata/annotations").filter(|_| has_token);
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.insert(TOKEN.to_owned(), "".into());
    }
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    let account = format!("vc-workload-{}", forward.vcluster.name);
    spec["serviceAccountName"] = account.as_str().into();
    spec["serviceAccount"] = account.into();
    spec["automountServiceAccountToken"] = false.into();
    spec["enableServiceLinks"] = false.into();
    // Priority classes are not copied where nothing is said, and then named nowhere.
    remove(spec, &["priorityClassName", "subdomain"]);
    if spec.get("hostname").is_none_or(|hostname| hostname == "") {
        let name = about.name.get(..about.name.floor_char_boundary(HOST_NAME)).unwrap_or_default();
        spec["hostname"] = name.replace('.', "-").trim_end_matches('-').into();
    }
    dns(spec, forward);
    if let Some(object) = object.as_object_mut() {
        object.shift_remove("status");
    }
}

fn dns(spec: &mut Value, forward: &Forward<'_>) {
    let is_on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    match spec.get("dnsPolicy").and_then(Value::as_str) {
        Some("ClusterFirstWithHostNet") => {}
        None | Some("ClusterFirst") if !is_on_host => {}
        _ => return,
    }
    let mut searches =
        vec![json!(format!("{}.svc.{DOMAIN}", forward.namespace)), json!(format!("svc.{DOMAIN}")), json!(DOMAIN)];
    let own = |key: &str| {
        let list = spec.get("dnsConfig").and_then(|config| config.get(key)).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let nameservers = own("nameservers");
    for search in own("searches") {
        if !searches.contains(&search) {
            searches.push(search);
        }
    }
    let mut config = json!({"searches": searches, "options": [{"name": "ndots", "value": "5"}]});
    if let Some(fields) = config.as_object_mut().filter(|_| !nameservers.is_empty()) {
        fields.insert("nameservers".to_owned(), nameservers.into());
    }
    spec["dnsPolicy"] = "None".into();
    spec["dnsConfig"] = config;
}

/// A volume of its own claim becomes that claim.
fn ephemeral(volume: &mut Value, about: &About, forward: &Forward<'_>) {
    let Some(fields) = volume.as_object_mut() else { return };
    if fields.shift_remove("ephemeral").is_some() {
        let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
        let claim = forward.name(&format!("{}-{name}", about.name));
        fields.insert("persistentVolumeClaim".to_owned(), json!({ "claimName": claim }));
    }
}

/// What a pod wants to know of itself the host only knows by annotations.
fn field_ref(field: &mut Value, forward: &Forward<'_>) {
    let Some(Value::String(path)) = field.get_mut("fieldPath") else { return };
    let note = |key: &str| format!("metadata.annotations['vcluster.loft.sh/{key}']");
    let hosts = match path.as_str() {
        "metadata.labels" => note("labels"),
        "metadata.name" => note("name"),
        "metadata.namespace" => note("namespace"),
        "metadata.uid" => note("uid"),
        "spec.serviceAccountName" => note("service-account-name"),
        other => {
            let key = other.strip_prefix("metadata.labels['").and_then(|key| key.strip_suffix("']"));
            match key.and_then(|key| forward.label(key)) {
                Some(key) => format!("metadata.labels['{key}']"),
                None => return,
            }
        }
    };
    *path = hosts;
}

/// The token of the virtual cluster comes by an annotation.
fn token(source: &mut Value) -> bool {
    let Some(path) = source.get("serviceAccountToken").map(|token| token.get("path").cloned().unwrap_or_default())
    else {
        return false;
    };
    let field = json!({"apiVersion": "v1", "fieldPath": format!("metadata.annotations['{TOKEN}']")});
    *source = json!({"downwardAPI": {"items": [{"path": path, "fieldRef": field, "mode": 420}]}});
    true
}
