//! Controllers on a real API server: what they see, what they write, and what stops them.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::bylaw::path_in;
use super::objects::{config_map, definition};
use super::operator::{Operator, full, js_policy, with_operator};
use super::replicas::Replicas;
use super::world::World;

const POLICIES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicies";

/// A module that sees the `ConfigMap`s with the label `test: NAME`, and may read and write any.
fn controller(name: &str, rest: &str) -> Value {
    let module = format!(
        r#"
        import {{ policy }} from "@bylaw/sdk";
        const MAP = "v1/ConfigMap";
        const map = (key, name, data) => (
          {{ apiVersion: "v1", kind: "ConfigMap", metadata: {{ namespace: key.namespace, name }}, data }}
        );
        export default policy({{
          match: {{ resources: ["configmaps"], objectSelector: {{ matchLabels: {{ test: "{name}" }} }} }},
          permissions: {{ read: [MAP], write: [MAP] }},
          {rest}
        }});
        "#
    );
    json!({"typescript": module, "operations": ["CREATE", "DELETE"]})
}

/// Makes `NAME-copy` of each object.
const COPIES: &str = r"async reconcile({ object, key, get, create }) {
  const name = `${key.name}-copy`;
  if (object !== undefined && get(MAP, { ...key, name }) === undefined) await create(map(key, name, object.data));
}";

/// One that controllers of this test see.
fn labelled(test: &str, name: &str, data: Value) -> Value {
    let mut object = config_map(name, data);
    object["metadata"]["labels"] = json!({"test": test});
    object
}

fn create(operator: &Operator, object: &Value) -> Value {
    operator.api().post(&path_in(&operator.namespace, "configmaps"), object).object()
}

fn find(operator: &Operator, name: &str) -> Reply {
    operator.api().get(&path_in(&operator.namespace, &format!("configmaps/{name}")))
}

fn remove(operator: &Operator, name: &str) {
    operator.api().delete(&path_in(&operator.namespace, &format!("configmaps/{name}"))).object();
}

fn appears(operator: &Operator, name: &str) -> Value {
    eventually(name, || find(operator, name), Reply::is_good).body
}

/// The value of a series of this policy, as the server's metrics have it.
fn counted(operator: &Operator, series: &str) -> u64 {
    let server = operator.server();
    let page = server.get(server.metrics_url()).1;
    let line = page.lines().find(|line| line.starts_with(series));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or_default()
}

fn runs(operator: &Operator, name: &str, result: &str) -> u64 {
    counted(operator, &format!("bylaw_controller_reconciles_total{{policy=\"{}\",result=\"{result}\"}}", full(name)))
}

fn condition<'p>(policy: &'p Value, kind: &str) -> &'p Value {
    let conditions = policy["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|one| one["type"] == kind).expect("the condition")
}

#[test]
fn what_is_there_and_what_is_created_is_followed_by_another_object() {
    with_operator(&[], |operator| {
        create(operator, &labelled("copies", "before", json!({"a": "1"})));
        create(operator, &labelled("others", "stranger", json!({})));
        operator.put("copies", &controller("copies", COPIES));
        let policy = operator.reaches("copies", "Synced");
        for kind in ["Ready", "BundleCompiled", "ControllerReady", "LintPassed"] {
            assert_eq!(condition(&policy, kind)["status"], "True", "{kind}: {policy:#}");
        }
        assert_eq!(appears(operator, "before-copy")["data"], json!({"a": "1"}));
        create(operator, &labelled("copies", "after", json!({"a": "2"})));
        assert_eq!(appears(operator, "after-copy")["data"], json!({"a": "2"}));
        assert_eq!(find(operator, "stranger-copy").status, 404);
        assert!(runs(operator, "copies", "done") >= 2);
        assert!(operator.configuration()["code"] == 404, "no request is asked about");
    });
}

