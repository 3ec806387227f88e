//! A denial reaches whoever asked, in the words of the policy, and what was denied is not stored.

use serde_json::json;

use super::bylaw::{with_arguments, with_bylaw};
use super::objects::{config_map, pod, secret};
use super::policies::{PolicyFile, policy};

/// Minds every `ConfigMap` that is marked as bad, whatever is done with it.
fn no_bad_data() -> PolicyFile {
    policy(
        "no-bad-data",
        r#"
        match: { resources: ["configmaps"] },
        validate({ object, oldObject, operation, deny }) {
          if ((object ?? oldObject)?.data?.bad) deny(`bad data on ${operation}`, { field: "data.bad", reason: "Conflict", code: 409 });
        },
        "#,
    )
}

#[test]
fn kubectl_shows_which_policy_refused_and_why() {
    with_bylaw([no_bad_data()], |bylaw| {
        let said = bylaw.kubectl(&["create", "configmap", "a", "--from-literal=bad=1"], "");
        assert!(!said.ok, "{said:?}");
        assert!(said.err.contains("[no-bad-data.e2e.example.com] bad data on CREATE"), "{said:?}");
        assert_eq!(bylaw.get("configmaps/a").status, 404);

        let said = bylaw.kubectl(&["create", "configmap", "a", "--from-literal=good=1"], "");
        assert!(said.ok, "{said:?}");
        assert_eq!(bylaw.get("configmaps/a").object()["data"]["good"], "1");
    });
}

#[test]
fn clients_get_code_reason_and_field_of_a_denial() {
    with_bylaw([no_bad_data()], |bylaw| {
        let refused = bylaw.create("configmaps", &config_map("a", json!({"bad": "1"})));
        assert_eq!(refused.status, 409);
        assert_eq!(refused.body["reason"], "Conflict");
        let cause = &refused.body["details"]["causes"][0];
        assert_eq!((&cause["field"], &cause["message"]), (&json!("data.bad"), &json!("bad data on CREATE")));
    });
}

#[test]
fn an_update_is_refused_and_the_object_stays_as_it_was() {
    with_bylaw([no_bad_data()], |bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"good": "1"})));
        let refused = bylaw.merge("configmaps/a", &json!({"data": {"bad": "1"}})).refusal();
        assert!(refused.contains("bad data on UPDATE"), "{refused}");
        let refused = bylaw.replace("configmaps/a", &config_map("a", json!({"bad": "1"}))).refusal();
        assert!(refused.contains("bad data on UPDATE"), "{refused}");
        assert_eq!(bylaw.get("configmaps/a").object()["data"], json!({"good": "1"}));
        assert!(bylaw.merge("configmaps/a", &json!({"data": {"good": "2"}})).is_good());
    });
}

#[test]
fn an_update_is_judged_with_the_object_before_it() {
    let immutable = policy(
        "immutable",
        r#"
        match: { resources: ["configmaps"], operations: ["UPDATE"] },
        validate({ object, oldObject, deny }) {
          if (object.data?.fixed !== oldObject.data?.fixed) deny(`fixed was ${oldObject.data?.fixed}`);
        },
        "#,
    );
    with_bylaw([immutable], |bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"fixed": "1", "other": "1"})));
        assert!(bylaw.merge("configmaps/a", &json!({"data": {"other": "2"}})).is_good());
        let refused = bylaw.merge("configmaps/a", &json!({"data": {"fixed": "2"}})).refusal();
        assert!(refused.contains("fixed was 1"), "{refused}");
    });
}

#[test]
fn a_deletion_is_judged_by_what_is_deleted() {
    let protected = policy(
        "protected",
        r#"
        match: { resources: ["configmaps"], operations: ["DELETE"] },
        validate({ object, oldObject, deny }) {
          if (object === null && oldObject?.data?.keep) deny("it is kept");
        },
        "#,
    );
    with_bylaw([protected], |bylaw| {
        bylaw.accepts("configmaps", &config_map("kept", json!({"keep": "yes"})));
        bylaw.accepts("configmaps", &config_map("loose", json!({})));
        let said = bylaw.kubectl(&["delete", "configmap", "kept", "loose"], "");
        assert!(!said.ok && said.err.contains("it is kept"), "{said:?}");
        assert_eq!(bylaw.get("configmaps/kept").status, 200);
        assert_eq!(bylaw.get("configmaps/loose").status, 404);
        // All at once is one review for each.
        assert!(bylaw.delete("configmaps").refusal().contains("it is kept"));
    });
}

