//! `workloads: true`: the pod that a workload makes, in place of the workload.

use serde_json::{Value, json};

use super::super::testing::{Draft, Rig, creation, input_of, mutate, pod, validate};
use crate::decision::{Effect, Verdict};

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web"}]}}},
    })
}

fn judge(draft: Draft, object: &Value) -> Verdict {
    Rig::new().run_on(&input_of(creation(object).to_string()), draft.with(|spec| spec.rules.workloads = true))
}

fn denial(draft: Draft, object: &Value) -> (String, Option<String>) {
    match judge(draft, object).effect {
        Effect::Deny(mut denials) => {
            let denial = denials.remove(0);
            (denial.message, denial.field)
        }
        other => panic!("{other:?}"),
    }
}

const TELL: &str = "c.deny(`${c.object.kind} ${c.object.metadata.namespace} ${c.template?.kind} ${c.request.object.kind}`, { field: 'spec.containers[0]' })";

#[test]
fn a_workload_is_seen_as_its_pod_and_fields_are_told_in_the_workload() {
    let told = denial(validate(TELL), &deployment());
    let field = "spec.template.spec.containers[0]".to_owned();
    assert_eq!(told, ("Pod shop Deployment Deployment".to_owned(), Some(field)));
}

#[test]
fn a_cron_job_keeps_its_pod_deeper() {
    let template = deployment()["spec"]["template"].clone();
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    });
    let told = denial(validate(TELL), &cron);
    let field = "spec.jobTemplate.spec.template.spec.containers[0]".to_owned();
    assert_eq!(told, ("Pod shop CronJob CronJob".to_owned(), Some(field)));
}

#[test]
fn a_pod_is_itself() {
    assert_eq!(
        denial(validate(TELL), &pod()),
        ("Pod shop undefined Pod".to_owned(), Some("spec.containers[0]".to_owned()))
    );
}

#[test]
fn the_pod_of_a_workload_is_as_frozen_as_any_object() {
    let body = "for (const at of [c.object, c.object.metadata, c.object.metadata.labels, c.object.spec, c.template]) if (!Object.isFrozen(at)) c.deny('not frozen')";
    assert_eq!(judge(validate(body), &deployment()).effect, Effect::Allow);
}

#[test]
fn a_template_of_the_wrong_type_is_no_pod() {
    for template in [json!("text"), json!(7), json!(null), json!(true)] {
        let mut object = deployment();
        object["spec"]["template"] = template;
        let told = denial(validate("c.deny(c.object.kind)"), &object);
        assert_eq!(told.0, "Deployment");
        assert_eq!(judge(mutate(""), &object).mutation, None);
    }
}

#[test]
fn edits_of_the_pod_reach_the_workload() {
    let edit = "c.object.spec.hostNetwork = false; c.object.metadata.annotations = { a: 'b' }; c.object.metadata = { ...c.object.metadata, x: 1 }";
    let mutation = judge(mutate(edit), &deployment()).mutation.unwrap();
    let after: Value = serde_json::from_str(&mutation.after).unwrap();
    assert_eq!(after["spec"]["template"]["spec"]["hostNetwork"], false);
    assert_eq!(
        after["spec"]["template"]["metadata"],
        json!({"labels": {"app": "web"}, "annotations": {"a": "b"}, "x": 1})
    );
    assert_eq!(after["metadata"], deployment()["metadata"]);
}

#[test]
fn a_replaced_spec_reaches_the_workload_and_absent_metadata_stays_absent() {
    let mut object = deployment();
    object["spec"]["template"].as_object_mut().unwrap().remove("metadata");
    let mutation = judge(mutate("c.object.spec = { containers: [] }"), &object).mutation.unwrap();
    let after: Value = serde_json::from_str(&mutation.after).unwrap();
    assert_eq!(after["spec"]["template"], json!({"spec": {"containers": []}}));
}