#[test]
fn an_error_is_tried_again_until_it_is_good() {
    with_operator(&[], |operator| {
        let rest = r#"async reconcile({ object, key, get, create }) {
          if (object === undefined) return;
          if (get(MAP, { ...key, name: "retry-gate" }) === undefined) throw new Error("the gate is closed");
          await create(map(key, `${key.name}-let-in`, {}));
        }"#;
        operator.put("retries", &controller("retries", rest));
        operator.reaches("retries", "Synced");
        create(operator, &labelled("retries", "retry", json!({})));
        eventually("it failed more than once", || runs(operator, "retries", "failed"), |runs| *runs >= 2);
        create(operator, &config_map("retry-gate", json!({})));
        appears(operator, "retry-let-in");
        assert!(operator.server().log().contains("the gate is closed"), "{}", operator.server().log());
    });
}

#[test]
fn who_asks_to_see_an_object_later_sees_it_later() {
    with_operator(&[], |operator| {
        let rest = r#"async reconcile({ object, key, get, create, requeueAfter }) {
          const next = [0, 1, 2].find((at) => get(MAP, { ...key, name: `tick-${at}` }) === undefined);
          if (object === undefined || next === undefined) return;
          await create(map(key, `tick-${next}`, {}));
          requeueAfter(0.2, "not all of them yet");
        }"#;
        operator.put("ticks", &controller("ticks", rest));
        operator.reaches("ticks", "Synced");
        create(operator, &labelled("ticks", "clock", json!({})));
        appears(operator, "tick-2");
        assert!(runs(operator, "ticks", "requeued") >= 3);
    });
}

#[test]
fn who_is_told_of_a_deletion_is_told_how_the_object_last_was() {
    with_operator(&[], |operator| {
        let rest = r#"async reconcile({ object, oldObject, operation, key, create }) {
          if (operation === "DELETE") await create(map(key, "last-words", { was: oldObject.data.now, there: String(object) }));
        }"#;
        operator.put("heirs", &controller("heirs", rest));
        operator.reaches("heirs", "Synced");
        create(operator, &labelled("heirs", "mortal", json!({"now": "first"})));
        let change = json!({"data": {"now": "last"}});
        operator.api().merge(&path_in(&operator.namespace, "configmaps/mortal"), &change).object();
        remove(operator, "mortal");
        assert_eq!(appears(operator, "last-words")["data"], json!({"was": "last", "there": "undefined"}));
    });
}

#[test]
fn only_objects_of_namespaces_that_are_selected_are_seen() {
    with_operator(&[], |operator| {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "chosen", "labels": {"stage": "chosen"}},
        });
        operator.api().post("/api/v1/namespaces", &namespace).object();
        let mut spec = controller("chosen", COPIES);
        spec["namespaceSelector"] = json!({"matchLabels": {"stage": "chosen"}});
        operator.put("chosen", &spec);
        operator.reaches("chosen", "Synced");
        create(operator, &labelled("chosen", "left-out", json!({})));
        operator.api().post(&path_in("chosen", "configmaps"), &labelled("chosen", "taken", json!({}))).object();
        let copy = || operator.api().get(&path_in("chosen", "configmaps/taken-copy"));
        eventually("the copy", copy, Reply::is_good);
        assert_eq!(find(operator, "left-out-copy").status, 404);
    });
}

#[test]
fn a_change_of_the_code_lets_it_see_every_object_again() {
    with_operator(&[], |operator| {
        let writing = |word: &str| {
            let rest = r#"async reconcile({ object, key, apply }) {
              if (object !== undefined) await apply(map(key, "written", { word: "WORD" }));
            }"#;
            controller("rewrites", &rest.replace("WORD", word))
        };
        create(operator, &labelled("rewrites", "draft", json!({})));
        operator.put("rewrites", &writing("first"));
        appears(operator, "written");
        operator.put("rewrites", &writing("second"));
        let second = |reply: &Reply| reply.body["data"]["word"] == "second";
        let written = eventually("the second word", || find(operator, "written"), second).body;
        assert_eq!(written["metadata"]["managedFields"][0]["manager"], format!("bylaw/{}", full("rewrites")));
    });
}

