//! The spec of a pod, back to what the tenant wrote. A syncer gives a pod the virtual cluster's DNS, services and
//! `ServiceAccount` in place of the host's; what it overwrote without a note is left out rather than guessed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::Back;
use super::metadata::Notes;
use super::references::each;
use crate::tenancy::names::PREFIX;

/// What a syncer adds to pods with a subdomain.
const REWRITE_HOSTS: &str = "vcluster-rewrite-hosts";

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The host name by which a pod finds its API server.
const API_SERVER: &str = "kubernetes.default.svc";

pub(super) fn back(object: &mut Value, name: &str, notes: &Notes, back: &Back<'_>) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    // Always false on the host, whatever the tenant wrote.
    for key in ["automountServiceAccountToken", "enableServiceLinks"] {
        spec.shift_remove(key);
    }
    service_account(spec, notes, back);
    dns(spec, back.namespace);
    if spec.get("hostname").is_some_and(|hostname| *hostname == name.get(..name.len().min(63)).unwrap_or_default()) {
        spec.shift_remove("hostname");
    }
    if notes.rewrites_hosts {
        rewritten_hosts(spec);
    }
    for key in CONTAINERS {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            environment(container, back);
        }
    }
    each(object, "spec/volumes/*/downwardAPI/items/*/fieldRef", &mut |field| field_ref(field, back));
    each(object, "spec/volumes/*/projected/sources/*/downwardAPI/items/*/fieldRef", &mut |field| {
        field_ref(field, back);
    });
    each(object, "spec/volumes/*/projected/sources/*", &mut |source| token(source, name));
}

fn service_account(spec: &mut Map<String, Value>, notes: &Notes, back: &Back<'_>) {
    let host = spec.get("serviceAccountName").and_then(Value::as_str);
    let tenants = host.and_then(|host| back.name(host)).or_else(|| notes.service_account.clone());
    for key in ["serviceAccountName", "serviceAccount"] {
        match &tenants {
            Some(name) if spec.contains_key(key) => drop(spec.insert(key.to_owned(), name.as_str().into())),
            _ => drop(spec.shift_remove(key)),
        }
    }
}

fn dns(spec: &mut Map<String, Value>, namespace: &str) {
    let searches = spec.get("dnsConfig").and_then(|config| config.get("searches")).and_then(Value::as_array);
    let first = searches.and_then(|searches| searches.first()).and_then(Value::as_str).unwrap_or_default();
    let is_syncers = first.strip_prefix(namespace).is_some_and(|rest| rest.starts_with(".svc."));
    if is_syncers && spec.get("dnsPolicy").is_some_and(|policy| policy == "None") {
        spec.shift_remove("dnsConfig");
        spec.insert("dnsPolicy".to_owned(), "ClusterFirst".into());
    }
    if let Some(Value::Array(aliases)) = spec.get_mut("hostAliases") {
        let names = |alias: &Value| alias.get("hostnames").and_then(Value::as_array).cloned().unwrap_or_default();
        aliases.retain(|alias| !names(alias).iter().any(|name| name == API_SERVER));
        if aliases.is_empty() {
            spec.shift_remove("hostAliases");
        }
    }
}

fn rewritten_hosts(spec: &mut Map<String, Value>) {
    let is_added = |value: &Value| value.get("name").is_some_and(|name| name == REWRITE_HOSTS);
    for key in ["initContainers", "volumes"] {
        let Some(Value::Array(items)) = spec.get_mut(key) else { continue };
        items.retain(|item| !is_added(item));
        if items.is_empty() {
            spec.shift_remove(key);
        }
    }
    for key in CONTAINERS {
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(Value::Array(mounts)) = container.get_mut("volumeMounts") {
                mounts.retain(|mount| !is_added(mount));
            }
        }
    }
}

/// The variables that a kubelet would have made of services stand before the tenant's own.
fn environment(container: &mut Value, back: &Back<'_>) {
    let Some(Value::Array(variables)) = container.get_mut("env") else { return };
    let name = |variable: &Value| variable.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let services: BTreeSet<String> = variables
        .iter()
        .filter_map(|variable| name(variable).strip_suffix("_SERVICE_HOST").map(str::to_owned))
        .collect();
    let is_of_service = |variable: &Value| {
        let name = name(variable);
        let of = |service: &String| {
            let rest = name.strip_prefix(service.as_str()).unwrap_or_default();
            rest.starts_with("_SERVICE_") || rest == "_PORT" || rest.starts_with("_PORT_")
        };
        variable.get("value").and_then(Value::as_str).is_some_and(is_of_address) && services.iter().any(of)
    };
    let made = variables.iter().take_while(|variable| is_of_service(variable)).count();
    variables.drain(..made);
    for variable in variables.iter_mut() {
        each(variable, "valueFrom/fieldRef", &mut |field| field_ref(field, back));
    }
    if variables.is_empty()
        && let Some(container) = container.as_object_mut()
    {
        container.shift_remove("env");
    }
}

/// What such a variable can hold.
fn is_of_address(value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    is_url || value.parse::<IpAddr>().is_ok() || value.parse::<u16>().is_ok() || ["tcp", "udp", "sctp"].contains(&value)
}

/// A field of the virtual pod is an annotation of the one on the host.
fn field_ref(field: &mut Value, back: &Back<'_>) {
    let Some(Value::String(path)) = field.get_mut("fieldPath") else { return };
    let inner = |kind: &str| path.strip_prefix(kind)?.strip_prefix("['")?.strip_suffix("']");
    let tenants = match inner("metadata.annotations").and_then(|key| key.strip_prefix(PREFIX)) {
        Some("name") => Some("metadata.name".to_owned()),
        Some("namespace") => Some("metadata.namespace".to_owned()),
        Some("uid") => Some("metadata.uid".to_owned()),
        Some("service-account-name") => Some("spec.serviceAccountName".to_owned()),
        Some("labels") => Some("metadata.labels".to_owned()),
        _ => inner("metadata.labels").and_then(|key| back.label(key)).map(|key| format!("metadata.labels['{key}']")),
    };
    if let Some(tenants) = tenants {
        *path = tenants;
    }
}

/// The token for the virtual API server comes by an annotation, or in a Secret.
fn token(source: &mut Value, pod: &str) {
    let of_annotation = |item: &&Value| {
        let path = item.pointer("/fieldRef/fieldPath").and_then(Value::as_str).unwrap_or_default();
        path.starts_with("metadata.annotations['vcluster.loft.sh/token-")
    };
    let items = source.pointer("/downwardAPI/items").and_then(Value::as_array);
    let of_secret = source.pointer("/secret/name").is_some_and(|name| *name == format!("{pod}-sa-token"));
    let in_secret = || source.pointer("/secret/items").and_then(Value::as_array).filter(|_| of_secret)?.first();
    let item = items.and_then(|items| items.iter().find(of_annotation)).or_else(in_secret);
    let path = item.and_then(|item| item.get("path")).cloned();
    if let Some(path) = path {
        *source = json!({ "serviceAccountToken": { "path": path } });
    }
}
