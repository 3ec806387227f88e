//! Candidates are complete, exact and in order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::policy::spec::{
    Dialect, Enforcement, HostMutations, Isolation, MatchCondition, MatchSpec, OnError, Permissions, Vantage,
};
use crate::review::{Limits, parse};

type Namespaces = BTreeMap<String, Arc<BTreeMap<String, String>>>;

fn namespaces(known: &[(&str, &[(&str, &str)])]) -> Namespaces {
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    known.iter().map(|(name, pairs)| ((*name).to_owned(), Arc::new(labels(pairs)))).collect()
}

fn policy(name: &str, rules: MatchSpec) -> PolicySpec {
    PolicySpec {
        name: name.into(),
        dialect: Dialect::Module,
        validates: true,
        mutates: false,
        reconciles: false,
        rules,
        priority: 0,
        enforcement: Enforcement::Deny,
        on_error: OnError::Deny,
        timeout: Duration::from_secs(10),
        parameters: Arc::new(Value::Null),
        permissions: Permissions::default(),
        isolation: Isolation::Shared,
        keeps_state: false,
        host_mutations: HostMutations::default(),
        tenant: None,
    }
}

fn on(resources: &[&str]) -> MatchSpec {
    MatchSpec { resources: resources.iter().map(|text| (*text).to_owned()).collect(), ..MatchSpec::default() }
}

fn index(policies: Vec<PolicySpec>) -> Index {
    let compiled = |spec: PolicySpec| {
        let matcher = Arc::new(Matcher::compile(&spec.rules).unwrap());
        (Arc::new(spec), matcher)
    };
    Index::build(policies.into_iter().map(compiled).collect())
}

fn review(change: impl FnOnce(&mut Value)) -> Review {
    let mut body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "x", "namespace": "ns",
            "operation": "CREATE", "userInfo": {"username": "admin"}, "object": {"metadata": {"name": "x"}}
        }
    });
    change(&mut body["request"]);
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn namespace_review(operation: &str, name: &str, object: &Value, old_object: &Value) -> Review {
    review(|request| {
        request["resource"]["resource"] = "namespaces".into();
        request["operation"] = operation.into();
        (request["name"], request["namespace"]) = (name.into(), name.into());
        (request["object"], request["oldObject"]) = (object.clone(), old_object.clone());
    })
}

fn names(index: &Index, review: &Review, phase: Phase, namespaces: &Namespaces) -> Vec<String> {
    let matches = index.candidates(review, phase, namespaces);
    assert_eq!(matches.failed, []);
    matches.matched.iter().map(|position| index.policy(*position).unwrap().name.to_string()).collect()
}

/// What one policy with `rules` makes of `review`.
fn outcome(rules: MatchSpec, review: &Review, namespaces: &Namespaces) -> Result<(), String> {
    let index = index(vec![policy("p", rules)]);
    let explained = index.explain(review, namespaces).remove(0).outcome;
    let matches = index.candidates(review, Phase::Validate, namespaces);
    assert_eq!(matches.matched.is_empty(), explained.is_err(), "explain and candidates agree");
    for (_, error) in matches.failed {
        assert_eq!(explained.as_ref().unwrap_err(), &error.to_string());
    }
    explained
}

fn selector(value: Value) -> crate::policy::spec::LabelSelector {
    serde_json::from_value(value).unwrap()
}

#[test]
fn validating_policies_come_by_name_and_mutating_ones_by_priority() {
    let mutating =
        |name: &str, priority| PolicySpec { mutates: true, validates: false, priority, ..policy(name, on(&["pods"])) };
    let index = index(vec![
        policy("c", on(&["pods"])),
        policy("a", on(&["*"])),
        PolicySpec { mutates: true, priority: 5, ..policy("b", on(&["pods", "services"])) },
        mutating("z", -1),
        mutating("y", 5),
        policy("other", on(&["services"])),
    ]);
    let (review, none) = (review(|_| {}), Namespaces::new());
    assert_eq!(names(&index, &review, Phase::Validate, &none), ["a", "b", "c"]);
    assert_eq!(names(&index, &review, Phase::Mutate, &none), ["z", "b", "y"]);
}

