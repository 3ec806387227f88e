//! The table against what real syncers of two versions made of mutations on the host, and the rest of it case by case.

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::decision::{DiffLimits, diff};
use crate::review::Operation;

const BOTH: [&str; 2] = ["0.30.0", "0.36.0"];

fn read(version: &str, name: &str, side: &str) -> Value {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vcluster")).join(format!("v{version}"));
    let file = format!("{name}.{side}.json");
    let text = std::fs::read_to_string(folder.join(&file))
        .or_else(|_| std::fs::read_to_string(folder.join("mutations").join(file)));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// A change under test: everything that is not said is the creation of a pod by a syncer of 0.36.0.
struct Case<'c> {
    resource: &'c str,
    sub_resource: &'c str,
    operation: Operation,
    version: &'c str,
    is_repeated: bool,
    sent: Value,
    stored: Option<Value>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            resource: "pods",
            sub_resource: "",
            operation: Operation::Create,
            version: "0.36.0",
            is_repeated: false,
            sent: pod(),
            stored: None,
        }
    }
}

impl Case<'_> {
    fn judge(&self, change: impl FnOnce(&mut Value)) -> Judged {
        let mut after = self.sent.clone();
        change(&mut after);
        let patch = diff(&self.sent, &after, DiffLimits::default()).unwrap();
        assert!(!patch.is_empty());
        let &Self { resource, sub_resource, operation, version, is_repeated, ref sent, ref stored } = self;
        let (syncer, after, stored) = (Syncer::of(version), &after, stored.as_ref());
        Mutated { resource, sub_resource, operation, syncer, is_repeated, sent, after, stored }.judge(&patch)
    }

    fn class(&self, change: impl FnOnce(&mut Value)) -> Class {
        self.judge(change).class
    }
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-x-team-a-x-tenant1", "labels": {"app": "web", "vcluster.loft.sh/managed-by": "tenant1"},
            "annotations": {"vcluster.loft.sh/object-name": "web"},
        },
        "spec": {
            "containers": [{"name": "c", "image": "busybox:1.36", "resources": {"limits": {"cpu": "1"}}}],
            "tolerations": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}],
        },
    })
}

fn other(resource: &str, sent: Value) -> Case<'_> {
    Case { resource, sent, ..Case::default() }
}

#[test]
fn the_table_says_what_real_syncers_did() {
    type Change = fn(&mut Value);
    let seen: [(&str, Class, bool, &str, Change); 7] = [
        ("mutlabel", Class::Leaks, false, "/metadata/labels/host-added", |pod| {
            pod["metadata"]["labels"]["host-added"] = "yes".into();
            pod["metadata"]["annotations"]["host.example.com/added"] = "yes".into();
        }),
        ("muttol", Class::Safe, false, "/spec/tolerations/2/key", |pod| {
            pod["spec"]["tolerations"].as_array_mut().unwrap().push(json!({"key": "host-pool", "operator": "Exists"}));
        }),
        ("mutsel", Class::Safe, false, "/spec/nodeSelector/pool", |pod| {
            pod["spec"]["nodeSelector"] = json!({"pool": "a"});
        }),
        ("mutres", Class::Safe, false, "/spec/containers/0/resources/limits", |pod| {
            pod["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "100m"}, "requests": {"cpu": "10m"}});
        }),
        ("mutimage", Class::Reverted, false, "", mirror),
        ("mutimgboth", Class::Safe, true, "/spec/containers/0/image", mirror),
        ("mutgate", Class::BreaksSync, false, "", |pod| {
            pod["spec"]["schedulingGates"] = json!([{"name": "example.com/gate"}]);
        }),
    ];
    for version in BOTH {
        for (name, class, is_repeated, stays, change) in seen {
            let (tenants, host) = (read(version, name, "virtual"), read(version, name, "host"));
            // What the syncer sent has the tenant's spec, as far as these fields go.
            let mut sent = tenants.clone();
            sent["spec"].as_object_mut().unwrap().retain(|key, _| key == "containers" || key == "tolerations");
            if name == "mutlabel" {
                sent["metadata"]["labels"].as_object_mut().unwrap().remove("host-added");
                sent["metadata"]["annotations"].as_object_mut().unwrap().remove("host.example.com/added");
            }
            let case = Case { version, is_repeated, sent: sent.clone(), ..Case::default() };
            let found = case.judge(change);
            assert_eq!(found.class, class, "{version} {name}: {found:?}");
            // And that is what was recorded.
            let mut changed = sent;
            change(&mut changed);
            let copied = class == Class::Leaks;
            if class.holds() {
                assert!(host.pointer(stays).is_some(), "{version} {name} is not on the host");
                assert_eq!(tenants.pointer(stays) == host.pointer(stays), copied, "{version} {name}");
            } else {
                assert_eq!(host["spec"].get("schedulingGates"), None, "{version} {name}");
                assert_eq!(host["spec"]["containers"][0]["image"], tenants["spec"]["containers"][0]["image"]);
            }
            if class == Class::BreaksSync {
                for side in [&tenants, &host] {
                    assert_eq!(side["status"]["conditions"][0]["reason"], "SchedulingGated", "for ever");
                }
            }
        }
    }
}

fn mirror(pod: &mut Value) {
    pod["spec"]["containers"][0]["image"] = "mirror.local/busybox:1.36".into();
}

fn inject(pod: &mut Value) {
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "proxy", "image": "proxy:1"}));
}

