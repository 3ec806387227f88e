//! What a policy changes is what the API server stores.

use serde_json::json;

use super::bylaw::with_bylaw;
use super::objects::{config_map, deployment, pod};
use super::policies::{js_policy, policy};

#[test]
fn the_stored_object_is_the_mutated_one() {
    let labelled = policy(
        "labelled",
        r#"
        match: { resources: ["pods"], operations: ["CREATE"] },
        mutate({ object, user }) {
          object.metadata.labels = { ...object.metadata.labels, "made-by": user.username };
          for (const container of object.spec.containers) container.imagePullPolicy = "Always";
          object.spec.containers.push({ name: "sidecar", image: "registry.example.com/sidecar:1" });
        },
        "#,
    );
    with_bylaw([labelled], |bylaw| {
        bylaw.accepts("pods", &pod("web"));
        let stored = bylaw.get("pods/web").object();
        assert_eq!(stored["metadata"]["labels"], json!({"made-by": "admin"}));
        let containers = stored["spec"]["containers"].as_array().unwrap();
        let policies: Vec<_> = containers.iter().map(|one| (&one["name"], &one["imagePullPolicy"])).collect();
        assert_eq!(policies, [(&json!("web"), &json!("Always")), (&json!("sidecar"), &json!("IfNotPresent"))]);
    });
}

#[test]
fn mutations_follow_one_another_by_priority_and_are_validated_together() {
    let appending = |name: &str, priority: i32| {
        let handler = format!(
            r#"
            match: {{ resources: ["configmaps"], operations: ["CREATE"] }},
            priority: {priority},
            mutate({{ object }}) {{ object.data.trace = `${{object.data.trace ?? ""}}{name}`; }},
            "#
        );
        policy(name, &handler)
    };
    let judge = policy(
        "judge",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        validate({ object, deny }) { if (object.data?.expected !== object.data?.trace) deny(`trace is ${object.data?.trace}`); },
        "#,
    );
    with_bylaw([appending("x", 20), appending("y", -1), appending("z", 3), judge], |bylaw| {
        bylaw.accepts("configmaps", &config_map("a", json!({"expected": "yzx"})));
        let refusal = bylaw.rejects("configmaps", &config_map("b", json!({"expected": ""})));
        assert!(refusal.contains("trace is yzx"), "{refusal}");
    });
}

#[test]
fn a_script_and_a_module_change_one_object() {
    let script = js_policy(
        "script",
        "type: Mutating\noperations: [CREATE]\nresources: [configmaps]",
        r#"
        request.object.data = { ...request.object.data, script: "yes" };
        mutate(request.object);
        "#,
    );
    let module = policy(
        "module",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        mutate({ object }) { object.data.module = "yes"; },
        "#,
    );
    with_bylaw([script, module], |bylaw| {
        let stored = bylaw.accepts("configmaps", &config_map("a", json!({"own": "yes"})));
        assert_eq!(stored["data"], json!({"own": "yes", "script": "yes", "module": "yes"}));
    });
}

#[test]
fn an_update_is_mutated_too() {
    let counting = policy(
        "counting",
        r#"
        match: { resources: ["deployments"], apiGroups: ["apps"], operations: ["UPDATE"] },
        mutate({ object, oldObject }) {
          object.metadata.annotations = { ...object.metadata.annotations, before: String(oldObject.spec.replicas) };
        },
        "#,
    );
    with_bylaw([counting], |bylaw| {
        bylaw.accepts("apps/v1/deployments", &deployment("web"));
        let updated = bylaw.merge("apps/v1/deployments/web", &json!({"spec": {"replicas": 5}})).object();
        assert_eq!(updated["metadata"]["annotations"]["before"], "1");
        assert_eq!(updated["spec"]["replicas"], 5);
    });
}

#[test]
fn a_dry_run_shows_the_mutation_and_stores_nothing() {
    let labelled = policy(
        "labelled",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"] },
        mutate({ object }) { object.metadata.labels = { team: "a" }; },
        "#,
    );
    with_bylaw([labelled], |bylaw| {
        let arguments = ["create", "--dry-run=server", "-o", "jsonpath={.metadata.labels.team}", "-f", "-"];
        let said = bylaw.kubectl(&arguments, &config_map("a", json!({})).to_string());
        assert_eq!(said.out, "a", "{said:?}");
        assert_eq!(bylaw.get("configmaps/a").status, 404);
    });
}
