//! What is left of Bylaw after the hook by which its chart is uninstalled: no webhook that calls for it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::super::api::eventually;
use super::super::chart::{NAMESPACE, helm, rendered};
use super::super::install::kubectl;
use super::*;

/// Its objects but for the Job, which nothing here would run: its command is answered.
fn install_hook(operator: &Operator, objects: &[Value]) -> Vec<String> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    kubectl(operator.world, &["apply", "-f", "-"], &namespace.to_string());
    let is_hook = |object: &&Value| object["metadata"]["annotations"]["helm.sh/hook"] == "post-delete";
    let (jobs, rights): (Vec<&Value>, Vec<&Value>) =
        objects.iter().filter(is_hook).partition(|object| object["kind"] == "Job");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": rights});
    kubectl(operator.world, &["apply", "-f", "-"], &list.to_string());
    let [job] = jobs.as_slice() else { panic!("one Job: {jobs:?}") };
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "bylaw-uninstall");
    let arguments = pod["containers"][0]["args"].as_array().unwrap();
    arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// A kubeconfig of the account that the hook runs as.
fn kubeconfig(operator: &Operator) -> String {
    let arguments = ["create", "token", "bylaw-uninstall", "--namespace", NAMESPACE];
    let token = kubectl(operator.world, &arguments, "");
    let cluster = &operator.world.cluster;
    let admins = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let path = operator.folder.path().join("uninstall.kubeconfig");
    fs::write(&path, admins.replace(cluster.admin_token(), token.trim())).unwrap();
    path.display().to_string()
}

fn names(operator: &Operator, path: &str) -> Vec<String> {
    let all = operator.api().get(path).object();
    all["items"].as_array().unwrap().iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn after_the_hook_of_the_chart_no_webhook_configuration_of_bylaw_is_left() {
    let Some(helm) = helm() else { return };
    for (values, mode) in [("", "grouped"), ("perPolicy: true", "perPolicy")] {
        with_environment(&["--webhook-mode", mode], &[CHECKED], |operator| {
            operator.put("guard", &refusing("guarded"));
            let mutation = "request.object.metadata.labels = {seen: 'yes'}; mutate(request.object);";
            operator.put("change", &json!({"type": "Mutating", "javascript": mutation}));
            operator.reaches("guard", "Synced");
            operator.reaches("change", "Synced");
            let checked = |names: &Vec<String>| names.contains(&"bylaw-crds".to_owned());
            eventually("its own kinds are checked", || names(operator, VALIDATING), checked);
            let others = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "somebody-elses"}, "webhooks": [],
            });
            operator.api().post(VALIDATING, &others).object();

            // Helm removes everything else first.
            operator.stop();
            assert!(!operator.ask(json!({"good": "yes"})).is_good(), "the API server calls for nobody");
            let arguments = install_hook(operator, &rendered(&helm, values));
            let path = kubeconfig(operator);
            let arguments = arguments.iter().flat_map(|argument| match argument.as_str() {
                // The one difference to the pod, which finds its credentials where no test may put any.
                "--in-cluster" => vec!["--kubeconfig", &path],
                other => vec![other],
            });
            let ended = Command::new(env!("CARGO_BIN_EXE_bylaw")).args(arguments).output().unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            assert_eq!(names(operator, VALIDATING), ["somebody-elses"]);
            assert_eq!(names(operator, MUTATING), [] as [&str; 0]);
            operator.allows(json!({"good": "yes"}));
        });
    }
}
