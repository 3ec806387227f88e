//! An exception lets past what it says, and nothing more.

use std::borrow::Borrow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::review::{Limits, parse};

const POLICY: &str = "no-root.pods.example.com";

fn object(spec: &Value) -> Value {
    let mut whole = json!({
        "policies": [POLICY], "objects": [{"resources": ["pods"], "names": ["web-*"]}], "reason": "legacy", "expires": "1970-01-01T00:00:01Z",
    });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "PolicyException", "metadata": {"name": "e", "namespace": "shop"},
        "spec": whole,
    })
}

fn review(changes: &Value) -> Review {
    let pod = json!({"metadata": {"name": "web-1", "labels": {"app": "web"}}});
    let mut request = json!({
        "uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web-1", "object": pod,
        "userInfo": {"username": "jane", "groups": ["dev"]}, "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
    });
    for (key, value) in changes.as_object().unwrap() {
        request[key] = value.clone();
    }
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    parse(review.to_string().into(), &Limits::default()).unwrap()
}

fn covers(spec: impl Borrow<Value>, changes: impl Borrow<Value>) -> bool {
    Exception::read(&object(spec.borrow())).unwrap().covers(POLICY, &review(changes.borrow()), 0)
}

fn faults(object: &Value) -> Vec<String> {
    Exception::read(object).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn it_covers_the_objects_of_its_namespace_alone() {
    assert!(covers(json!({}), json!({})));
    assert!(!covers(json!({}), json!({"namespace": "bank"})));
    assert!(
        !covers(json!({"objects": [{"resources": ["*"], "names": ["*"]}]}), json!({"namespace": ""})),
        "an object of the cluster"
    );
    let namespace = json!({
        "name": "shop", "kind": {"group": "", "version": "v1", "kind": "Namespace"},
        "resource": {"group": "", "version": "v1", "resource": "namespaces"},
    });
    assert!(!covers(json!({"objects": [{"resources": ["*"], "names": ["*"]}]}), namespace), "the namespace itself");
}

#[test]
fn it_covers_the_resources_names_and_labels_that_it_names() {
    let ephemeral = json!({"subResource": "ephemeralcontainers"});
    for (objects, request, expected) in [
        (json!([{"apiGroups": [""], "resources": ["pods"], "names": ["web-1"]}]), json!({}), true),
        (json!([{"apiGroups": ["apps"], "resources": ["pods"], "names": ["*"]}]), json!({}), false),
        (json!([{"resources": ["pods"], "names": ["web"]}]), json!({}), false),
        (
            json!([{"resources": ["services"], "names": ["*"]}, {"resources": ["pods"], "names": ["*"]}]),
            json!({}),
            true,
        ),
        (json!([{"resources": ["pods"], "names": ["*"]}]), ephemeral.clone(), false),
        (json!([{"resources": ["pods/ephemeralcontainers"], "names": ["*"]}]), ephemeral, true),
        (json!([{"resources": ["pods"], "selector": {"matchLabels": {"app": "web"}}}]), json!({}), true),
        (json!([{"resources": ["pods"], "selector": {"matchLabels": {"app": "other"}}}]), json!({}), false),
    ] {
        assert_eq!(covers(json!({"objects": objects}), request), expected, "{objects}");
    }
}

#[test]
fn an_object_without_a_name_is_known_by_what_the_name_will_begin_with() {
    let named = json!({"objects": [{"resources": ["pods"], "names": ["web-*"]}]});
    let unnamed = |prefix: &str| json!({"name": "", "object": {"metadata": {"generateName": prefix}}});
    assert!(covers(named.clone(), unnamed("web-7d9f-")));
    assert!(!covers(named.clone(), unnamed("api-")));
    assert!(!covers(named, json!({"name": "", "object": {"metadata": {}}})));
}

#[test]
fn labels_are_those_that_the_object_is_to_have() {
    let selected = json!({"objects": [{"resources": ["pods"], "selector": {"matchLabels": {"app": "web"}}}]});
    let (labelled, bare) = (json!({"metadata": {"labels": {"app": "web"}}}), json!({"metadata": {}}));
    let update = json!({"operation": "UPDATE", "object": bare, "oldObject": labelled});
    assert!(!covers(selected.clone(), update));
    let delete = json!({"operation": "DELETE", "object": null, "oldObject": labelled});
    assert!(covers(selected, delete));
}

#[test]
fn users_and_groups_narrow_it() {
    for (who, expected) in [
        (json!({"users": ["jane"]}), true),
        (json!({"users": ["joe"]}), false),
        (json!({"users": ["joe", "group:dev"]}), true),
        (json!({"users": ["group:ops", "dev"]}), false),
    ] {
        assert_eq!(covers(who.clone(), json!({})), expected, "{who}");
    }
}

#[test]
fn it_ends_the_moment_that_it_expires() {
    let exception = Exception::read(&object(&json!({}))).unwrap();
    assert!(exception.covers(POLICY, &review(&json!({})), 999));
    assert!(!exception.covers(POLICY, &review(&json!({})), 1_000));
}

#[test]
fn one_that_does_not_say_what_it_must_counts_for_nothing() {
    let bare = json!({"metadata": {"name": "e"}, "spec": {}});
    let told = faults(&bare).join("\n");
    for part in [
        "metadata.namespace: is missing",
        "spec.policies: must name",
        "spec.objects: must name",
        "spec.reason: must say",
        "spec.expires: is missing",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(faults(&object(&json!({"expires": "never"})))[0].contains("must be a time"));
    let objects = |entry: Value| faults(&object(&json!({"objects": [entry]}))).join("\n");
    assert!(objects(json!({"names": ["*"]})).contains("objects[0].resources: must name at least one"));
    let selector = json!({"matchLabels": {"a": "b"}});
    for entry in [json!({}), json!({"names": ["*"], "selector": selector}), json!({"selector": {}})] {
        assert!(objects(entry).contains("must say which objects, one of the two"));
    }
    assert!(objects(json!({"resources": ["pods"], "name": ["web"]})).contains("did you mean `names`?"));
    assert!(
        faults(&object(&json!({"user": ["jane"]})))[0].contains("did you mean `users`?"),
        "a restriction is not dropped"
    );
    assert!(faults(&object(&json!({"policies": vec!["x"; 65]})))[0].contains("at most 64"));
}

#[test]
fn a_set_excepts_only_from_the_policies_that_it_may() {
    let exception = Arc::new(Exception::read(&object(&json!({}))).unwrap());
    let allowing = |patterns: &[&str]| {
        let allowed: Arc<[Pattern]> = patterns.iter().filter_map(|text| Pattern::parse(text)).collect();
        Exceptions::new(allowed, [Arc::clone(&exception)])
    };
    let found = |set: &Exceptions| set.find(POLICY, &review(&json!({})), 0).is_some();
    assert!(!found(&allowing(&[])), "the default");
    assert!(found(&allowing(&["*.pods.example.com"])) && found(&Exceptions::of_folder([exception.clone()])));
    assert!(!found(&allowing(&["*.images.example.com"])));
}

#[test]
fn two_exceptions_do_not_add_up() {
    let names = json!({"users": ["joe"]});
    let user = json!({"objects": [{"resources": ["pods"], "names": ["api-*"]}], "users": ["jane"]});
    let both = [names, user].map(|spec| Arc::new(Exception::read(&object(&spec)).unwrap()));
    assert!(Exceptions::of_folder(both).find(POLICY, &review(&json!({})), 0).is_none());
}

#[test]
fn exceptions_without_number_do_not_slow_a_namespace_down() {
    let many = (0..1_000).map(|_| Arc::new(Exception::read(&object(&json!({}))).unwrap()));
    assert_eq!(Exceptions::of_folder(many).len(), 200);
}
