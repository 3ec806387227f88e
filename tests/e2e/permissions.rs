//! What a policy was not granted it does not get, whatever names it makes up.

use serde_json::{Value, json};

use super::api::eventually;
use super::ask::asking_module;
use super::bylaw::with_bylaw;
use super::objects::{config_map, secret};

#[test]
fn a_kind_without_a_permission_is_refused_with_the_line_to_add() {
    with_bylaw([asking_module(r#"read: ["v1/ConfigMap"]"#)], |bylaw| {
        bylaw.accepts("secrets", &secret("x", json!({"k": "hidden"})));
        let place = json!({"namespace": bylaw.name, "name": "x"});
        for call in [json!(["get", "v1/Secret", place]), json!(["list", "v1/Secret", {"namespace": bylaw.name}])] {
            let refused = bylaw.ask(&call);
            assert_eq!(refused["thrown"], "PermissionDenied", "{refused}");
            assert!(refused["message"].as_str().unwrap().contains(r#"add read: ["v1/Secret"]"#), "{refused}");
        }
        let refused = bylaw.ask(&json!(["remove", {"apiVersion": "v1", "kind": "Secret", "metadata": place}]));
        assert_eq!(refused["thrown"], "PermissionDenied", "{refused}");
        assert_eq!(bylaw.get("secrets/x").status, 200);
    });
}

#[test]
fn a_name_cannot_lead_to_another_kind() {
    with_bylaw([asking_module(r#"read: ["v1/ConfigMap"], write: ["v1/ConfigMap"]"#)], |bylaw| {
        bylaw.accepts("secrets", &secret("x", json!({"k": "hidden"})));
        let names = ["../secrets/x", "..%2fsecrets%2fx", "%2e%2e/secrets/x", ".", "..", "a/../../secrets/x"];
        let by_name = names.map(|name| json!({"namespace": bylaw.name, "name": name}));
        let namespace = format!("{}/secrets", bylaw.name);
        let by_namespace = [json!({"namespace": namespace, "name": "x"}), json!({"namespace": "..", "name": "x"})];
        for place in by_name.iter().chain(&by_namespace) {
            let removal = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": place});
            for call in [json!(["get", "v1/ConfigMap", place]), json!(["remove", removal])] {
                let refused = bylaw.ask(&call);
                assert_eq!(refused["thrown"], "BadRequest", "{call}: {refused}");
            }
        }
        assert_eq!(bylaw.get("secrets/x").status, 200);
    });
}

#[test]
fn what_means_something_in_a_url_means_nothing_in_a_name() {
    with_bylaw([asking_module(r#"read: ["v1/ConfigMap"]"#)], |bylaw| {
        bylaw.accepts("configmaps", &config_map("x", json!({})));
        let get = |name: &str| bylaw.ask(&json!(["get", "v1/ConfigMap", {"namespace": bylaw.name, "name": name}]));
        for name in ["x?watch=1", "x#", "x;", "x&", "x "] {
            assert_eq!(get(name), Value::Null, "{name}");
        }
        eventually("the object is in memory", || get("x"), |found| found["name"] == "x");
    });
}
