//! Subresources are asked about under their own names, and CONNECT is an operation like any other.

use serde_json::json;

use super::bylaw::with_bylaw;
use super::objects::{deployment, pod};
use super::policies::policy;

#[test]
fn exec_into_a_pod_can_be_refused() {
    let no_shells = policy(
        "no-shells",
        r#"
        match: { resources: ["pods/exec"], operations: ["CONNECT"] },
        validate({ object, request, deny }) {
          if (object.command?.includes("sh")) deny(`no ${object.command.join(" ")} in ${request.name} (${object.kind})`);
        },
        "#,
    );
    with_bylaw([no_shells], |bylaw| {
        bylaw.accepts("pods", &pod("web"));
        let refusal = bylaw.create("pods/web/exec?command=sh&command=-i&stdout=true", &json!({})).refusal();
        assert!(refusal.contains("no sh -i in web (PodExecOptions)"), "{refusal}");

        let said = bylaw.kubectl(&["exec", "web", "--", "sh", "-i"], "");
        assert!(!said.ok && said.err.contains("[no-shells.e2e.example.com] no sh -i in web"), "{said:?}");

        // Past the policy the API server finds that the pod runs nowhere.
        let beyond = bylaw.create("pods/web/exec?command=ls&stdout=true", &json!({})).refusal();
        assert!(beyond.contains("does not have a host assigned"), "{beyond}");
    });
}

#[test]
fn a_status_is_judged_apart_from_its_pod() {
    let honest = policy(
        "honest",
        r#"
        match: { resources: ["pods/status"], operations: ["UPDATE"] },
        validate({ object, request, deny }) {
          if (object.status.phase === "Succeeded") deny(`${request.subResource}: nothing ran here`);
        },
        "#,
    );
    with_bylaw([honest], |bylaw| {
        bylaw.accepts("pods", &pod("web"));
        let refusal = bylaw.merge("pods/web/status", &json!({"status": {"phase": "Succeeded"}})).refusal();
        assert!(refusal.contains("status: nothing ran here"), "{refusal}");
        assert_eq!(
            bylaw.merge("pods/web/status", &json!({"status": {"phase": "Running"}})).object()["status"]["phase"],
            "Running"
        );
        assert!(bylaw.merge("pods/web", &json!({"metadata": {"labels": {"a": "b"}}})).is_good());
    });
}

#[test]
fn scaling_is_judged_by_the_scale() {
    let small = policy(
        "small",
        r#"
        match: { resources: ["deployments/scale"], operations: ["UPDATE"] },
        validate({ object, oldObject, deny }) {
          if (object.spec.replicas > 3) deny(`${object.kind} from ${oldObject.spec.replicas} to ${object.spec.replicas}`);
        },
        "#,
    );
    with_bylaw([small], |bylaw| {
        bylaw.accepts("apps/v1/deployments", &deployment("web"));
        let said = bylaw.kubectl(&["scale", "deployment", "web", "--replicas=4"], "");
        assert!(!said.ok && said.err.contains("Scale from 1 to 4"), "{said:?}");
        let said = bylaw.kubectl(&["scale", "deployment", "web", "--replicas=3"], "");
        assert!(said.ok, "{said:?}");
        assert_eq!(bylaw.get("apps/v1/deployments/web").object()["spec"]["replicas"], 3);
    });
}

#[test]
fn ephemeral_containers_are_judged_by_the_policy_of_pods() {
    let known_images = policy(
        "known-images",
        r#"
        match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"] },
        validate({ object, deny }) {
          for (const { container, field } of containers(object)) {
            if (!container.image.startsWith("registry.example.com/")) deny(`${container.image} is unknown`, { field });
          }
        },
        "#,
    );
    let known_images = known_images.importing("containers");
    with_bylaw([known_images], |bylaw| {
        bylaw.accepts("pods", &pod("web"));
        let debug = |image: &str| json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": image}]}});
        let refused = bylaw.merge("pods/web/ephemeralcontainers", &debug("evil.example.com/debug:1"));
        assert_eq!(refused.body["details"]["causes"][0]["field"], "spec.ephemeralContainers[0]", "{refused:?}");
        assert!(refused.refusal().contains("evil.example.com/debug:1 is unknown"));
        assert!(bylaw.merge("pods/web/ephemeralcontainers", &debug("registry.example.com/debug:1")).is_good());
    });
}
