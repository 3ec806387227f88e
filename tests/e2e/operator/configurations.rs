//! Webhook configurations are kept as the policies want them, whoever thinks otherwise.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::super::api::eventually;
use super::*;

#[test]
fn a_configuration_that_is_deleted_or_weakened_by_hand_is_mended() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        operator.api().delete(&format!("{VALIDATING}/bylaw")).object();
        operator.refuses(json!({"bad": "yes"}), "guarded");
        let whole = eventually("it is back", || operator.configuration(), |found| found["webhooks"].is_array());
        let edits = [
            json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]),
            json!([{"op": "replace", "path": "/webhooks/0/rules", "value": []}]),
            json!([{"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"never": "there"}}}]),
            json!([{"op": "remove", "path": "/webhooks/0"}]),
        ];
        for edit in edits {
            let path = format!("{VALIDATING}/bylaw");
            let body = Some(("application/json-patch+json", &edit));
            operator.api().try_send(Method::PATCH, &path, body).unwrap().object();
            let mended = |found: &Value| found["webhooks"] == whole["webhooks"];
            eventually(&format!("{edit} is mended"), || operator.configuration(), mended);
        }
        operator.refuses(json!({"bad": "yes"}), "guarded");
    });
}

#[test]
fn what_a_cloud_adds_is_left_to_it() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        let added = json!([{
            "op": "add", "path": "/webhooks/0/namespaceSelector/matchExpressions/-",
            "value": {"key": "control-plane", "operator": "DoesNotExist"},
        }]);
        let path = format!("{VALIDATING}/bylaw");
        let body = Some(("application/json-patch+json", &added));
        let edited = operator.api().try_send(Method::PATCH, &path, body).unwrap().object();
        // Something else happens meanwhile, so that it is looked at again.
        operator.put("guard", &refusing("guarded still"));
        operator.refuses(json!({"bad": "yes"}), "guarded still");
        operator.reaches("guard", "Synced");
        assert_eq!(operator.configuration()["metadata"]["resourceVersion"], edited["metadata"]["resourceVersion"]);
    });
}

#[test]
fn the_control_plane_and_bylaws_own_kinds_are_left_out() {
    with_operator(&["--namespace", "bylaw-system"], |operator| {
        operator.put("all", &json!({
            "operations": ["*"], "resources": ["*/*"], "javascript": "if (request.operation === 'DELETE') deny('never');",
        }));
        operator.reaches("all", "Synced");
        let webhook = operator.configuration()["webhooks"][0].clone();
        assert_eq!(
            webhook["namespaceSelector"]["matchExpressions"][0]["values"],
            json!(["kube-system", "bylaw-system"])
        );
        let path = path_in("default", "configmaps");
        operator.api().post(&path, &config_map("kept", json!({}))).object();
        let refused = |reply: &Reply| reply.message().contains("never");
        eventually("it is asked", || operator.api().delete(&format!("{path}/kept?dryRun=All")), refused);
        let system = path_in("kube-system", "configmaps");
        operator.api().post(&system, &config_map("free", json!({}))).object();
        operator.api().delete(&format!("{system}/free")).object();
        operator.remove("all");
        eventually("it is allowed", || operator.api().delete(&format!("{path}/kept")), Reply::is_good);
    });
}

#[test]
fn no_moment_is_unguarded_while_a_policy_moves_from_webhook_to_webhook() {
    with_operator(&[], |operator| {
        let timeouts = [10, 5, 7, 10, 3, 8];
        let of = |seconds: u32| {
            let mut spec = refusing("guarded");
            spec["timeoutSeconds"] = json!(seconds);
            spec
        };
        operator.put("moving", &of(10));
        // Keeps the webhook that the policy leaves.
        operator.put("staying", &json!({"resources": ["configmaps", "secrets"], "javascript": "allow();"}));
        operator.reaches("moving", "Synced");
        operator.reaches("staying", "Synced");
        let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let reply = operator.ask(json!({"bad": "yes"}));
                        assert!(reply.message().contains("guarded"), "{reply:?}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for seconds in timeouts {
                operator.put("moving", &of(seconds));
                thread::sleep(Duration::from_millis(300));
            }
            operator.reaches("moving", "Synced");
            thread::sleep(Duration::from_secs(3));
            over.store(true, Ordering::Relaxed);
        });
        assert!(asked.load(Ordering::Relaxed) > 50, "{asked:?}");
    });
}

#[test]
fn each_policy_may_have_a_configuration_of_its_own_as_with_jspolicy() {
    with_operator(&["--webhook-mode", "perPolicy"], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.put(
            "other",
            &json!({"type": "Mutating", "javascript": "request.object.metadata.labels = {seen: 'yes'}; mutate(request.object);"}),
        );
        operator.refuses(json!({"bad": "yes"}), "guarded");
        let policy = operator.reaches("guard", "Synced");
        operator.reaches("other", "Synced");
        let all = operator.api().get(VALIDATING).object();
        let [configuration] = all["items"].as_array().unwrap().as_slice() else { panic!("{all:#}") };
        assert!(configuration["metadata"]["name"].as_str().unwrap().starts_with("guard.e2e.example.com-"));
        assert_eq!(configuration["metadata"]["ownerReferences"][0]["uid"], policy["metadata"]["uid"]);
        let webhook = &configuration["webhooks"][0];
        assert_eq!(webhook["name"], "guard.e2e.example.com");
        assert!(webhook["clientConfig"]["url"].as_str().unwrap().ends_with("/policy/guard.e2e.example.com"));
        assert_eq!(operator.api().get(MUTATING).object()["items"].as_array().unwrap().len(), 1);
        operator.remove("guard");
        eventually("it goes with its policy", || operator.api().get(VALIDATING).body, |all| all["items"] == json!([]));
    });
}

#[test]
fn an_uninstall_takes_the_configurations_away() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        operator.stop();
        assert!(!operator.ask(json!({"good": "yes"})).is_good(), "nobody answers");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.args(["webhook", "--remove", "--kubeconfig"]).arg(operator.world.cluster.kubeconfig());
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        operator.allows(json!({"good": "yes"}));
    });
}