#[test]
fn a_sidecar_is_safe_and_so_is_a_repeated_image_but_not_both() {
    for is_repeated in [false, true] {
        let case = Case { is_repeated, ..Case::default() };
        assert_eq!(case.class(inject), Class::Safe);
        let judged = case.judge(|pod| {
            inject(pod);
            mirror(pod);
        });
        assert_eq!(judged.class, Class::BreaksSync);
        let fields: Vec<_> = judged.findings.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["spec.containers[0].image", "spec.containers[1]"]);
    }
    let init = |pod: &mut Value| {
        pod["spec"]["initContainers"] = json!([{"name": "i", "image": "i:1"}]);
        mirror(pod);
    };
    assert_eq!(Case::default().class(init), Class::BreaksSync);
}

#[test]
fn a_container_that_goes_or_gets_another_name_is_lost_to_the_tenant() {
    let rename = |pod: &mut Value| pod["spec"]["containers"][0]["name"] = "other".into();
    assert_eq!(Case::default().class(rename), Class::BreaksSync);
    let mut two = pod();
    inject(&mut two);
    let remove = |pod: &mut Value| drop(pod["spec"]["containers"].as_array_mut().unwrap().pop());
    assert_eq!(Case { sent: two, ..Case::default() }.class(remove), Class::BreaksSync);
}

#[test]
fn the_marks_of_a_syncer_are_not_to_be_touched() {
    for key in ["managed-by", "namespace", "controlled-by", "object-name", "object-uid", "skip-translate"] {
        let key = format!("vcluster.loft.sh/{key}");
        let judged = Case::default().judge(|pod| pod["metadata"]["labels"][&key] = "x".into());
        assert_eq!(judged.class, Class::BreaksSync, "{key}");
        assert_eq!(judged.findings[0].field, format!("metadata.labels[{key:?}]"));
        assert_eq!(Case::default().class(|pod| pod["metadata"]["annotations"][&key] = "x".into()), Class::BreaksSync);
    }
    let drop_all = |pod: &mut Value| drop(pod["metadata"].as_object_mut().unwrap().remove("annotations"));
    assert_eq!(Case::default().class(drop_all), Class::BreaksSync);
    let class = |change: fn(&mut Value)| Case::default().class(change);
    let of_namespace = "vcluster.loft.sh/ns-label-tenant1-x-ca8b22d0db";
    assert_eq!(Case::default().class(|pod| pod["metadata"]["labels"][of_namespace] = "x".into()), Class::Reverted);
    let evictable = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    assert_eq!(Case::default().class(|pod| pod["metadata"]["annotations"][evictable] = "true".into()), Class::Safe);
    let armoured = "container.apparmor.security.beta.kubernetes.io/proxy";
    assert_eq!(
        Case::default().class(|pod| pod["metadata"]["annotations"][armoured] = "runtime/default".into()),
        Class::BreaksSync
    );
    assert_eq!(class(|pod| pod["metadata"]["finalizers"] = json!(["a/b"])), Class::Safe);
    assert_eq!(class(|pod| drop(pod["metadata"]["labels"].as_object_mut().unwrap().remove("app"))), Class::Leaks);
}

