//! Whose request it is, without a cluster: what an inventory and flags tell of virtual clusters, through the binary.

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;
use super::reviews::create;
use super::server::Server;

const INVENTORY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: vc-one, name: vc-dev, labels: {app: vcluster, release: dev, chart: vcluster-0.36.0}}
---
apiVersion: bylaw.dev/v1alpha1
kind: VirtualCluster
metadata: {namespace: vc-two, name: dev}
spec: {version: 0.30.0, serviceAccountName: other, parameters: {size: small}}
---
apiVersion: bylaw.dev/v1alpha1
kind: Tenant
metadata: {name: acme, labels: {tier: gold}}
spec: {vclusters: [{namespace: vc-two, name: dev}], parameters: {size: large, zone: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: vc-one, labels: {loft.sh/project: shop}}
";

const ONE: &str = "system:serviceaccount:vc-one:vc-dev";
const TWO: &str = "system:serviceaccount:vc-two:other";

/// A pod as a syncer of that namespace makes it.
fn synced(namespace: &str) -> Value {
    let host = "web-x-team-a-x-dev";
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": host, "namespace": namespace, "labels": {"vcluster.loft.sh/managed-by": "dev"},
        "annotations": {
            "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
            "vcluster.loft.sh/object-host-name": host, "vcluster.loft.sh/object-host-namespace": namespace,
        },
    }, "spec": {"containers": [{"name": "c", "image": "a"}]}})
}

fn folder(namespace: &str) -> Folder {
    let pod = synced(namespace).to_string();
    Folder::new(&[
        ("policies/whose.ts", include_str!("policies/whose.ts")),
        ("inventory.yaml", INVENTORY),
        ("pod.json", &pod),
    ])
}

fn review(folder: &Folder, arguments: &[&str]) -> Ended {
    let (policies, pod) = (folder.argument("policies"), folder.argument("pod.json"));
    bylaw(&[&["review", "-p", &policies, "--object", &pod, "-o", "json"], arguments].concat())
}

