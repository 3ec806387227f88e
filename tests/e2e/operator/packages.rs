//! Policies that come with packages, while a registry does not answer.

use std::net::TcpListener;
use std::thread;

use serde_json::json;

use super::super::api::eventually;
use super::*;

/// A registry that takes every call and never answers.
pub fn hanging() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept() {
            held.push(connection);
        }
    });
    url
}

#[test]
fn a_registry_that_hangs_holds_up_nothing_but_its_own_policy() {
    let registry = hanging();
    with_environment(&[], &[("npm_config_registry", &registry), ("BUNDLE_TIMEOUT", "3")], |operator| {
        operator.put("packed", &refusing("before it had packages"));
        operator.refuses(json!({"bad": "yes"}), "before it had packages");
        operator.reaches("packed", "Synced");
        operator.put("packed", &json!({"javascript": "import x from 'x';", "dependencies": {"x": "1"}}));
        operator.put("plain", &refusing("plain"));
        operator.refuses(json!({"bad": "yes"}), "plain");
        operator.reaches("plain", "Synced");
        assert!(operator.ask(json!({"bad": "yes"})).message().contains("before it had packages"));
        let failed = operator.reaches("packed", "Failed");
        assert!(failed["status"]["message"].as_str().unwrap().contains("still enforced"), "{failed:#}");
        operator.refuses(json!({"bad": "yes"}), "before it had packages");
        // A start must not wait for it either.
        operator.stop();
        operator.serve();
        operator.refuses(json!({"bad": "yes"}), "plain");
        eventually(
            "the last good one",
            || operator.ask(json!({"bad": "yes"})),
            |reply| reply.message().contains("before it had packages"),
        );
        operator.put("packed", &refusing("without packages again"));
        operator.refuses(json!({"bad": "yes"}), "without packages again");
        operator.reaches("packed", "Synced");
    });
}
