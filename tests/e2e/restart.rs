//! An API server that goes away and comes back, as in an upgrade of the control plane, finds Bylaw as it left it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use reqwest::Method;
use serde_json::json;

use super::api::{Reply, eventually};
use super::ask::asking_module;
use super::bylaw::Bylaw;
use super::objects::{config_map, secret};
use super::policies::policy;
use super::world::World;

#[test]
fn verdicts_and_reads_go_on_after_the_api_server_restarts() {
    let Some(world) = World::start() else { return };
    let frozen = policy(
        "frozen",
        r#"
        match: { resources: ["secrets"], namespaceSelector: { matchLabels: { stage: "production" } } },
        validate({ deny }) { deny("frozen"); },
        "#,
    );
    let bylaw = Bylaw::start(&world, &[], &[frozen, asking_module(r#"read: ["v1/ConfigMap"]"#)]);
    bylaw.accepts("configmaps", &config_map("a", json!({"k": "before"})));
    let call = json!(["get", "v1/ConfigMap", {"namespace": bylaw.name, "name": "a"}]);
    eventually("the object is in memory", || bylaw.ask(&call), |found| found["data"]["k"] == "before");

    world.cluster.restart_api_server().expect("it starts again");
    bylaw.await_webhooks();
    bylaw.merge("configmaps/a", &json!({"data": {"k": "after"}})).object();
    eventually("memory follows again", || bylaw.ask(&call), |found| found["data"]["k"] == "after");

    let secret = secret("a", json!({}));
    let create = || bylaw.create("secrets?dryRun=All", &secret);
    assert!(create().is_good());
    let labels = json!({"metadata": {"labels": {"stage": "production"}}});
    bylaw.world.api.merge(&format!("/api/v1/namespaces/{}", bylaw.name), &labels).object();
    let refused = eventually("the namespace is frozen", create, |reply: &Reply| !reply.is_good());
    assert!(refused.message().contains("frozen"), "{refused:?}");
}

#[test]
fn nothing_slips_through_while_the_api_server_restarts_under_load() {
    let Some(world) = World::start() else { return };
    let no_bad_names = policy(
        "no-bad-names",
        r#"
        match: { resources: ["secrets"], operations: ["CREATE"] },
        validate({ object, deny }) { if (object.metadata.name.startsWith("bad")) deny("a bad name"); },
        "#,
    );
    let bylaw = Bylaw::start(&world, &[], &[no_bad_names]);
    let (refused, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let path = bylaw.path("secrets");
    let load = || {
        while !over.load(Ordering::Relaxed) {
            // No answer is as good as a refusal.
            let body = secret("bad", json!({}));
            let Ok(reply) = world.api.try_send(Method::POST, &path, Some(("application/json", &body))) else {
                continue;
            };
            assert!(!reply.is_good(), "{reply:?}");
            refused.fetch_add(usize::from(reply.message().contains("a bad name")), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(load);
        }
        world.cluster.restart_api_server().expect("it starts again");
        let before = refused.load(Ordering::Relaxed);
        let now = || refused.load(Ordering::Relaxed);
        eventually("the policy judges again", now, |now| *now > before + 10);
        over.store(true, Ordering::Relaxed);
    });
    bylaw.accepts("secrets", &secret("good", json!({})));
}
