//! In place of jsPolicy: its objects stay as they are, and no moment is unguarded.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::api::eventually;
use super::*;

const NAMES: [&str; 3] = ["one", "two", "three"];

/// jsPolicy's part is played by a server of the same policies at jsPolicy's paths, registered as jsPolicy registers.
fn old_server(operator: &Operator) -> Server {
    let folder = operator.folder.path().join("old");
    std::fs::create_dir_all(&folder).unwrap();
    for name in NAMES {
        let object = js_policy(name, &refusing(&format!("{name} is guarded")));
        std::fs::write(folder.join(format!("{name}.json")), object.to_string()).unwrap();
    }
    let (policies, state) = (folder.display().to_string(), folder.join("state").display().to_string());
    Server::start(&["--policies", &policies, "--state-dir", &state, "--compat", "jspolicy"])
}

/// What jsPolicy left: the policy with its status, its bundle, a configuration with a random suffix.
fn install(operator: &Operator, name: &str, old: &Server) {
    let policy = operator.put(name, &refusing(&format!("{name} is guarded")));
    let owner = json!([{
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": full(name),
        "uid": policy["metadata"]["uid"], "controller": true,
    }]);
    let authority = std::fs::read(old.authority().unwrap()).unwrap();
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("{}-xkcdq", full(name)), "ownerReferences": owner},
        "webhooks": [{
            "name": full(name), "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "url": format!("{}/policy/{}", old.url(), full(name)), "caBundle": STANDARD.encode(authority),
            },
            "rules": [{
                "operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["configmaps"],
                "scope": "*",
            }],
        }],
    });
    operator.api().post(VALIDATING, &configuration).object();
}

/// jsPolicy's webhook for its own kinds.
fn install_checks(operator: &Operator, old: &Server) {
    let authority = std::fs::read(old.authority().unwrap()).unwrap();
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "jspolicy"},
        "webhooks": [{
            "name": "jspolicy.jspolicy.com", "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {"url": format!("{}/crds", old.url()), "caBundle": STANDARD.encode(authority)},
            "rules": [{
                "operations": ["CREATE", "UPDATE"], "apiGroups": ["policy.jspolicy.com"], "apiVersions": ["v1beta1"],
                "resources": ["*"], "scope": "*",
            }],
        }],
    });
    operator.api().post(VALIDATING, &configuration).object();
}

/// Asks whether a policy that cannot be parsed could be stored.
fn store_broken(operator: &Operator) -> Reply {
    let broken = js_policy("broken", &json!({"javascript": "deny(;"}));
    operator.api().post(&format!("{POLICIES}?dryRun=All"), &broken)
}

#[test]
fn jspolicy_is_taken_over_without_an_unguarded_moment() {
    with_cluster(|operator| {
        let old = old_server(operator);
        for name in NAMES {
            install(operator, name, &old);
            operator.refuses(json!({"bad": "yes"}), &format!("{name} is guarded"));
        }
        // A policy that only jsPolicy could run keeps jsPolicy's webhook.
        let strange = operator.put("strange", &json!({"javascript": "deny(;"}));
        let mut kept = operator.api().get(&format!("{VALIDATING}/one.e2e.example.com-xkcdq")).object();
        kept["metadata"] = json!({"name": "strange.e2e.example.com-abcde", "ownerReferences": [{
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": full("strange"),
            "uid": strange["metadata"]["uid"],
        }]});
        kept["webhooks"][0]["clientConfig"]["url"] = format!("{}/policy/{}", old.url(), full("strange")).into();
        kept["webhooks"][0]["failurePolicy"] = "Ignore".into();
        operator.api().post(VALIDATING, &kept).object();
        install_checks(operator, &old);
        let refused = |reply: &Reply| reply.message().contains("jspolicy.jspolicy.com");
        eventually("jsPolicy checks its kinds", || store_broken(operator), refused);

        let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut server = None;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let reply = operator.ask(json!({"bad": "yes"}));
                        assert!(reply.message().contains("is guarded"), "unguarded: {reply:?}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let reply = store_broken(operator);
                    assert!(reply.message().contains("spec.javascript: line 1"), "unchecked: {reply:?}");
                }
            });
            thread::sleep(Duration::from_millis(300));
            let kubeconfig = operator.world.cluster.kubeconfig().display().to_string();
            let state = operator.folder.path().join("state").display().to_string();
            server = Some(Server::start(&["--kubeconfig", &kubeconfig, "--state-dir", &state]));
            let names = || {
                let all = operator.api().get(VALIDATING).object();
                let all = all["items"].as_array().unwrap().clone();
                all.iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let ours = ["bylaw", "bylaw-crds", "strange.e2e.example.com-abcde"].map(str::to_owned);
            eventually("only Bylaw's is left", names, |names| *names == ours);
            drop(old);
            thread::sleep(Duration::from_secs(1));
            over.store(true, Ordering::Relaxed);
        });
        operator.server = server;
        assert!(asked.load(Ordering::Relaxed) > 30, "{asked:?}");
        for name in NAMES {
            operator.refuses(json!({"bad": "yes"}), &format!("[{}] {name} is guarded", full(name)));
            operator.reaches(name, "Synced");
        }
        assert!(store_broken(operator).refusal().contains("crds.bylaw.dev"), "ours checks now");
    });
}

