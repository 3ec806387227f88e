//! What exists already is judged by the policies that ask for it, and shows in reports.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::{Bylaw, path_in};
use super::objects::config_map;
use super::policies::PolicyFile;
use super::report_kinds;
use super::world::World;

/// A cluster for one test: all who scan it write the same reports.
fn world() -> Option<World> {
    World::start().inspect(report_kinds::install)
}

/// Minds `data.bad`, also of what exists.
fn minding(name: &str) -> PolicyFile {
    let text = format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {{ name: {name}.e2e.example.com }}\nspec:\n  \
         operations: [CREATE]\n  resources: [configmaps]\n  background: true\n  objectSelector: {{ matchLabels: {{ scanned: {name} }} }}\n  \
         javascript: |\n    if (request.object.data.bad) deny('bad data');\n"
    );
    PolicyFile { name: format!("{name}.yaml"), text }
}

fn labelled(label: &str, name: &str, data: Value) -> Value {
    let mut object = config_map(name, data);
    object["metadata"]["labels"] = json!({"scanned": label});
    object
}

fn scanned(bylaw: &Bylaw) -> u64 {
    let (_, metrics) = bylaw.server().get(bylaw.server().metrics_url());
    metrics.lines().find_map(|line| line.strip_prefix("bylaw_scanned_objects_total ")).unwrap().parse().unwrap()
}

#[test]
fn what_exists_is_judged_again_when_it_changes_and_written_only_then() {
    let Some(world) = &world() else { return };
    let namespace = "existing";
    // Made where no webhook is called, as it was before there were policies.
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    world.api.post("/api/v1/namespaces", &made).object();
    let config_maps = path_in(namespace, "configmaps");
    for number in 0..40 {
        world.api.post(&config_maps, &labelled("existing", &format!("c{number}"), json!({"good": "yes"}))).object();
    }
    let bad = world.api.post(&config_maps, &labelled("existing", "worst", json!({"bad": "yes"}))).object();
    let arguments = ["--report", "policy-reports,open-reports", "--scan-interval", "1", "--report-writes", "6000"];
    let bylaw = Bylaw::start(world, &arguments, &[minding("existing")]);

    let of = |api: &str| world.api.get(&format!("/apis/{api}/bylaw-background-scan")).body;
    let policy_report = || of(&format!("wgpolicyk8s.io/v1alpha2/namespaces/{namespace}/policyreports"));
    let summary = |pass: u32, fail: u32| json!({"pass": pass, "fail": fail, "warn": 0, "error": 0, "skip": 0});
    let report = eventually("there is a report", policy_report, |report| report["summary"] == summary(40, 1));
    let result = &report["results"][0];
    let resource = json!([{
        "kind": "ConfigMap", "namespace": namespace, "name": "worst", "apiVersion": "v1", "uid": bad["metadata"]["uid"],
    }]);
    assert_eq!(
        (&result["resources"], &result["result"], &result["message"]),
        (&resource, &json!("fail"), &json!("bad data"))
    );
    let open_report = || of(&format!("openreports.io/v1alpha1/namespaces/{namespace}/reports"));
    eventually("the other API has it too", open_report, |report| report["summary"] == summary(40, 1));

    let (version, before) = (policy_report()["metadata"]["resourceVersion"].clone(), scanned(&bylaw));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(policy_report()["metadata"]["resourceVersion"], version, "nothing changed, so nothing is written");
    let again = scanned(&bylaw) - before;
    assert!((1..40).contains(&again), "what was good and has not changed is not judged again: {again}");

    world.api.merge(&format!("{config_maps}/worst"), &json!({"data": {"bad": null, "good": "yes"}})).object();
    eventually("the mend shows", policy_report, |report| report["summary"] == summary(41, 0));

    // Another process knows nothing of what the first one wrote.
    let arguments = ["--report", "policy-reports", "--scan-interval", "1", "--report-writes", "6000"];
    drop(bylaw);
    world.api.delete(&config_maps).object();
    let _bylaw = Bylaw::start(world, &arguments, &[minding("existing")]);
    eventually("nothing is left", policy_report, |report| report["summary"] == summary(0, 0));
}

#[test]
fn parts_of_a_cluster_are_scanned_by_their_replicas() {
    let Some(world) = &world() else { return };
    let namespaces: Vec<String> = (0..6).map(|number| format!("part-{number}")).collect();
    for namespace in &namespaces {
        let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        world.api.post("/api/v1/namespaces", &made).object();
        world.api.post(&path_in(namespace, "configmaps"), &labelled("parts", "c", json!({"bad": "yes"}))).object();
    }
    let path = |namespace: &str| {
        format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{namespace}/policyreports/bylaw-background-scan")
    };
    let is_told =
        |namespace: &String| world.api.get(&path(namespace)).body["results"][0]["policy"] == "parts.e2e.example.com";
    let arguments = ["--report", "policy-reports", "--scan-interval", "1", "--report-writes", "6000", "--scan-shard"];
    let serve = |shard| Bylaw::start(world, &[&arguments[..], &[shard]].concat(), &[minding("parts")]);
    let told = || namespaces.iter().filter(|namespace| is_told(namespace)).count();
    let _first = serve("0/2");
    eventually("the first part is told of", told, |told| *told > 0);
    std::thread::sleep(Duration::from_secs(3));
    assert!(told() < namespaces.len(), "the other part is another replica's");
    let _second = serve("1/2");
    eventually("all is told of", told, |told| *told == namespaces.len());
}
