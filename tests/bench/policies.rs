//! Sixteen policies of the pod-security kind, and the pod that passes them all.

use std::path::Path;

use crate::load::Question;

/// `(name, body of validate)`. Each looks at every container, as real ones do.
const CHECKS: [(&str, &str); 16] = [
    ("privileged", "if (c.securityContext?.privileged === true) deny(`${c.name} is privileged`, { field });"),
    (
        "escalation",
        "if (c.securityContext?.allowPrivilegeEscalation !== false) deny(`${c.name} may escalate`, { field });",
    ),
    (
        "non-root",
        "if ((c.securityContext?.runAsNonRoot ?? pod.securityContext?.runAsNonRoot) !== true) deny(`${c.name} may be root`, { field });",
    ),
    (
        "drop-all",
        "if (!c.securityContext?.capabilities?.drop?.includes(\"ALL\")) deny(`${c.name} keeps capabilities`, { field });",
    ),
    (
        "add-none",
        "for (const added of c.securityContext?.capabilities?.add ?? []) if (added !== \"NET_BIND_SERVICE\") deny(`${c.name} adds ${added}`, { field });",
    ),
    (
        "seccomp",
        "const type = c.securityContext?.seccompProfile?.type ?? pod.securityContext?.seccompProfile?.type; if (type !== \"RuntimeDefault\" && type !== \"Localhost\") deny(`${c.name} has no seccomp profile`, { field });",
    ),
    (
        "proc-mount",
        "const mount = c.securityContext?.procMount; if (mount !== undefined && mount !== \"Default\") deny(`${c.name} changes /proc`, { field });",
    ),
    (
        "host-ports",
        "for (const port of c.ports ?? []) if (port.hostPort) deny(`${c.name} takes host port ${port.hostPort}`, { field });",
    ),
    (
        "read-only",
        "if (c.securityContext?.readOnlyRootFilesystem !== true) deny(`${c.name} has a writable root`, { field });",
    ),
    (
        "registry",
        "if (!c.image.startsWith(\"registry.example.com/\")) deny(`${c.image} is not ours`, { field: `${field}.image` });",
    ),
    (
        "tag",
        "if (c.image.endsWith(\":latest\") || !c.image.includes(\":\")) deny(`${c.image} has no fixed tag`, { field: `${field}.image` });",
    ),
    (
        "limits",
        "if (!c.resources?.limits?.memory || !c.resources?.requests?.cpu) deny(`${c.name} has no limits`, { field });",
    ),
    ("probes", "if (!c.readinessProbe) deny(`${c.name} has no readiness probe`, { field });"),
    (
        "host-namespaces",
        "if (pod.hostNetwork || pod.hostPID || pod.hostIPC) deny(\"shares a namespace of the host\", { field: \"spec\" });",
    ),
    (
        "host-path",
        "for (const volume of pod.volumes ?? []) if (volume.hostPath) deny(`${volume.name} is a host path`, { field: \"spec.volumes\" });",
    ),
    (
        "labels",
        "if (!object.metadata.labels?.[\"app.kubernetes.io/name\"]) deny(\"has no app label\", { field: \"metadata.labels\" });",
    ),
];

/// Writes the first `count` of them into a folder.
pub fn write(dir: &Path, count: usize) -> std::io::Result<()> {
    for (name, check) in CHECKS.into_iter().take(count) {
        let source = format!(
            "import {{ policy }} from \"@bylaw/sdk\";\n\
             export default policy({{\n  name: \"{name}.bench.bylaw.dev\",\n  match: {{ resources: [\"pods\"], operations: [\"CREATE\"] }},\n  \
             validate({{ object, deny }}: any) {{\n    const pod = object.spec;\n    pod.containers.forEach((c: any, at: number) => {{\n      \
             const field = `spec.containers[${{at}}]`;\n      {check}\n    }});\n  }},\n}});\n"
        );
        std::fs::write(dir.join(format!("{name}.ts")), source)?;
    }
    Ok(())
}

