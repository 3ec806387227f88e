//! What is told in the cluster of denials, and how little is written for it.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::Bylaw;
use super::objects::config_map;
use super::policies::{PolicyFile, js_policy, policy};
use super::report_kinds;
use super::server::Server;
use super::world::World;

const VIOLATIONS: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicyviolations";

/// A cluster of these tests alone: on others nobody installs these kinds.
fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    let start = || World::start().inspect(report_kinds::install);
    WORLD.get_or_init(start).as_ref()
}

fn with_reports<const N: usize>(arguments: &[&str], policies: [PolicyFile; N], test: impl FnOnce(&mut Bylaw)) {
    if let Some(world) = world() {
        test(&mut Bylaw::start(world, arguments, &policies));
    }
}

/// Minds the data of `ConfigMap`s.
fn minding(name: &str) -> PolicyFile {
    let rest = r#"
        match: { resources: ["configmaps"], operations: ["CREATE", "UPDATE"] }, category: "Data", severity: "critical",
        validate({ object, deny }) { if (object.metadata.name !== "canary") for (const fault of Object.values(object.data ?? {})) deny(`no ${fault}`); },
    "#;
    policy(name, rest)
}

fn entries(world: &World, policy: &str) -> Vec<Value> {
    let object = world.api.get(&format!("{VIOLATIONS}/{policy}.e2e.example.com")).body;
    object["status"]["violations"].as_array().cloned().unwrap_or_default()
}

fn names(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["requestInfo"]["name"].as_str()).collect()
}

/// A request of the API server, made here.
fn review(namespace: &str, name: &str) -> Value {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"a": "x"}});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "namespace": namespace, "name": name, "object": object,
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "userInfo": {"username": "flood"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
    }})
}

/// Changes that the API server was asked for, by the resource, since the log had this length.
fn writes(world: &World, resources: &[&str], since: usize) -> usize {
    let log = fs::read_to_string(world.cluster.audit_log()).unwrap();
    let events =
        log.get(since..).unwrap_or_default().lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_write = |event: &Value| {
        let verb = event["verb"].as_str().unwrap_or_default();
        let resource = event["objectRef"]["resource"].as_str().unwrap_or_default();
        ["create", "update", "patch", "delete"].contains(&verb) && resources.contains(&resource)
    };
    events.filter(is_write).count()
}

#[test]
fn what_a_controller_says_of_an_object_is_kept_as_jspolicy_kept_it() {
    let script = js_policy(
        "judging",
        "type: Controller\noperations: [CREATE]\nresources: [configmaps]\nobjectSelector: {matchLabels: {judged: yes-please}}",
        "deny(`no ${request.name}`, 'Invalid', 422)",
    );
    with_reports(&[], [script], |bylaw| {
        let mut object = config_map("wrong", json!({}));
        object["metadata"]["labels"] = json!({"judged": "yes-please"});
        bylaw.accepts("configmaps", &object);
        let told = eventually("it is told", || entries(bylaw.world, "judging"), |entries| !entries.is_empty());
        let expected = json!(["Controller", 422, "Invalid", "no wrong", "CREATE"]);
        let [entry] = told.as_slice() else { panic!("{told:?}") };
        let found = ["action", "code", "reason", "message"].map(|field| entry[field].clone());
        let found: Vec<Value> = found.into_iter().chain([entry["requestInfo"]["operation"].clone()]).collect();
        assert_eq!(json!(found), expected);
    });
}

#[test]
fn denials_are_kept_as_jspolicy_kept_them_and_belong_to_their_policy() {
    with_reports(&[], [minding("kept")], |bylaw| {
        let policy = json!({
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": "kept.e2e.example.com"},
        });
        let policy = bylaw.world.api.post("/apis/policy.jspolicy.com/v1beta1/jspolicies", &policy).object();
        bylaw.rejects("configmaps", &config_map("bad", json!({"a": "x", "b": "y"})));
        let kept = eventually("it is kept", || entries(bylaw.world, "kept"), |entries| !entries.is_empty());
        let mut entry = kept[0].clone();
        let timestamp = entry.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        entry["userInfo"].as_object_mut().unwrap().remove("uid");
        assert_eq!(
            entry,
            json!({
                "action": "Deny", "code": 403, "reason": "Forbidden", "message": "no x; no y",
                "requestInfo": {"name": "bad", "namespace": bylaw.name, "kind": "ConfigMap", "apiVersion": "v1", "operation": "CREATE"},
                "userInfo": {"username": "admin"},
            })
        );
        let object = bylaw.world.api.get(&format!("{VIOLATIONS}/kept.e2e.example.com")).object();
        let owner = &object["metadata"]["ownerReferences"][0];
        assert_eq!((&owner["uid"], &owner["controller"]), (&policy["metadata"]["uid"], &json!(true)), "{object}");
    });
}

