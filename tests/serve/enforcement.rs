//! What a denial does to the request: refuse it, warn, or nothing; and how many denials make one answer.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::folder::{Folder, Served, policy};
use super::reviews::{allowed, config_map, denied, with};

static SERVED: LazyLock<Served> =
    LazyLock::new(|| Served::new(&[("enforcement.ts", include_str!("policies/enforcement.ts"))], &[]));

fn ask(run: &str) -> (u16, Value) {
    SERVED.server.post("/validate", &config_map(json!({"run": run})))
}

#[test]
fn a_denial_has_code_reason_message_and_causes() {
    let status = denied(ask("detailed"));
    assert_eq!(
        status,
        json!({
            "code": 422, "reason": "Invalid", "message": "[detailed.policies.example] first; [detailed.policies.example] second",
            "details": {"causes": [
                {"reason": "Invalid", "message": "first", "field": "data.a"},
                {"reason": "Forbidden", "message": "second", "field": "data.b"},
            ]},
        })
    );
}

#[test]
fn a_denial_is_403_and_forbidden_where_it_says_nothing_else() {
    let status = denied(ask("deny"));
    assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
    assert_eq!(status["message"], "[deny.policies.example] not this");
}

#[test]
fn warnings_and_annotations_come_with_a_denial_too() {
    let (_, answer) = ask("deny");
    assert_eq!(answer["response"]["warnings"], json!(["[deny.policies.example] mind"]));
    assert_eq!(answer["response"]["auditAnnotations"], json!({"deny.policies.example.key": "value"}));
}

#[test]
fn enforcement_warn_turns_a_denial_into_a_warning() {
    let response = allowed(ask("warn"));
    assert_eq!(response["warnings"], json!(["[warn.policies.example] mind", "[warn.policies.example] not this"]));
}

#[test]
fn enforcement_dry_allows_without_a_word_of_the_denial() {
    let response = allowed(ask("dry"));
    assert!(!response.to_string().contains("not this"), "{response}");
}

#[test]
fn ten_denials_are_spelt_out_and_the_rest_counted() {
    let status = denied(ask("many"));
    let text = status["message"].as_str().unwrap();
    assert!(text.contains("fault 10; and 4 more") && !text.contains("fault 11"), "{text}");
    assert_eq!(status["details"]["causes"].as_array().unwrap().len(), 14);
}

#[test]
fn warnings_stay_within_what_an_api_server_takes() {
    let response = allowed(ask("talkative"));
    let warnings: Vec<&str> =
        response["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(warnings.iter().all(|text| text.len() <= 256 && !text.contains(char::is_control)), "{warnings:#?}");
    assert!(warnings.iter().map(|text| text.len()).sum::<usize>() <= 4096);
    assert!(warnings.last().unwrap().ends_with("more warnings"), "{warnings:#?}");
}

#[test]
fn policies_are_merged_in_the_order_of_their_names() {
    let source = |name: &str| policy(name, &format!("validate({{ deny }}) {{ deny(\"{name} says\"); }}"));
    let folder = Folder::new(&[("1.ts", &source("zebra")), ("2.ts", &source("ant")), ("3.ts", &source("mole"))]);
    let status = denied(folder.serve(&[]).post("/validate", &config_map(json!({}))));
    assert_eq!(
        status["message"],
        "[ant.policies.example] ant says; [mole.policies.example] mole says; [zebra.policies.example] zebra says"
    );
}

#[test]
fn a_dry_run_is_judged_like_any_other_and_seen_by_the_policy() {
    let source = policy("sees", "validate({ dryRun, request, deny }) { deny(`${dryRun} ${request.dryRun}`); }");
    let folder = Folder::new(&[("sees.ts", &source)]);
    let server = folder.serve(&[]);
    let review = with(config_map(json!({})), json!({"dryRun": true}));
    assert_eq!(denied(server.post("/validate", &review))["message"], "[sees.policies.example] true true");
    assert_eq!(
        denied(server.post("/validate", &config_map(json!({}))))["message"],
        "[sees.policies.example] false false"
    );
}