#[test]
fn one_that_answers_its_own_writes_is_stopped_and_goes_on_when_its_code_changes() {
    with_operator(&[], |operator| {
        let rest = r"async reconcile({ object, key, patch }) {
          if (object === undefined) return;
          await patch(MAP, { ...key, patch: { data: { n: String(Number(object.data?.n ?? 0) + 1) } } });
        }";
        operator.put("loops", &controller("loops", rest));
        create(operator, &labelled("loops", "counter", json!({})));
        let policy = operator.reaches("loops", "Failed");
        let ready = condition(&policy, "ControllerReady");
        assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("LoopDetected")), "{policy:#}");
        assert!(ready["message"].as_str().unwrap().contains("v1/ConfigMap guarded/counter"), "{policy:#}");
        let n = |reply: &Reply| reply.body["data"]["n"].as_str().unwrap_or("0").parse::<u32>().unwrap();
        let stopped = n(&find(operator, "counter"));
        assert!((10..=30).contains(&stopped), "{stopped}");
        operator
            .api()
            .merge(&path_in(&operator.namespace, "configmaps/counter"), &json!({"data": {"x": "y"}}))
            .object();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(n(&find(operator, "counter")), stopped, "nothing that it sees starts it again");

        operator.put("loops", &controller("loops", COPIES));
        operator.reaches("loops", "Synced");
        appears(operator, "counter-copy");
    });
}

#[test]
fn one_that_writes_much_waits_and_gets_there() {
    with_operator(&["--controller-writes", "2"], |operator| {
        for number in 0..14 {
            create(operator, &labelled("many", &format!("many-{number}"), json!({})));
        }
        operator.put("many", &controller("many", COPIES));
        for number in 0..14 {
            appears(operator, &format!("many-{number}-copy"));
        }
        assert!(counted(operator, "bylaw_controller_throttled_total") >= 1);
    });
}

#[test]
fn one_that_is_only_tried_out_writes_nothing() {
    with_operator(&[], |operator| {
        let tried = |field: &str, value: Value| {
            let mut spec = controller("tried", COPIES);
            spec[field] = value;
            spec
        };
        create(operator, &labelled("tried", "tried", json!({})));
        for (field, value) in [("violationPolicy", json!("Dry")), ("enforcement", json!([{"action": "Dry"}]))] {
            let before = runs(operator, "tried", "done");
            operator.put("tried", &tried(field, value));
            eventually("it ran", || runs(operator, "tried", "done"), |runs| *runs > before);
            assert_eq!(find(operator, "tried-copy").status, 404, "{field}");
        }
        operator.put("tried", &tried("violationPolicy", json!("Deny")));
        appears(operator, "tried-copy");
    });
}

#[test]
fn a_kind_that_comes_later_is_watched_then() {
    with_operator(&[], |operator| {
        let mut spec = controller("late", COPIES);
        (spec["resources"], spec["apiGroups"]) = (json!(["latecomers"]), json!(["e2e.example.com"]));
        operator.put("late", &spec);
        let policy = operator.reaches("late", "Failed");
        assert_eq!(policy["status"]["reason"], "InitControllerPolicy");
        assert!(policy["status"]["message"].as_str().unwrap().contains("latecomers"), "{policy:#}");
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        operator.api().post(definitions, &definition("latecomers", "Latecomer", &["v1"])).object();
        let object = json!({
            "apiVersion": "e2e.example.com/v1", "kind": "Latecomer",
            "metadata": {"name": "late", "labels": {"test": "late"}},
        });
        let path = format!("/apis/e2e.example.com/v1/namespaces/{}/latecomers", operator.namespace);
        eventually("the kind is served", || operator.api().post(&path, &object), Reply::is_good);
        appears(operator, "late-copy");
        operator.reaches("late", "Synced");
        operator.api().delete(&format!("{definitions}/latecomers.e2e.example.com")).object();
    });
}

