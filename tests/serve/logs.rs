//! The log: one line a decision, denials always, and never what is in an object.

use serde_json::{Value, json};

use super::folder::{Folder, policy};
use super::reviews::{allowed, config_map, create, denied};
use super::server::Server;

const PAYLOAD: &str = "c2VjcmV0LXBheWxvYWQ";

fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> (Folder, Server) {
    let judge = policy("judge", "validate({ object, deny }) { if (object.data?.a === \"bad\") deny(\"not this\"); },")
        .replace("\"configmaps\"", "\"configmaps\", \"secrets\"");
    let folder = Folder::new(&[("judge.ts", &judge)]);
    let server = folder.serve_with(arguments, environment);
    (folder, server)
}

fn lines(server: &Server, word: &str) -> Vec<String> {
    server.log().lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

#[test]
fn a_denial_is_one_line_that_says_who_wanted_what_and_why_not() {
    let (_folder, server) = serve(&[], &[]);
    denied(server.post("/validate", &config_map(json!({"a": "bad", "b": PAYLOAD}))));
    server.wait_for_log(0, "denied").unwrap();
    let [line] = lines(&server, "denied").try_into().expect("one line");
    for part in [
        "INFO",
        "uid=6f7a2d3c",
        "operation=\"CREATE\"",
        "kind=ConfigMap",
        "namespace=shop",
        "name=settings",
        "user=ann",
        "status=403",
        "reason=\"[judge.policies.example] not this\"",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn an_allowed_request_is_a_line_for_those_who_ask_for_more() {
    let (_folder, server) = serve(&[], &[]);
    let (_other_folder, verbose) = serve(&["-v"], &[]);
    for server in [&server, &verbose] {
        allowed(server.post("/validate", &config_map(json!({}))));
    }
    verbose.wait_for_log(0, "allowed").unwrap();
    let [line] = lines(&verbose, "allowed").try_into().expect("one line");
    assert!(line.contains("DEBUG") && line.contains("uid=6f7a2d3c"), "{line}");
    assert_eq!(lines(&server, "allowed"), [] as [&str; 0]);
}

#[test]
fn what_is_in_an_object_is_never_logged() {
    let (_folder, server) = serve(&["-vv"], &[]);
    let metadata = json!({"name": "token", "namespace": "shop", "annotations": {"note": PAYLOAD}});
    let secret =
        |data: Value| create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}));
    allowed(server.post("/validate", &secret(json!({"password": PAYLOAD}))));
    denied(server.post("/validate", &secret(json!({"a": "bad", "password": PAYLOAD}))));
    // Neither whole nor broken.
    let text = secret(json!({"password": PAYLOAD})).to_string();
    for broken in [&text[..text.len() - 3], &text.replace("CREATE", PAYLOAD), &text.replace("\"shop\"", "7")] {
        assert_eq!(server.post_text("/validate", broken.to_owned()).0, 400, "{broken}");
    }
    server.wait_for_log(0, "no AdmissionReview").unwrap();
    // The operation is told as it is sent: it is no part of an object.
    let told: Vec<String> =
        lines(&server, PAYLOAD).into_iter().filter(|line| !line.contains("unknown variant")).collect();
    assert_eq!(told, [] as [&str; 0]);
}

#[test]
fn the_log_can_be_json_and_filtered_and_quiet() {
    let (_folder, server) = serve(&["--log-json"], &[("BYLAW_LOG", "debug")]);
    denied(server.post("/validate", &config_map(json!({"a": "bad"}))));
    server.wait_for_log(0, "denied").unwrap();
    let parsed: Vec<Value> =
        server.log().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let denial = parsed.iter().find(|line| line["message"] == "denied").unwrap();
    assert_eq!(
        (&denial["level"], &denial["uid"], &denial["status"]),
        (&json!("INFO"), &json!("6f7a2d3c"), &json!(403))
    );

    let (_folder, quiet) = serve(&["-q"], &[]);
    denied(quiet.post("/validate", &config_map(json!({"a": "bad"}))));
    assert_eq!(quiet.log(), "");
}

#[test]
fn variables_of_jspolicy_that_mean_nothing_here_are_named() {
    let (_folder, server) = serve(&[], &[("VM_POOL_SIZE", "8"), ("BUNDLE_TIMEOUT", "30")]);
    server.wait_for_log(0, "VM_POOL_SIZE means nothing here").unwrap();
    assert_eq!(lines(&server, "means nothing").len(), 1, "{}", server.log());
}