#[test]
fn only_later_syncers_compare_tolerations_and_resources() {
    type Change = fn(&mut Value);
    let changes: [Change; 3] = [
        |pod| drop(pod["spec"]["tolerations"].as_array_mut().unwrap().remove(0)),
        |pod| pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "2".into(),
        |pod| pod["spec"]["containers"][0]["resources"] = json!({}),
    ];
    for change in changes {
        for (version, class) in [
            ("0.30.0", Class::Safe),
            ("v0.25.1", Class::Safe),
            ("0.36.0", Class::Reverted),
            // Not known: as the strictest.
            ("", Class::Reverted),
            ("0.99.0", Class::Reverted),
            ("0.19.3", Class::Reverted),
            ("latest", Class::Reverted),
        ] {
            assert_eq!(Case { version, ..Case::default() }.class(change), class, "{version}");
        }
    }
}

#[test]
fn a_pod_that_is_there_takes_no_other_spec() {
    type Change = fn(&mut Value);
    let update = |stored: Option<Value>| Case {
        operation: Operation::Update,
        is_repeated: true,
        stored: Some(stored.unwrap_or_else(pod)),
        ..Case::default()
    };
    let frozen: [Change; 4] = [
        |pod| pod["spec"]["nodeSelector"] = json!({"pool": "a"}),
        |pod| pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "b"}]),
        |pod| drop(pod["spec"]["tolerations"].as_array_mut().unwrap().remove(0)),
        inject,
    ];
    for change in frozen {
        assert_eq!(update(None).class(change), Class::BreaksSync);
        // What it brings back is there already.
        let mut stored = pod();
        change(&mut stored);
        assert_eq!(update(Some(stored)).class(change), Class::Safe);
    }
    assert_eq!(update(None).class(mirror), Class::Safe);
    let tolerate = |pod: &mut Value| pod["spec"]["tolerations"].as_array_mut().unwrap().push(json!({"key": "c"}));
    assert_eq!(update(None).class(tolerate), Class::Safe);
    assert_eq!(update(None).class(|pod| pod["metadata"]["labels"]["a"] = "b".into()), Class::Leaks);
    let ephemeral = Case { sub_resource: "ephemeralcontainers", ..update(None) };
    let debug = |pod: &mut Value| pod["spec"]["ephemeralContainers"] = json!([{"name": "d", "image": "mirror/d"}]);
    assert_eq!(ephemeral.class(debug), Class::Safe, "the syncer knows them by their names alone");
}

