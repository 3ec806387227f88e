//! All policies of a server, looked up by the resource a review is about.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::Facts;
use super::matcher::{Matcher, Mismatch};
use super::rule::RuleMismatch;
use super::{Around, MatchError};
use crate::policy::spec::{PolicySpec, Vantage};
use crate::review::{AdmissionRequest, Review};

/// Which handlers of a policy are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Mutate,
    Validate,
}

/// An immutable set of policies. A policy's position is its place in the list that the index was built from.
#[derive(Debug, Default)]
pub struct Index {
    policies: Vec<(Arc<PolicySpec>, Arc<Matcher>)>,
    mutating: Lookups,
    validating: Lookups,
}

/// The policies that want to see a review, and those of which it could not be decided. Both are in the order of their
/// phase: mutating policies by priority, then name; validating ones by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matches {
    pub matched: Vec<u32>,
    /// To be decided by the policy's failure mode.
    pub failed: Vec<(u32, MatchError)>,
}

/// What became of one policy, for `bylaw review --explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub policy: Arc<str>,
    pub outcome: Result<(), String>,
}

/// The policies of one phase, by who asks.
#[derive(Debug, Default)]
struct Lookups {
    from_host: Lookup,
    from_virtual: Lookup,
}

/// The policies of one phase in their order, found by resource name.
#[derive(Debug, Default)]
struct Lookup {
    /// Positions in the order of the phase; the lists below hold places in it, ascending.
    order: Vec<u32>,
    by_resource: HashMap<Box<str>, Vec<u32>>,
    /// Of the policies whose rules have a wildcard.
    any: Vec<u32>,
}

impl Index {
    /// Builds the index of `policies`, each with its compiled match fields.
    #[must_use]
    pub fn build(policies: Vec<(Arc<PolicySpec>, Arc<Matcher>)>) -> Self {
        let lookups = |phase: Phase| {
            let takes_part = |spec: &PolicySpec, is_virtual: bool| {
                let has_handler = if phase == Phase::Mutate { spec.mutates } else { spec.validates };
                has_handler && is_asked(spec, is_virtual)
            };
            let priority = |spec: &PolicySpec| if phase == Phase::Mutate { spec.priority } else { 0 };
            let build = |is_virtual: bool| {
                Lookup::build(
                    &policies,
                    |spec| takes_part(spec, is_virtual),
                    |spec| (priority(spec), spec.name.clone()),
                )
            };
            Lookups { from_host: build(false), from_virtual: build(true) }
        };
        let (mutating, validating) = (lookups(Phase::Mutate), lookups(Phase::Validate));
        Self { policies, mutating, validating }
    }

    /// Finds the policies of `phase` that want to see `review`. A review that concerns nobody costs one look-up.
    #[must_use]
    pub fn candidates<'a>(&self, review: &'a Review, phase: Phase, around: impl Into<Around<'a>>) -> Matches {
        let around = around.into();
        let lookups = match phase {
            Phase::Mutate => &self.mutating,
            Phase::Validate => &self.validating,
        };
        let lookup = if around.is_virtual { &lookups.from_virtual } else { &lookups.from_host };
        let facts = Facts::of(review, around);
        let mut found = Matches::default();
        for position in lookup.find(&review.request.resource.resource) {
            let Some((_, matcher)) = self.policies.get(position as usize) else { continue };
            match matcher.test(&facts) {
                Ok(Ok(())) => found.matched.push(position),
                Ok(Err(_)) => {}
                Err(error) => found.failed.push((position, error)),
            }
        }
        found
    }

    /// The policy at `position`.
    #[must_use]
    pub fn policy(&self, position: u32) -> Option<&Arc<PolicySpec>> {
        self.policies.get(position as usize).map(|(spec, _)| spec)
    }

    /// For every policy whether it matches, or the first reason why not.
    #[must_use]
    pub fn explain<'a>(&self, review: &'a Review, around: impl Into<Around<'a>>) -> Vec<Explanation> {
        let around = around.into();
        let whose = if around.is_virtual { "a virtual cluster's" } else { "the host's" };
        let facts = Facts::of(review, around);
        let explain = |(spec, matcher): &(Arc<PolicySpec>, Arc<Matcher>)| Explanation {
            policy: spec.name.clone(),
            outcome: match matcher.test(&facts) {
                _ if !is_asked(spec, around.is_virtual) => Err(format!("vantage: {whose} API server asks")),
                Ok(outcome) => outcome.map_err(|mismatch| describe(mismatch, &review.request)),
                Err(error) => Err(error.to_string()),
            },
        };
        self.policies.iter().map(explain).collect()
    }
}

