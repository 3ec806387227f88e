//! The chart: what Helm makes of it for several sets of values is taken by a real API server, object by object, with strict
//! validation of fields; and its roles are those that `bylaw crd --rbac` prints.

use std::env;
use std::fs;
use std::io::Write;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;

use serde_json::{Value, json};

use super::install::{definitions, kubectl, printed};
use super::objects::definition;
use super::server::lifeline::ScratchFolder;
use super::world::World;

pub const NAMESPACE: &str = "bylaw-chart";

/// Everything that can be switched on.
const EVERYTHING: &str = r#"
fullnameOverride: policies
replicaCount: 3
image: registry.example.com/bylaw:1.2.3
imagePullSecrets: [{ name: pull }]
memoryBudget: 1Gi
env: { HTTPS_PROXY: "http://proxy:3128", BUNDLE_TIMEOUT: 60, TOKEN: { valueFrom: { secretKeyRef: { name: a, key: b } } } }
envFrom: [{ secretRef: { name: more } }]
policies:
  no-node-ports.services.example.com:
    operations: [CREATE]
    resources: [services]
    javascript: if (request.object.spec.type === "NodePort") deny("no node ports");
compat: jspolicy
takeOver: true
perPolicy: true
policyReports: { enabled: true, maxEvents: 10 }
openReports: { enabled: true }
vclusters: { register: true, url: "https://bylaw.example.com:8443" }
allowExceptions: ["no-*.example.com"]
rbac:
  policyRules: [{ apiGroups: [""], resources: [configmaps], verbs: [get, list, watch] }]
  policyRoles:
    - { namespace: "", rules: [{ apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [a], verbs: [create] }] }
serviceAccount: { annotations: { a: b } }
service: { name: jspolicy, type: LoadBalancer, annotations: { c: d } }
tls: { certManager: { enabled: true, issuerRef: { kind: Issuer, name: ca } } }
listenAddress: "[::]"
autoscaling: { enabled: true, maxReplicas: 7 }
podDisruptionBudget: { maxUnavailable: 25% }
affinity: { nodeAffinity: {} }
nodeSelector: { kubernetes.io/os: linux }
tolerations: [{ key: a, operator: Exists }]
priorityClass: { value: 5 }
podLabels: { team: platform }
podAnnotations: { e: f }
extraLabels: { g: h }
extraVolumes: [{ name: extra, emptyDir: {} }]
extraVolumeMounts: [{ name: extra, mountPath: /extra }]
networkPolicy:
  webhookFrom: [{ ipBlock: { cidr: 10.0.0.0/24 } }]
  metricsFrom: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: monitoring } } }]
  egress: [{ ports: [{ protocol: TCP, port: 8443 }] }]
serviceMonitor: { enabled: true, labels: { release: prometheus } }
alerts: { enabled: true }
dashboard: { enabled: true }
"#;

/// What users of jsPolicy's chart have in their values, as its documentation names them.
const JSPOLICY: &str = r#"
replicaCount: 2
env: { VM_POOL_SIZE: "8" }
imagePullSecrets: []
readinessProbe: { enabled: true }
livenessProbe: { enabled: false }
jspolicy:
  args: []
  extraLabels: { a: b }
  podLabels: { c: d }
  resources: { limits: { memory: 1024Mi, cpu: 2 }, requests: { memory: 128Mi, cpu: 50m } }
  extraVolumes: [{ name: npmrc, secret: { secretName: npmrc } }]
  extraVolumeMounts: [{ name: npmrc, mountPath: /npmrc }]
policyReports: { enabled: true, maxEvents: 3 }
serviceAccount: { name: serviceaccount, create: true, clusterRole: cluster-admin }
service: { type: ClusterIP, port: 443, targetPort: 8443, annotations: null }
webhook: { create: true }
serviceMonitor: { enabled: true, jobLabel: jspolicy, path: /metrics, interval: 60s, scrapeTimeout: 30s, labels: {} }
securityContext: { runAsUser: 1000, runAsGroup: 1000 }
priorityClassName: system-cluster-critical
affinity: {}
nodeSelector: {}
tolerations: []
topologySpreadConstraints: []
podDisruptionBudget: { create: true, minAvailable: 1, maxUnavailable: null, apiVersion: policy/v1 }
policies: { deny-default.pods.example.com: { operations: [CREATE], resources: [pods], javascript: allow() } }
"#;

