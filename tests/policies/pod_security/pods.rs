//! Random pods at the boundaries of the checks: one that keeps to every level, or a plain one, then changed in a few places.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::values;

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Names that annotations go by.
const NAMES: [&str; 4] = ["web", "agent", "setup", ""];

pub fn random(chance: &mut Chance) -> Value {
    let is_hardened = !chance.one_in(4);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [container(chance, "web", is_hardened)]},
    });
    if is_hardened && !chance.one_in(4) {
        set(
            &mut pod,
            &["spec", "securityContext"],
            json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}),
        );
    }
    for (name, list) in [("agent", "containers"), ("setup", "initContainers"), ("debug", "ephemeralContainers")] {
        if chance.one_in(3) {
            let added = container(chance, name, is_hardened);
            list_at(&mut pod, &["spec", list]).push(added);
        }
    }
    if chance.one_in(40) {
        // As in Go, where a `null` in a list is an empty item.
        list_at(&mut pod, &["spec", *chance.of(&LISTS)]).push(Value::Null);
    }
    let changes = *chance.of(&[0, 1, 1, 1, 2, 2, 3, 4, 6, 9]);
    for _ in 0..changes {
        if chance.one_in(2) {
            change_pod(chance, &mut pod);
        } else {
            change_container(chance, &mut pod);
        }
    }
    pod
}

/// One that keeps to the restricted level by itself half of the time, with the pod's help else.
fn container(chance: &mut Chance, name: &str, is_hardened: bool) -> Value {
    let mut container = json!({"name": name, "image": "nginx:1.29"});
    if is_hardened {
        let mut context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        if chance.one_in(2) {
            context["runAsNonRoot"] = json!(true);
            context["seccompProfile"] = json!({"type": "RuntimeDefault"});
        }
        container["securityContext"] = context;
    }
    container
}

fn change_pod(chance: &mut Chance, pod: &mut Value) {
    let context = |field| ["spec", "securityContext", field];
    match chance.below(17) {
        0 => put(chance, pod, &["spec", "hostNetwork"], &values::booleans()),
        1 => put(chance, pod, &["spec", "hostPID"], &values::booleans()),
        2 => put(chance, pod, &["spec", "hostIPC"], &values::booleans()),
        3 | 4 => put(chance, pod, &["spec", "hostUsers"], &values::booleans()),
        5 => put(chance, pod, &["spec", "os"], &values::operating_systems()),
        6 if chance.one_in(3) => {
            push(chance, pod, &["spec", "volumes"], &[json!({"name": "v", "hostPath": {"path": "/"}})]);
        }
        6 => push(chance, pod, &["spec", "volumes"], &values::volumes()),
        7 => put(chance, pod, &context("appArmorProfile"), &values::profiles()),
        8 => put(chance, pod, &context("seccompProfile"), &values::profiles()),
        9 => put(chance, pod, &context("seLinuxOptions"), &values::se_linux_options()),
        10 => put(chance, pod, &context("windowsOptions"), &values::windows_options()),
        11 => put(chance, pod, &context("runAsNonRoot"), &values::booleans()),
        12 => put(chance, pod, &context("runAsUser"), &values::users()),
        13 | 14 => push(chance, pod, &context("sysctls"), &values::sysctls()),
        15 => annotate(chance, pod),
        _ => rarely(chance, pod),
    }
}

/// What is not there at all, or empty.
fn rarely(chance: &mut Chance, pod: &mut Value) {
    match chance.below(5) {
        0 => set(pod, &["spec", "securityContext"], Value::Null),
        1 => set(pod, &["spec", "securityContext"], json!({})),
        2 => set(pod, &["spec", "volumes"], Value::Null),
        3 => set(pod, &["metadata", "annotations"], Value::Null),
        _ => set(pod, &["spec", *chance.of(&LISTS)], if chance.one_in(2) { Value::Null } else { json!([]) }),
    }
}

fn annotate(chance: &mut Chance, pod: &mut Value) {
    let name = *chance.of(&NAMES);
    let key = match chance.below(5) {
        0 => "seccomp.security.alpha.kubernetes.io/pod".to_owned(),
        1 | 2 => format!("container.seccomp.security.alpha.kubernetes.io/{name}"),
        _ => format!("container.apparmor.security.beta.kubernetes.io/{name}"),
    };
    put(chance, pod, &["metadata", "annotations", &key], &values::profile_annotations());
}

fn change_container(chance: &mut Chance, pod: &mut Value) {
    let list = *chance.of(&LISTS);
    let all = list_at(pod, &["spec", list]);
    if all.is_empty() {
        all.push(json!({"name": "debug"}));
    }
    let at = chance.below(all.len());
    let one = &mut all[at];
    if one.is_null() {
        *one = json!({});
    }
    let context = |field| ["securityContext", field];
    match chance.below(19) {
        0 => put(chance, one, &context("privileged"), &values::booleans()),
        1 => put(chance, one, &context("allowPrivilegeEscalation"), &values::booleans()),
        2 | 3 => push(chance, one, &["securityContext", "capabilities", "add"], &values::capabilities()),
        4 => put(chance, one, &["securityContext", "capabilities", "drop"], &values::dropped()),
        5 => put(chance, one, &context("procMount"), &values::proc_mounts()),
        6 => put(chance, one, &context("seLinuxOptions"), &values::se_linux_options()),
        7 => put(chance, one, &context("seccompProfile"), &values::profiles()),
        8 => put(chance, one, &context("appArmorProfile"), &values::profiles()),
        9 => put(chance, one, &context("windowsOptions"), &values::windows_options()),
        10 => put(chance, one, &context("runAsNonRoot"), &values::booleans()),
        11 => put(chance, one, &context("runAsUser"), &values::users()),
        12 | 13 => push(chance, one, &["ports"], &values::host_ports()),
        14 | 15 => {
            let probe = *chance.of(&["livenessProbe", "readinessProbe", "startupProbe"]);
            put(chance, one, &[probe], &values::handlers());
        }
        16 | 17 => {
            let hook = *chance.of(&["postStart", "preStop"]);
            put(chance, one, &["lifecycle", hook], &values::handlers());
        }
        _ => {
            let field = *chance.of(&["securityContext", "ports", "lifecycle", "name"]);
            set(one, &[field], Value::Null);
        }
    }
}

fn put(chance: &mut Chance, at: &mut Value, path: &[&str], choices: &[Value]) {
    set(at, path, chance.of(choices).clone());
}

fn push(chance: &mut Chance, at: &mut Value, path: &[&str], choices: &[Value]) {
    let chosen = chance.of(choices).clone();
    list_at(at, path).push(chosen);
}

fn set(at: &mut Value, path: &[&str], value: Value) {
    *place(at, path) = value;
}

/// The list at a path, made where there is none.
fn list_at<'v>(at: &'v mut Value, path: &[&str]) -> &'v mut Vec<Value> {
    let found = place(at, path);
    if !found.is_array() {
        *found = json!([]);
    }
    found.as_array_mut().unwrap()
}

/// The value at a path, with objects on the way there.
fn place<'v>(at: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(at, |at, key| {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at.as_object_mut().unwrap().entry(*key).or_insert(Value::Null)
    })
}
