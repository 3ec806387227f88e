//! API versions that Kubernetes does not serve any more, or will not for long.

use super::resources::resources;

/// Kinds by the version that lost them, and what took their place (the deprecation guide of Kubernetes). Whatever else
/// is not among the resources that are served was removed too, or never was.
const REMOVED: &[(&str, &str, &str, &str)] = &[
    ("extensions/v1beta1", "DaemonSet Deployment ReplicaSet", "1.16", "apps/v1"),
    ("extensions/v1beta1", "NetworkPolicy", "1.16", "networking.k8s.io/v1"),
    ("extensions/v1beta1", "Ingress", "1.22", "networking.k8s.io/v1"),
    ("extensions/v1beta1", "PodSecurityPolicy", "1.16", ""),
    ("apps/v1beta1", "ControllerRevision Deployment StatefulSet", "1.16", "apps/v1"),
    ("apps/v1beta2", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet", "1.16", "apps/v1"),
    (
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", "1.22", "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", "APIService", "1.22", "apiregistration.k8s.io/v1"),
    ("authentication.k8s.io/v1beta1", "TokenReview", "1.22", "authentication.k8s.io/v1"),
    (
        "authorization.k8s.io/v1beta1",
        "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview",
        "1.22",
        "authorization.k8s.io/v1",
    ),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", "1.22", "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "Lease", "1.22", "coordination.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", "Ingress IngressClass", "1.22", "networking.k8s.io/v1"),
    (
        "rbac.authorization.k8s.io/v1beta1",
        "ClusterRole ClusterRoleBinding Role RoleBinding",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        "ClusterRole ClusterRoleBinding Role RoleBinding",
        "1.22",
        "rbac.authorization.k8s.io/v1",
    ),
    ("scheduling.k8s.io/v1beta1", "PriorityClass", "1.22", "scheduling.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment", "1.22", "storage.k8s.io/v1"),
    ("batch/v1beta1", "CronJob", "1.25", "batch/v1"),
    ("batch/v2alpha1", "CronJob", "1.21", "batch/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", "1.25", "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event", "1.25", "events.k8s.io/v1"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", "1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "1.26", "autoscaling/v2"),
    ("policy/v1beta1", "PodDisruptionBudget", "1.25", "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy", "1.25", ""),
    ("node.k8s.io/v1beta1", "RuntimeClass", "1.25", "node.k8s.io/v1"),
    (
        "flowcontrol.apiserver.k8s.io/v1beta1",
        "FlowSchema PriorityLevelConfiguration",
        "1.26",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1beta2",
        "FlowSchema PriorityLevelConfiguration",
        "1.29",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    (
        "flowcontrol.apiserver.k8s.io/v1beta3",
        "FlowSchema PriorityLevelConfiguration",
        "1.32",
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", "1.27", "storage.k8s.io/v1"),
];

/// Kinds that are served still, although something better took their place.
const DEPRECATED: &[(&str, &str, &str)] = &[
    ("v1", "ComponentStatus", "ask the health endpoints of the components"),
    ("v1", "Endpoints", "use discovery.k8s.io/v1 EndpointSlice"),
];

/// How long a kind of a version will be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lint) enum Served {
    Well,
    /// It will go; what to do.
    NotForLong(String),
    /// It is gone; since when, and what to do.
    Gone(String),
}

/// What is known of an API version of a built-in group, for a kind or (`None`) for any.
pub(in crate::lint) fn api_version(api_version: &str, kind: Option<&str>) -> Served {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let fits = |kinds: &str| kind.is_none_or(|kind| kinds.split(' ').any(|known| known == kind));
    let served = resources().all().iter().filter(|one| one.group == group && !one.name.contains('/'));
    let served: Vec<_> =
        served.filter(|one| kind.is_none_or(|kind| one.kind.rsplit('/').next() == Some(kind))).collect();
    if served.iter().any(|one| one.version == version) {
        let deprecated = DEPRECATED.iter().find(|(known, of, _)| *known == api_version && Some(*of) == kind);
        if let Some((_, _, mend)) = deprecated {
            return Served::NotForLong((*mend).to_owned());
        }
        let stable = served.iter().find(|one| !one.version.contains("alpha") && !one.version.contains("beta"));
        let is_early = version.contains("alpha") || version.contains("beta");
        return match stable {
            Some(stable) if is_early && kind.is_some() => {
                Served::NotForLong(format!("use {}", joined(group, stable.version)))
            }
            _ => Served::Well,
        };
    }
    let removed = REMOVED.iter().find(|(known, kinds, ..)| *known == api_version && fits(kinds));
    if let Some((_, _, since, instead)) = removed {
        let mend = if instead.is_empty() { "nothing took its place".to_owned() } else { format!("use {instead}") };
        return Served::Gone(format!("since Kubernetes {since}; {mend}"));
    }
    match served.iter().map(|one| joined(group, one.version)).next() {
        Some(instead) => Served::Gone(format!("in any version that is still maintained; use {instead}")),
        // A group of somebody else's, or a kind that is none.
        None => Served::Well,
    }
}

/// The same for a resource by its plural name, whose kind is not known any more.
pub(in crate::lint) fn api_version_of(version: &str, resource: &str) -> Served {
    let kinds = REMOVED.iter().filter(|(known, ..)| *known == version).flat_map(|(_, kinds, ..)| kinds.split(' '));
    let is_plural_of = |kind: &&str| {
        let stem = kind.get(..kind.len().saturating_sub(1)).unwrap_or(kind).to_ascii_lowercase();
        resource.starts_with(&stem)
    };
    api_version(version, kinds.into_iter().find(is_plural_of))
}

fn joined(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_says_since_when_and_what_to_use() {
        assert_eq!(
            api_version("extensions/v1beta1", Some("Ingress")),
            Served::Gone("since Kubernetes 1.22; use networking.k8s.io/v1".to_owned())
        );
        assert_eq!(
            api_version("policy/v1beta1", Some("PodSecurityPolicy")),
            Served::Gone("since Kubernetes 1.25; nothing took its place".to_owned())
        );
        assert!(matches!(api_version("apps/v1alpha7", None), Served::Gone(_)));
        for (version, resource, since) in [
            ("extensions/v1beta1", "ingresses", "1.22"),
            ("extensions/v1beta1", "networkpolicies", "1.16"),
            ("policy/v1beta1", "poddisruptionbudgets", "1.25"),
        ] {
            let Served::Gone(told) = api_version_of(version, resource) else { panic!("{resource}") };
            assert!(told.contains(since), "{resource}: {told}");
        }
    }

    #[test]
    fn what_is_served_or_not_of_kubernetes_is_let_be() {
        for (version, kind) in [("v1", "Pod"), ("apps/v1", "Deployment"), ("example.com/v1beta1", "Widget")] {
            assert_eq!(api_version(version, Some(kind)), Served::Well, "{version}");
        }
        assert!(matches!(api_version("v1", Some("Endpoints")), Served::NotForLong(_)));
        assert!(matches!(api_version("networking.k8s.io/v1beta1", Some("IPAddress")), Served::NotForLong(_)));
    }
}
