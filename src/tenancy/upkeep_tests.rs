use serde_json::{Value, json};

use super::*;
use crate::review::{Limits, parse};

/// A review as an API server with a real syncer sent it.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/vcluster/v0.36.0/reviews/virtual.", $name, ".json"))
    };
}

fn is_let_through(review: &str) -> bool {
    is_upkeep(&parse(review.to_owned().into(), &Limits::default()).unwrap().request)
}

#[test]
fn what_a_real_syncer_and_real_controllers_write_is_let_through() {
    for review in [
        recorded!("validate.CREATE.serviceaccounts.token.app.syncer"),
        recorded!("validate.CREATE.serviceaccounts.token.default.syncer"),
        recorded!("validate.DELETE.pods.web-579d76775d-wllps.generic-garbage-collector"),
        recorded!("validate.DELETE.pods.web-579d76775d-wllps.generic-garbage-collector.2"),
        recorded!("validate.DELETE.replicasets.web-579d76775d.generic-garbage-collector"),
        recorded!("validate.UPDATE.deployments.status.web.deployment-controller"),
        recorded!("validate.UPDATE.poddisruptionbudgets.status.web.disruption-controller"),
        recorded!("validate.UPDATE.replicasets.status.web-579d76775d.replicaset-controller"),
    ] {
        assert!(is_let_through(review), "{review}");
    }
}

#[test]
fn what_a_tenant_asks_for_is_judged_also_where_controllers_make_it() {
    for review in [
        recorded!("mutate.CREATE.pods.noname.replicaset-controller"),
        recorded!("validate.CREATE.pods.web-579d76775d-wllps.replicaset-controller"),
        recorded!("validate.CREATE.replicasets.web-579d76775d.deployment-controller"),
        recorded!("validate.CREATE.deployments.web.alice"),
        recorded!("validate.CREATE.services.web.alice"),
        recorded!("validate.DELETE.services.web.alice"),
        recorded!("validate.UPDATE.services.web.alice"),
    ] {
        assert!(!is_let_through(review), "{review}");
    }
}

/// The same review by somebody else, or of something else.
fn with(review: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut review: Value = serde_json::from_str(review).unwrap();
    change(&mut review["request"]);
    review.to_string()
}

fn as_syncer(request: &mut Value) {
    request["userInfo"] = json!({"username": "kubernetes-super-admin", "groups": ["system:masters"]});
}

#[test]
fn a_syncer_may_not_make_what_a_tenant_may_not() {
    for review in [recorded!("validate.CREATE.services.web.alice"), recorded!("validate.CREATE.deployments.web.alice")]
    {
        assert!(!is_let_through(&with(review, as_syncer)));
    }
    let deletion = with(recorded!("validate.DELETE.services.web.alice"), as_syncer);
    assert!(!is_let_through(&deletion));
}

#[test]
fn the_deletion_of_a_pod_that_is_over_is_let_through() {
    let of_user = |change: fn(&mut Value)| {
        with(recorded!("validate.DELETE.pods.web-579d76775d-wllps.generic-garbage-collector"), |request| {
            as_syncer(request);
            request["options"] = json!({"kind": "DeleteOptions"});
            change(request);
        })
    };
    assert!(!is_let_through(&of_user(|_| {})));
    assert!(is_let_through(&of_user(|request| request["options"]["gracePeriodSeconds"] = json!(0))));
    let told =
        |request: &mut Value| request["oldObject"]["metadata"]["deletionTimestamp"] = json!("2026-11-20T21:53:04Z");
    assert!(is_let_through(&of_user(told)));
    assert!(!is_let_through(&with(&of_user(told), |request| request["userInfo"] = json!({"username": "alice"}))));
}

#[test]
fn what_the_host_decided_is_written_back() {
    let update = |change: fn(&mut Value)| {
        with(recorded!("validate.UPDATE.services.web.alice"), |request| {
            as_syncer(request);
            request["object"] = request["oldObject"].clone();
            change(request);
        })
    };
    assert!(is_let_through(&update(|request| request["object"]["spec"]["clusterIP"] = json!("10.0.0.7"))));
    assert!(is_let_through(&update(|request| request["object"]["metadata"]["annotations"] = json!({"a": "b"}))));
    assert!(is_let_through(&update(|request| request["object"]["status"] = json!({"loadBalancer": {}}))));
    assert!(!is_let_through(&update(|request| request["object"]["spec"]["type"] = json!("LoadBalancer"))));
    assert!(!is_let_through(&update(|request| {
        request["userInfo"] = json!({"username": "alice"});
        request["object"]["spec"]["clusterIP"] = json!("10.0.0.7");
    })));
}

#[test]
fn a_virtual_cluster_can_come_up() {
    let pod = recorded!("validate.CREATE.pods.web-579d76775d-wllps.replicaset-controller");
    assert!(is_let_through(&with(pod, |request| request["namespace"] = json!("kube-system"))));
    let deployment = |name: &'static str| {
        with(recorded!("validate.CREATE.deployments.web.alice"), |request| {
            as_syncer(request);
            request["namespace"] = json!("kube-system");
            request["name"] = json!(name);
        })
    };
    assert!(is_let_through(&deployment("coredns")));
    assert!(!is_let_through(&deployment("miner")), "not whatever somebody puts there");
}

#[test]
fn what_comes_from_the_host_may_be_there() {
    for (group, resource) in [("", "nodes"), ("events.k8s.io", "events"), ("discovery.k8s.io", "endpointslices")] {
        let review = with(recorded!("validate.CREATE.services.web.alice"), |request| {
            as_syncer(request);
            request["resource"] = json!({"group": group, "version": "v1", "resource": resource});
        });
        assert!(is_let_through(&review), "{resource}");
    }
}
