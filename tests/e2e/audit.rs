//! What a policy notes for the auditors is in the API server's own audit log.

use std::fs;

use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::with_bylaw;
use super::objects::config_map;
use super::policies::policy;

#[test]
fn audit_annotations_reach_the_audit_log_of_allowed_and_denied_requests() {
    let noting = policy(
        "noting",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object, audit, deny }) {
          audit("owner", object.data?.owner ?? "nobody");
          if (object.data?.bad) deny("bad data");
        },
        "#,
    );
    with_bylaw([noting], |bylaw| {
        bylaw.accepts("configmaps", &config_map("good", json!({"owner": "me"})));
        bylaw.rejects("configmaps", &config_map("bad", json!({"bad": "yes"})));
        let key = "fail-equivalent.validate.bylaw.dev/noting.e2e.example.com.owner";
        let noted = |name: &str| {
            let log = fs::read_to_string(bylaw.world.cluster.audit_log()).unwrap();
            let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let creation = |event: &Value| {
                let of = &event["objectRef"];
                event["verb"] == "create" && of["namespace"] == bylaw.name.as_str() && of["name"] == name
            };
            events.filter(creation).map(|event| event["annotations"][key].clone()).collect::<Vec<_>>()
        };
        eventually("the owner is noted", || noted("good"), |noted| *noted == [json!("me")]);
        eventually("nobody is noted", || noted("bad"), |noted| *noted == [json!("nobody")]);
    });
}
