//! `bylaw crd`: the definitions and the rights that an installation takes. And `POST /crds`, which checks objects of those
//! kinds.

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::{Folder, policy};
use super::reviews::{allowed, create, denied, with};
use super::server::Server;

fn documents(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_saphyr::from_multiple(&ended.out).unwrap()
}

fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

#[test]
fn the_definitions_are_printed_for_kubectl_and_for_programs() {
    let ended = bylaw(&["crd"]);
    let printed = documents(&ended);
    assert_eq!(printed.len(), of_kind(&printed, "CustomResourceDefinition").len());
    assert_eq!(printed.len(), 8);
    assert!(!ended.out.contains("&selector") && !ended.out.contains("<<"), "anchors are written out");
    let list: Value = serde_json::from_str(&bylaw(&["crd", "-o", "json"]).out).unwrap();
    assert_eq!(list["items"].as_array().unwrap(), &printed);
}

#[test]
fn the_rights_are_what_the_policies_ask_for() {
    let reads = policy("reads", "permissions: { read: [\"v1/ConfigMap\"] }, validate() {},");
    let folder = Folder::new(&[("reads.ts", &reads)]);
    let path = folder.argument("reads.ts");
    let ended = bylaw(&["crd", "--rbac", "-p", &path, "--namespace", "policies", "--name", "one"]);
    assert_eq!(ended.err, "");
    let printed = documents(&ended);
    let roles = of_kind(&printed, "ClusterRole");
    let asked = roles.iter().find(|role| role["metadata"]["name"] == "one-policies").unwrap();
    let expected = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]);
    assert_eq!(asked["rules"], expected);
    assert_eq!(
        of_kind(&printed, "Role")[0]["metadata"],
        json!({"name": "one", "labels": {"app.kubernetes.io/name": "bylaw"}, "namespace": "policies"})
    );
    assert!(!ended.out.contains("cluster-admin") && !ended.out.contains('*'), "{}", ended.out);
    let values = bylaw(&["crd", "--values", "-p", &path]);
    let values: Value = serde_saphyr::from_str(&values.out).unwrap();
    assert_eq!(values, json!({"rbac": {"policyRules": expected, "policyRoles": []}}));
}

#[test]
fn rights_are_given_for_the_background_for_parameters_and_for_accounts() {
    let object = json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": "back.services.example.com"},
        "spec": {
            "operations": ["CREATE"], "resources": ["services", "services/status"], "javascript": "allow();",
            "background": true, "parametersFrom": {"configMap": {"namespace": "platform", "name": "limits"}},
            "permissions": {"read": ["v1/Secret"], "serviceAccount": "images"},
        },
    });
    let folder = Folder::new(&[("back.json", &object.to_string())]);
    let path = folder.argument("back.json");
    let ended = bylaw(&["crd", "--rbac", "-p", &path, "--namespace", "own", "--name", "one"]);
    assert!(ended.err.contains("back.services.example.com: asks as the ServiceAccount images"), "{}", ended.err);
    let printed = documents(&ended);
    let asked = |kind: &str| -> Vec<Value> {
        let of_policies = |one: &&&Value| one["metadata"]["name"].as_str().unwrap().starts_with("one-policies");
        of_kind(&printed, kind).iter().filter(of_policies).map(|one| (*one).clone()).collect()
    };
    let rule = |resource: &str, names: Value, verbs: Value| {
        let mut rule = json!({"apiGroups": [""], "resources": [resource], "verbs": verbs});
        if !names.is_null() {
            rule["resourceNames"] = names;
        }
        json!([rule])
    };
    assert_eq!(asked("ClusterRole")[0]["rules"], rule("services", Value::Null, json!(["list"])), "and no Secrets");
    let roles = asked("Role");
    assert_eq!(roles[0]["metadata"]["namespace"], "own");
    assert_eq!(roles[0]["rules"], rule("serviceaccounts/token", json!(["images"]), json!(["create"])));
    assert_eq!(roles[1]["metadata"]["namespace"], "platform");
    assert_eq!(roles[1]["rules"], rule("configmaps", json!(["limits"]), json!(["get", "list", "watch"])));
    assert_eq!(asked("RoleBinding").len(), 2);
    let subject = json!({"kind": "ServiceAccount", "name": "one", "namespace": "own"});
    assert!(asked("RoleBinding").iter().all(|binding| binding["subjects"] == json!([subject])));
}

#[test]
fn a_wildcard_is_given_where_a_policy_asks_for_one_and_warned_of() {
    let all = policy("all", "permissions: { read: [\"*\"] }, validate() {},");
    let folder = Folder::new(&[("all.ts", &all)]);
    let ended = bylaw(&["crd", "--rbac", "-p", &folder.argument("all.ts")]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.starts_with("warning: all."), "{}", ended.err);
    assert!(
        ended.err.contains("read of *: every kind of the cluster, Secrets among them; name kinds instead"),
        "{ended:?}"
    );
    assert!(ended.out.contains("resources:\n  - \"*\"") || ended.out.contains("- '*'"), "{}", ended.out);
}

#[test]
fn flags_that_mean_nothing_here_are_refused() {
    for arguments in [&["crd", "--namespace", "a"][..], &["crd", "--values"], &["crd", "--rbac", "-p", "nowhere"]] {
        let ended = bylaw(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
    }
    assert!(bylaw(&["crd", "--help"]).out.contains("kubectl apply --server-side"));
}

#[test]
fn a_server_judges_objects_of_our_own_kinds_without_running_them() {
    let folder = Folder::new(&[("one.ts", &policy("one", "validate() {},"))]);
    let server = Server::start(&["-p", &folder.argument("one.ts")]);
    let object = |javascript: &str| {
        create(json!({
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": "a.b.c"},
            "spec": {"operations": ["CREATE"], "resources": ["pods"], "javascript": javascript},
        }))
    };
    allowed(server.post("/crds", &object("while (true) {}")));
    let status = denied(server.post("/crds", &object("let a = 1;\n\ndeny(;")));
    assert_eq!((&status["code"], &status["reason"]), (&json!(422), &json!("Invalid")));
    assert!(status["message"].as_str().unwrap().starts_with("spec.javascript: line 3, column 6: "), "{status}");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.javascript");
    // A megabyte of code is parsed; what would take a parser down is refused.
    allowed(server.post("/crds", &object(&"deny('x');\n".repeat(90_000))));
    denied(server.post("/crds", &object(&"(".repeat(900_000))));
    allowed(server.post("/crds", &with(object("deny(;"), json!({"operation": "DELETE"}))));
    let (status, answer) = server.post("/crds", &json!({"kind": "Pod"}));
    assert_eq!(status, 400, "{answer}");
}
