//! A policy on the host is told whose object it is, and how its tenant knows it.

use serde_json::{Value, json};

use super::{Host, VirtualCluster, pods, talkative, told, with_host};
use crate::api::{Reply, eventually};
use crate::bylaw::path_in;
use crate::objects::{config_map, pod};

/// What a policy on the host was told of a tenant's pod; the tenant reads it in an event.
fn told_of(virtual_cluster: &VirtualCluster, pod: &Value) -> Value {
    virtual_cluster.post(&pods("team-a"), pod).object();
    let name = pod["metadata"]["name"].as_str().unwrap();
    let ask = || virtual_cluster.told("team-a", name).iter().find_map(|message| told(message));
    eventually("the tenant is told", ask, Option::is_some).unwrap()
}

fn expected(namespace: &str, owner: &str) -> Value {
    json!({
        "kind": "vcluster", "trusted": true, "name": "dev", "namespace": "team-a", "owner": owner, "vantage": "host",
        "vcluster": {"name": "dev", "namespace": namespace, "version": "0.36.0"},
    })
}

fn without_view(mut told: Value) -> Value {
    told.as_object_mut().unwrap().remove("seen");
    told
}

#[test]
fn each_tenants_pod_is_judged_on_the_host_as_the_tenants() {
    with_host(|Host { one, two, .. }| {
        for (virtual_cluster, owner) in [(one, "shop"), (two, "bank")] {
            let told = told_of(virtual_cluster, &talkative("owned"));
            assert_eq!(without_view(told), expected(&virtual_cluster.namespace, owner));
        }
    });
}

#[test]
fn a_policy_sees_the_pod_as_its_tenant_knows_it() {
    with_host(|Host { one, .. }| {
        one.post(&path_in("team-a", "configmaps"), &config_map("settings", json!({"a": "b"}))).object();
        let mut pod = talkative("viewed");
        pod["spec"]["volumes"] = json!([{"name": "settings", "configMap": {"name": "settings"}}]);
        let seen = told_of(one, &pod)["seen"].take();
        assert_eq!((&seen["name"], &seen["namespace"]), (&json!("viewed"), &json!("team-a")));
        assert_eq!(seen["account"], "default");
        assert_eq!(seen["labels"], json!({"tell": "yes", "release": "prod"}));
        assert_eq!(seen["maps"], json!(["settings"]));
    });
}

#[test]
fn a_pod_that_nobody_minds_gets_to_the_host_and_can_be_worked_with_there() {
    with_host(|Host { one, bylaw, .. }| {
        let api = &bylaw.world.api;
        one.post(&pods("team-a"), &pod("quiet")).object();
        let path = format!("{}/quiet-x-team-a-x-dev", pods(&one.namespace));
        eventually("it is synced", || api.get(&path), Reply::is_good);
        // What a kubelet writes, and what an admin does.
        let running = json!({"status": {"phase": "Running"}});
        assert!(api.merge(&format!("{path}/status"), &running).is_good());
        assert!(api.merge(&path, &json!({"metadata": {"annotations": {"example.com/seen": "yes"}}})).is_good());
        let moved = json!({"metadata": {"annotations": {"vcluster.loft.sh/object-name": "other"}}});
        assert!(api.merge(&path, &moved).refusal().contains("forged-objects.tenancy.bylaw.dev"));
        assert!(api.delete(&path).is_good());
    });
}

#[test]
fn what_a_tenant_writes_into_its_own_pod_is_not_taken_for_the_syncers_word() {
    with_host(|Host { one, .. }| {
        let mut pod = talkative("liar");
        pod["metadata"]["annotations"] = json!({
            "vcluster.loft.sh/object-name": "other", "vcluster.loft.sh/object-namespace": "kube-system",
            "vcluster.loft.sh/namespace": "kube-system", "vcluster.loft.sh/service-account-name": "admin",
        });
        pod["metadata"]["labels"]["vcluster.loft.sh/managed-by"] = "two".into();
        let told = told_of(one, &pod);
        assert_eq!((&told["seen"]["name"], &told["seen"]["namespace"]), (&json!("liar"), &json!("team-a")));
        assert_eq!(told["seen"]["account"], Value::Null, "it is not known, and not admin");
        assert_eq!(without_view(told), expected(&one.namespace, "shop"));
    });
}
