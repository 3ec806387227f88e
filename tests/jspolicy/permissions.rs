//! Without `--compat jspolicy` a script may do nothing that it was not granted, and is told what to add.

use serde_json::{Value, json};

use super::server::Server;
use super::servers::with_manifest;

const POLICY: &str = "/policy/permissions.global.example.com";

fn review(run: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": run, "operation": "CREATE", "namespace": "team-a", "name": "chooser",
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "userInfo": {"username": "ann"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chooser"}, "data": {"run": run}},
    }})
}

fn status(server: &Server, path: &str, run: &str) -> (u64, String) {
    let (http, answer) = server.post(path, &review(run));
    assert_eq!(http, 200, "{answer}");
    let status = &answer["response"]["status"];
    (status["code"].as_u64().unwrap_or_default(), status["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_refusal_names_the_line_to_add() {
    let server = with_manifest("globals/permissions.yaml", &[], &[("CLOSED_NAMESPACE", "team-b")]);
    for (run, line) in [
        ("another kind", r#"add read: ["v1/Secret"]"#),
        ("another variable", r#"add env: ["HOME"]"#),
        ("write", r#"add write: ["v1/ConfigMap"]"#),
        ("files", r#"add files: ["/etc/hostname"]"#),
        ("net", r#"add net: ["example.com"]"#),
        ("lists", r#"add read: ["v1/Pod"]"#),
    ] {
        let (code, message) = status(&server, POLICY, run);
        assert_eq!(code, 500, "{run}: {message}");
        assert!(
            message.starts_with("Uncaught PermissionDenied: policy \"permissions.global.example.com\" may not "),
            "{run}: {message}"
        );
        assert!(message.contains(line), "{run}: {message}");
    }
}

#[test]
fn what_is_named_in_the_policy_is_granted() {
    let server = with_manifest("globals/permissions.yaml", &[], &[("CLOSED_NAMESPACE", "team-b")]);
    assert_eq!(status(&server, POLICY, "named"), (403, "team-b team-a".to_owned()));
}

#[test]
fn code_is_not_made_of_text_without_the_permission() {
    let path = "/policy/engine.global.example.com";
    let (code, message) = status(&with_manifest("globals/engine.yaml", &[], &[]), path, "code from text");
    assert_eq!(code, 500);
    assert!(message.starts_with("Uncaught EvalError: Code generation from strings disallowed"), "{message}");
    assert!(message.contains("`permissions: { codegen: true }`"), "{message}");
}

#[test]
fn a_manifest_that_names_nothing_is_refused_without_compat_and_served_with_it() {
    let variable = [("CLOSED_NAMESPACE", "team-b")];
    let path = "/policy/env.global.example.com";
    let (code, message) = status(&with_manifest("globals/env.yaml", &[], &variable), path, "a variable");
    assert_eq!(code, 500);
    assert!(message.contains(r#"add env: ["CLOSED_NAMESPACE"] to its permissions"#), "{message}");
    let (code, message) =
        status(&with_manifest("globals/env.yaml", &["--compat", "jspolicy"], &variable), path, "a variable");
    assert_eq!((code, &*message), (403, r#"{"value":"team-b","type":"string"}"#));
}