/// Helm, unless there is none; on CI that is a failure.
pub fn helm() -> Option<String> {
    let found = env::var("BYLAW_TEST_HELM").ok();
    if found.is_none() {
        assert!(env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: BYLAW_TEST_HELM is not set");
        let test = thread::current().name().unwrap_or_default().to_owned();
        drop(writeln!(std::io::stderr(), "skipped {test}: BYLAW_TEST_HELM is not set: run `cargo xtask e2e`"));
    }
    found
}

fn template(helm: &str, values: &str, flags: &[&str]) -> Output {
    let folder = env::temp_dir().join(format!("bylaw-values-{}-{:?}", std::process::id(), thread::current().id()));
    let folder = ScratchFolder::create(folder).unwrap();
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).unwrap();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/bylaw");
    let mut command = Command::new(helm);
    // What it keeps for its user is no part of the test.
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, folder.path());
    }
    command.args(["template", "bylaw", chart, "--namespace", NAMESPACE, "--values"]).arg(&file).args(flags);
    command.output().expect("helm runs")
}

/// What Helm makes of these values.
pub fn rendered(helm: &str, values: &str) -> Vec<Value> {
    let output = template(helm, values, &[]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text(&output.stdout)).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// What Helm says of values that it refuses.
fn refused(helm: &str, values: &str) -> String {
    let output = template(helm, values, &[]);
    assert!(!output.status.success(), "taken: {values}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("there is no {kind}"))
}

/// The namespace, under the strictest standard, and the kinds of others that the chart makes objects of.
fn prepare(world: &'static World) {
    static PREPARED: OnceLock<()> = OnceLock::new();
    definitions(world);
    PREPARED.get_or_init(|| {
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}});
        kubectl(world, &["apply", "-f", "-"], &namespace.to_string());
        for (group, plural, kind) in [
            ("monitoring.coreos.com", "servicemonitors", "ServiceMonitor"),
            ("monitoring.coreos.com", "prometheusrules", "PrometheusRule"),
            ("cert-manager.io", "certificates", "Certificate"),
        ] {
            let text = definition(plural, kind, &["v1"]).to_string().replace("e2e.example.com", group);
            kubectl(world, &["apply", "-f", "-"], &text);
            kubectl(world, &["wait", "--for=condition=Established", &format!("crd/{plural}.{group}")], "");
        }
    });
}

/// Has the API server take all of it, each object with strict validation, as Helm's server-side apply does.
fn taken(world: &World, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let said = kubectl(world, &arguments, &list);
    assert_eq!(said.lines().filter(|line| line.contains("(server dry run)")).count(), objects.len(), "{said}");
    assert!(!said.contains("Warning"), "{said}");
}

#[test]
fn every_object_of_the_chart_is_taken_by_the_api_server() {
    let (Some(world), Some(helm)) = (World::shared(), helm()) else { return };
    prepare(world);
    for (values, count) in [("", 14), (EVERYTHING, 25), (JSPOLICY, 16)] {
        let objects = rendered(&helm, values);
        assert_eq!(objects.len(), count, "objects of {values}");
        taken(world, &objects);
    }
}

#[test]
fn its_pods_are_admitted_under_the_restricted_standard() {
    let (Some(world), Some(helm)) = (World::shared(), helm()) else { return };
    prepare(world);
    for values in ["", EVERYTHING] {
        let objects = rendered(&helm, values);
        let class = of_kind(&objects, "PriorityClass");
        kubectl(world, &["apply", "-f", "-"], &class.to_string());
        for owner in ["Deployment", "Job"] {
            let mut pod = of_kind(&objects, owner)["spec"]["template"].clone();
            assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod["metadata"]["name"] = "bylaw".into();
            let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict");
            world.api.post(&path, &pod).object();
        }
        kubectl(world, &["delete", "priorityclass", class["metadata"]["name"].as_str().unwrap()], "");
    }
}

