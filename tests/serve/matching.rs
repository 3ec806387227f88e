//! `match`: which requests a policy sees, field by field.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::folder::{Folder, Served, policy};
use super::reviews::{allowed, config_map, create, denied, message, pod, with};

const INVENTORY: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n---\n\
    apiVersion: v1\nkind: Namespace\nmetadata: {name: lab, labels: {tier: lead}}\n";

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let folder = Folder::new(&[("matches.ts", include_str!("policies/matches.ts")), (".inventory.yaml", INVENTORY)]);
    let server = folder.serve(&["--inventory", &folder.argument(".inventory.yaml")]);
    Served { server, folder }
});

/// The names of the policies that saw the review, each of which leaves an annotation.
#[track_caller]
fn seen(review: &Value) -> BTreeSet<String> {
    seen_at("/validate", review)
}

#[track_caller]
fn seen_at(path: &str, review: &Value) -> BTreeSet<String> {
    let response = allowed(SERVED.server.post(path, review));
    let annotations = response["auditAnnotations"].as_object().cloned().unwrap_or_default();
    annotations.keys().map(|key| key.strip_suffix(".policies.example.seen").unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_seen(review: &Value, by: &[&str], not_by: &[&str]) {
    let seen = seen(review);
    for name in by.iter().chain(not_by) {
        let known = include_str!("policies/matches.ts").contains(&format!("matching(\"{name}\""));
        assert!(known, "there is no {name}");
        assert_eq!(seen.contains(*name), by.contains(name), "{name}; seen by {seen:?}: {review:#}");
    }
}

fn update(object: &Value, old: &Value) -> Value {
    with(create(object.clone()), json!({"operation": "UPDATE", "oldObject": old}))
}

fn labelled(labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop", "labels": labels}})
}

#[test]
fn resources_and_their_wildcards() {
    let map = config_map(json!({}));
    assert_seen(&map, &["any-resource", "configmaps", "any-sub", "everything"], &["status", "any-status"]);
    let status = with(map.clone(), json!({"subResource": "status"}));
    assert_seen(&status, &["status", "any-sub", "any-status", "everything"], &["any-resource", "configmaps"]);
    assert_seen(&pod("a"), &["any-resource", "everything"], &["configmaps", "any-sub"]);
    assert_seen(
        &with(pod("a"), json!({"subResource": "status"})),
        &["any-status", "everything"],
        &["status", "any-resource"],
    );
}

#[test]
fn operations() {
    let map = config_map(json!({}));
    assert_seen(&map, &["configmaps", "creates"], &["writes"]);
    assert_seen(&with(map.clone(), json!({"operation": "UPDATE"})), &["configmaps", "writes"], &["creates"]);
    assert_seen(
        &with(map.clone(), json!({"operation": "DELETE", "object": null})),
        &["configmaps", "writes"],
        &["creates"],
    );
    assert_seen(&with(map, json!({"operation": "CONNECT"})), &["configmaps"], &["creates", "writes"]);
}

#[test]
fn groups_and_versions() {
    let deployment = |version: &str| {
        create(
            json!({"apiVersion": format!("apps/{version}"), "kind": "Deployment", "metadata": {"name": "a", "namespace": "shop"}}),
        )
    };
    assert_seen(&deployment("v1"), &["group", "any-resource"], &["core", "version"]);
    assert_seen(&deployment("v1beta1"), &["group", "version"], &["core"]);
    assert_seen(&config_map(json!({})), &["core"], &["group", "version"]);
}

#[test]
fn scope() {
    let namespaced = config_map(json!({}));
    let role =
        create(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "a"}}));
    assert_seen(&namespaced, &["namespaced"], &["cluster"]);
    assert_seen(&role, &["cluster"], &["namespaced"]);
    // The API server gives a namespace its own name as its namespace; it is cluster-scoped all the same.
    let namespace = with(
        create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})),
        json!({"namespace": "shop"}),
    );
    assert_seen(&namespace, &["cluster"], &["namespaced"]);
}

#[test]
fn namespace_selector() {
    let map = config_map(json!({}));
    assert_seen(&map, &["gold", "by-name"], &["not-gold"]);
    assert_seen(&with(map, json!({"namespace": "lab"})), &["not-gold"], &["gold", "by-name"]);
}