#[test]
fn no_more_are_kept_than_the_policy_asks_for_and_none_where_it_asks_for_none() {
    let manifest = |name: &str, audit: &str| PolicyFile {
        name: format!("{name}.yaml"),
        text: format!(
            "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {{name: {name}.e2e.example.com}}\nspec:\n  \
             operations: [CREATE]\n  resources: [configmaps]\n  {audit}\n  objectSelector: {{matchLabels: {{minded: \"yes\"}}}}\n  \
             javascript: deny('never')\n"
        ),
    };
    with_reports(&[], [manifest("few", "auditLogSize: 2"), manifest("quiet", "auditPolicy: Skip")], |bylaw| {
        for name in ["a", "b", "c"] {
            let mut object = config_map(name, json!({}));
            object["metadata"]["labels"] = json!({"minded": "yes"});
            bylaw.rejects("configmaps", &object);
        }
        let kept = eventually("the last are kept", || entries(bylaw.world, "few"), |kept| names(kept).contains(&"c"));
        assert_eq!(names(&kept), ["b", "c"]);
        assert_eq!(entries(bylaw.world, "quiet"), Vec::<Value>::new());
    });
}

#[test]
fn replicas_keep_each_others_violations() {
    with_reports(&["--report-writes", "600"], [minding("shared")], |bylaw| {
        let other = bylaw.replica();
        for round in 0..5 {
            bylaw.server().post("/validate", &review(&bylaw.name, &format!("a{round}")));
            other.post("/validate", &review(&bylaw.name, &format!("b{round}")));
            std::thread::sleep(Duration::from_millis(300));
        }
        let all = |entries: &Vec<Value>| entries.len() == 10;
        let kept = eventually("all are there", || entries(bylaw.world, "shared"), all);
        let mut names = names(&kept);
        names.sort_unstable();
        assert_eq!(names, ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "b4"]);
    });
}

#[test]
fn a_flood_of_denials_is_no_flood_of_writes() {
    let kinds = "violations,policy-reports,open-reports,events";
    // A cluster of its own: in the other one everybody writes.
    let Some(world) = World::start().inspect(report_kinds::install) else { return };
    let bylaw = &Bylaw::start(&world, &["--report", kinds], &[minding("flooded"), minding("soaked")]);
    let since = fs::read_to_string(bylaw.world.cluster.audit_log()).unwrap().len();
    let (begun, denials) = (Instant::now(), 4_000);
    post_all(bylaw.server(), denials, |at| review(&format!("n{}", at % 50), &format!("c{at}")));
    let told = || entries(bylaw.world, "flooded");
    eventually("the flood is told of", told, |kept| names(kept).iter().any(|name| name.starts_with('c')));
    let resources =
        ["jspolicyviolations", "policyreports", "clusterpolicyreports", "reports", "clusterreports", "events"];
    let (writes, seconds) = (writes(bylaw.world, &resources, since), begun.elapsed().as_secs());
    // What a minute allows, by the share of it that has passed, and what may come at once.
    assert!(writes as u64 <= 25 * seconds / 60 + 7, "{writes} writes in {seconds} s");
    let (_, metrics) = bylaw.server().get(bylaw.server().metrics_url());
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("bylaw_reports_dropped_total "));
    assert!(dropped.unwrap().parse::<u64>().unwrap() > 1_000, "{dropped:?}");
}

fn post_all(server: &Server, count: usize, body: impl Fn(usize) -> Value) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = format!("{}/validate", server.url());
        let posts = (0..count).map(|at| {
            let request =
                server.client().post(&url).header("content-type", "application/json").body(body(at).to_string());
            async move { assert_eq!(request.send().await.unwrap().status(), 200) }
        });
        futures::StreamExt::collect::<Vec<()>>(futures::StreamExt::buffer_unordered(futures::stream::iter(posts), 32))
            .await;
    });
}