/// The same kind of check as a jsPolicy script.
pub fn write_script(dir: &Path) -> std::io::Result<()> {
    let manifest = r#"apiVersion: policy.jspolicy.com/v1beta1
kind: JsPolicy
metadata:
  name: privileged.bench.jspolicy.com
spec:
  operations: ["CREATE"]
  resources: ["pods"]
  javascript: |
    const containers = request.object.spec.containers.concat(request.object.spec.initContainers || []);
    containers.forEach((container) => {
      if (container.securityContext && container.securityContext.privileged) {
        deny(container.name + " is privileged");
      }
    });
"#;
    std::fs::write(dir.join("privileged.yaml"), manifest)
}

/// A policy that sets one label.
pub fn write_mutation(dir: &Path) -> std::io::Result<()> {
    let source = r#"import { policy } from "@bylaw/sdk";
export default policy({
  name: "stamp.bench.bylaw.dev",
  match: { resources: ["pods"], operations: ["CREATE"] },
  mutate({ object }: any) {
    object.metadata.labels["example.com/stamped"] = "yes";
  },
});
"#;
    std::fs::write(dir.join("stamp.ts"), source)
}

/// A policy that judges by the restricted level, and says nothing of what it finds.
pub fn write_pod_security(dir: &Path) -> std::io::Result<()> {
    let source = r#"import { podSecurity, policy } from "@bylaw/sdk";
const judge = podSecurity("restricted");
export default policy({
  name: "pod-security.bench.bylaw.dev",
  match: { resources: ["pods"], operations: ["CREATE"] },
  validate({ object, audit }: any) {
    if (judge(object).length > 100) audit("findings", "many");
  },
});
"#;
    std::fs::write(dir.join("pod-security.ts"), source)
}

/// What every policy allows, asked as an API server asks.
pub fn to_allow() -> Question {
    Question { path: "/validate?timeout=10s", body: review().into(), expected: r#""allowed":true"# }
}

/// What [`write_mutation`] changes.
pub fn to_mutate() -> Question {
    Question { path: "/mutate?timeout=10s", body: review().into(), expected: r#""patchType":"JSONPatch""# }
}

/// An AdmissionReview of about 2.7 KB, as an API server sends it for a pod with two hardened containers.
pub fn review() -> String {
    let container = |name: &str, port: u16| {
        serde_json::json!({
            "name": name, "image": format!("registry.example.com/team/{name}:1.27.3"), "imagePullPolicy": "IfNotPresent",
            "ports": [{ "name": "http", "containerPort": port, "protocol": "TCP" }],
            "env": [{ "name": "LOG_LEVEL", "value": "info" }, { "name": "REGION", "value": "eu-central-1" }],
            "resources": { "limits": { "cpu": "500m", "memory": "256Mi" }, "requests": { "cpu": "100m", "memory": "128Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 10001,
                "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
            },
            "readinessProbe": {
                "httpGet": { "path": "/healthz", "port": "http", "scheme": "HTTP" },
                "initialDelaySeconds": 5, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
            },
            "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        })
    };
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-7d9c6f8b5-x2x9k", "namespace": "team-a", "uid": "5a0d6c3e-3f5d-4a55-9d0f-6f1b0c1f2d3e",
            "creationTimestamp": "2026-11-01T10:00:00Z",
            "labels": { "app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7d9c6f8b5" },
            "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "9090" },
        },
        "spec": {
            "volumes": [{ "name": "tmp", "emptyDir": {} }],
            "containers": [container("web", 8080), container("metrics", 9090)],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "web", "automountServiceAccountToken": false, "schedulerName": "default-scheduler",
            "securityContext": { "runAsNonRoot": true, "fsGroup": 10001, "seccompProfile": { "type": "RuntimeDefault" } },
            "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
        },
        "status": {},
    });
    let kind = serde_json::json!({ "group": "", "version": "v1", "kind": "Pod" });
    let resource = serde_json::json!({ "group": "", "version": "v1", "resource": "pods" });
    serde_json::json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "0df28fbd-5f5f-11e8-bc74-36e6bb280816", "kind": kind, "resource": resource, "requestKind": kind,
            "requestResource": resource, "name": "web-7d9c6f8b5-x2x9k", "namespace": "team-a", "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:serviceaccounts", "system:authenticated"] },
            "object": pod, "oldObject": null, "dryRun": false, "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" },
        },
    })
    .to_string()
}
