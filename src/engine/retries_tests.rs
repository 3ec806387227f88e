//! A syncer that sends a refused object again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::engine::tests::{engine_of, wait};
use crate::isolate::testing::{Draft, PATIENCE, validate};
use crate::policy::Catalog;
use crate::review::{Limits, parse};
use crate::tenancy::{Registry, VirtualCluster};
use std::sync::Arc;

const SYNCER: &str = "system:serviceaccount:vc-one:vc-dev";

fn engine(policy: Draft) -> Engine {
    let namespaces: BTreeMap<String, Arc<BTreeMap<String, String>>> = [("vc-one".to_owned(), Arc::default())].into();
    let policy = policy.with(|spec| {
        spec.mutates = false;
        spec.rules.resources.push("pods".to_owned());
    });
    let engine = engine_of([policy.made()], Arc::new(namespaces));
    let vcluster = VirtualCluster::new("vc-one", "dev", None, "0.36.0").unwrap();
    engine.tenancy().publish(Registry::new([Arc::new(vcluster)], [], []));
    engine
}

fn review(change: impl FnOnce(&mut Value)) -> Review {
    let host = "web-x-team-a-x-dev";
    let mut request = json!({
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "name": host, "namespace": "vc-one",
        "operation": "CREATE", "userInfo": {"username": SYNCER},
        "object": {"metadata": {
            "name": host, "namespace": "vc-one", "labels": {"vcluster.loft.sh/managed-by": "dev"},
            "annotations": {
                "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
                "vcluster.loft.sh/object-uid": "7",
            },
        }},
    });
    change(&mut request);
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

/// How many policies ran.
fn runs(engine: &Engine, review: &Review, scope: &Scope) -> usize {
    let judgement = wait(engine.judge(review, scope, Instant::now() + PATIENCE, false));
    assert!(!judgement.decision.allowed);
    assert_eq!(judgement.decision.status.unwrap().message, "[p.example.com] no");
    judgement.evaluated.len()
}

#[test]
fn the_same_object_is_judged_once_and_denied_again() {
    let engine = engine(validate("c.deny('no')"));
    let again = |number: usize| {
        review(|request| {
            request["uid"] = format!("u{number}").into();
            let metadata = &mut request["object"]["metadata"];
            metadata["uid"] = format!("{number}").into();
            metadata["annotations"][format!("vcluster.loft.sh/token-{number:08}")] = "secret".into();
        })
    };
    assert_eq!(runs(&engine, &again(0), &Scope::Validate), 1);
    for number in 1..5 {
        assert_eq!(runs(&engine, &again(number), &Scope::Validate), 0);
    }
    assert!(engine.metrics.render().contains("bylaw_denials_repeated_total{why=\"known\"} 4"));
    let only = Scope::Only("p.example.com".into());
    let judgement = wait(engine.judge(&again(5), &only, Instant::now() + PATIENCE, false));
    assert_eq!(judgement.evaluated.len(), 1, "another question");
}

#[test]
fn another_object_and_other_policies_are_judged_anew() {
    let engine = engine(validate("c.deny('no')"));
    let ask = |change: fn(&mut Value)| runs(&engine, &review(change), &Scope::Validate);
    assert_eq!((ask(|_| {}), ask(|_| {})), (1, 0));
    assert_eq!(ask(|request| request["object"]["spec"] = json!({"hostNetwork": true})), 1, "the tenant has changed it");
    assert_eq!(ask(|_| {}), 1);
    engine.publish(Arc::new(Catalog { generation: 2, ..Catalog::clone(&engine.catalog()) }));
    assert_eq!(ask(|_| {}), 1, "the policies have");
    engine.set_exceptions(crate::policy::Exceptions::default());
    assert_eq!(ask(|_| {}), 1, "the exceptions have");
    assert_eq!(ask(|request| request["dryRun"] = true.into()), 1);
    assert_eq!(
        ask(|request| request["object"]["metadata"]["annotations"]["vcluster.loft.sh/object-uid"] = "8".into()),
        1
    );
}

#[test]
fn what_depends_on_the_world_is_judged_anew_as_often_as_its_tenant_may_ask() {
    let engine = engine(validate("c.deny('no')").with(|spec| spec.permissions.read.push("v1/ConfigMap".to_owned())));
    let asked = (0..200).map(|_| runs(&engine, &review(|_| {}), &Scope::Validate)).sum::<usize>();
    assert!((20..200).contains(&asked), "{asked}");
    assert!(engine.metrics.render().contains("bylaw_denials_repeated_total{why=\"known\"} 0"));
}

#[test]
fn nobody_but_a_syncer_is_answered_from_memory() {
    let engine = engine(validate("c.deny('no')"));
    let plain = || {
        review(|request| {
            request["userInfo"]["username"] = "jane".into();
            request["object"] = json!({"metadata": {"name": "web"}});
        })
    };
    assert_eq!((runs(&engine, &plain(), &Scope::Validate), runs(&engine, &plain(), &Scope::Validate)), (1, 1));
}