#[test]
fn other_kinds_have_their_own_fields() {
    let service = || json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    let set = |pointer: &'static str, value: Value| {
        move |object: &mut Value| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value;
        }
    };
    for (resource, sent, pointer, value, class) in [
        ("services", service(), "/spec/type", json!("ClusterIP"), Class::Leaks),
        ("services", service(), "/spec/ports/0/port", json!(81), Class::Leaks),
        ("services", service(), "/spec/selector", json!({"a": "b"}), Class::Leaks),
        ("services", service(), "/spec/loadBalancerClass", json!("internal"), Class::Safe),
        ("services", service(), "/spec/allocateLoadBalancerNodePorts", json!(false), Class::Safe),
        ("services", service(), "/spec/clusterIP", json!("None"), Class::BreaksSync),
        ("ingresses", json!({"spec": {"rules": []}}), "/spec/ingressClassName", json!("shared"), Class::Leaks),
        ("ingresses", json!({"spec": {"rules": []}}), "/spec/rules", json!([{"host": "a.b"}]), Class::Reverted),
        ("networkpolicies", json!({"spec": {}}), "/spec/policyTypes", json!(["Egress"]), Class::Reverted),
        ("poddisruptionbudgets", json!({"spec": {}}), "/spec/maxUnavailable", json!(1), Class::Reverted),
        (
            "poddisruptionbudgets",
            json!({"spec": {}}),
            "/spec/unhealthyPodEvictionPolicy",
            json!("AlwaysAllow"),
            Class::Safe,
        ),
        ("persistentvolumeclaims", json!({"spec": {}}), "/spec/storageClassName", json!("fast"), Class::Safe),
        (
            "persistentvolumeclaims",
            json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
            "/spec/resources/requests/storage",
            json!("2Gi"),
            Class::BreaksSync,
        ),
        // The whole spec at once: each field of it counts.
        (
            "persistentvolumeclaims",
            json!({}),
            "/spec",
            json!({"resources": {"requests": {"storage": "1Gi"}}}),
            Class::BreaksSync,
        ),
        (
            "persistentvolumeclaims",
            json!({}),
            "/spec",
            json!({"resources": {"limits": {"storage": "1Gi"}}}),
            Class::Safe,
        ),
        ("configmaps", json!({"data": {}}), "/data/a", json!("b"), Class::Leaks),
        ("configmaps", json!({"data": {}}), "/immutable", json!(true), Class::BreaksSync),
        ("secrets", json!({"data": {}}), "/type", json!("Opaque"), Class::BreaksSync),
        ("serviceaccounts", json!({}), "/imagePullSecrets", json!([{"name": "a"}]), Class::Safe),
        ("endpointslices", json!({}), "/endpoints", json!([]), Class::Reverted),
        ("widgets", json!({"spec": {}}), "/spec/size", json!(1), Class::Reverted),
        ("widgets", json!({"spec": {}}), "/status", json!({}), Class::Safe),
        ("widgets", json!({"metadata": {}}), "/metadata/labels", json!({"a": "b"}), Class::Leaks),
    ] {
        let judged = other(resource, sent).judge(set(pointer, value));
        assert_eq!(judged.class, class, "{resource} {pointer}: {judged:?}");
        assert_eq!(judged.findings.is_empty(), class == Class::Safe);
    }
}

#[test]
fn a_kind_of_another_group_is_another_kind() {
    assert_eq!(known_name("", "services"), "services");
    assert_eq!(known_name("serving.knative.dev", "services"), "");
}

#[test]
fn what_is_told_of_a_patch_has_bounds() {
    let judged = Case::default().judge(|pod| {
        for index in 0..1_000 {
            pod["metadata"]["labels"][format!("l{index}")] = "x".into();
        }
        pod["spec"]["activeDeadlineSeconds"] = 60.into();
    });
    assert_eq!((judged.class, judged.findings.len(), judged.more), (Class::BreaksSync, 8, 993));
    assert!(
        judged.refusal().starts_with("spec.activeDeadlineSeconds breaks sync: the syncer sets it back"),
        "{judged:?}"
    );
    assert!(judged.refusal().ends_with(MEND));
    assert_eq!(judged.lines().count(), 9);
}

#[test]
fn a_pod_on_a_node_stays_there() {
    assert_eq!(Case::default().class(|pod| pod["spec"]["nodeName"] = "n".into()), Class::Safe);
    let mut bound = pod();
    bound["spec"]["nodeName"] = "n1".into();
    let case = Case { sent: bound, ..Case::default() };
    assert_eq!(case.class(|pod| pod["spec"]["nodeName"] = "n2".into()), Class::BreaksSync);
}
