//! `PolicyException` objects of a cluster: what they let past, for how long, and what they cannot.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::{Bylaw, path_in};
use super::objects::config_map;
use super::policies::{PolicyFile, policy};
use super::report_kinds;
use super::world::World;

fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    let start = || World::start().inspect(report_kinds::install);
    WORLD.get_or_init(start).as_ref()
}

fn closed(name: &str) -> PolicyFile {
    let rest =
        r#"match: { resources: ["configmaps"], operations: ["CREATE"] }, validate({ deny }) { deny("closed"); },"#;
    policy(name, rest)
}

fn exception(policy: &str, expires: Timestamp) -> Value {
    json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "PolicyException", "metadata": {"name": "legacy"}, "spec": {
            "policies": [format!("{policy}.e2e.example.com")], "objects": [{"resources": ["configmaps"], "names": ["old-*"]}],
            "reason": "moved next month", "expires": expires.to_string(),
        },
    })
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

fn path(namespace: &str) -> String {
    format!("/apis/bylaw.dev/v1alpha1/namespaces/{namespace}/policyexceptions")
}

fn creates(bylaw: &Bylaw, name: &str) -> bool {
    let path = format!("{}?dryRun=All", bylaw.path("configmaps"));
    bylaw.world.api.post(&path, &config_map(name, json!({}))).is_good()
}

#[test]
fn an_exception_lets_its_objects_past_until_it_expires_and_is_in_the_audit_log() {
    let Some(world) = world() else { return };
    let bylaw = Bylaw::start(world, &["--allow-exceptions", "*"], &[closed("excepted")]);
    assert!(!creates(&bylaw, "old-1"));
    let expires = later(6);
    world.api.post(&path(&bylaw.name), &exception("excepted", expires)).object();
    eventually("the exception is known", || creates(&bylaw, "old-1"), |good| *good);
    assert!(!creates(&bylaw, "new-1"), "another object");
    let key = "fail-equivalent.validate.bylaw.dev/excepted.e2e.example.com.exception";
    let noted = || fs::read_to_string(world.cluster.audit_log()).unwrap();
    let note = format!("{key}\":\"{}/legacy: moved next month\"", bylaw.name);
    eventually("the audit log tells of it", noted, |log| log.contains(&note));
    let (_, metrics) = bylaw.server().get(bylaw.server().metrics_url());
    assert!(metrics.contains(r#"bylaw_exceptions_used_total{policy="excepted.e2e.example.com"}"#), "{metrics}");

    // Nothing tells the server of it: it looks at its clock.
    let log = bylaw.server().log_length();
    while Timestamp::now() < expires {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!creates(&bylaw, "old-1"), "it has expired");
    assert!(!bylaw.server().log()[log..].contains("policies loaded"));
}

#[test]
fn an_exception_counts_for_its_namespace_and_for_what_the_server_allows() {
    let Some(world) = world() else { return };
    let arguments = ["--allow-exceptions", "open.e2e.example.com"];
    let bylaw = Bylaw::start(world, &arguments, &[closed("open"), closed("strict")]);
    let elsewhere = format!("{}-other", bylaw.name);
    bylaw.make_namespace(&elsewhere, &json!({}));
    world.api.post(&path(&elsewhere), &exception("open", later(3_600))).object();
    let denied_by = |namespace: &str| {
        let path = format!("{}?dryRun=All", path_in(namespace, "configmaps"));
        world.api.post(&path, &config_map("old-1", json!({}))).message().to_owned()
    };
    let open_is_silent = |message: &String| !message.contains("[open.");
    let message = eventually("it holds in its namespace", || denied_by(&elsewhere), open_is_silent);
    assert!(message.contains("[strict."), "{message}");
    assert!(denied_by(&bylaw.name).contains("[open."), "another namespace");
    world
        .api
        .merge(&format!("{}/legacy", path(&elsewhere)), &json!({"spec": {"policies": ["strict.e2e.example.com"]}}))
        .object();
    let message = eventually("the change is known", || denied_by(&elsewhere), |message| message.contains("[open."));
    assert!(message.contains("[strict."), "the server does not allow it: {message}");
}

#[test]
fn a_deleted_exception_and_one_that_is_not_understood_count_for_nothing() {
    let Some(world) = world() else { return };
    let bylaw = Bylaw::start(world, &["--allow-exceptions", "*"], &[closed("gone")]);
    let legacy = format!("{}/legacy", path(&bylaw.name));
    world.api.post(&path(&bylaw.name), &exception("gone", later(3_600))).object();
    eventually("the exception is known", || creates(&bylaw, "old-1"), |good| *good);
    world.api.merge(&legacy, &json!({"spec": {"onlyOn": "mondays"}})).object();
    eventually("what is not understood ends it", || creates(&bylaw, "old-1"), |good| !*good);
    assert!(bylaw.server().log().contains("PolicyException without effect: spec.onlyOn: is not a field"));
    world.api.merge(&legacy, &json!({"spec": {"onlyOn": null}})).object();
    eventually("the exception is back", || creates(&bylaw, "old-1"), |good| *good);
    world.api.delete(&legacy).object();
    let begun = Instant::now();
    eventually("the exception is gone", || creates(&bylaw, "old-1"), |good| !*good);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