/// Roles, what they are bound to, and to whom; without labels.
fn rights(objects: &[Value]) -> Vec<Value> {
    let is_right = |object: &&Value| {
        let kind = object["kind"].as_str().unwrap_or_default();
        // What Helm makes for the moment of the removal is no part of the installation.
        let is_hook = !object["metadata"]["annotations"]["helm.sh/hook"].is_null();
        !is_hook && (kind.contains("Role") || kind == "ServiceAccount")
    };
    let plain = |object: &Value| {
        let (name, namespace) = (&object["metadata"]["name"], &object["metadata"]["namespace"]);
        let metadata = json!({"name": name, "namespace": namespace});
        json!({
            "kind": object["kind"], "metadata": metadata, "rules": object["rules"], "roleRef": object["roleRef"],
            "subjects": object["subjects"],
        })
    };
    let mut rights: Vec<Value> = objects.iter().filter(is_right).map(plain).collect();
    rights.sort_by_key(ToString::to_string);
    rights
}

#[test]
fn its_roles_are_those_that_bylaw_prints() {
    let Some(helm) = helm() else { return };
    let folder = ScratchFolder::create(env::temp_dir().join(format!("bylaw-roles-{}", std::process::id()))).unwrap();
    let policy = super::policies::policy(
        "asks",
        r#"match: { resources: ["pods"] }, permissions: { read: ["v1/Node"], write: ["apps/v1/*"] }, validate() {},"#,
    );
    fs::write(folder.path().join(policy.name), policy.text).unwrap();
    for (name, account) in [("own", "images"), ("other", "shop/images")] {
        let rest = format!(
            r#"match: {{ resources: ["pods"] }}, permissions: {{ serviceAccount: "{account}" }}, validate() {{}},"#
        );
        let policy = super::policies::policy(name, &rest);
        fs::write(folder.path().join(policy.name), policy.text).unwrap();
    }
    let policies = folder.path().display().to_string();
    let values = printed(&["crd", "--values", "--policies", &policies]);
    let common = ["crd", "--rbac", "--output", "json", "--namespace", NAMESPACE];
    for (values, flags) in [
        (String::new(), vec![]),
        (values.clone(), vec!["--policies", &policies]),
        (
            format!(
                "{values}\ntakeOver: true\nperPolicy: true\npolicyReports: {{enabled: true}}\ntls: {{secretName: t}}"
            ),
            vec!["--policies", &policies, "--take-over", "--per-policy", "--policy-reports", "--tls-secret", "t"],
        ),
        ("fullnameOverride: x\nopenReports: {enabled: true}".to_owned(), vec!["--name", "x", "--open-reports"]),
        ("vclusters: {register: true}".to_owned(), vec!["--vclusters"]),
    ] {
        let arguments: Vec<&str> = common.into_iter().chain(flags).collect();
        let list: Value = serde_json::from_str(&printed(&arguments)).unwrap();
        assert_eq!(rights(&rendered(&helm, &values)), rights(list["items"].as_array().unwrap()), "{values}");
    }
}

