//! What becomes of mutations of a tenant's object on the host, policy by policy.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::decision::{Effect, PatchOp};
use crate::engine::tests::{engine_of, wait};
use crate::engine::{Engine, Judgement, Scope};
use crate::isolate::testing::{Draft, PATIENCE, mutate};
use crate::policy::{Enforcement, OnError};
use crate::review::{Limits, parse};
use crate::tenancy::{Registry, VirtualCluster};

const SYNCER: &str = "system:serviceaccount:vc-one:vc-dev";

fn engine(policies: impl IntoIterator<Item = Draft>) -> Engine {
    let namespaces: BTreeMap<String, std::sync::Arc<BTreeMap<String, String>>> =
        BTreeMap::from([("vc-one".to_owned(), std::sync::Arc::default())]);
    let engine = engine_of(policies.into_iter().map(Draft::made), std::sync::Arc::new(namespaces));
    let vcluster = VirtualCluster::new("vc-one", "dev", None, "0.36.0").unwrap();
    engine.tenancy().publish(Registry::new([std::sync::Arc::new(vcluster)], [], []));
    engine
}

fn policy(body: &str, vantage: Option<Vantage>) -> Draft {
    mutate(body).with(|spec| {
        spec.validates = false;
        spec.rules.resources.push("pods".to_owned());
        spec.rules.operations.push(Operation::Create);
        spec.rules.vantage = vantage;
    })
}

fn review(user: &str) -> Review {
    let host = "web-x-team-a-x-dev";
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": host, "namespace": "vc-one",
            "operation": "CREATE", "userInfo": {"username": user},
            "object": {"metadata": {
                "name": host, "namespace": "vc-one", "labels": {"vcluster.loft.sh/managed-by": "dev"},
                "annotations": {
                    "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
                    "vcluster.loft.sh/object-host-name": host, "vcluster.loft.sh/object-host-namespace": "vc-one",
                },
            }, "spec": {"containers": [{"name": "c", "image": "a"}]}},
        }
    });
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn plain() -> Review {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": "web", "namespace": "vc-one",
            "operation": "CREATE", "userInfo": {"username": "jane"},
            "object": {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "a"}]}},
        }
    });
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn judge(engine: &Engine, review: &Review) -> Judgement {
    wait(engine.judge(review, &Scope::Mutate, std::time::Instant::now() + PATIENCE, false))
}

const GATE: &str = "c.object.spec.schedulingGates = [{ name: 'example.com/gate' }]";
const DEADLINE: &str = "c.object.spec.activeDeadlineSeconds = 60";
const MIRROR: &str = "for (const one of c.object.spec.containers) one.image = `mirror/${one.image}`";
const LABEL: &str = "c.object.metadata.labels['cost'] = 'a'";
const SELECT: &str = "c.object.spec.nodeSelector = { pool: 'a' }";

fn paths(judgement: &Judgement) -> Vec<&str> {
    judgement.decision.patch.iter().map(PatchOp::path).collect()
}

#[test]
fn what_breaks_the_syncing_is_an_error_of_its_policy() {
    for body in [GATE, DEADLINE] {
        let engine = engine([policy(body, None)]);
        let judgement = judge(&engine, &review(SYNCER));
        let status = judgement.decision.status.unwrap();
        assert_eq!(status.code, 500, "{status:?}");
        for part in ["breaks sync", "`vantage: \"virtual\"`", "hostMutations"] {
            assert!(status.message.contains(part), "{part}: {status:?}");
        }
        assert!(matches!(judgement.evaluated[0].verdict.effect, Effect::Error(_)));
        // Whoever is no tenant's may have it.
        let other = judge(&engine, &plain());
        assert!(other.decision.allowed && other.decision.warnings.is_empty() && !other.decision.patch.is_empty());
    }
}

#[test]
fn its_failure_mode_says_what_becomes_of_the_object() {
    let allowing = policy(GATE, None).with(|spec| spec.on_error = OnError::Allow);
    let judgement = judge(&engine([allowing, policy(SELECT, None).named("q.example.com")]), &review(SYNCER));
    assert!(judgement.decision.allowed, "{judgement:?}");
    assert_eq!(paths(&judgement), ["/spec/nodeSelector"], "the next policy has not seen the gate");
    assert!(judgement.decision.warnings[0].contains("spec.schedulingGates breaks sync"), "{judgement:?}");
    let warning = policy(GATE, None).with(|spec| spec.enforcement = Enforcement::Warn);
    let judgement = judge(&engine([warning]), &review(SYNCER));
    assert!(judgement.decision.allowed && judgement.decision.patch.is_empty(), "{judgement:?}");
}

#[test]
fn what_does_not_stay_is_made_and_its_author_is_told() {
    let judgement = judge(&engine([policy(MIRROR, None)]), &review(SYNCER));
    assert_eq!(paths(&judgement), ["/spec/containers/0/image"]);
    let told = &judgement.decision.warnings;
    assert!(told[0].starts_with("[p.example.com] spec.containers[0].image reverted: "), "{told:?}");
    assert!(told[1].contains("`vantage: \"virtual\"`"), "{told:?}");
    let judgement = judge(&engine([policy(LABEL, None)]), &review(SYNCER));
    assert_eq!(paths(&judgement), ["/metadata/labels/cost"]);
    assert_eq!(
        judgement.decision.warnings,
        ["[p.example.com] metadata.labels.cost leaks to the tenant: the syncer copies it into the tenant's object"]
    );
    let judgement = judge(&engine([policy(SELECT, None)]), &review(SYNCER));
    assert!(judgement.decision.warnings.is_empty() && !judgement.decision.patch.is_empty(), "{judgement:?}");
}

#[test]
fn a_policy_for_both_leaves_to_the_virtual_cluster_what_does_not_hold_here() {
    for body in [GATE, MIRROR] {
        let policies = [policy(body, Some(Vantage::Both)), policy(SELECT, None).named("q.example.com")];
        let judgement = judge(&engine(policies), &review(SYNCER));
        assert_eq!(paths(&judgement), ["/spec/nodeSelector"]);
        assert!(
            judgement.decision.warnings[0].contains("left to the virtual cluster: on the host spec."),
            "{judgement:?}"
        );
    }
    let judgement = judge(&engine([policy(LABEL, Some(Vantage::Both))]), &review(SYNCER));
    assert_eq!(paths(&judgement), ["/metadata/labels/cost"], "it holds");
}

#[test]
fn who_knows_better_is_let_and_counted() {
    let knowing = policy(GATE, None).with(|spec| spec.host_mutations = HostMutations::Allow);
    let engine = engine([knowing]);
    let judgement = judge(&engine, &review(SYNCER));
    assert_eq!((paths(&judgement), judgement.decision.warnings.len()), (vec!["/spec/schedulingGates"], 0));
    judge(&engine, &plain());
    let page = engine.metrics.render();
    let counted = "bylaw_host_mutations_total{policy=\"p.example.com\",class=\"breaks_sync\"} 1";
    assert!(page.contains(counted), "{page}");
}

#[test]
fn the_object_of_the_reviews_is_a_tenants() {
    let tenant: Value = {
        let review = review(SYNCER);
        let engine = engine([]);
        serde_json::from_str(&engine.tenancy().resolve(&review, &BTreeMap::new()).tenant.text).unwrap()
    };
    assert_eq!((&tenant["kind"], &tenant["trusted"]), (&json!("vcluster"), &json!(true)));
}
