//! Rules match as the API server's do.

use super::*;
use crate::review::{Review, parse};

fn request(path: &str, namespace: &str) -> AdmissionRequest {
    request_as(path, path, namespace)
}

/// `path` is `group/version/resource[/subresource]`; `client_path` is what the client sent.
fn request_as(path: &str, client_path: &str, namespace: &str) -> AdmissionRequest {
    let split = |path: &str| {
        let mut parts = path.splitn(4, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        (serde_json::json!({"group": next(), "version": next(), "resource": next()}), next())
    };
    let ((resource, sub_resource), (client_resource, client_sub_resource)) = (split(path), split(client_path));
    let body = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {}, "resource": resource, "subResource": sub_resource, "namespace": namespace,
            "requestResource": client_resource, "requestSubResource": client_sub_resource, "operation": "CREATE",
        }
    });
    let review: Review = parse(body.to_string().into(), &crate::review::Limits::default()).unwrap();
    review.request
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn spec(resources: &[&str]) -> MatchSpec {
    MatchSpec { resources: strings(resources), ..MatchSpec::default() }
}

fn test(spec: &MatchSpec, request: &AdmissionRequest) -> Result<(), RuleMismatch> {
    Rule::compile(spec).unwrap().test(request)
}

#[test]
fn resources_and_subresources_with_every_wildcard() {
    let paths = ["/v1/pods", "/v1/pods/log", "/v1/pods/exec", "/v1/services", "apps/v1/deployments/scale"];
    for (pattern, expected) in [
        ("pods", [true, false, false, false, false]),
        ("pods/log", [false, true, false, false, false]),
        ("pods/*", [true, true, true, false, false]),
        ("*", [true, false, false, true, false]),
        ("*/scale", [false, false, false, false, true]),
        ("*/*", [true, true, true, true, true]),
        ("pod", [false, false, false, false, false]),
    ] {
        for (path, expected) in paths.iter().zip(expected) {
            assert_eq!(test(&spec(&[pattern]), &request(path, "ns")).is_ok(), expected, "{pattern} {path}");
        }
    }
    assert!(test(&spec(&["services", "pods/exec"]), &request("/v1/pods/exec", "ns")).is_ok());
    assert_eq!(test(&spec(&[]), &request("/v1/pods", "ns")), Err(RuleMismatch::Resource));
}

#[test]
fn patterns_that_name_nothing_are_refused() {
    for bad in ["", "/", "/log", "pods/"] {
        let error = Rule::compile(&spec(&["pods", bad])).unwrap_err().to_string();
        assert!(error.starts_with("resources[1]: must be like `pods`"), "{bad}: {error}");
    }
}

#[test]
fn groups_and_versions_match_by_name_wildcard_or_absence() {
    let deployment = request("apps/v1/deployments", "ns");
    for (groups, versions, expected) in [
        (&[][..], &[][..], Ok(())),
        (&["*"], &["*"], Ok(())),
        (&["apps"], &["v1"], Ok(())),
        (&["batch", "apps"], &["v1beta1", "v1"], Ok(())),
        (&[""], &["v1"], Err(RuleMismatch::Group)),
        (&["apps"], &["v1beta1"], Err(RuleMismatch::Version)),
    ] {
        let spec = MatchSpec { api_groups: strings(groups), api_versions: strings(versions), ..spec(&["deployments"]) };
        assert_eq!(test(&spec, &deployment), expected, "{groups:?} {versions:?}");
    }
}

#[test]
fn no_operations_mean_all() {
    let create = request("/v1/pods", "ns");
    for (operations, expected) in [
        (vec![], Ok(())),
        (vec![Operation::Delete, Operation::Create], Ok(())),
        (vec![Operation::Update], Err(RuleMismatch::Operation)),
    ] {
        assert_eq!(test(&MatchSpec { operations, ..spec(&["pods"]) }, &create), expected);
    }
}

#[test]
fn a_namespace_is_cluster_scoped_although_its_request_names_one() {
    for (path, namespace, cluster, namespaced) in [
        ("/v1/pods", "ns", false, true),
        ("/v1/nodes", "", true, false),
        ("/v1/namespaces", "ns", true, false),
        ("/v1/namespaces/finalize", "ns", true, false),
    ] {
        let request = request(path, namespace);
        let with = |scope| test(&MatchSpec { scope, ..spec(&["*/*"]) }, &request).is_ok();
        assert_eq!((with(Scope::Cluster), with(Scope::Namespaced), with(Scope::All)), (cluster, namespaced, true));
    }
}

#[test]
fn an_exact_rule_also_has_to_match_what_the_client_sent() {
    let converted = request_as("apps/v1/deployments", "extensions/v1beta1/deployments", "ns");
    let apps = MatchSpec { api_groups: strings(&["apps"]), ..spec(&["deployments"]) };
    assert_eq!(test(&apps, &converted), Ok(()));
    let exact = MatchSpec { match_policy: MatchPolicy::Exact, ..apps };
    assert_eq!(test(&exact, &converted), Err(RuleMismatch::ClientResource));
    assert_eq!(test(&exact, &request("apps/v1/deployments", "ns")), Ok(()));

    let without = AdmissionRequest { request_resource: None, ..converted };
    assert_eq!(test(&exact, &without), Ok(()), "an old API server says nothing about it");
}

#[test]
fn a_rule_for_pods_takes_their_workloads_when_asked() {
    let pods = MatchSpec { api_groups: strings(&[""]), api_versions: strings(&["v1"]), ..spec(&["pods"]) };
    let workloads = MatchSpec { workloads: true, ..pods.clone() };
    for path in [
        "apps/v1/deployments",
        "apps/v1/replicasets",
        "apps/v1/statefulsets",
        "apps/v1/daemonsets",
        "batch/v1/jobs",
        "batch/v1/cronjobs",
        "/v1/replicationcontrollers",
    ] {
        assert!(test(&workloads, &request(path, "ns")).is_ok(), "{path}");
        assert!(test(&pods, &request(path, "ns")).is_err(), "{path}");
    }
    for path in ["apps/v1/deployments/scale", "example.com/v1/deployments", "batch/v1beta1/cronjobs", "/v1/services"] {
        assert!(test(&workloads, &request(path, "ns")).is_err(), "{path}");
    }

    let services = MatchSpec { workloads: true, ..spec(&["services", "pods/exec"]) };
    assert!(test(&services, &request("apps/v1/deployments", "ns")).is_err(), "it does not name pods");
    let updates = MatchSpec { operations: vec![Operation::Update], ..workloads };
    assert_eq!(test(&updates, &request("batch/v1/jobs", "ns")), Err(RuleMismatch::Operation));
}

#[test]
fn the_names_to_look_up_include_workloads() {
    let names = |spec: MatchSpec| {
        let rule = Rule::compile(&spec).unwrap();
        rule.resource_names().map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(names(spec(&["pods/log", "services"])), Some(strings(&["pods", "services"])));
    assert_eq!(names(spec(&["pods", "*/scale"])), None);
    assert_eq!(names(MatchSpec { workloads: true, ..spec(&["pods"]) }).unwrap().len(), 8);
}
