//! What a syncer copies to the host at all: some kinds always, some where its configuration says so, some objects when
//! something uses them. The configuration is not known, but what has been copied once is copied again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::policy::{PolicySpec, Vantage};
use crate::review::{AdmissionRequest, Operation};
use crate::tenancy::registry::{MOST_VCLUSTERS, Place};
use crate::tenancy::vcluster::VirtualCluster;

/// Whether an object will come to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It will.
    Surely,
    /// It may.
    Perhaps,
}

/// Kinds that are copied where the configuration of the virtual cluster says so: group and resource.
const CONFIGURED: [(&str, &str); 10] = [
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
    ("", "serviceaccounts"),
    ("gateway.networking.k8s.io", "gateways"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("gateway.networking.k8s.io", "grpcroutes"),
    ("gateway.networking.k8s.io", "tlsroutes"),
    ("gateway.networking.k8s.io", "backendtlspolicies"),
    ("gateway.networking.k8s.io", "referencegrants"),
];

/// Where a virtual cluster starts itself: what is refused there may keep it from ever starting.
const BRING_UP: &str = "kube-system";

/// What each virtual cluster has been seen to copy.
pub struct Copies(Mutex<LruCache<Place, u16>>);

impl Default for Copies {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(MOST_VCLUSTERS).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl Copies {
    /// The syncer of this virtual cluster has brought such an object to the host.
    pub fn saw(&self, vcluster: &VirtualCluster, request: &AdmissionRequest) {
        let Some(bit) = bit(request) else { return };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(&vcluster.place()) {
            Some(bits) => *bits |= bit,
            None => drop(seen.put(vcluster.place(), bit)),
        }
    }

    /// Whether an object of a virtual cluster comes to the host. `None` where it does not, or where the host is asked first.
    #[must_use]
    pub fn of(&self, vcluster: &VirtualCluster, request: &AdmissionRequest) -> Option<Copied> {
        let sub_resource = &*request.sub_resource;
        let is_update = request.operation == Operation::Update;
        if &*request.namespace == BRING_UP || !is_update && request.operation != Operation::Create {
            return None;
        }
        match (&*request.resource.group, &*request.resource.resource) {
            ("", "pods") if matches!(sub_resource, "" | "ephemeralcontainers") => return Some(Copied::Surely),
            _ if !sub_resource.is_empty() => return None,
            ("", "persistentvolumeclaims") => return Some(Copied::Surely),
            // A Service is made on the host before the virtual API server has it.
            ("", "services") => return is_update.then_some(Copied::Surely),
            ("", "configmaps" | "secrets") => return Some(Copied::Perhaps),
            _ => {}
        }
        let bit = bit(request)?;
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&vcluster.place()).copied();
        Some(if seen.is_some_and(|bits| bits & bit != 0) { Copied::Surely } else { Copied::Perhaps })
    }
}

/// Kinds that come to the host, or may: group and resource.
const ALWAYS: [(&str, &str); 5] =
    [("", "pods"), ("", "services"), ("", "persistentvolumeclaims"), ("", "configmaps"), ("", "secrets")];

/// Whether a policy of the host alone is to be put to tenants beforehand: the API servers of virtual clusters have to ask for
/// what it matches, though it is not theirs.
#[must_use]
pub fn is_foreseen(spec: &PolicySpec) -> bool {
    let rules = &spec.rules;
    let is_any = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == "*" || one == name);
    let is_named = |resource: &str| {
        let of = |pattern: &String| pattern.split('/').next().is_some_and(|base| base == "*" || base == resource);
        rules.resources.iter().any(of)
    };
    let mut kinds = ALWAYS.iter().chain(&CONFIGURED);
    let is_brought = rules.operations.is_empty()
        || rules.operations.iter().any(|operation| matches!(operation, Operation::Create | Operation::Update));
    spec.validates
        && rules.vantage == Some(Vantage::Host)
        && is_brought
        && kinds.any(|(group, resource)| is_any(&rules.api_groups, group) && is_named(resource))
}

