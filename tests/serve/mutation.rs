//! Mutating policies: their order, the one patch they come to, and the numbers it must not touch.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::folder::{Folder, policy, script};
use super::reviews::{allowed, config_map, create, denied, message, with};
use super::server::Server;

/// The operations of a response's patch; `[]` where it has none.
#[track_caller]
pub fn patch(response: &Value) -> Value {
    let Some(encoded) = response.get("patch").and_then(Value::as_str) else {
        assert_eq!(response.get("patchType"), None, "{response}");
        return json!([]);
    };
    assert_eq!(response["patchType"], "JSONPatch");
    serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap()
}

fn serve(files: &[(&str, &str)]) -> (Folder, Server) {
    let folder = Folder::new(files);
    let server = folder.serve(&[]);
    (folder, server)
}

fn appending(name: &str, priority: i32) -> String {
    policy(
        name,
        &format!(
            "priority: {priority},\n  mutate({{ object }}) {{ object.data.order = `${{object.data.order ?? \"\"}}{name} `; }},"
        ),
    )
}

#[test]
fn the_draft_is_edited_in_place_and_the_patch_is_minimal() {
    let source = policy(
        "edits",
        "mutate({ object }) {\n    object.metadata.labels ??= {};\n    object.metadata.labels.team = \"blue\";\n    delete object.data.old;\n    \
         object.data.kept = object.data.kept;\n    object.data.changed = \"new\";\n  },",
    );
    let (_folder, server) = serve(&[("edits.ts", &source)]);
    let data = json!({"old": "1", "kept": "2", "changed": "3", "a/b~c": "4"});
    let response = allowed(server.post("/mutate", &config_map(data)));
    let mut operations: Vec<String> = patch(&response).as_array().unwrap().iter().map(Value::to_string).collect();
    operations.sort();
    assert_eq!(
        operations,
        [
            json!({"op": "add", "path": "/metadata/labels", "value": {"team": "blue"}}).to_string(),
            json!({"op": "remove", "path": "/data/old"}).to_string(),
            json!({"op": "replace", "path": "/data/changed", "value": "new"}).to_string(),
        ]
    );
}

#[test]
fn an_edit_that_changes_nothing_has_no_patch() {
    let (_folder, server) =
        serve(&[("same.ts", &policy("same", "mutate({ object }) { object.data = { ...object.data }; }"))]);
    let response = allowed(server.post("/mutate", &config_map(json!({"a": "b"}))));
    assert_eq!(response, json!({"uid": "6f7a2d3c", "allowed": true}));
}

#[test]
fn policies_run_by_priority_then_by_name_and_each_sees_what_the_last_one_left() {
    let (_folder, server) = serve(&[
        ("1.ts", &appending("zebra", 0)),
        ("2.ts", &appending("ant", 0)),
        ("3.ts", &appending("late", 10)),
        ("4.ts", &appending("early", -10)),
    ]);
    let response = allowed(server.post("/mutate", &config_map(json!({"a": "b"}))));
    assert_eq!(patch(&response), json!([{"op": "add", "path": "/data/order", "value": "early ant zebra late "}]));
}

#[test]
fn a_script_and_a_module_change_one_object() {
    let fields = "  type: Mutating\n  priority: 5\n";
    let script = script("middle", fields, "request.object.data.order += 'script ';\nmutate(request.object);");
    let (_folder, server) =
        serve(&[("a.ts", &appending("first", 0)), ("b.yaml", &script), ("c.ts", &appending("last", 10))]);
    let response = allowed(server.post("/mutate", &config_map(json!({"a": "b"}))));
    assert_eq!(patch(&response), json!([{"op": "add", "path": "/data/order", "value": "first script last "}]));
}

#[test]
fn untouched_numbers_stay_as_they_are_to_the_last_digit() {
    let source = policy("adds", "mutate({ object }) { object.spec.added = true; object.spec.list.push(3); }")
        .replace("configmaps", "things");
    let (_folder, server) = serve(&[("adds.ts", &source)]);
    let metadata = json!({"name": "t", "namespace": "shop"});
    let spec = json!({"list": [1], "big": "BIG"});
    let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": metadata, "spec": spec});
    for big in [
        "9007199254740993",
        "18446744073709551615",
        "1e400",
        "0.1000000000000000055511151231257827",
        "-0",
        "1.0",
        "1E2",
    ] {
        let review = create(object.clone()).to_string().replace("\"BIG\"", big);
        let (status, answer) = server.post_text("/mutate", review);
        let patch = patch(&allowed((status, answer))).to_string();
        assert!(patch.contains("/spec/added") && !patch.contains("big"), "{big}: {patch}");
    }
}