#[test]
fn a_dry_run_is_judged_and_known_to_be_one() {
    let telling = policy(
        "telling",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object, request, dryRun, deny }) {
          if (object.data?.bad) deny(`dry run: ${dryRun} ${request.dryRun}`);
        },
        "#,
    );
    with_bylaw([telling], |bylaw| {
        let bad = config_map("a", json!({"bad": "1"}));
        assert!(bylaw.rejects("configmaps", &bad).contains("dry run: false false"));
        assert!(bylaw.create("configmaps?dryRun=All", &bad).refusal().contains("dry run: true true"));

        let said = bylaw.kubectl(&["create", "--dry-run=server", "-f", "-"], &config_map("b", json!({})).to_string());
        assert!(said.ok && said.out.contains("server dry run"), "{said:?}");
        assert_eq!(bylaw.get("configmaps/b").status, 404);
    });
}

#[test]
fn an_object_without_a_name_yet_is_judged_like_any_other() {
    let named = policy(
        "named",
        r#"
        match: { resources: ["pods"], operations: ["CREATE"] },
        validate({ object, deny }) {
          if (!object.metadata.generateName?.startsWith("good-")) deny(`generateName is ${object.metadata.generateName}`);
        },
        "#,
    );
    with_bylaw([named], |bylaw| {
        let generated = |prefix: &str| {
            let mut pod = pod("");
            pod["metadata"] = json!({"generateName": prefix});
            pod
        };
        let stored = bylaw.accepts("pods", &generated("good-"));
        assert!(stored["metadata"]["name"].as_str().unwrap().starts_with("good-"));
        assert!(bylaw.rejects("pods", &generated("bad-")).contains("generateName is bad-"));
    });
}

#[test]
fn secrets_are_judged_by_content_that_is_never_logged() {
    let no_defaults = policy(
        "no-default-passwords",
        r#"
        match: { resources: ["secrets"], operations: ["CREATE"] },
        validate({ object, deny, log }) {
          if (atob(object.data.password) === "correct horse") deny("the password is a well-known one");
        },
        "#,
    );
    with_arguments(&["-vv"], [no_defaults], |bylaw| {
        let refusal = bylaw.rejects("secrets", &secret("a", json!({"password": "correct horse"})));
        assert!(refusal.contains("well-known"), "{refusal}");
        bylaw.accepts("secrets", &secret("b", json!({"password": "battery staple"})));
        let log = bylaw.server().log();
        assert!(log.contains("well-known"), "the denial itself is logged:\n{log}");
        for text in ["correct horse", "Y29ycmVjdCBob3JzZQ", "battery staple", "YmF0dGVyeSBzdGFwbGU"] {
            assert!(!log.contains(text), "{text} is in the log:\n{log}");
        }
    });
}

#[test]
fn a_config_map_of_one_mebibyte_is_judged_whole() {
    let bounded = policy(
        "bounded",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        mutate({ object }) { object.metadata.labels = { size: String(object.data?.text?.length) }; },
        validate({ object, deny }) { if (object.data?.text?.endsWith("bad")) deny(`the last of ${object.data.text.length} are bad`); },
        "#,
    );
    with_bylaw([bounded], |bylaw| {
        let text = |end: &str| format!("{}{end}", "x".repeat((1 << 20) - "text".len() - end.len()));
        let refusal = bylaw.rejects("configmaps", &config_map("a", json!({"text": text("bad")})));
        assert!(refusal.contains("the last of 1048572 are bad"), "{refusal}");
        let stored = bylaw.accepts("configmaps", &config_map("b", json!({"text": text("good")})));
        assert_eq!(stored["metadata"]["labels"]["size"], "1048572");
        assert_eq!(stored["data"]["text"], text("good"));
    });
}

#[test]
fn one_answer_lists_what_all_policies_mind() {
    let minding = |name: &str| {
        let handler = r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object, deny }) { if (object.data?.bad) { deny("first"); deny("second"); } },
        "#;
        policy(name, handler)
    };
    with_bylaw([minding("a"), minding("b")], |bylaw| {
        let refusal = bylaw.rejects("configmaps", &config_map("a", json!({"bad": "1"})));
        let expected = "[a.e2e.example.com] first; [a.e2e.example.com] second; [b.e2e.example.com] first; [b.e2e.example.com] second";
        assert!(refusal.ends_with(expected), "{refusal}");
    });
}

#[test]
fn a_policy_that_throws_refuses_with_its_error() {
    let broken = policy(
        "broken",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object }) { if (object.data?.bad) throw new Error("lost my way"); },
        "#,
    );
    with_bylaw([broken], |bylaw| {
        let refused = bylaw.create("configmaps", &config_map("a", json!({"bad": "1"})));
        assert_eq!(refused.status, 500);
        assert!(refused.message().contains("lost my way"), "{refused:?}");
    });
}
