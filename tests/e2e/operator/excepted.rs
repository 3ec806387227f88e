//! The status of a `PolicyException` tells whether it counts.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::super::api::eventually;
use super::super::install::{kubectl, printed};
use super::*;

const EXCEPTIONS: &str = "/apis/bylaw.dev/v1alpha1/namespaces/guarded/policyexceptions";

fn later(seconds: i64) -> String {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap().to_string()
}

fn define(operator: &Operator) {
    let all: Value = serde_json::from_str(&printed(&["crd", "-o", "json"])).unwrap();
    let is_it = |one: &&Value| one["metadata"]["name"] == "policyexceptions.bylaw.dev";
    let definition = all["items"].as_array().unwrap().iter().find(is_it).unwrap();
    kubectl(operator.world, &["apply", "--server-side", "-f", "-"], &definition.to_string());
    eventually("the kind is served", || operator.api().get(EXCEPTIONS), Reply::is_good);
}

fn put(operator: &Operator, name: &str, policies: &[&str], expires: &str) {
    let object = json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "PolicyException",
        "metadata": {"name": name, "namespace": operator.namespace},
        "spec": {
            "policies": policies, "reason": "legacy", "expires": expires,
            "objects": [{"resources": ["configmaps"], "names": ["asked"]}],
        },
    });
    kubectl(operator.world, &["apply", "--server-side", "--force-conflicts", "-f", "-"], &object.to_string());
}

fn exception(operator: &Operator, name: &str) -> Value {
    operator.api().get(&format!("{EXCEPTIONS}/{name}")).object()
}

/// Waits for this reason, of its present generation.
fn reaches(operator: &Operator, name: &str, status: &str, reason: &str) -> Value {
    let is_there = |object: &Value| {
        let ready = &object["status"]["conditions"][0];
        ready["type"] == "Ready"
            && ready["status"] == status
            && ready["reason"] == reason
            && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    };
    eventually(reason, || exception(operator, name), is_there)
}

#[test]
fn an_exception_says_whether_it_counts_and_when_it_has_ended() {
    with_cluster(|operator| {
        define(operator);
        operator.give(&["--allow-exceptions", "guard.e2e.example.com"]);
        operator.serve();
        operator.put("guard", &refusing("guarded"));
        operator.put("strict", &json!({"javascript": "allow();"}));
        operator.reaches("guard", "Synced");
        operator.reaches("strict", "Synced");

        put(operator, "good", &["guard.e2e.example.com"], &later(3_600));
        reaches(operator, "good", "True", "InForce");
        operator.allows(json!({"bad": "yes"}));
        put(operator, "idle", &["strict.e2e.example.com", "unknown.e2e.example.com"], &later(3_600));
        let idle = reaches(operator, "idle", "False", "NothingExcepted");
        let message = idle["status"]["conditions"][0]["message"].as_str().unwrap();
        assert!(message.contains("strict.e2e.example.com is not among the policies that --allow-exceptions names"));
        assert!(message.contains("unknown.e2e.example.com is no policy that is enforced here"), "{message}");
        // Made into one that counts for a part of what it names.
        put(operator, "idle", &["strict.e2e.example.com", "guard.e2e.example.com"], &later(3_600));
        reaches(operator, "idle", "True", "InForce");

        put(operator, "short", &["guard.e2e.example.com"], &later(3));
        reaches(operator, "short", "True", "InForce");
        reaches(operator, "short", "False", "Expired");
        let listed =
            kubectl(operator.world, &["get", "policyexceptions", "--namespace", "guarded", "--no-headers"], "");
        assert!(listed.lines().any(|line| line.starts_with("short ") && line.contains(" False ")), "{listed}");

        // Each is told of once.
        let versions =
            || ["good", "idle", "short"].map(|name| exception(operator, name)["metadata"]["resourceVersion"].clone());
        let before = versions();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(versions(), before);

        operator.remove("guard");
        reaches(operator, "good", "False", "NothingExcepted");
        for name in ["good", "idle", "short"] {
            operator.api().delete(&format!("{EXCEPTIONS}/{name}")).object();
        }
    });
}
