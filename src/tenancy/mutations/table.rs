//! What a syncer does about a field of its copy that is not as it made it.

use super::{Class, Syncer};
use crate::tenancy::names::PREFIX;
use Class::{BreaksSync, Leaks, Reverted, Safe};

/// How a field was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// There was none, or an item came to a list.
    Added,
    /// There was one, and it is another, or gone.
    Changed,
}

/// What a row says of its field.
#[derive(Clone, Copy)]
enum Fate {
    Is(Class),
    /// Where nothing was, and where something was.
    By {
        added: Class,
        changed: Class,
    },
    /// The same for later syncers; the older never compare it.
    Later {
        added: Class,
        changed: Class,
    },
}

struct Row {
    resources: &'static [&'static str],
    /// All below counted in; `*` is any one step.
    path: &'static str,
    fate: Fate,
    /// In a sentence that begins with the field.
    why: &'static str,
}

const PODS: &[&str] = &["pods"];
const SERVICES: &[&str] = &["services"];
const ROUTES: &[&str] =
    &["gateways", "httproutes", "grpcroutes", "tlsroutes", "backendtlspolicies", "referencegrants", "networkpolicies"];

/// The first that fits counts.
const ROWS: &[Row] = &[
    Row {
        resources: PODS,
        path: "spec/schedulingGates",
        fate: Fate::Is(BreaksSync),
        why: "the syncer takes gates off again that the tenant's pod does not have, and cannot put back those that it has: \
              both pods say SchedulingGated for ever",
    },
    Row {
        resources: PODS,
        path: "spec/activeDeadlineSeconds",
        fate: Fate::Is(BreaksSync),
        why: "the syncer sets it back to the tenant's, and the API server refuses that: it may only become less",
    },
    Row {
        resources: PODS,
        path: "spec/nodeName",
        fate: Fate::By { added: Safe, changed: BreaksSync },
        why: "the syncer deletes the tenant's pod where it is bound to another node",
    },
    Row { resources: PODS, path: "spec/containers/*/image", fate: Fate::Is(Reverted), why: IMAGE },
    Row { resources: PODS, path: "spec/initContainers/*/image", fate: Fate::Is(Reverted), why: IMAGE },
    Row {
        resources: PODS,
        path: "spec/containers/*/resources",
        fate: Fate::Later { added: Safe, changed: Reverted },
        why: "the syncer resizes the pod to what the tenant asked for",
    },
    Row { resources: PODS, path: "spec/containers/*/name", fate: Fate::Is(BreaksSync), why: RENAMED },
    Row { resources: PODS, path: "spec/initContainers/*/name", fate: Fate::Is(BreaksSync), why: RENAMED },
    Row {
        resources: PODS,
        path: "spec/tolerations",
        fate: Fate::Later { added: Safe, changed: Reverted },
        why: "the syncer adds the tenant's toleration again",
    },
    Row {
        resources: SERVICES,
        path: "spec/clusterIP",
        fate: Fate::Is(BreaksSync),
        why: "the syncer deletes the tenant's Service and makes it anew with the host's address",
    },
    Row {
        resources: SERVICES,
        path: "spec/clusterIPs",
        fate: Fate::Is(BreaksSync),
        why: "the syncer deletes the tenant's Service and makes it anew with the host's address",
    },
    services("spec/type"),
    services("spec/ports"),
    services("spec/selector"),
    services("spec/externalIPs"),
    services("spec/externalName"),
    services("spec/externalTrafficPolicy"),
    services("spec/healthCheckNodePort"),
    services("spec/loadBalancerIP"),
    services("spec/loadBalancerSourceRanges"),
    services("spec/publishNotReadyAddresses"),
    services("spec/sessionAffinity"),
    services("spec/sessionAffinityConfig"),
    Row {
        resources: &["ingresses"],
        path: "spec/ingressClassName",
        fate: Fate::Is(Leaks),
        why: "the syncer copies it into the tenant's Ingress",
    },
    Row { resources: &["ingresses"], path: "spec", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row { resources: ROUTES, path: "spec", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row { resources: BUDGETS, path: "spec/minAvailable", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row { resources: BUDGETS, path: "spec/maxUnavailable", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row { resources: BUDGETS, path: "spec/selector", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row {
        resources: &["persistentvolumeclaims"],
        path: "spec/resources/requests",
        fate: Fate::Is(BreaksSync),
        why: "the syncer sets it back to the tenant's, and the API server refuses that of a claim that is not bound, or less",
    },
    Row { resources: MAPS, path: "data", fate: Fate::Is(Leaks), why: MERGED },
    Row { resources: MAPS, path: "binaryData", fate: Fate::Is(Leaks), why: MERGED },
    Row { resources: MAPS, path: "stringData", fate: Fate::Is(Leaks), why: MERGED },
    Row {
        resources: MAPS,
        path: "immutable",
        fate: Fate::Is(BreaksSync),
        why: "what the tenant changes from then on is refused on the host",
    },
    Row {
        resources: &["secrets"],
        path: "type",
        fate: Fate::Is(BreaksSync),
        why: "the syncer copies it into the tenant's Secret, where it cannot be changed",
    },
    Row { resources: &["endpoints"], path: "subsets", fate: Fate::Is(Reverted), why: OVERWRITTEN },
    Row { resources: &["endpointslices"], path: "endpoints", fate: Fate::Is(Reverted), why: OVERWRITTEN },
];

const BUDGETS: &[&str] = &["poddisruptionbudgets"];
const MAPS: &[&str] = &["configmaps", "secrets"];
const IMAGE: &str = "the syncer sets the tenant's image again, and the container starts anew";
const RENAMED: &str = "the tenant's pod has a container that the host's has not: its status, logs and exec are lost";
const OVERWRITTEN: &str = "the syncer overwrites it with the tenant's each time";
const MERGED: &str = "the syncer merges it into the tenant's object";

const fn services(path: &'static str) -> Row {
    Row { resources: SERVICES, path, fate: Fate::Is(Leaks), why: "the syncer copies it into the tenant's Service" }
}

/// Kinds of which the whole object is known: what no row names is never compared.
const KNOWN: [&str; 19] = [
    "pods",
    "services",
    "ingresses",
    "networkpolicies",
    "poddisruptionbudgets",
    "persistentvolumeclaims",
    "persistentvolumes",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "endpoints",
    "endpointslices",
    "storageclasses",
    "gateways",
    "httproutes",
    "grpcroutes",
    "tlsroutes",
    "backendtlspolicies",
    "referencegrants",
];

/// Whether what a syncer does about this resource is known, field by field.
#[must_use]
pub fn is_known(resource: &str) -> bool {
    KNOWN.contains(&resource)
}

/// What a syncer gives a pod for the autoscaler, and leaves to the host.
const OF_HOST: [&str; 1] = ["cluster-autoscaler.kubernetes.io/safe-to-evict"];

/// They name containers, and the API server has them unchangeable: a tenant's pod that is there already cannot take them.
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What becomes of one field of an object of this resource, and why.
#[must_use]
pub fn of_field(resource: &str, path: &[String], written: Written, syncer: Syncer) -> (Class, &'static str) {
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    match steps.as_slice() {
        ["metadata", map @ ("labels" | "annotations"), key, ..] => return of_mark(map, key),
        // All of them at once, the syncer's among them.
        ["metadata", "labels" | "annotations"] if written == Written::Changed => return of_mark("labels", PREFIX),
        ["metadata", "labels" | "annotations"] => return of_mark("labels", ""),
        ["status" | "metadata", ..] => return (Safe, ""),
        _ => {}
    }
    let of_resource = ROWS.iter().filter(|row| row.resources.contains(&resource));
    for row in of_resource {
        if is_below(&steps, row.path) {
            return (class(row.fate, written, syncer), row.why);
        }
    }
    if is_known(resource) {
        return (Safe, "");
    }
    (Reverted, "what a syncer does about this kind is not known")
}

/// Whether a row is about something inside this field.
pub(super) fn goes_deeper(resource: &str, path: &[String]) -> bool {
    let holds = |row: &&Row| {
        let steps: Vec<&str> = row.path.split('/').collect();
        let fits = |(step, wanted): (&String, &&str)| *wanted == "*" || step == *wanted;
        steps.len() > path.len() && path.iter().zip(&steps).all(fits)
    };
    matches!(path, [metadata] if metadata == "metadata")
        || matches!(path, [metadata, map] if metadata == "metadata" && (map == "labels" || map == "annotations"))
        || ROWS.iter().filter(|row| row.resources.contains(&resource)).any(|row| holds(&row))
}

const fn class(fate: Fate, written: Written, syncer: Syncer) -> Class {
    match (fate, written, syncer) {
        (Fate::Is(class), ..)
        | (Fate::By { added: class, .. }, Written::Added, _)
        | (Fate::By { changed: class, .. }, Written::Changed, _)
        | (Fate::Later { added: class, .. }, Written::Added, Syncer::Later)
        | (Fate::Later { changed: class, .. }, Written::Changed, Syncer::Later) => class,
        (Fate::Later { .. }, _, Syncer::UpTo030) => Safe,
    }
}

/// A label or an annotation.
fn of_mark(map: &str, key: &str) -> (Class, &'static str) {
    if key.starts_with("vcluster.loft.sh/ns-label-") {
        return (Reverted, "the syncer keeps the labels of namespaces as the tenant's namespace has them");
    }
    if key.starts_with(PREFIX) {
        return (BreaksSync, "the syncer knows its objects by it: it would lose the object, or delete it");
    }
    if map == "annotations" && OF_HOST.contains(&key) {
        return (Safe, "");
    }
    if map == "annotations" && key.starts_with(APPARMOR) {
        return (BreaksSync, "the syncer copies it into the tenant's pod, where the API server refuses it");
    }
    (Leaks, "the syncer copies it into the tenant's object")
}

fn is_below(path: &[&str], pattern: &str) -> bool {
    let mut steps = path.iter();
    pattern.split('/').all(|wanted| steps.next().is_some_and(|step| wanted == "*" || *step == wanted))
}