/// By policy what it was told.
fn told(ended: &Ended) -> Value {
    let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let message = answer["response"]["status"]["message"].as_str().unwrap_or_default().to_owned();
    message
        .split("; [")
        .filter_map(|line| {
            let (name, text) = line.trim_start_matches('[').split_once(".policies.example] ")?;
            Some((name.to_owned(), serde_json::from_str(text).unwrap()))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn names(told: &Value) -> Vec<&str> {
    told.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_inventory_tells_whose_a_syncers_object_is() {
    let folder = folder("vc-one");
    let inventory = folder.argument("inventory.yaml");
    let one = told(&review(&folder, &["--inventory", &inventory, "--user", ONE]));
    assert_eq!(names(&one), ["all", "of-host", "of-one"]);
    let expected = json!(["vcluster", true, "dev", "team-a", "0.36.0", "shop", {}, "host", ["web", "team-a"]]);
    assert_eq!(one["all"], expected);
}

#[test]
fn a_tenant_object_gives_its_virtual_clusters_labels_and_parameters() {
    let folder = folder("vc-two");
    let inventory = folder.argument("inventory.yaml");
    let two = told(&review(&folder, &["--inventory", &inventory, "--user", TWO]));
    assert_eq!(names(&two), ["all", "of-gold", "of-host"]);
    let parameters = json!({"size": "small", "zone": "a"});
    let expected = json!(["vcluster", true, "dev", "team-a", "0.30.0", "acme", parameters, "host", ["web", "team-a"]]);
    assert_eq!(two["all"], expected);
}

#[test]
fn a_flag_names_a_virtual_cluster_and_its_syncer_asks() {
    let folder = folder("vc-three");
    let host = told(&review(&folder, &["--vcluster", "vc-three/dev"]));
    assert_eq!(host["all"], json!(["vcluster", true, "dev", "team-a", "", null, {}, "host", ["web", "team-a"]]));
    let inside = told(&review(&folder, &["--vantage", "virtual", "--vcluster", "vc-three/dev", "--user", "jane"]));
    assert_eq!(names(&inside), ["all", "of-virtual"]);
    assert_eq!(inside["all"], json!(["vcluster", true, "dev", "vc-three", "", null, {}, "virtual", null]));
    let bad = review(&folder, &["--vcluster", "dev"]);
    assert_eq!((bad.code, bad.err.contains("--vcluster")), (Some(2), true), "{bad:?}");
}

#[test]
fn forged_objects_are_refused_before_any_policy_where_virtual_clusters_are_known() {
    let folder = folder("vc-one");
    let inventory = folder.argument("inventory.yaml");
    for user in ["jane", TWO, "system:serviceaccount:vc-one:default"] {
        let denied = review(&folder, &["--inventory", &inventory, "--user", user]);
        let answer: Value = serde_json::from_str(&denied.out).unwrap();
        assert_eq!(
            (denied.code, &answer["response"]["status"]["reason"]),
            (Some(1), &json!("ForgedVirtualObject")),
            "{user}"
        );
        assert_eq!(told(&denied), json!({}));
    }
    let unknown = told(&review(&folder, &["--user", "jane"]));
    assert_eq!((names(&unknown), &unknown["all"][0]), (vec!["all", "of-host"], &json!("none")));
}

#[test]
fn explain_says_why_a_policy_is_not_for_this_tenant() {
    let folder = folder("vc-three");
    let (policies, pod) = (folder.argument("policies"), folder.argument("pod.json"));
    let ended = bylaw(&["review", "-p", &policies, "--object", &pod, "--vcluster", "vc-three/dev", "--explain"]);
    for line in [
        "no match of-one.policies.example: tenants: the tenant is not among them",
        "no match of-virtual.policies.example: vantage: the host's API server asks",
    ] {
        assert!(ended.out.contains(line), "{ended:?}");
    }
}

#[test]
fn a_server_without_a_cluster_knows_the_virtual_clusters_of_its_inventory() {
    let folder = folder("vc-one");
    let server =
        Server::start(&["-p", &folder.argument("policies"), "--inventory", &folder.argument("inventory.yaml")]);
    let ask = |user: &str| {
        let mut review = create(synced("vc-one"));
        review["request"]["userInfo"] = json!({"username": user});
        let (status, answer) = server.post("/validate", &review);
        assert_eq!(status, 200);
        answer["response"]["status"].clone()
    };
    assert_eq!(ask("jane")["reason"], "ForgedVirtualObject");
    assert!(ask(ONE)["message"].as_str().unwrap().contains(r#"["vcluster",true,"dev","team-a""#));
}

#[test]
fn a_case_says_whose_request_it_is_or_lets_the_inventory_say_so() {
    let pod = synced("vc-one").to_string();
    let tenant = "{kind: vcluster, trusted: true, name: dev, namespace: team-a, vcluster: {name: dev, namespace: vc-one, version: 0.36.0}}";
    let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: vc-one, name: vc-dev, labels: {app: vcluster, release: dev}}}";
    let case = |circumstances: &str, expected: &str| {
        let case = format!(
            "name: the case\npolicy: of-one.policies.example\nobject: {pod}\n{circumstances}\nexpect: {expected}\n"
        );
        let folder = Folder::new(&[("whose.ts", include_str!("policies/whose.ts")), ("cases/a.yaml", &case)]);
        bylaw(&["test", "-p", &folder.argument("whose.ts")])
    };
    let seen = r#"{message: '["web","team-a"]'}"#;
    for (circumstances, expected) in [
        (format!("tenant: {tenant}"), seen),
        (format!("user: {ONE}\ninventory: [{account}]"), seen),
        (format!("user: jane\ninventory: [{account}]"), "{reason: ForgedVirtualObject}"),
    ] {
        let ended = case(&circumstances, expected);
        assert_eq!(ended.code, Some(0), "{circumstances}: {ended:?}");
    }
}
