//! Writes of module policies: the same on a real cluster, with patches.

use serde_json::{Value, json};

use super::ask::asking_module;
use super::bylaw::{Bylaw, with_bylaw};
use super::objects::config_map;

fn with_module(test: impl FnOnce(&mut Bylaw)) {
    with_bylaw([asking_module(r#"read: ["v1/ConfigMap"], write: ["v1/ConfigMap"]"#)], test);
}

fn placed(bylaw: &Bylaw, name: &str, value: &str) -> Value {
    bylaw.placed(config_map(name, json!({"k": value})))
}

fn patch(bylaw: &Bylaw, name: &str, patch: &Value) -> Value {
    json!(["patch", "v1/ConfigMap", {"namespace": bylaw.name, "name": name, "patch": patch}])
}

fn stored(bylaw: &Bylaw, name: &str) -> Value {
    bylaw.get(&format!("configmaps/{name}")).object()["data"].take()
}

#[test]
fn each_kind_of_write_is_stored() {
    with_module(|bylaw| {
        let answers = [
            bylaw.ask(&json!(["create", placed(bylaw, "a", "1")])),
            bylaw.ask(&json!(["update", placed(bylaw, "a", "2")])),
            bylaw.ask(&patch(bylaw, "a", &json!({"data": {"k": "3", "merged": "yes"}}))),
            bylaw.ask(&patch(bylaw, "a", &json!([{"op": "replace", "path": "/data/k", "value": "4"}]))),
        ];
        let values: Vec<_> = answers.iter().map(|answer| &answer["data"]["k"]).collect();
        assert_eq!(values, ["1", "2", "3", "4"], "{answers:?}");
        assert_eq!(stored(bylaw, "a"), json!({"k": "4", "merged": "yes"}));
        assert_eq!(bylaw.ask(&json!(["remove", placed(bylaw, "a", "4")]))["thrown"], Value::Null);
        assert_eq!(bylaw.get("configmaps/a").status, 404);
    });
}

#[test]
fn no_kind_of_write_is_stored_on_a_dry_run() {
    with_module(|bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        let calls = [
            json!(["create", placed(bylaw, "b", "1")]),
            json!(["update", placed(bylaw, "a", "2")]),
            patch(bylaw, "a", &json!({"data": {"k": "3"}})),
            patch(bylaw, "a", &json!([{"op": "replace", "path": "/data/k", "value": "4"}])),
            json!(["remove", placed(bylaw, "a", "1")]),
        ];
        for call in calls {
            let answer = bylaw.ask_on_dry_run(&call);
            assert_eq!(answer["thrown"], Value::Null, "{call}: {answer}");
        }
        assert_eq!(bylaw.get("configmaps/b").status, 404);
        assert_eq!(stored(bylaw, "a"), json!({"k": "1"}));
    });
}

#[test]
fn a_refused_write_throws_with_the_reason_of_the_api_server() {
    with_module(|bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        let mut stale = placed(bylaw, "a", "2");
        stale["metadata"]["resourceVersion"] = "1".into();
        let cases = [
            (json!(["create", placed(bylaw, "a", "2")]), "AlreadyExists"),
            (json!(["update", stale]), "Conflict"),
            (patch(bylaw, "a", &json!({"metadata": {"labels": {"a": "not a label"}}})), "Invalid"),
            (patch(bylaw, "none", &json!({"data": {"k": "1"}})), "NotFound"),
            (json!(["remove", placed(bylaw, "none", "1")]), "NotFound"),
        ];
        for (call, reason) in cases {
            assert_eq!(bylaw.ask(&call)["thrown"], reason, "{call}");
        }
        assert_eq!(stored(bylaw, "a"), json!({"k": "1"}));
    });
}

#[test]
fn a_policy_may_write_what_was_asked_for_and_refuse_it() {
    with_module(|bylaw| {
        // The object of the request itself is not stored yet while it is judged.
        let question = json!(["get", "v1/ConfigMap", {"namespace": bylaw.name, "name": "question"}]);
        assert_eq!(bylaw.ask(&question), Value::Null);
        assert_eq!(bylaw.get("configmaps/question").status, 404);
    });
}
