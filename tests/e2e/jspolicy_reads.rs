//! `get` and `list` of jsPolicy scripts on a real cluster, in each of their three cache modes.

use std::fs;

use serde_json::{Value, json};

use super::api::eventually;
use super::ask::{asking_script, with_asking_script};
use super::bylaw::{path_in, with_arguments};
use super::objects::{config_map, definition, deployment, secret};
use super::server::lifeline::ScratchFolder;
use super::world::World;

/// Of memory, of the API server, and of memory first.
const CACHE_MODES: [&str; 3] = ["true", "false", "\"smart\""];

fn modes() -> impl Iterator<Item = Value> {
    CACHE_MODES.iter().map(|mode| serde_json::from_str(mode).unwrap())
}

fn labelled(name: &str, labels: Value) -> Value {
    let mut object = config_map(name, json!({"name": name}));
    object["metadata"]["labels"] = labels;
    object
}

#[test]
fn get_finds_what_is_there_in_each_cache_mode() {
    with_asking_script(|bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        for cache in modes() {
            let place = format!("{}/a", bylaw.name);
            let get = |place: &str| bylaw.ask(&json!(["get", "ConfigMap", "v1", place, {"cache": cache}]));
            let found = eventually("the object is in memory", || get(&place), |found| !found.is_null());
            assert_eq!(found, json!({"kind": "ConfigMap", "name": "a", "data": {"k": "1"}}), "{cache}");
            assert_eq!(get(&format!("{}/none", bylaw.name)), Value::Null, "{cache}");
            assert_eq!(get("no-such-namespace/a"), Value::Null, "{cache}");
        }
    });
}

#[test]
fn get_finds_cluster_scoped_objects_and_those_of_groups() {
    with_asking_script(|bylaw| {
        bylaw.accepts("apps/v1/deployments", &deployment("web"));
        for cache in modes() {
            let found = bylaw.ask(&json!(["get", "Namespace", "v1", bylaw.name, {"cache": cache}]));
            assert_eq!(found["name"], bylaw.name.as_str(), "{cache}");
            let deployment = json!(["get", "Deployment", "apps/v1", format!("{}/web", bylaw.name), {"cache": cache}]);
            let found = eventually("the object is in memory", || bylaw.ask(&deployment), |found| !found.is_null());
            assert_eq!((&found["kind"], &found["name"]), (&json!("Deployment"), &json!("web")), "{cache}");
        }
    });
}

#[test]
fn list_selects_by_label_in_each_cache_mode() {
    with_asking_script(|bylaw| {
        bylaw.accepts("configmaps", &labelled("a", json!({"tier": "gold", "app": "web"})));
        bylaw.accepts("configmaps", &labelled("b", json!({"tier": "silver"})));
        bylaw.accepts("configmaps", &labelled("c", json!({})));
        let cases = [
            ("tier=gold", json!(["a"])),
            ("tier!=gold", json!(["b", "c"])),
            ("tier in (gold,silver),app", json!(["a"])),
            ("!tier", json!(["c"])),
            ("tier=none", json!([])),
        ];
        for (cache, (selector, names)) in modes().flat_map(|mode| cases.iter().map(move |case| (mode.clone(), case))) {
            let options = json!({"namespace": bylaw.name, "labelSelector": selector, "cache": cache});
            let list = || bylaw.ask(&json!(["list", "ConfigMap", "v1", options]));
            eventually(&format!("{selector}, cache {cache}"), list, |found| found == names);
        }
    });
}

#[test]
fn list_of_all_namespaces_has_those_of_each() {
    with_asking_script(|bylaw| {
        let other = format!("{}-other", bylaw.name);
        bylaw.make_namespace(&other, &json!({}));
        let object = labelled("a", json!({"run": bylaw.name}));
        bylaw.accepts("configmaps", &object);
        bylaw.world.api.post(&path_in(&other, "configmaps"), &object).object();
        for cache in modes() {
            let options = json!({"labelSelector": format!("run={}", bylaw.name), "cache": cache});
            let list = || bylaw.ask(&json!(["list", "ConfigMapList", "v1", options]));
            eventually("both are listed", list, |found| *found == json!(["a", "a"]));
        }
    });
}

