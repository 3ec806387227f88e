//! Namespace and object selectors follow the labels of a living cluster.

use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::bylaw::{Bylaw, path_in, with_bylaw};
use super::objects::config_map;
use super::policies::{PolicyFile, policy};

fn frozen_production() -> PolicyFile {
    policy(
        "frozen",
        r#"
        match: {
          resources: ["configmaps"], operations: ["CREATE"],
          namespaceSelector: { matchLabels: { stage: "production" } },
        },
        validate({ namespace, deny }) { deny(`${namespace.name} is frozen (${namespace.labels.stage})`); },
        "#,
    )
}

fn create_in(bylaw: &Bylaw, namespace: &str) -> Reply {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}});
    bylaw.world.api.post(&path_in(namespace, "configmaps"), &object)
}

#[test]
fn a_namespace_is_selected_from_its_first_moment() {
    with_bylaw([frozen_production()], |bylaw| {
        for round in 0..10 {
            let (frozen, free) = (format!("{}-frozen-{round}", bylaw.name), format!("{}-free-{round}", bylaw.name));
            bylaw.make_namespace(&frozen, &json!({"stage": "production"}));
            let refusal = create_in(bylaw, &frozen).refusal();
            assert!(refusal.contains(&format!("{frozen} is frozen (production)")), "{refusal}");
            bylaw.make_namespace(&free, &json!({"stage": "test"}));
            create_in(bylaw, &free).object();
        }
    });
}

#[test]
fn a_relabelled_namespace_is_judged_by_its_new_labels() {
    with_bylaw([frozen_production()], |bylaw| {
        let relabel = |labels: Value| {
            let path = format!("/api/v1/namespaces/{}", bylaw.name);
            bylaw.world.api.merge(&path, &json!({"metadata": {"labels": labels}})).object();
        };
        create_in(bylaw, &bylaw.name).object();
        relabel(json!({"stage": "production"}));
        eventually("the namespace is frozen", || create_in(bylaw, &bylaw.name), |reply| !reply.is_good());
        relabel(json!({"stage": null}));
        eventually("the namespace is free", || create_in(bylaw, &bylaw.name), Reply::is_good);
    });
}

#[test]
fn a_namespace_is_selected_by_its_own_labels_while_it_is_made() {
    let owned = policy(
        "owned",
        r#"
        match: {
          resources: ["namespaces"], operations: ["CREATE"],
          namespaceSelector: { matchLabels: { stage: "production" } },
        },
        validate({ object, deny }) { if (!object.metadata.labels.owner) deny("production has an owner"); },
        "#,
    );
    with_bylaw([owned], |bylaw| {
        let make = |name: &str, mut labels: Value| {
            labels["e2e.example.com/run"] = bylaw.name.as_str().into();
            let metadata = json!({"name": format!("{}-{name}", bylaw.name), "labels": labels});
            bylaw.world.api.post(
                "/api/v1/namespaces?dryRun=All",
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
            )
        };
        assert!(make("a", json!({"stage": "production"})).refusal().contains("production has an owner"));
        make("b", json!({"stage": "production", "owner": "me"})).object();
        make("c", json!({"stage": "test"})).object();
    });
}

#[test]
fn an_object_cannot_leave_a_policy_by_taking_its_label_off() {
    let guarded = policy(
        "guarded",
        r#"
        match: { resources: ["configmaps"], objectSelector: { matchLabels: { guarded: "yes" } } },
        validate({ operation, deny }) { if (operation !== "CREATE") deny(`guarded against ${operation}`); },
        "#,
    );
    with_bylaw([guarded], |bylaw| {
        let mut object = config_map("a", json!({}));
        object["metadata"]["labels"] = json!({"guarded": "yes"});
        bylaw.accepts("configmaps", &object);
        bylaw.accepts("configmaps", &config_map("b", json!({})));

        let unlabelled = bylaw.merge("configmaps/a", &json!({"metadata": {"labels": {"guarded": null}}})).refusal();
        assert!(unlabelled.contains("guarded against UPDATE"), "{unlabelled}");
        let labelled = bylaw.merge("configmaps/b", &json!({"metadata": {"labels": {"guarded": "yes"}}})).refusal();
        assert!(labelled.contains("guarded against UPDATE"), "{labelled}");
        assert!(bylaw.delete("configmaps/a").refusal().contains("guarded against DELETE"));
        assert!(bylaw.delete("configmaps/b").is_good());
    });
}
