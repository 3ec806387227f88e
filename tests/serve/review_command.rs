//! `bylaw review`: one request, or each document of a manifest, judged offline; 0 allowed, 1 denied, 2 could not run.

use serde_json::{Value, json};

use super::command::{Ended, bylaw, bylaw_with};
use super::folder::Folder;
use super::reviews::{config_map, create, with};

fn folder() -> Folder {
    Folder::new(&[
        ("policies/judge.ts", include_str!("policies/judge.ts")),
        ("good.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good, namespace: shop}\ndata: {a: fine}\n"),
        ("bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong, namespace: shop}\ndata: {a: bad}\n"),
        (
            "stamp.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stamped, namespace: shop}\ndata: {stamp: none}\n",
        ),
    ])
}

/// `bylaw review` of the folder's policies.
fn review(folder: &Folder, arguments: &[&str]) -> Ended {
    review_with(folder, arguments, "")
}

fn review_with(folder: &Folder, arguments: &[&str], input: &str) -> Ended {
    let policies = folder.argument("policies");
    bylaw_with(&[&["review", "-p", &policies], arguments].concat(), &[], input)
}

/// The response in the output of a review that could be run.
#[track_caller]
fn response(ended: &Ended) -> Value {
    assert_eq!(ended.err, "", "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let response = answer["response"].clone();
    assert_eq!(ended.code, Some(i32::from(response["allowed"] != true)));
    response
}

#[test]
fn an_object_that_is_allowed_is_0_and_one_that_is_denied_1() {
    let folder = folder();
    assert_eq!(response(&review(&folder, &["--object", &folder.argument("good.yaml")]))["allowed"], true);
    let denied = review(&folder, &["--object", &folder.argument("bad.yaml")]);
    assert_eq!(response(&denied)["status"]["message"], "[judge.policies.example] a must not be bad");
    insta::assert_snapshot!("review-denied", denied.out);
}

#[test]
fn an_object_comes_from_standard_input_too() {
    let folder = folder();
    let text = std::fs::read_to_string(folder.file("bad.yaml")).unwrap();
    assert_eq!(response(&review_with(&folder, &["--object", "-"], &text))["allowed"], false);
    let json =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "fine"}}).to_string();
    assert_eq!(response(&review_with(&folder, &["--object", "-"], &json))["allowed"], true);
}

#[test]
fn each_document_of_a_manifest_is_judged() {
    let folder = folder();
    let all = ["good.yaml", "bad.yaml", "stamp.yaml"].map(|name| std::fs::read_to_string(folder.file(name)).unwrap());
    let ended = review_with(&folder, &["--object", "-"], &all.join("---\n"));
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    insta::assert_snapshot!("review-many", ended.out);
    let good = review_with(&folder, &["--object", "-"], &[all[0].as_str(), &all[2]].join("---\n"));
    assert_eq!(good.code, Some(0), "{good:?}");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "bad"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}},
    ]});
    let ended = review_with(&folder, &["--object", "-"], &list.to_string());
    assert_eq!((ended.code, ended.out.lines().count()), (Some(1), 2), "{ended:?}");
}

#[test]
fn a_whole_request_is_answered_as_the_server_would() {
    let folder = folder();
    let request = with(config_map(json!({"a": "bad"})), json!({"uid": "asked"}));
    folder.write("request.json", &request.to_string());
    let served =
        super::server::Server::start(&["--policies", &folder.argument("policies")]).post("/validate", &request).1;
    for from in [folder.argument("request.json"), "-".to_owned()] {
        let ended = review_with(&folder, &["--request", &from], &request.to_string());
        assert_eq!(ended.code, Some(1));
        assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap(), served);
    }
    let mut beta = request;
    beta["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let ended = review_with(&folder, &["--request", "-"], &beta.to_string());
    assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap()["apiVersion"], "admission.k8s.io/v1beta1");
}

