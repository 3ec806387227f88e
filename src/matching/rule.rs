//! Operations, groups, versions, resources and scope, with the semantics of the API server (`k8s.io/apiserver`,
//! predicates/rules/rules.go).

use super::MatchError;
use crate::policy::spec::{MatchPolicy, MatchSpec, Scope};
use crate::review::{AdmissionRequest, GroupVersionResource, Operation};

const ANY: &str = "*";

/// Group and resource of the workloads whose pod template a policy for pods can judge. All of them are version `v1` of their group.
pub const WORKLOADS: [(&str, &str); 7] = [
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("", "replicationcontrollers"),
];

#[derive(Debug)]
pub(super) struct Rule {
    operations: Vec<Operation>,
    groups: Names,
    versions: Names,
    resources: Vec<ResourcePattern>,
    scope: Scope,
    is_exact: bool,
    /// The rule names pods and asks for their workloads too.
    takes_workloads: bool,
}

/// Why a rule does not match, in the order of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleMismatch {
    Scope,
    Operation,
    Group,
    Version,
    Resource,
    /// `matchPolicy: Exact`, and the client sent another version than the one judged here.
    ClientResource,
}

#[derive(Debug)]
enum Names {
    Any,
    Some(Vec<String>),
}

#[derive(Debug, PartialEq, Eq)]
struct ResourcePattern {
    resource: String,
    sub_resource: String,
}

/// What a request is about, or what its client thought it was about.
#[derive(Clone, Copy)]
struct Target<'a> {
    resource: &'a GroupVersionResource,
    sub_resource: &'a str,
}

impl Rule {
    pub(super) fn compile(spec: &MatchSpec) -> Result<Self, MatchError> {
        let resources = spec.resources.iter().enumerate().map(|(index, text)| {
            ResourcePattern::parse(text).ok_or_else(|| {
                MatchError::invalid(
                    format!("resources[{index}]"),
                    "must be like `pods`, `pods/log`, `pods/*`, `*/scale`, `*` or `*/*`",
                )
            })
        });
        let mut rule = Self {
            operations: spec.operations.clone(),
            groups: Names::of(&spec.api_groups),
            versions: Names::of(&spec.api_versions),
            resources: resources.collect::<Result<_, _>>()?,
            scope: spec.scope,
            is_exact: spec.match_policy == MatchPolicy::Exact,
            takes_workloads: false,
        };
        let pods = GroupVersionResource { group: String::new(), version: "v1".into(), resource: "pods".into() };
        rule.takes_workloads = spec.workloads && rule.test_names(Target { resource: &pods, sub_resource: "" }).is_ok();
        Ok(rule)
    }

    /// The names of the resources that may match; `None` stands for all.
    pub(super) fn resource_names(&self) -> Option<Vec<&str>> {
        let workloads = WORKLOADS.iter().map(|(_, resource)| *resource).filter(|_| self.takes_workloads);
        let names: Vec<&str> = self.resources.iter().map(|pattern| &*pattern.resource).chain(workloads).collect();
        (!names.contains(&ANY)).then_some(names)
    }

    /// An `Equivalent` rule looks at what the API server made of the object for it. An `Exact` rule has to match what the
    /// client sent as well: the API server only calls for what a registered rule names, and that may have been the rule
    /// of another policy.
    pub(super) fn test(&self, request: &AdmissionRequest) -> Result<(), RuleMismatch> {
        if !self.scope_matches(request) {
            return Err(RuleMismatch::Scope);
        }
        if !self.operations.is_empty() && !self.operations.contains(&request.operation) {
            return Err(RuleMismatch::Operation);
        }
        self.test_target(Target { resource: &request.resource, sub_resource: &request.sub_resource })?;
        if self.is_exact
            && let Some(resource) = &request.request_resource
        {
            let sub_resource = request.request_sub_resource.as_deref().unwrap_or_default();
            self.test_target(Target { resource, sub_resource }).map_err(|_| RuleMismatch::ClientResource)?;
        }
        Ok(())
    }

    /// The same test of what is known before there is any request.
    pub(super) fn may_take(&self, resource: &GroupVersionResource, is_namespaced: bool, operation: Operation) -> bool {
        let in_scope = match self.scope {
            Scope::All => true,
            Scope::Namespaced => is_namespaced,
            Scope::Cluster => !is_namespaced,
        };
        let of_operation = self.operations.is_empty() || self.operations.contains(&operation);
        in_scope && of_operation && self.test_target(Target { resource, sub_resource: "" }).is_ok()
    }

    /// A Namespace is cluster-scoped although its request names a namespace: itself.
    fn scope_matches(&self, request: &AdmissionRequest) -> bool {
        let GroupVersionResource { group, version, resource } = &request.resource;
        let is_namespace = group.is_empty() && version == "v1" && resource == "namespaces";
        let is_namespaced = !is_namespace && !request.namespace.is_empty();
        match self.scope {
            Scope::All => true,
            Scope::Namespaced => is_namespaced,
            Scope::Cluster => !is_namespaced,
        }
    }

    fn test_target(&self, target: Target) -> Result<(), RuleMismatch> {
        if self.takes_workloads && target.is_workload() { Ok(()) } else { self.test_names(target) }
    }

    fn test_names(&self, target: Target) -> Result<(), RuleMismatch> {
        if !self.groups.contain(&target.resource.group) {
            return Err(RuleMismatch::Group);
        }
        if !self.versions.contain(&target.resource.version) {
            return Err(RuleMismatch::Version);
        }
        if self.resources.iter().any(|pattern| pattern.matches(target)) { Ok(()) } else { Err(RuleMismatch::Resource) }
    }
}

impl Target<'_> {
    fn is_workload(self) -> bool {
        let GroupVersionResource { group, version, resource } = self.resource;
        self.sub_resource.is_empty() && version == "v1" && WORKLOADS.contains(&(group, resource))
    }
}

impl Names {
    fn of(names: &[String]) -> Self {
        if names.is_empty() || names.iter().any(|name| name == ANY) { Self::Any } else { Self::Some(names.to_vec()) }
    }

    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Some(names) => names.iter().any(|other| other == name),
        }
    }
}

impl ResourcePattern {
    fn parse(text: &str) -> Option<Self> {
        let (resource, sub_resource) = text.split_once('/').unwrap_or((text, ""));
        let is_complete = !resource.is_empty() && !text.ends_with('/');
        is_complete.then(|| Self { resource: resource.to_owned(), sub_resource: sub_resource.to_owned() })
    }

    /// `pods/*` matches `pods` itself too, as it does in the API server.
    fn matches(&self, target: Target) -> bool {
        let is = |pattern: &str, name: &str| pattern == ANY || pattern == name;
        is(&self.resource, &target.resource.resource) && is(&self.sub_resource, target.sub_resource)
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
