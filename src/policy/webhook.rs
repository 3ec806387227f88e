//! Which policies share a webhook. As many as can, for the API server shows the denial of one webhook only, and calls
//! mutating ones one after another.
//!
//! A call carries the object in one version, that of the first rule of the webhook that matches, converted where
//! `matchPolicy` is `Equivalent` (`k8s.io/apiserver`, admission/plugin/webhook/generic). Beside rules for other versions a
//! policy would never be shown its own.

use super::catalog::WebhookFailure;
use super::spec::{MatchPolicy, MatchSpec};
use crate::bundle::content_hash;

/// Digits of the hash: enough to tell the few webhooks of one configuration apart.
const DIGITS: usize = 8;

/// The name of the webhook, one part of a DNS name.
pub(super) fn name(failure: WebhookFailure, rules: &MatchSpec) -> String {
    let failure = match failure {
        WebhookFailure::Fail => "fail",
        WebhookFailure::Ignore => "ignore",
    };
    match rules.match_policy {
        MatchPolicy::Exact => format!("{failure}-exact"),
        MatchPolicy::Equivalent if !may_be_converted(rules) => format!("{failure}-equivalent"),
        MatchPolicy::Equivalent => {
            let hash = content_hash(&format!("{:?}{:?}", sorted(&rules.api_groups), sorted(&rules.api_versions)));
            format!("{failure}-equivalent-{}", hash.chars().take(DIGITS).collect::<String>())
        }
    }
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
        name(WebhookFailure::Fail, &rules(groups, versions, resource))
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
        assert_eq!(name(WebhookFailure::Fail, &exact), "fail-exact");
        assert_eq!(name(WebhookFailure::Ignore, &exact), "ignore-exact");
        assert_eq!(name(WebhookFailure::Ignore, &MatchSpec::default()), "ignore-equivalent");
    }
}