#[test]
fn workloads_are_found_by_their_own_name() {
    let pods = MatchSpec { workloads: true, ..on(&["pods"]) };
    let index = index(vec![policy("with", pods), policy("without", on(&["pods"]))]);
    let review = review(|request| {
        request["resource"] = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    });
    assert_eq!(names(&index, &review, Phase::Validate, &Namespaces::new()), ["with"]);
}

#[test]
fn a_policy_for_virtual_clusters_alone_sees_no_review_of_the_host() {
    let pods = MatchSpec { vantage: Some(Vantage::Virtual), ..on(&["pods"]) };
    let host = MatchSpec { vantage: Some(Vantage::Host), ..on(&["pods"]) };
    let index = index(vec![policy("virtual", pods), policy("host", host)]);
    assert_eq!(names(&index, &review(|_| {}), Phase::Validate, &Namespaces::new()), ["host"]);
}

#[test]
fn a_review_that_concerns_nobody_finds_nobody_among_thousands() {
    let index = index((0..5_000).map(|n| policy(&format!("p{n}"), on(&["services"]))).collect());
    assert_eq!(index.candidates(&review(|_| {}), Phase::Validate, &Namespaces::new()), Matches::default());
}

#[test]
fn each_reason_is_explained() {
    let none = Namespaces::new();
    let pod = review(|_| {});
    let group = MatchSpec { api_groups: vec!["apps".into()], ..on(&["pods"]) };
    let condition = MatchCondition { name: "is-b".into(), expression: "object.metadata.name == 'b'".into() };
    for (rules, reason) in [
        (on(&["services"]), "resources: pods is not among them"),
        (group, "apiGroups: \"apps\" is not among them"),
        (MatchSpec { exclude_users: vec!["adm*".into()], ..on(&["pods"]) }, "excludeUsers: adm* excludes the user"),
        (MatchSpec { scope: crate::policy::spec::Scope::Cluster, ..on(&["*"]) }, "scope: the object is namespaced"),
        (
            MatchSpec { object_selector: selector(json!({"matchLabels": {"a": "1"}})), ..on(&["pods"]) },
            "objectSelector: the object is not selected",
        ),
        (MatchSpec { match_conditions: vec![condition], ..on(&["pods"]) }, "matchConditions: is-b is false"),
    ] {
        let expected = if reason == "apiGroups: \"apps\" is not among them" {
            "apiGroups: \"\" is not among them"
        } else {
            reason
        };
        assert_eq!(outcome(rules, &pod, &none), Err(expected.to_owned()));
    }
    assert_eq!(outcome(on(&["pods"]), &pod, &none), Ok(()));
}

#[test]
fn an_object_is_selected_by_its_labels_before_or_after() {
    let rules = || MatchSpec { object_selector: selector(json!({"matchLabels": {"a": "1"}})), ..on(&["pods"]) };
    let with = |object: Value, old_object: Value| {
        let review = review(|request| (request["object"], request["oldObject"]) = (object, old_object));
        outcome(rules(), &review, &Namespaces::new())
    };
    let labelled = || json!({"metadata": {"labels": {"a": "1"}}});
    let bare = || json!({"metadata": {}});
    assert_eq!(with(labelled(), Value::Null), Ok(()));
    assert_eq!(with(bare(), labelled()), Ok(()), "the label was taken off");
    assert_eq!(with(Value::Null, labelled()), Ok(()), "the object is deleted");
    assert!(with(bare(), bare()).is_err());
    assert!(with(json!({"kind": "PodExecOptions"}), Value::Null).is_err());
    assert!(with(json!({"metadata": {"labels": 7}}), Value::Null).unwrap_err().contains("request.object"));

    let absent = MatchSpec {
        object_selector: selector(json!({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]})),
        ..on(&["pods"])
    };
    let no_metadata = review(|request| request["object"] = json!({"kind": "PodExecOptions"}));
    assert!(outcome(absent, &no_metadata, &Namespaces::new()).is_err(), "what has no metadata can not be selected");
}