#[test]
fn reports_of_both_apis_and_events_tell_of_a_denial() {
    with_reports(&["--report", "policy-reports,open-reports,events"], [minding("told")], |bylaw| {
        bylaw.rejects("configmaps", &config_map("bad", json!({"a": "x"})));
        let reports =
            [("wgpolicyk8s.io/v1alpha2", "policyreports", "high"), ("openreports.io/v1alpha1", "reports", "critical")];
        for (api, plural, severity) in reports {
            let path = format!("/apis/{api}/namespaces/{0}/{plural}/js-policy-report-ns-{0}", bylaw.name);
            let of = |report: &Value| {
                let results = report["results"].as_array().cloned().unwrap_or_default();
                results.into_iter().find(|result| result["policy"] == "told.e2e.example.com")
            };
            let report =
                eventually("there is a report", || bylaw.world.api.get(&path).body, |report| of(report).is_some());
            let result = of(&report).unwrap();
            assert_eq!(
                (&result["source"], &result["result"], &result["message"], &result["category"], &result["severity"]),
                (&json!("JsPolicy"), &json!("fail"), &json!("no x"), &json!("Data"), &json!(severity)),
            );
            let resource = json!([{"kind": "ConfigMap", "namespace": bylaw.name, "name": "bad", "apiVersion": "v1"}]);
            assert_eq!(result["resources"], resource, "an object that never came to be has no uid");
            assert_eq!(result["properties"]["userinfo.username"], "admin");
            assert_eq!(report["metadata"]["ownerReferences"], Value::Null);
            assert!(report["summary"]["fail"].as_u64().unwrap() >= 1, "{report}");
        }
        let told = || {
            let events = bylaw.get("events").body["items"].as_array().cloned().unwrap_or_default();
            events
                .into_iter()
                .find(|event| event["message"] == "told.e2e.example.com is violated by CREATE of ConfigMap: no x")
        };
        let event = eventually("there is an event", told, Option::is_some).unwrap();
        assert_eq!((&event["involvedObject"]["name"], &event["type"]), (&json!("bad"), &json!("Warning")));
    });
}

#[test]
fn a_policy_that_denies_what_is_written_of_denials_causes_no_more_of_it() {
    let closed = policy(
        "closed",
        r#"
        match: { apiGroups: ["*"], resources: ["events", "policyreports"], operations: ["CREATE", "UPDATE"] },
        validate({ deny }) { deny("closed"); },
        "#,
    );
    with_reports(
        &["--report", "events,policy-reports", "--report-writes", "600"],
        [closed, minding("loops")],
        |bylaw| {
            bylaw.rejects("configmaps", &config_map("bad", json!({"a": "x"})));
            let server = bylaw.server();
            let since = fs::read_to_string(bylaw.world.cluster.audit_log()).unwrap().len();
            eventually(
                "the writes are refused",
                || writes(bylaw.world, &["events", "policyreports"], since),
                |writes| *writes >= 2,
            );
            std::thread::sleep(Duration::from_secs(3));
            let written = writes(bylaw.world, &["events", "policyreports"], since);
            assert!(written <= 4, "{written}\n{}", server.log());
        },
    );
}

#[test]
fn denials_given_while_the_api_server_was_away_are_told_of_when_it_is_back() {
    let Some(world) = World::start().inspect(report_kinds::install) else { return };
    let bylaw = &Bylaw::start(&world, &["--report-writes", "600"], &[minding("away")]);
    std::thread::scope(|scope| {
        let restarting = scope.spawn(|| world.cluster.restart_api_server().unwrap());
        let mut count = 0;
        while !restarting.is_finished() || count < 10 {
            bylaw.server().post("/validate", &review("shop", &format!("c{}", count % 15)));
            count += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let all = |kept: &Vec<Value>| (0..10).all(|at| names(kept).contains(&&*format!("c{at}")));
    eventually("all are told of", || entries(&world, "away"), all);
    let log = bylaw.server().log();
    assert!(log.matches("violations could not be written").count() <= 3, "{log}");
}