fn bit(request: &AdmissionRequest) -> Option<u16> {
    let resource = (&*request.resource.group, &*request.resource.resource);
    let at = CONFIGURED.iter().position(|known| *known == resource)?;
    request.sub_resource.is_empty().then_some(1 << at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::review::{Limits, parse};

    fn request(resource: &str, operation: &str, namespace: &str) -> AdmissionRequest {
        let (group, resource) = resource.rsplit_once('.').map_or(("", resource), |(group, resource)| (group, resource));
        let (resource, sub_resource) = resource.split_once('/').unwrap_or((resource, ""));
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": operation, "namespace": namespace, "kind": {"group": group, "version": "v1", "kind": "X"},
            "resource": {"group": group, "version": "v1", "resource": resource}, "subResource": sub_resource,
        }});
        parse(body.to_string().into(), &Limits::default()).unwrap().request
    }

    fn vcluster(name: &str) -> VirtualCluster {
        VirtualCluster::new("vc-one", name, None, "").unwrap()
    }

    #[test]
    fn what_comes_to_the_host_is_told_apart_from_what_may_and_what_does_not() {
        let copies = Copies::default();
        let of = |resource: &str, operation: &str| copies.of(&vcluster("dev"), &request(resource, operation, "team-a"));
        for (resource, operation) in [
            ("pods", "CREATE"),
            ("pods/ephemeralcontainers", "UPDATE"),
            ("persistentvolumeclaims", "CREATE"),
            ("services", "UPDATE"),
        ] {
            assert_eq!(of(resource, operation), Some(Copied::Surely), "{resource}");
        }
        for resource in ["configmaps", "secrets", "networking.k8s.io.ingresses", "serviceaccounts"] {
            assert_eq!(of(resource, "CREATE"), Some(Copied::Perhaps), "{resource}");
        }
        for (resource, operation) in [
            ("services", "CREATE"),
            ("apps.deployments", "CREATE"),
            ("pods/status", "UPDATE"),
            ("pods/binding", "CREATE"),
            ("pods", "DELETE"),
            ("extensions.ingresses", "CREATE"),
        ] {
            assert_eq!(of(resource, operation), None, "{operation} {resource}");
        }
        assert_eq!(copies.of(&vcluster("dev"), &request("pods", "CREATE", "kube-system")), None, "it starts there");
    }

    #[test]
    fn a_policy_of_the_host_is_foreseen_where_it_is_about_what_comes_there() {
        let is = |change: fn(&mut PolicySpec)| {
            let draft = crate::isolate::testing::validate("").with(|spec| {
                spec.rules.resources.push("pods".to_owned());
                spec.rules.vantage = Some(Vantage::Host);
            });
            is_foreseen(&draft.with(change).spec)
        };
        assert!(is(|_| {}) && is(|spec| spec.rules.operations.push(Operation::Update)));
        assert!(is(|spec| spec.rules.resources = vec!["*/*".to_owned()]));
        assert!(is(|spec| {
            spec.rules.resources = vec!["ingresses".to_owned()];
            spec.rules.api_groups.push("networking.k8s.io".to_owned());
        }));
        assert!(!is(|spec| spec.rules.vantage = Some(Vantage::Both)), "it is asked as itself");
        assert!(!is(|spec| spec.validates = false));
        assert!(!is(|spec| spec.rules.operations.push(Operation::Delete)));
        assert!(!is(|spec| spec.rules.resources = vec!["deployments".to_owned()]));
        assert!(!is(|spec| spec.rules.api_groups.push("apps".to_owned())));
    }

    #[test]
    fn what_was_copied_once_is_copied_again() {
        let copies = Copies::default();
        let ingress = request("networking.k8s.io.ingresses", "CREATE", "team-a");
        copies.saw(&vcluster("dev"), &ingress);
        copies.saw(&vcluster("dev"), &request("pods", "CREATE", "team-a"));
        assert_eq!(copies.of(&vcluster("dev"), &ingress), Some(Copied::Surely));
        assert_eq!(copies.of(&vcluster("other"), &ingress), Some(Copied::Perhaps));
        let policy = request("networking.k8s.io.networkpolicies", "CREATE", "team-a");
        assert_eq!(copies.of(&vcluster("dev"), &policy), Some(Copied::Perhaps));
    }
}
