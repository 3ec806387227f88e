//! Who is no syncer cannot pass his objects off as a tenant's.

use serde_json::{Value, json};

use super::chart::workload;
use super::{as_user, asking_about_all, pods, talkative, telling, told};
use crate::api::eventually;
use crate::bylaw::{Bylaw, path_in, with_bylaw};
use crate::objects::pod;

/// A pod with all the marks that the syncer of this namespace would put on it.
fn forged(namespace: &str) -> Value {
    let host = "web-x-team-a-x-dev";
    let mut pod = pod(host);
    let marks = json!({"vcluster.loft.sh/managed-by": "dev", "vcluster.loft.sh/namespace": "team-a", "tell": "yes"});
    pod["metadata"]["namespace"] = namespace.into();
    pod["metadata"]["labels"] = marks;
    pod["metadata"]["annotations"] = json!({
        "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
        "vcluster.loft.sh/object-uid": "1", "vcluster.loft.sh/object-kind": "/v1, Kind=Pod",
        "vcluster.loft.sh/object-host-name": host, "vcluster.loft.sh/object-host-namespace": namespace,
    });
    pod
}

/// What is said to a user who asks for a forged pod.
fn said(bylaw: &Bylaw, user: &str, namespace: &str) -> String {
    let arguments = ["create", "--namespace", namespace, "--dry-run=server", "-f", "-"];
    as_user(bylaw.world, user, &arguments, &forged(namespace).to_string()).err
}

/// Runs a test where a virtual cluster `dev` is known in the namespace of the run.
fn with_virtual_cluster(test: impl FnOnce(&Bylaw)) {
    with_bylaw([telling(), asking_about_all()], |bylaw| {
        super::editors(bylaw.world);
        bylaw.create("apps/v1/statefulsets", &workload("dev")).object();
        let syncer = format!("system:serviceaccount:{}:vc-dev", bylaw.name);
        let is_known = |said: &String| said.contains("telling.e2e.example.com");
        eventually("its syncer is known", || said(bylaw, &syncer, &bylaw.name), is_known);
        test(bylaw);
        // Nothing runs here that would empty the namespace.
        bylaw.world.api.delete(&path_in(&bylaw.name, "apps/v1/statefulsets/dev")).object();
    });
}

#[test]
fn a_forged_pod_is_refused_with_the_reason() {
    with_virtual_cluster(|bylaw| {
        let reply = bylaw.create("pods", &forged(&bylaw.name));
        assert_eq!((reply.status, &reply.body["reason"]), (403, &json!("ForgedVirtualObject")), "{reply:?}");
        let expected = format!("only system:serviceaccount:{}:vc-dev may say so, and \"admin\" is not it", bylaw.name);
        assert!(reply.message().contains(&expected), "{reply:?}");
    });
}

#[test]
fn a_syncer_is_believed_in_its_own_place_alone() {
    with_virtual_cluster(|bylaw| {
        let (own, other) = (&*bylaw.name, format!("{}-other", bylaw.name));
        bylaw.make_namespace(&other, &json!({}));
        bylaw.world.api.post(&path_in(&other, "apps/v1/statefulsets"), &workload("dev")).object();
        let account = |namespace: &str, name: &str| format!("system:serviceaccount:{namespace}:{name}");
        let is_known = |said: &String| said.contains("telling.e2e.example.com");
        eventually("the other's syncer", || said(bylaw, &account(&other, "vc-dev"), &other), is_known);
        for (user, namespace) in [
            (account(own, "vc-dev"), &*other),
            (account(&other, "vc-dev"), own),
            (account(own, "vc-workload-dev"), own),
            ("jane".to_owned(), own),
        ] {
            let said = said(bylaw, &user, namespace);
            assert!(said.contains("forged-objects.tenancy.bylaw.dev"), "{user} in {namespace}: {said}");
        }
    });
}

#[test]
fn a_plain_pod_beside_a_tenants_is_its_namespaces_owners() {
    with_virtual_cluster(|bylaw| {
        let namespace = format!("{}-owned", bylaw.name);
        bylaw.make_namespace(&namespace, &json!({"loft.sh/project": "shop"}));
        let refusal = bylaw.world.api.post(&pods(&namespace), &talkative("plain")).refusal();
        let told = told(&refusal).unwrap();
        assert_eq!(
            (&told["kind"], &told["owner"], &told["seen"]),
            (&json!("namespaces"), &json!("shop"), &Value::Null)
        );
    });
}

#[test]
fn a_label_that_decides_ownership_is_kept_from_those_who_are_no_admins() {
    with_virtual_cluster(|bylaw| {
        let namespace = format!("{}-labelled", bylaw.name);
        bylaw.make_namespace(&namespace, &json!({"loft.sh/project": "shop"}));
        let label =
            |label: &str| as_user(bylaw.world, "jane", &["label", "--overwrite", "namespace", &namespace, label], "");
        for change in ["loft.sh/project=bank", "loft.sh/project-", "capsule.clastix.io/tenant=bank"] {
            let said = label(change);
            assert!(!said.ok && said.err.contains("owner-labels.tenancy.bylaw.dev"), "{change}: {said:?}");
        }
        let said = label("team=a");
        assert!(said.ok, "what decides nothing is hers: {said:?}");
        let path = format!("/api/v1/namespaces/{namespace}");
        let of_admin = json!({"metadata": {"labels": {"loft.sh/project": "bank"}}});
        assert!(bylaw.world.api.merge(&path, &of_admin).is_good(), "an admin may");
    });
}