#[test]
fn the_old_object_and_the_request_cannot_be_edited() {
    let source = policy(
        "edits",
        "mutate({ object, request }) {\n    object.data.a = \"draft\";\n    request.object.data.a = \"request\";\n  },",
    );
    let (_folder, server) = serve(&[("edits.ts", &source)]);
    let text = message(server.post("/mutate", &config_map(json!({"a": "b"}))));
    assert!(
        text.contains("TypeError: Cannot assign to read only property 'a'") && text.contains("edits.ts:7:"),
        "{text}"
    );
}

#[test]
fn a_denial_of_a_mutating_policy_ends_the_chain_and_drops_the_patch() {
    let denies = policy(
        "denies",
        "priority: 5,\n  mutate({ object, deny }) { object.data.b = \"c\"; deny(\"not like this\"); },",
    );
    let (_folder, server) = serve(&[
        ("a.ts", &appending("first", 0)),
        ("b.ts", &denies),
        ("c.ts", &policy("never", "priority: 9,\n  mutate() { throw new Error(\"must not run\"); },")),
    ]);
    let (status, answer) = server.post("/mutate", &config_map(json!({})));
    assert_eq!(denied((status, answer.clone()))["message"], "[denies.policies.example] not like this");
    assert_eq!(answer["response"].get("patch"), None);
}

#[test]
fn a_failed_policy_leaves_the_changes_of_the_others_where_it_may_fail() {
    let fails = policy(
        "fails",
        "priority: 5, onError: \"Allow\",\n  mutate({ object }) { object.data.order = \"spoilt\"; throw new Error(\"half way\"); },",
    );
    let (_folder, server) =
        serve(&[("a.ts", &appending("first", 0)), ("b.ts", &fails), ("c.ts", &appending("last", 9))]);
    let response = allowed(server.post("/mutate", &config_map(json!({}))));
    assert_eq!(patch(&response), json!([{"op": "add", "path": "/data/order", "value": "first last "}]));
    assert!(response["warnings"][0].as_str().unwrap().contains("half way"), "{response}");
}

#[test]
fn a_dry_policy_changes_nothing() {
    let dry = policy("dry", "enforcement: \"Dry\",\n  mutate({ object }) { object.data.order = \"dry \"; },");
    let (_folder, server) = serve(&[("dry.ts", &dry), ("z.ts", &appending("zebra", 0))]);
    let response = allowed(server.post("/mutate", &config_map(json!({}))));
    assert_eq!(patch(&response), json!([{"op": "add", "path": "/data/order", "value": "zebra "}]));
}

#[test]
fn a_draft_that_is_no_json_is_an_error_of_the_policy() {
    for (body, told) in [
        ("object.data.self = object;", "TypeError"),
        ("object.data.n = 1n;", "TypeError"),
        ("return object;", "TypeError: mutate returned object: edit `object` in place, it must return nothing"),
    ] {
        let (_folder, server) = serve(&[("bad.ts", &policy("bad", &format!("mutate({{ object }}) {{ {body} }},")))]);
        let text = message(server.post("/mutate", &config_map(json!({}))));
        assert!(text.starts_with("[bad.policies.example] policy failed: ") && text.contains(told), "{body}: {text}");
    }
}

#[test]
fn one_policy_may_validate_and_mutate() {
    let both = policy(
        "both",
        r#"
  mutate({ object }) { object.data.stamp = "set"; },
  validate({ object, deny }) { if (object.data.stamp !== "set") deny("no stamp"); },"#,
    );
    let (_folder, server) = serve(&[("both.ts", &both)]);
    assert_eq!(denied(server.post("/validate", &config_map(json!({}))))["message"], "[both.policies.example] no stamp");
    assert_eq!(
        patch(&allowed(server.post("/mutate", &config_map(json!({}))))),
        json!([{"op": "add", "path": "/data/stamp", "value": "set"}])
    );
    // Behind its own path the policy judges what it made itself.
    let response = allowed(server.post("/policy/both.policies.example", &config_map(json!({}))));
    assert_eq!(patch(&response), json!([{"op": "add", "path": "/data/stamp", "value": "set"}]));
}

#[test]
fn a_dry_run_is_patched_too() {
    let (_folder, server) = serve(&[("a.ts", &appending("one", 0))]);
    let review = with(config_map(json!({})), json!({"dryRun": true}));
    assert_eq!(
        patch(&allowed(server.post("/mutate", &review))),
        json!([{"op": "add", "path": "/data/order", "value": "one "}])
    );
}

#[test]
fn a_deletion_has_nothing_to_change() {
    let (_folder, server) = serve(&[("a.ts", &policy("a", "mutate({ object, warn }) { warn(String(object)); }"))]);
    let review = with(config_map(json!({})), json!({"operation": "DELETE", "object": null, "oldObject": {"data": {}}}));
    let response = allowed(server.post("/mutate", &review));
    assert_eq!(response["warnings"], json!(["[a.policies.example] null"]));
    assert_eq!(patch(&response), json!([]));
}