#[test]
fn a_namespace_that_nobody_knows_is_decided_by_the_failure_mode() {
    let status =
        denied(SERVED.server.post("/validate", &with(config_map(json!({})), json!({"namespace": "unheard-of"}))));
    let text = status["message"].as_str().unwrap();
    assert_eq!(status["code"], 500);
    assert!(text.contains("[gold.policies.example] policy failed: ") && text.contains("unheard-of"), "{text}");
}

#[test]
fn object_selector_takes_the_old_object_or_the_new_one() {
    let (web, bare) = (labelled(&json!({"app": "web"})), labelled(&json!({})));
    assert_seen(&create(web.clone()), &["labelled"], &["unlabelled"]);
    assert_seen(&create(bare.clone()), &["unlabelled"], &["labelled"]);
    assert_seen(&update(&web, &bare), &["labelled", "unlabelled"], &[]);
    assert_seen(&update(&bare, &web), &["labelled", "unlabelled"], &[]);
    assert_seen(&update(&web, &web), &["labelled"], &["unlabelled"]);
}

#[test]
fn match_conditions_are_cel_and_all_of_them_must_hold() {
    assert_seen(&config_map(json!({"x": "1"})), &["condition"], &[]);
    assert_seen(&config_map(json!({"y": "1"})), &[], &["condition"]);
    assert_seen(&with(config_map(json!({"x": "1"})), json!({"userInfo": {"username": "root"}})), &[], &["condition"]);
    assert_seen(&pod("evil/app"), &["condition-list"], &[]);
    assert_seen(&pod("good/app"), &[], &["condition-list"]);
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_decided_by_the_failure_mode() {
    let source = |on_error: &str| {
        let condition = "resources: [\"configmaps\"], matchConditions: [{ name: \"deep\", expression: \"object.spec.replicas > 1\" }]";
        policy("fails", &format!("{on_error} validate() {{}},")).replace("resources: [\"configmaps\"]", condition)
    };
    let folder = Folder::new(&[("fails.ts", &source(""))]);
    let text = message(folder.serve(&[]).post("/validate", &config_map(json!({}))));
    assert!(text.starts_with("[fails.policies.example] policy failed: ") && text.contains("deep"), "{text}");
    folder.write("fails.ts", &source("onError: \"Allow\","));
    allowed(folder.serve(&[]).post("/validate", &config_map(json!({}))));
}

#[test]
fn exclude_users_by_name_prefix_and_group() {
    let by = |username: &str, groups: &[&str]| {
        with(config_map(json!({})), json!({"userInfo": {"username": username, "groups": groups}}))
    };
    assert_seen(&by("ann", &["developers"]), &["no-root"], &[]);
    assert_seen(&by("rooty", &[]), &["no-root"], &[]);
    assert_seen(&by("root", &[]), &[], &["no-root"]);
    assert_seen(&by("system:node:a", &[]), &[], &["no-root"]);
    assert_seen(&by("ann", &["admins"]), &[], &["no-root"]);
}

#[test]
fn match_policy_exact_looks_at_what_the_client_sent() {
    let sent = |version: &str| {
        with(
            config_map(json!({})),
            json!({"requestResource": {"group": "", "version": version, "resource": "configmaps"}}),
        )
    };
    assert_seen(&sent("v1"), &["exact", "configmaps"], &[]);
    assert_seen(&sent("v1alpha9"), &["configmaps"], &["exact"]);
}

#[test]
fn vantage() {
    assert_seen(&config_map(json!({})), &["host"], &["virtual"]);
}

#[test]
fn a_webhook_of_a_configuration_asks_its_own_policies_and_an_unknown_one_all_of_them() {
    let map = config_map(json!({}));
    assert_eq!(seen_at("/validate/fail-exact", &map), BTreeSet::from(["exact".to_owned()]));
    assert!(!seen_at("/validate/fail-equivalent", &map).contains("exact"));
    // The configuration may be older than the policies: what it calls must not let anything pass.
    assert_eq!(seen_at("/validate/fail-equivalent-00000000", &map), seen(&map));
}
