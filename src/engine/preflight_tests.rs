//! What a tenant is told at once of what the host would say later.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::decision::Decision;
use crate::engine::tests::{engine_of, wait};
use crate::engine::{Judgement, Scope, Setting};
use crate::isolate::testing::{Draft, PATIENCE, mutate, validate};
use crate::policy;
use crate::review::{Limits, Operation, parse};
use crate::tenancy::Registry;

type Namespaces = BTreeMap<String, Arc<BTreeMap<String, String>>>;

fn dev() -> Arc<VirtualCluster> {
    Arc::new(VirtualCluster::new("vc-one", "dev", None, "0.36.0").unwrap())
}

fn engine(policies: impl IntoIterator<Item = Draft>) -> Engine {
    let namespaces: Namespaces = [("vc-one".to_owned(), Arc::default()), ("vc-bank".to_owned(), Arc::default())].into();
    let engine = engine_of(policies.into_iter().map(Draft::made), Arc::new(namespaces));
    let bank = Arc::new(VirtualCluster::new("vc-bank", "bank", None, "").unwrap());
    engine.tenancy().publish(Registry::new([dev(), bank], [], []));
    engine
}

/// A policy for what these resources are, of the host.
fn of_host(draft: Draft, resources: &[&str]) -> Draft {
    draft.with(|spec| {
        spec.rules.resources.extend(resources.iter().map(ToString::to_string));
        spec.rules.vantage = Some(policy::Vantage::Host);
    })
}

fn host(body: &str) -> Draft {
    of_host(validate(body), &["pods", "ingresses", "configmaps"]).with(|spec| spec.mutates = false)
}