#[test]
fn nobody_is_cluster_admin_unless_the_values_say_so() {
    let Some(helm) = helm() else { return };
    let roles = |values: &str| {
        let objects = rendered(&helm, values);
        let bindings = objects.into_iter().filter(|object| object["kind"] == "ClusterRoleBinding");
        let mut names: Vec<String> =
            bindings.map(|binding| binding["roleRef"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(roles(""), ["bylaw", "bylaw-uninstall"]);
    assert_eq!(roles(JSPOLICY), ["bylaw", "bylaw-uninstall", "cluster-admin"]);
}

#[test]
fn the_values_of_jspolicys_chart_mean_what_they_meant() {
    let Some(helm) = helm() else { return };
    let objects = rendered(&helm, JSPOLICY);
    let deployment = of_kind(&objects, "Deployment");
    assert_eq!(deployment["metadata"]["labels"]["a"], "b");
    let template = &deployment["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["c"], "d");
    let spec = &template["spec"];
    assert_eq!(
        (&spec["serviceAccountName"], &spec["priorityClassName"]),
        (&json!("serviceaccount"), &json!("system-cluster-critical"))
    );
    assert_eq!(spec["topologySpreadConstraints"], json!([]));
    let container = &spec["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], 2);
    assert!(container["livenessProbe"].is_null() && container["readinessProbe"].is_object());
    assert_eq!(container["securityContext"]["runAsUser"], 1000);
    let set = |name: &str| {
        let environment = container["env"].as_array().unwrap().iter();
        environment.rev().find(|variable| variable["name"] == name).map(|variable| variable["value"].clone())
    };
    for (name, value) in [("VM_POOL_SIZE", "8"), ("POLICY_REPORT_MAX_EVENTS", "3"), ("BYLAW_REPORT", "policy-reports")]
    {
        assert_eq!(set(name), Some(json!(value)), "{name}");
    }
    for list in ["volumeMounts", "volumes"] {
        let of = if list == "volumes" { spec } else { container };
        assert!(of[list].as_array().unwrap().iter().any(|one| one["name"] == "npmrc"), "{list}");
    }
    assert_eq!(of_kind(&objects, "JsPolicy")["metadata"]["name"], "deny-default.pods.example.com");
    assert_eq!(of_kind(&objects, "ServiceMonitor")["spec"]["jobLabel"], "jspolicy");
}

#[test]
fn the_limit_of_memory_follows_the_budget() {
    let Some(helm) = helm() else { return };
    let container = |values: &str| {
        of_kind(&rendered(&helm, values), "Deployment")["spec"]["template"]["spec"]["containers"][0].clone()
    };
    for (values, limit) in [("", "512Mi"), ("memoryBudget: 2Gi", "2304Mi"), (JSPOLICY, "1024Mi")] {
        assert_eq!(container(values)["resources"]["limits"]["memory"], limit, "{values}");
    }
    let told = refused(&helm, "memoryBudget: 1Gi\nresources: { limits: { memory: 512Mi } }");
    assert!(
        told.contains("512Mi of memory is too small for a memoryBudget of 1Gi: it must be at least 1280Mi"),
        "{told}"
    );
}

#[test]
fn values_that_are_wrong_are_named() {
    let Some(helm) = helm() else { return };
    for (values, told) in [
        ("memoryBudgett: 1Gi", "'memoryBudgett' not allowed"),
        ("memoryBudget: 1G", "memoryBudget"),
        ("replicaCount: two", "replicaCount"),
        ("policies: { short: {} }", "short"),
        ("compat: kyverno", "compat"),
        ("service: { port: 0 }", "service/port"),
        ("rbac: { policyRules: [{ apiGroups: [''] }] }", "policyRules"),
        ("rbac: { policyRoles: [{ rules: [] }] }", "policyRoles"),
        ("tls: { certManager: { enabled: true } }", "issuerRef must name an Issuer"),
        ("jspolicy: { command: [/jspolicy] }", "'command' not allowed"),
    ] {
        let said = refused(&helm, values);
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn one_replica_can_be_drained_and_metrics_stay_in_the_cluster() {
    let Some(helm) = helm() else { return };
    let alone = rendered(&helm, "replicaCount: 1");
    assert!(alone.iter().all(|object| object["kind"] != "PodDisruptionBudget"), "its node could not be drained");
    let outside = rendered(&helm, "service: { type: LoadBalancer }");
    for service in outside.iter().filter(|object| object["kind"] == "Service") {
        let ports = service["spec"]["ports"].as_array().unwrap();
        let has_metrics = ports.iter().any(|port| port["name"] == "metrics");
        assert_eq!(has_metrics, service["spec"]["type"] == "ClusterIP", "{service}");
    }
}

/// A misspelt variable would be passed over in silence.
#[test]
fn every_setting_of_its_pods_is_one_of_bylaw() {
    let Some(helm) = helm() else { return };
    let known = printed(&["serve", "--help"]);
    let objects = rendered(&helm, EVERYTHING);
    let environment = of_kind(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let names = environment.as_array().unwrap().iter().map(|variable| variable["name"].as_str().unwrap().to_owned());
    let is_known = |name: &str| known.contains(&format!("[env: {name}="));
    let unknown: Vec<String> = names.filter(|name| name.starts_with("BYLAW_") && !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_commands_of_the_readme_install_it() {
    let (Some(world), Some(helm)) = (World::shared(), helm()) else { return };
    prepare(world);
    let readme = include_str!("../../README.md");
    for command in [
        "bylaw crd | kubectl apply --server-side --force-conflicts -f -",
        "bylaw crd --values -p policies > rights.yaml",
        "helm install bylaw charts/bylaw --namespace bylaw-system --create-namespace --values rights.yaml",
    ] {
        assert!(readme.contains(command), "{command}");
    }
    // What Helm does by the last is done here without it: it renders, and applies on the server.
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let rights = printed(&["crd", "--values", "-p", policies]);
    taken(world, &rendered(&helm, &rights));
}
