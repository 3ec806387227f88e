//! Which policies share a webhook. As many as can, for the API server shows the denial of one webhook only, and calls
//! mutating ones one after another.
//!
//! A call carries the object in one version, that of the first rule of the webhook that matches, converted where
//! `matchPolicy` is `Equivalent` (`k8s.io/apiserver`, admission/plugin/webhook/generic). Beside rules for other versions a
//! policy would never be shown its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::catalog::{Revision, WebhookFailure};
use super::spec::{LabelSelector, MatchPolicy, MatchSpec};
use crate::bundle::content_hash;

/// Digits of the hash: enough to tell the few webhooks of one configuration apart.
const DIGITS: usize = 8;

/// Webhooks of one configuration. Each that matches is a call, so that telling apart what only narrows a webhook pays
/// for few: beyond that, policies of different selectors and conditions share one that has none of them, for the engine
/// asks no policy that does not match.
const MAX_WEBHOOKS: usize = 8;

/// The one webhook of tenants' own policies: nothing that a tenant writes changes those of others.
const TENANTS: &str = "tenants";

/// The API server's own.
const DEFAULT_TIMEOUT: u64 = 10;

/// Which webhook each policy of a catalog belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// For each policy the name of its webhook, one part of a DNS name.
    pub names: Vec<String>,
    /// Whether all policies of a webhook have the same selectors and conditions.
    pub are_narrow: bool,
}

/// Groups the policies of a catalog.
#[must_use]
pub fn webhooks(revisions: &[Arc<Revision>]) -> Webhooks {
    let grouped = |are_narrow: bool| -> Vec<String> {
        revisions.iter().map(|revision| name(&Facets::of(revision, are_narrow))).collect()
    };
    let names = grouped(true);
    let are_narrow = names.iter().collect::<BTreeSet<_>>().len() <= MAX_WEBHOOKS;
    Webhooks { names: if are_narrow { names } else { grouped(false) }, are_narrow }
}

/// What the policies of one webhook have in common.
struct Facets<'r> {
    failure: WebhookFailure,
    rules: &'r MatchSpec,
    timeout: u64,
    is_reinvoked: bool,
    are_narrow: bool,
    is_tenants: bool,
}

impl<'r> Facets<'r> {
    fn of(revision: &'r Revision, are_narrow: bool) -> Self {
        Self {
            failure: revision.webhook_failure,
            rules: &revision.spec.rules,
            timeout: revision.spec.timeout.as_secs().clamp(1, 30),
            is_reinvoked: revision.is_reinvoked,
            are_narrow,
            is_tenants: revision.spec.tenant.is_some(),
        }
    }
}

/// The selectors and conditions that the API server may judge in a policy's place. Those of a policy that also judges pod
/// templates are about pods, and the API server would hold workloads against them.
#[must_use]
pub(crate) fn narrows(rules: &MatchSpec) -> bool {
    let any = LabelSelector::default();
    let has_own = rules.object_selector != any || !rules.match_conditions.is_empty() || rules.namespace_selector != any;
    has_own && !rules.workloads
}

fn name(facets: &Facets<'_>) -> String {
    let Facets { failure, rules, timeout, is_reinvoked, are_narrow, is_tenants } = facets;
    if *is_tenants {
        return TENANTS.to_owned();
    }
    let failure = match failure {
        WebhookFailure::Fail => "fail",
        WebhookFailure::Ignore => "ignore",
    };
    let (matching, is_converted) = match rules.match_policy {
        MatchPolicy::Exact => ("exact", false),
        MatchPolicy::Equivalent => ("equivalent", may_be_converted(rules)),
    };
    // Writing to a String cannot fail.
    let mut apart = String::new();
    if is_converted {
        let _ = write!(apart, "{:?}{:?}", sorted(&rules.api_groups), sorted(&rules.api_versions));
    }
    if *timeout != DEFAULT_TIMEOUT {
        let _ = write!(apart, " {timeout} s");
    }
    if *is_reinvoked {
        apart.push_str(" reinvoked");
    }
    if *are_narrow && narrows(rules) {
        let MatchSpec { namespace_selector, object_selector, match_conditions, .. } = rules;
        let _ = write!(apart, " {namespace_selector:?}{object_selector:?}{match_conditions:?}");
    }
    if apart.is_empty() {
        return format!("{failure}-{matching}");
    }
    format!("{failure}-{matching}-{}", content_hash(&apart).chars().take(DIGITS).collect::<String>())
}

