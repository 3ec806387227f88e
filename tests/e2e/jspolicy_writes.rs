//! `create`, `update` and `remove` of jsPolicy scripts on a real cluster: what is stored, what a dry run leaves alone, and
//! the reasons that scripts branch on.

use serde_json::{Value, json};

use super::ask::with_asking_script;
use super::bylaw::Bylaw;
use super::objects::config_map;

fn placed(bylaw: &Bylaw, name: &str, value: &str) -> Value {
    bylaw.placed(config_map(name, json!({"k": value})))
}

fn stored(bylaw: &Bylaw, name: &str) -> Value {
    bylaw.get(&format!("configmaps/{name}")).object()["data"]["k"].take()
}

#[test]
fn what_a_script_writes_is_stored_and_what_it_removes_is_gone() {
    with_asking_script(|bylaw| {
        let made = bylaw.ask(&json!(["create", placed(bylaw, "a", "1")]));
        assert_eq!((&made["ok"], &made["object"]["data"]["k"]), (&json!(true), &json!("1")), "{made}");
        assert_eq!(stored(bylaw, "a"), "1");
        let changed = bylaw.ask(&json!(["update", placed(bylaw, "a", "2")]));
        assert_eq!((&changed["ok"], &changed["object"]["data"]["k"]), (&json!(true), &json!("2")), "{changed}");
        assert_eq!(stored(bylaw, "a"), "2");
        let removed = bylaw.ask(&json!(["remove", placed(bylaw, "a", "2")]));
        assert_eq!(removed["ok"], true, "{removed}");
        assert_eq!(bylaw.get("configmaps/a").status, 404);
    });
}

#[test]
fn nothing_of_a_dry_run_is_stored() {
    with_asking_script(|bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        let made = bylaw.ask_on_dry_run(&json!(["create", placed(bylaw, "b", "1")]));
        assert_eq!((&made["ok"], &made["object"]["name"]), (&json!(true), &json!("b")), "{made}");
        assert_eq!(bylaw.get("configmaps/b").status, 404);
        let changed = bylaw.ask_on_dry_run(&json!(["update", placed(bylaw, "a", "2")]));
        assert_eq!((&changed["ok"], &changed["object"]["data"]["k"]), (&json!(true), &json!("2")), "{changed}");
        let removed = bylaw.ask_on_dry_run(&json!(["remove", placed(bylaw, "a", "1")]));
        assert_eq!(removed["ok"], true, "{removed}");
        assert_eq!(stored(bylaw, "a"), "1");
        // Nor does the next script read it.
        let read = bylaw.ask(&json!(["get", "ConfigMap", "v1", format!("{}/b", bylaw.name)]));
        assert_eq!(read, Value::Null);
    });
}

#[test]
fn a_script_reads_its_own_writes_at_once() {
    with_asking_script(|bylaw| {
        let get = || bylaw.ask(&json!(["get", "ConfigMap", "v1", format!("{}/a", bylaw.name)]));
        assert_eq!(get(), Value::Null);
        assert_eq!(bylaw.ask(&json!(["create", placed(bylaw, "a", "1")]))["ok"], true);
        assert_eq!(get()["data"]["k"], "1");
        assert_eq!(bylaw.ask(&json!(["update", placed(bylaw, "a", "2")]))["ok"], true);
        assert_eq!(get()["data"]["k"], "2");
    });
}

#[test]
fn a_refused_write_says_why_in_the_words_of_the_api_server() {
    with_asking_script(|bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"k": "1"})));
        let mut stale = placed(bylaw, "a", "2");
        stale["metadata"]["resourceVersion"] = "1".into();
        let mut invalid = placed(bylaw, "a", "2");
        invalid["metadata"]["labels"] = json!({"a": "not a label"});
        let mut astray = placed(bylaw, "b", "1");
        astray["metadata"]["namespace"] = "no-such-namespace".into();
        let cases = [
            (json!(["create", placed(bylaw, "a", "2")]), "AlreadyExists", "already exists"),
            (json!(["update", stale]), "Conflict", "has been modified"),
            (json!(["update", invalid]), "Invalid", "not a label"),
            (json!(["update", placed(bylaw, "none", "1")]), "NotFound", "not found"),
            (json!(["remove", placed(bylaw, "none", "1")]), "NotFound", "not found"),
            (json!(["create", astray]), "NotFound", "no-such-namespace"),
        ];
        for (call, reason, words) in cases {
            for refused in [bylaw.ask(&call), bylaw.ask_on_dry_run(&call)] {
                assert_eq!((&refused["ok"], &refused["reason"]), (&json!(false), &json!(reason)), "{call}: {refused}");
                assert!(refused["message"].as_str().unwrap().contains(words), "{call}: {refused}");
            }
        }
        assert_eq!(stored(bylaw, "a"), "1");
    });
}

#[test]
fn a_script_may_leave_the_name_to_the_server() {
    with_asking_script(|bylaw| {
        let mut object = placed(bylaw, "", "1");
        object["metadata"] = json!({"namespace": bylaw.name, "generateName": "made-"});
        let made = bylaw.ask(&json!(["create", object]));
        let name = made["object"]["name"].as_str().unwrap_or_default();
        assert!(name.starts_with("made-") && name.len() > "made-".len(), "{made}");
        assert_eq!(stored(bylaw, name), "1");
    });
}