/// Whether a policy is for reviews of this API server, the host's or a virtual cluster's.
fn is_asked(spec: &PolicySpec, is_virtual: bool) -> bool {
    match spec.rules.vantage {
        None | Some(Vantage::Both) => true,
        Some(Vantage::Host) => !is_virtual,
        Some(Vantage::Virtual) => is_virtual,
    }
}

impl Lookup {
    fn build<K: Ord>(
        policies: &[(Arc<PolicySpec>, Arc<Matcher>)],
        takes_part: impl Fn(&PolicySpec) -> bool,
        rank: impl Fn(&PolicySpec) -> K,
    ) -> Self {
        let mut ranked: Vec<(u32, &PolicySpec, &Matcher)> =
            (0..).zip(policies).map(|(position, (spec, matcher))| (position, &**spec, &**matcher)).collect();
        ranked.retain(|(_, spec, _)| takes_part(spec));
        ranked.sort_by_cached_key(|(position, spec, _)| (rank(spec), *position));

        let mut lookup = Self::default();
        for (place, (position, _, matcher)) in (0..).zip(ranked) {
            lookup.order.push(position);
            match matcher.resource_names() {
                None => lookup.any.push(place),
                Some(mut names) => {
                    names.sort_unstable();
                    names.dedup();
                    for name in names {
                        lookup.by_resource.entry(name.into()).or_default().push(place);
                    }
                }
            }
        }
        lookup
    }

    /// The positions of the policies that may match `resource`, in the order of the phase.
    fn find(&self, resource: &str) -> impl Iterator<Item = u32> {
        let mut named = self.by_resource.get(resource).map_or(&[][..], Vec::as_slice).iter().copied().peekable();
        let mut any = self.any.iter().copied().peekable();
        std::iter::from_fn(move || match (named.peek(), any.peek()) {
            (Some(one), Some(other)) if other < one => any.next(),
            (None, _) => any.next(),
            (Some(_), _) => named.next(),
        })
        .filter_map(|place| self.order.get(place as usize).copied())
    }
}

fn describe(mismatch: Mismatch, request: &AdmissionRequest) -> String {
    let resource = &request.resource;
    match mismatch {
        Mismatch::Rule(RuleMismatch::Scope) => {
            let scope = if request.namespace.is_empty() { "cluster-scoped" } else { "namespaced" };
            format!("scope: the object is {scope}")
        }
        Mismatch::Rule(RuleMismatch::Operation) => {
            format!("operations: {} is not among them", request.operation.as_str())
        }
        Mismatch::Rule(RuleMismatch::Group) => format!("apiGroups: {:?} is not among them", resource.group),
        Mismatch::Rule(RuleMismatch::Version) => format!("apiVersions: {:?} is not among them", resource.version),
        Mismatch::Rule(RuleMismatch::Resource) if request.sub_resource.is_empty() => {
            format!("resources: {} is not among them", resource.resource)
        }
        Mismatch::Rule(RuleMismatch::Resource) => {
            format!("resources: {}/{} is not among them", resource.resource, request.sub_resource)
        }
        Mismatch::Rule(RuleMismatch::ClientResource) => {
            "matchPolicy: the client sent another version than the rule names".to_owned()
        }
        Mismatch::ExcludedUser(pattern) => format!("excludeUsers: {pattern} excludes the user"),
        Mismatch::Tenant => "tenants: the tenant is not among them".to_owned(),
        Mismatch::Namespace => "namespaceSelector: the namespace is not selected".to_owned(),
        Mismatch::Object => "objectSelector: the object is not selected".to_owned(),
        Mismatch::Condition(name) => format!("matchConditions: {name} is false"),
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