#[test]
fn what_names_every_resource_is_not_started_as_in_jspolicy() {
    with_operator(&[], |operator| {
        operator.put("greedy", &json!({"type": "Controller", "resources": ["*"], "javascript": "allow()"}));
        let policy = operator.reaches("greedy", "Failed");
        assert_eq!(policy["status"]["reason"], "InitControllerPolicy");
    });
}

#[test]
fn a_controller_of_jspolicy_runs_as_it_is() {
    with_operator(&["--compat", "jspolicy"], |operator| {
        let manifest = include_str!("../jspolicy/manifests/basics/simple-controller.yaml");
        let manifest: Value = serde_saphyr::from_str(manifest).expect("a manifest");
        operator.api().post(POLICIES, &manifest).object();
        for (name, label) in [("team-wanted", "wanted"), ("team-other", "other")] {
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"config": label}},
            });
            operator.api().post("/api/v1/namespaces", &namespace).object();
        }
        let defaults = |namespace: &str| operator.api().get(&path_in(namespace, "configmaps/defaults"));
        eventually("the defaults", || defaults("team-wanted"), Reply::is_good);
        assert_eq!(defaults("team-other").status, 404);
    });
}

#[test]
fn a_script_is_told_of_creations_and_deletions_and_asks_again_as_in_jspolicy() {
    with_operator(&["--compat", "jspolicy"], |operator| {
        let script = r#"
            const made = (name, data) => create({
                apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: request.namespace }, data,
            });
            if (request.operation === "DELETE") {
                made("script-gone", { object: String(request.object), last: request.oldObject.data.a });
                allow();
            }
            if (!get("ConfigMap", "v1", `${request.namespace}/script-gate`)) requeue("the gate is closed");
            const known = Object.keys(request).filter((key) => request[key]).sort().join(" ");
            made("script-there", { known, uid: request.uid, resource: JSON.stringify(request.resource) });
        "#;
        let spec = json!({
            "type": "Controller", "operations": ["*"], "javascript": script,
            "objectSelector": {"matchLabels": {"test": "scripts"}},
        });
        operator.put("scripts", &spec);
        operator.reaches("scripts", "Synced");
        create(operator, &labelled("scripts", "script", json!({"a": "1"})));
        eventually("it asked again", || runs(operator, "scripts", "requeued"), |runs| *runs >= 3);
        create(operator, &config_map("script-gate", json!({})));
        let there = appears(operator, "script-there");
        let known = "kind name namespace object operation resource userInfo";
        let resource = r#"{"group":"","version":"","resource":""}"#;
        assert_eq!(there["data"], json!({"known": known, "uid": "", "resource": resource}));
        remove(operator, "script");
        assert_eq!(appears(operator, "script-gone")["data"], json!({"object": "null", "last": "1"}));
    });
}

#[test]
fn the_replica_that_leads_runs_them_and_another_takes_over() {
    // A cluster of its own: every operator of a cluster runs its controllers.
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &["--lease-duration", "3s"]);
    replicas.start(&["a", "b"]);
    let maps = path_in("default", "configmaps");
    world
        .api
        .post("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
    let runs = |replicas: &Replicas, name: &str| {
        let server = &replicas.running[name];
        let page = server.get(server.metrics_url()).1;
        let done = page.lines().filter(|line| line.starts_with("bylaw_controller_reconciles_total"));
        done.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let first = replicas.await_leader();
    let second = if first == "a" { "b" } else { "a" };
    world.api.post(POLICIES, &js_policy("copies", &controller("copies", COPIES))).object();
    world.api.post(&maps, &labelled("copies", "one", json!({}))).object();
    let copy = |name: &str| world.api.get(&format!("{maps}/{name}-copy"));
    eventually("a copy", || copy("one"), Reply::is_good);
    assert!(runs(&replicas, &first) > 0);
    assert_eq!(runs(&replicas, second), 0, "one that does not lead runs none");

    replicas.kill(&first);
    world.api.post(&maps, &labelled("copies", "two", json!({}))).object();
    eventually("a copy by the other", || copy("two"), Reply::is_good);
    assert!(runs(&replicas, second) > 0);
}
