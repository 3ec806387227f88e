//! `bylaw webhook`: configurations that send a cluster's requests to the server, where some policy matches them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::command::{Ended, bylaw, bylaw_with};
use super::folder::{Folder, policy};
use super::pair::Pair;

const SCRIPT: &str = "
apiVersion: policy.jspolicy.com/v1beta1
kind: JsPolicy
metadata:
  name: script.policies.example
spec:
  resources: [services]
  operations: [CREATE]
  failurePolicy: Ignore
  timeoutSeconds: 3
  javascript: allow()
";

fn folder() -> Folder {
    let edits = policy("edits", "mutate() {},").replace("[\"configmaps\"]", "[\"secrets\"], operations: [\"CREATE\"]");
    Folder::new(&[
        ("policies/several.ts", include_str!("policies/several.ts")),
        ("policies/edits.ts", &edits),
        ("policies/script.yaml", SCRIPT),
        ("ca.crt", &Pair::new().certificate),
    ])
}

fn webhook(folder: &Folder, arguments: &[&str]) -> Ended {
    let (policies, ca) = (folder.argument("policies"), folder.argument("ca.crt"));
    bylaw(&[&["webhook", "-p", &policies, "--ca", &ca], arguments].concat())
}

/// The configurations as documents.
#[track_caller]
fn documents(ended: &Ended) -> Vec<Value> {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    serde_saphyr::from_multiple(&ended.out).unwrap()
}

#[test]
fn rules_are_narrowed_to_what_policies_match() {
    let folder = folder();
    let ended = webhook(&folder, &["--url", "https://bylaw.example.com:8443"]);
    let bundle = STANDARD.encode(std::fs::read(folder.file("ca.crt")).unwrap());
    insta::assert_snapshot!("webhook-url", ended.out.replace(&bundle, "CA BUNDLE"));
    let documents = documents(&ended);
    assert_eq!(documents.len(), 2);
    let kinds: Vec<&Value> = documents.iter().map(|document| &document["kind"]).collect();
    assert_eq!(kinds, ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"]);
}

#[test]
fn the_authority_is_given_to_the_api_server() {
    let folder = folder();
    let documents = documents(&webhook(&folder, &["--url", "https://bylaw.example.com:8443"]));
    let bundle = documents[0]["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap();
    assert_eq!(STANDARD.decode(bundle).unwrap(), std::fs::read(folder.file("ca.crt")).unwrap());
}

#[test]
fn a_service_is_named_by_its_parts() {
    let folder = folder();
    for (service, port) in [("bylaw-system/bylaw", 443), ("bylaw-system/bylaw:8443", 8443)] {
        let documents = documents(&webhook(&folder, &["--service", service]));
        let mut client = documents[1]["webhooks"][0]["clientConfig"].clone();
        client.as_object_mut().unwrap().remove("caBundle");
        assert_eq!(
            client,
            json!({"service": {"namespace": "bylaw-system", "name": "bylaw", "port": port, "path": "/mutate/fail-equivalent"}})
        );
    }
}

#[test]
fn failure_policies_have_webhooks_of_their_own() {
    let documents = documents(&webhook(&folder(), &["--url", "https://bylaw.example.com:8443/"]));
    let webhooks = documents[0]["webhooks"].as_array().unwrap();
    let of = |failure: &str| webhooks.iter().find(|webhook| webhook["failurePolicy"] == failure).unwrap();
    assert_eq!(of("Ignore")["rules"][0]["resources"], json!(["services"]));
    assert_eq!(of("Ignore")["timeoutSeconds"], 3);
    assert_eq!(of("Fail")["timeoutSeconds"], 10);
    for webhook in webhooks {
        let member = webhook["name"].as_str().unwrap().split('.').next().unwrap();
        assert_eq!(webhook["clientConfig"]["url"], format!("https://bylaw.example.com:8443/validate/{member}"));
        assert_eq!(webhook["sideEffects"], "NoneOnDryRun");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1", "v1beta1"]));
        // A name the API server takes has three parts.
        assert!(webhook["name"].as_str().unwrap().split('.').count() >= 3, "{webhook}");
    }
}

#[test]
fn json_is_one_list() {
    let folder = folder();
    let ended = webhook(&folder, &["--url", "https://bylaw.example.com", "-o", "json", "--name", "guard"]);
    let list: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("List"), 2));
    assert_eq!(list["items"][0]["metadata"]["name"], "guard");
}

#[test]
fn only_what_there_are_policies_for_is_printed() {
    let folder = folder();
    let (policies, ca) = (folder.argument("policies/edits.ts"), folder.argument("ca.crt"));
    let ended = bylaw(&["webhook", "-p", &policies, "--ca", &ca, "--url", "https://a.example.com"]);
    let documents = documents(&ended);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0]["kind"], "MutatingWebhookConfiguration");
}

#[test]
fn the_authority_of_the_server_is_found_in_its_state_folder() {
    let folder = folder();
    let policies = folder.argument("policies");
    let url = ["--url", "https://127.0.0.1:8443"];
    let state = folder.argument("state");
    let arguments = [&["webhook", "-p", &policies, "--state-dir", &state], &url[..]].concat();
    let early = bylaw(&arguments);
    assert_eq!((early.code, early.err.lines().count()), (Some(2), 1), "{early:?}");
    assert!(early.err.contains("start `bylaw serve` once, or give --ca"), "{}", early.err);
    let server = super::server::Server::start(&["--policies", &policies, "--state-dir", &state]);
    let authority = STANDARD.encode(std::fs::read(server.authority().unwrap()).unwrap());
    assert!(bylaw(&arguments).out.contains(&authority));
    let by_variable =
        bylaw_with(&[&["webhook", "-p", &policies], &url[..]].concat(), &[("BYLAW_STATE_DIR", &state)], "");
    assert!(by_variable.out.contains(&authority));
}

#[test]
fn what_cannot_be_registered_is_2_and_one_line() {
    let folder = folder();
    folder.write("notes.crt", "nothing");
    folder.write("empty/notes.md", "");
    let ca = folder.argument("ca.crt");
    let policies = folder.argument("policies");
    for (arguments, named) in [
        (["-p", &policies, "--ca", &ca, "--url", "http://a.example.com"], "over https only"),
        (["-p", &policies, "--ca", &ca, "--url", "a.example.com"], "--url a.example.com"),
        (["-p", &policies, "--ca", &ca, "--service", "bylaw"], "NAMESPACE/NAME"),
        (["-p", &policies, "--ca", &ca, "--service", "a/b:x"], "is not a port"),
        (["-p", &policies, "--ca", &folder.argument("notes.crt"), "--service", "a/b"], "is not a certificate in PEM"),
        (["-p", &folder.argument("empty"), "--ca", &ca, "--service", "a/b"], "no policy in"),
    ] {
        let ended = bylaw(&[&["webhook"], &arguments[..]].concat());
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains(named), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}
