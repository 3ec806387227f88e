//! `workloads: true`: a policy for pods judges the templates of workloads too, and names the workload's own fields.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::folder::{Folder, Served};
use super::reviews::{allowed, create, denied, pod, with};

const SOURCE: &str = r#"
import { containers, policy } from "@bylaw/sdk";
export default policy({
  name: "no-latest.policies.example",
  match: { resources: ["pods"], operations: ["CREATE", "UPDATE"], workloads: true },
  validate({ object, oldObject, template, deny }) {
    for (const { container, field } of containers(object)) {
      if (container.image.endsWith(":latest")) {
        const told = template ? `${template.kind} ${template.name} at ${template.path}` : "no template";
        deny(`${object.kind} of ${told}, before ${oldObject?.spec.containers[0].image}`, { field: `${field}.image` });
      }
    }
  },
});
"#;

static SERVED: LazyLock<Served> = LazyLock::new(|| Served::new(&[("no-latest.ts", SOURCE)], &[]));

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

fn workload(api_version: &str, kind: &str, image: &str) -> Value {
    let spec = if kind == "CronJob" {
        json!({"jobTemplate": {"spec": {"template": template(image)}}})
    } else {
        json!({"template": template(image)})
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn ask(review: &Value) -> (u16, Value) {
    SERVED.server.post("/validate", review)
}

#[test]
fn the_templates_of_all_workloads_are_judged_with_their_own_field_paths() {
    for (api_version, kind, path) in [
        ("apps/v1", "Deployment", "spec.template"),
        ("apps/v1", "ReplicaSet", "spec.template"),
        ("apps/v1", "StatefulSet", "spec.template"),
        ("apps/v1", "DaemonSet", "spec.template"),
        ("batch/v1", "Job", "spec.template"),
        ("batch/v1", "CronJob", "spec.jobTemplate.spec.template"),
        ("v1", "ReplicationController", "spec.template"),
    ] {
        let status = denied(ask(&create(workload(api_version, kind, "web:latest"))));
        let cause = &status["details"]["causes"][0];
        assert_eq!(cause["message"], format!("Pod of {kind} web at {path}, before undefined"));
        assert_eq!(cause["field"], format!("{path}.spec.containers[0].image"));
        allowed(ask(&create(workload(api_version, kind, "web:1.2"))));
    }
}

#[test]
fn a_pod_itself_has_no_template() {
    let status = denied(ask(&pod("web:latest")));
    assert_eq!(status["details"]["causes"][0]["message"], "Pod of no template, before undefined");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.containers[0].image");
}

#[test]
fn the_template_before_is_the_old_object() {
    let old = workload("apps/v1", "Deployment", "web:0.9");
    let review =
        with(create(workload("apps/v1", "Deployment", "web:latest")), json!({"operation": "UPDATE", "oldObject": old}));
    let status = denied(ask(&review));
    assert_eq!(status["details"]["causes"][0]["message"], "Pod of Deployment web at spec.template, before web:0.9");
}

#[test]
fn sub_resources_and_other_kinds_are_left_alone() {
    let scale = with(create(workload("apps/v1", "Deployment", "web:latest")), json!({"subResource": "scale"}));
    allowed(ask(&scale));
    allowed(ask(&create(workload("example.com/v1", "Deployment", "web:latest"))));
    let deletion = with(create(workload("apps/v1", "Deployment", "web:latest")), json!({"operation": "DELETE"}));
    allowed(ask(&deletion));
}

#[test]
fn a_mutation_of_a_template_lands_in_the_workload() {
    let source = r#"
import { policy } from "@bylaw/sdk";
export default policy({
  name: "labels.policies.example",
  match: { resources: ["pods"], operations: ["CREATE"], workloads: true },
  mutate({ object, template }) {
    object.metadata.labels.seen = template ? template.kind : "Pod";
  },
});
"#;
    let folder = Folder::new(&[("labels.ts", source)]);
    let response = allowed(folder.serve(&[]).post("/mutate", &create(workload("apps/v1", "Deployment", "web:1"))));
    let patch = super::mutation::patch(&response);
    assert_eq!(patch, json!([{"op": "add", "path": "/spec/template/metadata/labels/seen", "value": "Deployment"}]));
}

#[test]
fn without_it_workloads_are_not_judged() {
    let folder = Folder::new(&[("no-latest.ts", &SOURCE.replace(", workloads: true", ""))]);
    let server = folder.serve(&[]);
    allowed(server.post("/validate", &create(workload("apps/v1", "Deployment", "web:latest"))));
    denied(server.post("/validate", &pod("web:latest")));
}
