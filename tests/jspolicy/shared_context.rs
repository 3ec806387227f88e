//! `GLOBAL_CONTEXT`: the environment variable whose text jsPolicy ran before every policy.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::corpus::root;
use super::servers::with_manifest;

fn message(environment: &[(&str, &str)]) -> (u64, String) {
    let server = with_manifest("globals/shared.yaml", &["--compat", "jspolicy"], environment);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "namespace": "red-shop",
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
    }});
    // Twice: what one run does to shared names must not reach the next.
    let answers =
        [(), ()].map(|()| server.post("/policy/shared.global.example.com", &review).1["response"]["status"].clone());
    assert_eq!(answers[0], answers[1]);
    (answers[0]["code"].as_u64().unwrap(), answers[0]["message"].as_str().unwrap().to_owned())
}

#[test]
fn its_functions_and_constants_are_there_for_every_policy() {
    let text = "function teamOf(namespace) { return namespace.split('-')[0]; }\nvar COUNT = 0; COUNT += 1;";
    assert_eq!(message(&[("GLOBAL_CONTEXT", text)]), (403, "team red, 1".to_owned()));
}

#[test]
fn without_it_nothing_is_shared() {
    assert_eq!(message(&[]), (403, "nothing is shared".to_owned()));
}

#[test]
fn where_it_is_broken_policies_fail_closed() {
    let (code, message) = message(&[("GLOBAL_CONTEXT", "function (")]);
    assert_eq!(code, 500);
    assert!(message.contains("GLOBAL_CONTEXT"), "{message}");
}

#[test]
fn the_precompiled_bundle_is_made_of_its_source() {
    let folder = root().join("tests/jspolicy");
    let manifest = std::fs::read_to_string(folder.join("manifests/by-feature/precompiled.bundle.yaml")).unwrap();
    let manifest: Value = serde_saphyr::from_str(&manifest).unwrap();
    let packed = STANDARD.decode(manifest["spec"]["bundle"].as_str().unwrap()).unwrap();
    let mut script = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut script).unwrap();
    assert_eq!(script, std::fs::read_to_string(folder.join("bundles/precompiled.js")).unwrap());
}