#[test]
fn memory_follows_the_cluster() {
    with_asking_script(|bylaw| {
        let place = format!("{}/a", bylaw.name);
        let get = || bylaw.ask(&json!(["get", "ConfigMap", "v1", place]));
        assert_eq!(get(), Value::Null);
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        eventually("the new object is seen", get, |found| found["data"]["k"] == "1");
        bylaw.merge("configmaps/a", &json!({"data": {"k": "2"}})).object();
        eventually("the change is seen", get, |found| found["data"]["k"] == "2");
        bylaw.delete("configmaps/a").object();
        eventually("the removal is seen", get, Value::is_null);
    });
}

#[test]
fn a_kind_that_is_not_served_is_an_error_until_its_definition_is_installed() {
    with_asking_script(|bylaw| {
        let kind = format!("Late{}", bylaw.name.replace('-', ""));
        let plural = kind.to_lowercase();
        let path = bylaw.path(&format!("e2e.example.com/v1/{plural}"));
        let get = || bylaw.ask(&json!(["get", kind, "e2e.example.com/v1", format!("{}/a", bylaw.name)]));
        let refused = get();
        assert_eq!(refused["thrown"], "RetrieveObject");
        assert!(refused["message"].as_str().unwrap().contains("install its CRD"), "{refused}");

        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        bylaw.world.api.post(definitions, &definition(&plural, &kind, &["v1"])).object();
        eventually("the kind is known", get, Value::is_null);
        let object =
            json!({"apiVersion": "e2e.example.com/v1", "kind": kind, "metadata": {"name": "a"}, "data": {"k": "1"}});
        eventually("the kind is served", || bylaw.world.api.post(&path, &object), |reply| reply.status != 404).object();
        eventually("the object is seen", get, |found| found["data"]["k"] == "1");
        bylaw.world.api.delete(&format!("{definitions}/{plural}.e2e.example.com")).object();
    });
}

/// A kubeconfig of a `ServiceAccount` that may watch namespaces, and get Secrets but not list them.
fn weak_kubeconfig(world: &World, folder: &ScratchFolder) -> String {
    let account = r#"
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak", "namespace": "default"}},
  {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "weak"}, "rules": [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]},
  {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "weak"},
   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "weak"},
   "subjects": [{"kind": "ServiceAccount", "name": "weak", "namespace": "default"}]}]}"#;
    assert!(world.cluster.kubectl_with_input(["apply", "-f", "-"], account).unwrap().status.success());
    let token = world.cluster.kubectl(["create", "token", "weak", "--namespace", "default"]).unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let strong = fs::read_to_string(world.cluster.kubeconfig()).unwrap();
    let path = folder.path().join("kubeconfig");
    fs::write(&path, strong.replace(world.cluster.admin_token(), token.trim())).unwrap();
    path.display().to_string()
}

#[test]
fn a_role_that_may_get_but_not_list_gets_and_is_told_what_it_may_not() {
    let Some(world) = World::shared() else { return };
    let folder = std::env::temp_dir().join(format!("bylaw-weak-{}", std::process::id()));
    let folder = ScratchFolder::create(folder).unwrap();
    let kubeconfig = weak_kubeconfig(world, &folder);
    with_arguments(&["--compat", "jspolicy", "--kubeconfig", &kubeconfig], [asking_script()], |bylaw| {
        bylaw.accepts("secrets", &secret("a", json!({"k": "1"})));
        for cache in modes() {
            let found = bylaw.ask(&json!(["get", "Secret", "v1", format!("{}/a", bylaw.name), {"cache": cache}]));
            assert_eq!(found["name"], "a", "{cache}: {found}");
            let refused = bylaw.ask(&json!(["list", "Secret", "v1", {"cache": cache}]));
            assert_eq!(refused["thrown"], "ErrorListing", "{cache}: {refused}");
            assert!(refused["message"].as_str().unwrap().contains("secrets is forbidden"), "{cache}: {refused}");
            let refused = bylaw.ask(&json!(["create", config_map("b", json!({}))]));
            assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!("NamespaceRequired")), "{refused}");
            let refused = bylaw.ask(&json!(["remove", bylaw.placed(secret("a", json!({})))]));
            assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!("Forbidden")), "{refused}");
        }
    });
}
