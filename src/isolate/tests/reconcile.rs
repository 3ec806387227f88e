//! What a controller is given and what it may ask for.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{Rig, error, input_of, messages, module, script};
use crate::decision::{Cause, Effect, Requeue};

/// As `crate::controllers` asks.
fn told(object: &Value, old_object: &Value) -> String {
    let request = json!({
        "uid": "u-1", "operation": if object.is_null() { "DELETE" } else { "CREATE" }, "userInfo": {},
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "name": "web", "namespace": "shop",
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "object": object, "oldObject": old_object,
    });
    request.to_string()
}

fn there() -> String {
    told(&json!({"metadata": {"name": "web"}}), &Value::Null)
}

#[test]
fn a_controller_is_told_of_an_object_or_how_it_last_was() {
    let body = "reconcile(c) { c.deny(JSON.stringify([c.object, c.oldObject, c.key, c.operation, c.dryRun])); }";
    let mut rig = Rig::new();
    let key = r#"{"apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"web"}"#;
    let object = r#"{"metadata":{"name":"web"}}"#;
    let verdict = rig.run_on(&input_of(there()), module(body));
    assert_eq!(messages(&verdict), [format!(r#"[{object},null,{key},"CREATE",false]"#)]);
    let gone = told(&Value::Null, &json!({"metadata": {"name": "web"}}));
    let verdict = rig.run_on(&input_of(gone), module(body));
    assert_eq!(messages(&verdict), [format!(r#"[null,{object},{key},"DELETE",false]"#)]);
}

#[test]
fn the_object_is_frozen_and_there_is_no_request_to_speak_of() {
    let body = r"reconcile(c) {
        c.deny(String([Object.isFrozen(c.object.metadata), c.request, c.user, c.audit, typeof c.apply, typeof c.list]));
    }";
    let verdict = Rig::new().run_on(&input_of(there()), module(body));
    assert_eq!(messages(&verdict), ["true,,,,function,function"]);
}

#[test]
fn it_asks_to_see_the_object_again_soon_or_after_a_time() {
    let mut rig = Rig::new();
    let mut asked = |body: &str| {
        let verdict = rig.run_on(&input_of(there()), module(&format!("async reconcile(c) {{ {body} }}")));
        assert_eq!(verdict.effect, Effect::Allow, "{body}");
        verdict.requeue
    };
    let requeue = |after: Option<u64>, message: &str| {
        Some(Requeue { after: after.map(Duration::from_millis), message: message.to_owned() })
    };
    assert_eq!(asked(""), None);
    assert_eq!(asked("c.requeue()"), requeue(None, ""));
    assert_eq!(asked("await null; c.requeue('not yet')"), requeue(None, "not yet"));
    assert_eq!(asked("c.requeueAfter(1.5, 'later')"), requeue(Some(1_500), "later"));
    assert_eq!(asked("c.requeueAfter(9); c.requeue()"), requeue(None, ""), "the last word counts");
    assert_eq!(asked(""), None, "nothing is left of the run before");
}

#[test]
fn a_time_that_is_none_is_an_error_and_so_is_a_result() {
    let mut rig = Rig::new();
    for seconds in ["0", "-1", "NaN", "Infinity", "'5'", "1e9", ""] {
        let body = format!("reconcile(c) {{ c.requeueAfter({seconds}); }}");
        let verdict = rig.run_on(&input_of(there()), module(&body));
        let (cause, message) = error(&verdict);
        assert!(cause == Cause::Exception && message.contains("requeueAfter: expects seconds"), "{seconds}: {message}");
    }
    let verdict = rig.run_on(&input_of(there()), module("reconcile() { return { requeue: true }; }"));
    assert!(error(&verdict).1.contains("reconcile returned object: it must return nothing"), "{verdict:?}");
}

#[test]
fn a_script_asks_as_in_jspolicy_and_only_where_it_reconciles() {
    let mut rig = Rig::new();
    let source = "requeue('the gate is closed'); deny('after')";
    let verdict = rig.run_on(&input_of(there()), script(source).with(|spec| spec.reconciles = true));
    assert_eq!(verdict.effect, Effect::Allow);
    assert_eq!(verdict.requeue, Some(Requeue { after: None, message: "the gate is closed".to_owned() }));
    assert_eq!(rig.run_on(&input_of(there()), script(source)).requeue, None);
}
