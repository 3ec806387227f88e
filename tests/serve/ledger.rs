//! What a policy reserves is there for no other request, and goes with its own.

use serde_json::{Value, json};

use super::folder::{Folder, policy};
use super::reviews::{allowed, create, message, with};
use super::server::Server;

/// Lets two config maps be.
const COUNTING: &str = r#"
    permissions: { quota: ["maps"] },
    async validate({ quota, deny }) {
      const answer = await quota.reserve({ key: "maps", amounts: { maps: 1 }, limits: { maps: 2 } });
      if (!answer.allowed) deny(answer.message);
    },
"#;

fn counting(isolation: &str) -> Folder {
    let counting =
        policy("counting", COUNTING).replace("async validate", &format!("isolation: \"{isolation}\", async validate"));
    let minding = policy("minding", r#"validate({ object, deny }) { if (object.data.minded) deny("minded"); },"#);
    Folder::new(&[("counting.ts", &counting), ("minding.ts", &minding)])
}

/// The creation of a config map of that name.
fn creation(name: &str, data: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}")});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    with(create(object), json!({"uid": format!("request-{name}")}))
}

fn ask(server: &Server, name: &str) -> (u16, Value) {
    server.post("/validate", &creation(name, &json!({})))
}

#[test]
fn what_one_request_has_reserved_is_not_there_for_another() {
    for isolation in ["Shared", "Fresh", "Dedicated", "Process"] {
        let folder = counting(isolation);
        let server = folder.serve(&[]);
        for name in ["a", "b", "a"] {
            allowed(ask(&server, name));
        }
        let told = message(ask(&server, "c"));
        assert!(told.contains("exceeded quota: maps: requested 1, used 2, limited to 2"), "{isolation}: {told}");
    }
}

#[test]
fn a_request_that_is_denied_or_only_asks_holds_nothing() {
    let folder = counting("Shared");
    let server = folder.serve(&[]);
    for number in 0..5 {
        let told = message(server.post("/validate", &creation(&format!("minded-{number}"), &json!({"minded": "yes"}))));
        assert!(told.contains("minded") && !told.contains("exceeded"), "{told}");
        let dry = with(creation(&format!("dry-{number}"), &json!({})), json!({"dryRun": true}));
        allowed(server.post("/validate", &dry));
    }
    for name in ["a", "b"] {
        allowed(ask(&server, name));
    }
    message(ask(&server, "c"));
}

#[test]
fn who_may_not_reserve_is_told_how_and_who_mutates_never_may() {
    let folder = Folder::new(&[
        ("unasked.ts", &policy("unasked", &COUNTING.replace("\"maps\"]", "\"pods\"]"))),
        (
            "mutating.ts",
            &policy(
                "mutating",
                r#"permissions: { quota: ["*"] }, mutate(context) { context.quota.reserve({ key: "maps", amounts: {} }); },"#,
            ),
        ),
    ]);
    let server = folder.serve(&[]);
    let told = message(ask(&server, "a"));
    assert!(told.contains("may not reserve under the key maps: add quota: [\"maps\"] to its permissions"), "{told}");
    let told = message(server.post("/mutate", &creation("a", &json!({}))));
    assert!(told.contains("[mutating"), "{told}");
}