#[test]
fn a_namespaced_object_is_selected_by_its_namespace() {
    let rules = || MatchSpec { namespace_selector: selector(json!({"matchLabels": {"env": "prod"}})), ..on(&["*"]) };
    let pod = review(|_| {});
    assert_eq!(outcome(rules(), &pod, &namespaces(&[("ns", &[("env", "prod")])])), Ok(()));
    assert_eq!(
        outcome(rules(), &pod, &namespaces(&[("ns", &[("env", "test")])])),
        Err("namespaceSelector: the namespace is not selected".into())
    );
    assert_eq!(
        outcome(rules(), &pod, &Namespaces::new()),
        Err("the labels of namespace \"ns\" are not known: give --inventory, --namespace-labels or a cluster".into())
    );
    assert_eq!(outcome(on(&["*"]), &pod, &Namespaces::new()), Ok(()), "the empty selector asks for nothing");

    let node = review(|request| request["namespace"] = "".into());
    assert_eq!(outcome(rules(), &node, &Namespaces::new()), Ok(()), "a cluster-scoped object is never exempted");
}

#[test]
fn the_name_of_an_unknown_namespace_is_still_known() {
    let by_name = |operator: &str| MatchSpec {
        namespace_selector: selector(json!({"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": operator, "values": ["kube-system", "other"]}]})),
        ..on(&["pods"])
    };
    let pod = review(|_| {});
    assert_eq!(outcome(by_name("NotIn"), &pod, &Namespaces::new()), Ok(()));
    assert!(outcome(by_name("In"), &pod, &Namespaces::new()).unwrap_err().starts_with("namespaceSelector"));
    assert_eq!(outcome(by_name("NotIn"), &pod, &namespaces(&[("ns", &[])])), Ok(()), "known, but without the label");
}

#[test]
fn a_namespace_that_is_not_known_does_not_matter_when_the_object_is_not_selected() {
    let rules = MatchSpec {
        namespace_selector: selector(json!({"matchLabels": {"env": "prod"}})),
        object_selector: selector(json!({"matchLabels": {"a": "1"}})),
        ..on(&["pods"])
    };
    let reason = outcome(rules, &review(|_| {}), &Namespaces::new()).unwrap_err();
    assert_eq!(reason, "objectSelector: the object is not selected");
}

#[test]
fn a_namespace_is_selected_by_its_own_labels() {
    let rules =
        || MatchSpec { namespace_selector: selector(json!({"matchLabels": {"env": "prod"}})), ..on(&["namespaces"]) };
    let labelled = |env: &str| json!({"metadata": {"name": "n", "labels": {"env": env}}});
    let (prod, test, null) = (labelled("prod"), labelled("test"), Value::Null);
    let none = Namespaces::new();
    for (operation, object, old_object, expected) in [
        ("CREATE", &prod, &null, true),
        ("CREATE", &test, &null, false),
        ("UPDATE", &prod, &test, true),
        ("UPDATE", &test, &prod, false),
        ("DELETE", &null, &prod, true),
        ("DELETE", &null, &test, false),
    ] {
        let review = namespace_review(operation, "n", object, old_object);
        assert_eq!(outcome(rules(), &review, &none).is_ok(), expected, "{operation}");
    }
    let unknown = namespace_review("DELETE", "n", &null, &null);
    assert!(outcome(rules(), &unknown, &none).unwrap_err().contains("not known"));
    assert_eq!(outcome(rules(), &unknown, &namespaces(&[("n", &[("env", "prod")])])), Ok(()));

    let by_name = MatchSpec {
        namespace_selector: selector(json!({"matchLabels": {"kubernetes.io/metadata.name": "n"}})),
        ..on(&["namespaces"])
    };
    assert_eq!(outcome(by_name, &namespace_review("CREATE", "n", &test, &null), &none), Ok(()));
}

#[test]
fn what_can_not_be_decided_is_reported_beside_what_matched() {
    let failing = MatchSpec { namespace_selector: selector(json!({"matchLabels": {"env": "prod"}})), ..on(&["pods"]) };
    let index = index(vec![policy("fails", failing), policy("matches", on(&["pods"]))]);
    let matches = index.candidates(&review(|_| {}), Phase::Validate, &Namespaces::new());
    assert_eq!(matches.matched, [1]);
    assert_eq!(matches.failed, [(0, MatchError::UnknownNamespace { namespace: "ns".into() })]);
}
