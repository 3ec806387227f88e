//! A policy is an object: it is enforced when it is made, and its status says what is.

use serde_json::{Value, json};

use super::super::api::eventually;
use super::super::objects::config_map;
use super::super::policies::policy;
use super::*;

fn condition<'p>(policy: &'p Value, kind: &str) -> &'p Value {
    let conditions = policy["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|one| one["type"] == kind).expect("the condition")
}

#[test]
fn a_policy_is_enforced_from_its_creation_to_its_deletion() {
    with_operator(&[], |operator| {
        let bad = json!({"bad": "yes"});
        operator.put("guard", &refusing("first"));
        operator.refuses(bad.clone(), "[guard.e2e.example.com] first");
        let policy = operator.reaches("guard", "Synced");
        for kind in ["Ready", "BundleCompiled", "WebhookReady", "LintPassed"] {
            assert_eq!(condition(&policy, kind)["status"], "True", "{kind}: {policy:#}");
        }
        operator.allows(json!({"good": "yes"}));

        operator.put("guard", &refusing("second"));
        operator.refuses(bad.clone(), "second");
        operator.reaches("guard", "Synced");

        operator.put("guard", &json!({"javascript": "const a = 1;\ndeny(;"}));
        let broken = operator.reaches("guard", "Failed");
        let message = broken["status"]["message"].as_str().unwrap();
        assert!(message.contains("guard.e2e.example.com:2:6: "), "{message}");
        assert!(message.contains("what it was before is still enforced"), "{message}");
        assert_eq!(broken["status"]["reason"], "CompileFailed");
        operator.refuses(bad.clone(), "second");

        operator.put("guard", &refusing("third"));
        operator.refuses(bad.clone(), "third");
        operator.reaches("guard", "Synced");
        operator.remove("guard");
        operator.allows(bad);
        eventually("the configuration goes with its last policy", || operator.configuration(), |c| c["code"] == 404);
    });
}

#[test]
fn an_event_tells_of_what_became_of_a_policy() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("x"));
        operator.reaches("guard", "Synced");
        operator.put("guard", &json!({"javascript": "deny(;"}));
        let reasons = || {
            let events = operator.api().get("/apis/events.k8s.io/v1/namespaces/default/events").object();
            let events = events["items"].as_array().unwrap().clone();
            let of = events.iter().filter(|event| event["regarding"]["name"] == "guard.e2e.example.com");
            of.map(|event| event["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let told = |reasons: &Vec<String>| {
            ["Enforced", "CompileFailed"].iter().all(|one| reasons.contains(&(*one).to_owned()))
        };
        eventually("both are told", reasons, told);
    });
}

#[test]
fn a_module_mutates_and_validates_with_parameters_of_a_config_map_changed_live() {
    with_operator(&[], |operator| {
        let module = r#"
            import { policy } from "@bylaw/sdk";
            type Parameters = { word: string };
            export default policy<any, Parameters>({
              name: "whatever.e2e.example.com",
              match: { resources: ["configmaps"], operations: ["CREATE"] },
              mutate({ object }) { object.data = { ...object.data, mutated: "yes" }; },
              validate({ object, parameters, deny }) {
                if (object.data.mutated && object.data.bad) deny(`the word is ${parameters.word}`);
              },
            });"#;
        let from = json!({"configMap": {"namespace": operator.namespace, "name": "words", "key": "all"}});
        operator.put("module", &json!({"typescript": module, "parametersFrom": from}));
        let missing = operator.reaches("module", "Failed");
        assert!(missing["status"]["message"].as_str().unwrap().contains("guarded/words is not there"), "{missing:#}");
        let path = path_in(&operator.namespace, "configmaps");
        operator.api().post(&path, &config_map("words", json!({"all": "word: one"}))).object();
        operator.refuses(json!({"bad": "yes"}), "the word is one");
        operator.api().merge(&format!("{path}/words"), &json!({"data": {"all": "word: two"}})).object();
        operator.refuses(json!({"bad": "yes"}), "the word is two");
        operator.reaches("module", "Synced");
        operator.api().delete(&format!("{path}/words")).object();
        operator.reaches("module", "Failed");
        operator.refuses(json!({"bad": "yes"}), "the word is two");
    });
}

#[test]
fn of_two_policies_with_one_name_that_of_the_folder_is_enforced() {
    with_cluster(|operator| {
        let folder = operator.folder.path().join("policies");
        std::fs::create_dir(&folder).unwrap();
        let file = policy(
            "guard",
            r#"match: { resources: ["configmaps"], operations: ["CREATE"] },
               validate({ object, deny }) { if (object.data?.bad) deny("says the file"); },"#,
        );
        std::fs::write(folder.join(&file.name), &file.text).unwrap();
        operator.put("guard", &refusing("says the object"));
        operator.put("other", &refusing("says the other object"));
        operator.give(&["--operator", "--policies", &folder.display().to_string()]);
        operator.serve();
        operator.refuses(json!({"bad": "yes"}), "says the file");
        operator.refuses(json!({"bad": "yes"}), "says the other object");
        assert!(!operator.ask(json!({"bad": "yes"})).message().contains("says the object"));
        let shadowed = operator.reaches("guard", "Failed");
        assert_eq!(shadowed["status"]["reason"], "Shadowed");
        operator.reaches("other", "Synced");
        std::fs::remove_file(folder.join(&file.name)).unwrap();
        operator.refuses(json!({"bad": "yes"}), "says the object");
        operator.reaches("guard", "Synced");
    });
}

#[test]
fn the_kind_may_be_deleted_and_come_back() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("before"));
        operator.reaches("guard", "Synced");
        operator.api().delete(&format!("{DEFINITIONS}/jspolicies.policy.jspolicy.com")).object();
        eventually("the kind is gone", || operator.api().get(POLICIES), |reply| reply.status == 404);
        operator.allows(json!({"bad": "yes"}));
        let health = operator.server().health_url().to_owned();
        let told = |(status, page): &(u16, String)| *status == 200 && page.contains("install its CRD");
        eventually("it is said, and served on", || operator.server().get(&format!("{health}?verbose")), told);
        operator.define();
        operator.put("guard", &refusing("after"));
        operator.refuses(json!({"bad": "yes"}), "after");
        operator.reaches("guard", "Synced");
    });
}