#[test]
fn objects_of_bylaw_are_checked_and_the_configuration_for_that_is_kept_like_any_other() {
    with_environment(&["--namespace", "bylaw-system"], &[CHECKED], |operator| {
        let path = format!("{VALIDATING}/bylaw-crds");
        let configuration = || operator.api().get(&path).body;
        let refused = |reply: &Reply| reply.message().contains("denied the request: spec.javascript: line 1, column 6");
        eventually("they are checked before there is a policy", || store_broken(operator), refused);
        let whole = configuration();
        let webhook = &whole["webhooks"][0];
        assert_eq!((&webhook["name"], &webhook["failurePolicy"]), (&json!("crds.bylaw.dev"), &json!("Ignore")));
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");

        operator.api().delete(&path).object();
        eventually("it is back", configuration, |found| found["webhooks"].is_array());
        for edit in [
            json!([{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]),
            json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]),
            json!([{"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"never": "there"}}}]),
        ] {
            let body = Some(("application/json-patch+json", &edit));
            operator.api().try_send(Method::PATCH, &path, body).unwrap().object();
            let mended = |found: &Value| found["webhooks"] == whole["webhooks"];
            eventually(&format!("{edit} is mended"), configuration, mended);
        }

        // With nobody there to ask, whoever has to mend a policy is not locked out.
        operator.stop();
        store_broken(operator).object();
    });
}

#[test]
fn who_wants_jspolicys_kinds_unchecked_says_it_with_jspolicys_variable() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        assert_eq!(operator.api().get(&format!("{VALIDATING}/bylaw-crds")).status, 404);
        store_broken(operator).object();
    });
}

#[test]
fn what_jspolicy_bundled_is_not_bundled_again() {
    with_cluster(|operator| {
        let spec = json!({"javascript": "import _ from 'lodash';\ndeny(_);", "dependencies": {"lodash": "^4"}});
        let policy = operator.put("packed", &spec);
        let hash = bylaw::bundle::bundle_hash(
            "import _ from 'lodash';\ndeny(_);",
            Some(&[("lodash".to_owned(), "^4".to_owned())].into()),
        );
        let status = json!({"status": {"bundleHash": hash, "phase": "Synced"}});
        operator.api().merge(&format!("{POLICIES}/{}/status", full("packed")), &status).object();
        let webpacked = bylaw::bundle::pack("if (request.object.data?.bad) deny('made by webpack');").unwrap();
        let bundle = json!({
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicyBundle",
            "metadata": {"name": full("packed"), "ownerReferences": [{
                "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "name": full("packed"),
                "uid": policy["metadata"]["uid"], "controller": true,
            }]},
            "spec": {"bundle": webpacked},
        });
        let made = operator.api().post(BUNDLES, &bundle).object();
        operator.serve();
        operator.refuses(json!({"bad": "yes"}), "made by webpack");
        operator.reaches("packed", "Synced");
        assert_eq!(operator.bundle("packed")["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    });
}

#[test]
fn a_bundle_that_is_changed_by_hand_is_written_anew() {
    with_operator(&[], |operator| {
        operator.put("guard", &refusing("guarded"));
        operator.reaches("guard", "Synced");
        let written =
            eventually("its bundle", || operator.bundle("guard"), |bundle| bundle["spec"]["bundle"].is_string());
        let edit = json!({"spec": {"bundle": bylaw::bundle::pack("allow()").unwrap()}});
        operator.api().merge(&format!("{BUNDLES}/{}", full("guard")), &edit).object();
        let mended = |bundle: &Value| bundle["spec"] == written["spec"];
        eventually("it is as it was", || operator.bundle("guard"), mended);
        operator.refuses(json!({"bad": "yes"}), "guarded");
        operator.api().delete(&format!("{BUNDLES}/{}", full("guard"))).object();
        eventually("it is there again", || operator.bundle("guard"), mended);
    });
}