/// Whether an object that the rules are about may be sent in a version that they do not name.
fn may_be_converted(rules: &MatchSpec) -> bool {
    // The core group has one version.
    let is_core = rules.api_groups.iter().all(String::is_empty) && !rules.api_groups.is_empty();
    let all_of_core = is_core && rules.api_versions.iter().any(|version| version == "v1");
    let names_versions = !rules.api_versions.is_empty() && !all_of_core;
    // No other objects are served by two groups.
    let is_event = |resource: &String| matches!(resource.split('/').next(), Some("*" | "events"));
    let names_groups = !rules.api_groups.is_empty() && rules.resources.iter().any(is_event);
    names_versions || names_groups
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(groups: &[&str], versions: &[&str], resource: &str) -> MatchSpec {
        let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let resources = vec![resource.to_owned()];
        MatchSpec { api_groups: texts(groups), api_versions: texts(versions), resources, ..MatchSpec::default() }
    }

    fn fail(groups: &[&str], versions: &[&str], resource: &str) -> String {
        name(&facets(&rules(groups, versions, resource)))
    }

    fn facets(rules: &MatchSpec) -> Facets<'_> {
        Facets {
            failure: WebhookFailure::Fail,
            rules,
            timeout: 10,
            is_reinvoked: false,
            are_narrow: true,
            is_tenants: false,
        }
    }

    #[test]
    fn what_is_never_converted_shares_a_webhook() {
        for (groups, versions, resource) in [
            (&[][..], &[][..], "*"),
            (&["apps"], &[], "deployments"),
            (&[""], &["v1"], "pods"),
            (&[""], &["v1", "v2"], "pods/exec"),
        ] {
            assert_eq!(fail(groups, versions, resource), "fail-equivalent", "{groups:?} {versions:?} {resource}");
        }
    }

    #[test]
    fn policies_for_other_versions_have_another_webhook() {
        assert_eq!(fail(&["apps", "batch"], &["v1"], "jobs"), fail(&["batch", "apps"], &["v1"], "deployments"));
        let names = [
            fail(&[], &[], "deployments"),
            fail(&[], &["v1"], "deployments"),
            fail(&["apps"], &["v1"], "deployments"),
            fail(&["apps"], &["v2"], "deployments"),
            fail(&["apps"], &["v1", "v2"], "deployments"),
            fail(&["", "apps"], &["v1"], "deployments"),
            fail(&[""], &["v1"], "events"),
            fail(&["events.k8s.io"], &[], "*"),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
            let is_part_of_a_dns_name = |byte: u8| byte == b'-' || byte.is_ascii_alphanumeric();
            assert!(name.len() <= 63 && name.bytes().all(is_part_of_a_dns_name), "{name}");
        }
    }

    #[test]
    fn failure_and_match_policies_have_webhooks_of_their_own() {
        let exact = MatchSpec { match_policy: MatchPolicy::Exact, ..rules(&["apps"], &["v1"], "deployments") };
        let ignored = |rules| name(&Facets { failure: WebhookFailure::Ignore, ..facets(rules) });
        assert_eq!(name(&facets(&exact)), "fail-exact");
        assert_eq!(ignored(&exact), "ignore-exact");
        assert_eq!(ignored(&MatchSpec::default()), "ignore-equivalent");
    }

    #[test]
    fn selectors_timeouts_and_reinvocation_have_webhooks_of_their_own() {
        let plain = rules(&[], &[], "pods");
        let labels = |value: &str| LabelSelector {
            match_labels: [("a".to_owned(), value.to_owned())].into(),
            ..LabelSelector::default()
        };
        let selecting = MatchSpec { object_selector: labels("x"), ..plain.clone() };
        let others = [
            name(&facets(&plain)),
            name(&facets(&selecting)),
            name(&facets(&MatchSpec { object_selector: labels("y"), ..plain.clone() })),
            name(&facets(&MatchSpec { namespace_selector: labels("x"), ..plain.clone() })),
            name(&Facets { timeout: 5, ..facets(&plain) }),
            name(&Facets { is_reinvoked: true, ..facets(&plain) }),
        ];
        assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len(), "{others:?}");
        assert_eq!(name(&Facets { are_narrow: false, ..facets(&selecting) }), "fail-equivalent");
        assert_eq!(name(&facets(&MatchSpec { workloads: true, ..selecting })), "fail-equivalent");
    }
}