#[test]
fn a_request_may_be_yaml() {
    let folder = folder();
    let ended =
        review_with(&folder, &["--request", "-"], &serde_saphyr::to_string(&config_map(json!({"a": "bad"}))).unwrap());
    assert_eq!(response(&ended)["allowed"], false);
}

#[test]
fn a_mutation_is_shown_as_a_patch_and_validated_as_it_became() {
    let folder = folder();
    let response = response(&review(&folder, &["--object", &folder.argument("stamp.yaml")]));
    assert_eq!(super::mutation::patch(&response), json!([{"op": "replace", "path": "/data/stamp", "value": "set"}]));
}

#[test]
fn output_is_json_or_yaml_on_demand() {
    let folder = folder();
    let object = folder.argument("bad.yaml");
    let json = review(&folder, &["--object", &object, "-o", "json"]);
    let yaml = review(&folder, &["--object", &object, "-o", "yaml"]);
    assert_eq!((json.code, yaml.code), (Some(1), Some(1)));
    let from_yaml: Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(from_yaml, serde_json::from_str::<Value>(&json.out).unwrap());
    // Of many documents each is one answer.
    let many = review_with(
        &folder,
        &["--object", "-", "-o", "yaml"],
        &format!(
            "{}---\n{}",
            std::fs::read_to_string(&object).unwrap(),
            std::fs::read_to_string(folder.file("good.yaml")).unwrap()
        ),
    );
    let documents: Vec<Value> = serde_saphyr::from_multiple(&many.out).unwrap();
    assert_eq!(documents.len(), 2);
}

#[test]
fn what_cannot_be_run_is_2_and_one_line_without_a_verdict() {
    let folder = folder();
    folder.write("broken.yaml", "a: [\n");
    folder.write("kindless.yaml", "apiVersion: v1\nmetadata: {name: a}\n");
    folder.write("nameless.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    folder.write("request.json", &json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}).to_string());
    let argument = |name: &str| folder.argument(name);
    for (arguments, named) in [
        (["--object", &argument("nope.yaml")], "nope.yaml"),
        (["--object", &argument("broken.yaml")], "broken.yaml"),
        (["--object", &argument("kindless.yaml")], "the manifest has no kind"),
        (["--object", &argument("nameless.yaml")], "metadata.name is missing"),
        (["--request", &argument("request.json")], "request.json: request is missing"),
        (["--request", &argument("nope.json")], "nope.json"),
    ] {
        let ended = review(&folder, &arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains(named), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}

#[test]
fn a_broken_policy_is_2_with_its_place_told_once() {
    let folder = Folder::new(&[
        ("broken.ts", "export default {\n"),
        ("good.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
    ]);
    let (policies, object) = (folder.argument("broken.ts"), folder.argument("good.yaml"));
    let ended = bylaw(&["review", "-p", &policies, "--object", &object]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.starts_with(&format!("error: {policies}:2:")), "{}", ended.err);
    assert_eq!(ended.err.matches("broken.ts:2:").count(), 1, "{}", ended.err);
}

#[test]
fn every_broken_policy_is_told() {
    let folder = Folder::new(&[
        ("a.ts", "export default {\n"),
        ("b.ts", "export default (\n"),
        ("good.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"),
    ]);
    let ended = bylaw(&["review", "-p", folder.path().to_str().unwrap(), "--object", &folder.argument("good.yaml")]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("a.ts:2:") && ended.err.contains("b.ts:2:"), "{}", ended.err);
}

#[test]
fn the_starter_policies_deny_what_the_server_suggests_to_try() {
    let spec =
        json!({"containers": [{"name": "web", "image": "nginx:latest", "securityContext": {"privileged": true}}]});
    let pod = create(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}),
    );
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let ended = bylaw_with(&["review", "-p", policies, "--request", "-"], &[], &pod.to_string());
    let text = response(&ended)["status"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("[no-privileged.pods.bylaw.dev] container web must not be privileged"), "{text}");
}