fn review(kind: &str, operation: Operation, change: impl FnOnce(&mut serde_json::Value)) -> Review {
    let (group, resource) = match kind {
        "Ingress" => ("networking.k8s.io", "ingresses"),
        "ConfigMap" => ("", "configmaps"),
        _ => ("", "pods"),
    };
    let object = json!({"metadata": {"name": "web", "namespace": "team-a"}, "spec": {"containers": [{"name": "c", "image": "a"}]}});
    let mut request = json!({
        "uid": "u", "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource}, "name": "web", "namespace": "team-a",
        "operation": operation.as_str(), "userInfo": {"username": "jane"}, "object": object,
    });
    if operation == Operation::Update {
        request["oldObject"] = object;
    }
    change(&mut request);
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn creation(kind: &str) -> Review {
    review(kind, Operation::Create, |_| {})
}

fn asked(engine: &Engine, review: &Review) -> Judgement {
    let setting = Setting { vantage: Vantage::Virtual, vcluster: Some(dev()), ..Setting::default() };
    wait(engine.judge_in(&setting, review, Instant::now() + PATIENCE))
}

fn decided(policies: impl IntoIterator<Item = Draft>, review: &Review) -> Decision {
    asked(&engine(policies), review).decision
}

fn message(decision: &Decision) -> &str {
    &decision.status.as_ref().unwrap_or_else(|| panic!("{decision:?}")).message
}

#[test]
fn a_tenant_is_told_at_once_what_the_host_would_refuse() {
    let told = "const { metadata } = c.object; c.deny(`${metadata.namespace}/${metadata.name} of ${c.tenant.name} by ${c.user.username}`, \
                { field: 'spec.containers[0].image', reason: 'Invalid', code: 422 })";
    let engine = engine([host(told)]);
    let judgement = asked(&engine, &creation("Pod"));
    let status = judgement.decision.status.clone().unwrap();
    assert_eq!(
        status.message,
        "[p.example.com] the host would refuse it (pre-flight): team-a/web of dev by system:serviceaccount:team-a:(hidden)"
    );
    assert_eq!((status.code, status.reason.as_deref()), (422, Some("Invalid")));
    assert_eq!(status.causes[0].field.as_deref(), Some("spec.containers[0].image"));
    assert_eq!(judgement.decision.audit, [("p.example.com.preflight".to_owned(), "denied".to_owned())]);
    assert!(judgement.objections.is_empty(), "the host's own answer is what is kept");
    assert!(engine.metrics.render().contains("bylaw_preflight_total{verdict=\"deny\"} 1"));
}

#[test]
fn policies_see_the_copy_and_the_tenants_object_as_on_the_host() {
    let sees = "if (c.vantage === 'host' && c.dryRun && c.virtual.metadata.name === 'web' && c.tenant.trusted \
                && c.object.metadata.name === 'web-x-team-a-x-dev' && c.namespace.name === 'vc-one') c.deny('seen')";
    assert!(message(&decided([host(sees)], &creation("Pod"))).ends_with("seen"));
}

#[test]
fn what_the_hosts_mutations_mend_is_not_minded() {
    let default = of_host(mutate("c.object.spec.nodeSelector = { pool: 'a' }").named("a.example.com"), &["pods"])
        .with(|spec| spec.validates = false);
    let minds = || host("if (!c.object.spec.nodeSelector) c.deny('no pool')");
    assert!(!decided([minds()], &creation("Pod")).allowed);
    let decision = decided([minds(), default], &creation("Pod"));
    assert!(decision.allowed && decision.patch.is_empty(), "{decision:?}");
    let refuses =
        of_host(mutate("c.deny('not at all')").named("a.example.com"), &["pods"]).with(|spec| spec.validates = false);
    assert!(message(&decided([refuses], &creation("Pod"))).ends_with("(pre-flight): not at all"));
}

#[test]
fn nothing_but_a_denial_counts_before_the_host_is_asked() {
    for draft in [
        host("throw new Error('broken')"),
        host("c.warn('careful'); c.audit('a', 'b')"),
        host("c.deny('no')").with(|spec| spec.enforcement = Enforcement::Warn),
        host("c.deny('no')").with(|spec| spec.enforcement = Enforcement::Dry),
        of_host(mutate("c.object.spec.schedulingGates = [{ name: 'a.b/c' }]"), &["pods"])
            .with(|spec| spec.validates = false),
        host("while (true) {}").with(|spec| spec.timeout = std::time::Duration::from_millis(50)),
    ] {
        let decision = decided([draft], &creation("Pod"));
        assert!(decision.is_plain_allow(), "{decision:?}");
    }
}

#[test]
fn nothing_of_another_tenant_or_of_the_host_is_told() {
    let policy = host("c.deny('shop.example.com is taken by bank in vc-bank/shop-x-team-b-x-bank')");
    assert_eq!(
        message(&decided([policy], &creation("Pod"))),
        "[p.example.com] the host would refuse it (pre-flight): shop.example.com is taken by (hidden) in (hidden)/(hidden)"
    );
}

#[test]
fn of_what_may_never_come_to_the_host_a_tenant_is_only_warned() {
    let engine = engine([host("c.deny('no')")]);
    for kind in ["Ingress", "ConfigMap"] {
        let decision = asked(&engine, &creation(kind)).decision;
        assert!(decision.allowed, "{decision:?}");
        assert_eq!(decision.warnings, ["[p.example.com] the host would refuse it (pre-flight): no"]);
    }
    // Until its syncer has brought one.
    let brought = review("Ingress", Operation::Create, |request| {
        let host = "web-x-team-a-x-dev";
        request["userInfo"]["username"] = (*dev().account).into();
        (request["name"], request["namespace"]) = (host.into(), "vc-one".into());
        request["object"]["metadata"] = json!({
            "name": host, "namespace": "vc-one", "labels": {"vcluster.loft.sh/managed-by": "dev"},
            "annotations": {"vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a"},
        });
    });
    wait(engine.judge(&brought, &Scope::Validate, Instant::now() + PATIENCE, false));
    assert!(!asked(&engine, &creation("Ingress")).decision.allowed);
    assert!(asked(&engine, &creation("ConfigMap")).decision.allowed);
}

#[test]
fn what_a_syncer_or_a_controller_keeps_up_is_not_minded() {
    let policies = || [host("c.deny('no')")];
    let relabel = |request: &mut serde_json::Value| request["object"]["metadata"]["labels"] = json!({"host": "added"});
    assert!(decided(policies(), &review("Pod", Operation::Update, relabel)).allowed);
    let bind = |request: &mut serde_json::Value| request["object"]["spec"]["nodeName"] = "n".into();
    assert!(decided(policies(), &review("Pod", Operation::Update, bind)).allowed);
    let going = |request: &mut serde_json::Value| {
        request["object"]["metadata"]["deletionTimestamp"] = "2026-11-20T21:51:55Z".into();
        request["object"]["spec"]["hostNetwork"] = true.into();
    };
    assert!(decided(policies(), &review("Pod", Operation::Update, going)).allowed);
    let change = |request: &mut serde_json::Value| request["object"]["spec"]["containers"][0]["image"] = "b".into();
    assert!(!decided(policies(), &review("Pod", Operation::Update, change)).allowed);
    let coredns = |request: &mut serde_json::Value| request["namespace"] = "kube-system".into();
    assert!(decided(policies(), &review("Pod", Operation::Create, coredns)).allowed);
    let bindings = |request: &mut serde_json::Value| request["subResource"] = "binding".into();
    assert!(decided(policies(), &review("Pod", Operation::Create, bindings)).allowed);
}

#[test]
fn a_denial_of_the_virtual_clusters_own_needs_no_other() {
    let own =
        host("c.deny('mine')").named("a.example.com").with(|spec| spec.rules.vantage = Some(policy::Vantage::Virtual));
    let engine = engine([own, host("c.deny('theirs')")]);
    let judgement = asked(&engine, &creation("Pod"));
    assert_eq!(message(&judgement.decision), "[a.example.com] mine");
    assert_eq!(judgement.objections.len(), 1);
}
