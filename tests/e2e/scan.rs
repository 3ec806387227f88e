//! `bylaw scan` of a live cluster: every page of it, what may not be listed, kinds of its own.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::path_in;
use super::objects::{config_map, definition, deployment, secret};
use super::policies::{PolicyFile, policy};
use super::server::lifeline::ScratchFolder;
use super::world::World;

/// A cluster of these tests alone: they look at all of it, and leave thousands of objects behind.
fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD.get_or_init(World::start).as_ref()
}

fn make_namespace(world: &World, name: &str, labels: &Value) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    world.api.post("/api/v1/namespaces", &namespace).object();
}

fn make(world: &World, namespace: &str, resource: &str, object: &Value) {
    world.api.post(&path_in(namespace, resource), object).object();
}

/// Scans with these policies; the exit code, and the report or what was said instead.
fn scan(name: &str, kubeconfig: &str, policies: &[PolicyFile], arguments: &[&str]) -> (Option<i32>, Value) {
    let folder = std::env::temp_dir().join(format!("bylaw-e2e-scan-{name}-{}", std::process::id()));
    let folder = ScratchFolder::create(folder).expect("no temporary folder");
    fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    for file in policies {
        fs::write(folder.path().join("policies").join(&file.name), &file.text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    command.current_dir(folder.path()).args(["scan", "-p", "policies", "--kubeconfig", "kubeconfig", "-o", "json"]);
    let output = command.args(arguments).output().expect("bylaw runs");
    let error = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| json!(error));
    (output.status.code(), report)
}

fn of_admin(world: &World) -> String {
    fs::read_to_string(world.cluster.kubeconfig()).unwrap()
}

fn config_maps() -> PolicyFile {
    policy(
        "flawed",
        r#"
        match: { resources: ["configmaps"], namespaceSelector: { matchLabels: { scanned: "yes" } } },
        validate({ object, deny }) { if (object.data?.bad) deny("a flaw", { field: "data.bad" }); },
        "#,
    )
}

#[test]
fn every_page_of_thousands_of_objects_is_judged() {
    let Some(world) = world() else { return };
    make_namespace(world, "thousands", &json!({"scanned": "yes"}));
    for number in 0..1_203 {
        let data = if number % 400 == 399 { json!({"bad": "yes"}) } else { json!({}) };
        make(world, "thousands", "configmaps", &config_map(&format!("c{number:05}"), data));
    }
    let (code, report) = scan("pages", &of_admin(world), &[config_maps()], &["--namespace", "thousands"]);
    assert_eq!((code, &report["summary"]["objects"]), (Some(1), &json!(1_203)), "{report:#}");
    let names: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c00399", "c00799", "c01199"]);
    let log = fs::read_to_string(world.cluster.audit_log()).unwrap();
    let pages = log.lines().filter(|line| line.contains("/namespaces/thousands/configmaps?limit=500"));
    assert_eq!(pages.count(), 3);
}

#[test]
fn what_may_not_be_listed_is_passed_over_and_named() {
    let Some(world) = world() else { return };
    make_namespace(world, "guarded", &json!({"scanned": "yes"}));
    make(world, "guarded", "configmaps", &config_map("a", json!({"bad": "yes"})));
    make(world, "guarded", "secrets", &secret("s", json!({"k": "hidden"})));
    let reads =
        json!({"apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["get", "list", "watch"]});
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let named = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "scanner"}});
    let (mut role, mut binding) = (named("ClusterRole"), named("ClusterRoleBinding"));
    role["rules"] = json!([reads]);
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "scanner"});
    binding["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "scanner"}]);
    world.api.post(&format!("{rbac}/clusterroles"), &role).object();
    world.api.post(&format!("{rbac}/clusterrolebindings"), &binding).object();
    let kubeconfig = of_admin(world).replace("user: {token", "user: {as: scanner, token");
    let secrets = policy("secrets", r#"match: { resources: ["secrets"] }, validate({ deny }) { deny("never"); },"#);

    let policies = [config_maps(), secrets.clone()];
    // The API server takes a moment to know a new role.
    let asked = || scan("forbidden", &kubeconfig, &policies, &["--namespace", "guarded"]);
    let (code, report) = eventually("the role is in force", asked, |(code, _)| *code == Some(1));
    assert_eq!((code, report["findings"].as_array().unwrap().len()), (Some(1), 1), "{report:#}");
    let skipped = &report["skipped"][0];
    assert_eq!(skipped["kind"], "v1/Secret", "{report:#}");
    assert!(skipped["cause"].as_str().unwrap().contains("cannot list resource"), "{skipped}");

    let (code, said) = scan("nothing", &kubeconfig, &[secrets], &[]);
    assert_eq!(code, Some(2));
    assert!(said.as_str().unwrap().contains("none of the kinds that policies match could be listed"), "{said}");
}

#[test]
fn custom_resources_are_judged_once_each_in_the_version_that_a_policy_knows() {
    let Some(world) = world() else { return };
    make_namespace(world, "zoo", &json!({}));
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    world.api.post(definitions, &definition("geese", "Goose", &["v1", "v1beta1"])).object();
    let path = path_in("zoo", "e2e.example.com/v1/geese");
    eventually("the kind is served", || world.api.get(&path), |reply| reply.status == 200);
    let goose = json!({"apiVersion": "e2e.example.com/v1", "kind": "Goose", "metadata": {"name": "grey"}});
    make(world, "zoo", "e2e.example.com/v1/geese", &goose);
    let tells = |name: &str, versions: &str| {
        let rule = format!(r#"match: {{ apiGroups: ["e2e.example.com"], resources: ["geese"]{versions} }},"#);
        policy(
            name,
            &format!(
                "{rule} validate({{ object, request, deny }}) {{ deny(`${{object.apiVersion}} ${{request.resource.resource}}`); }},"
            ),
        )
    };
    let policies = [tells("any", ""), tells("old", r#", apiVersions: ["v1beta1"]"#)];
    let (code, report) = scan("custom", &of_admin(world), &policies, &["--context", "bylaw"]);
    assert_eq!(code, Some(1), "{report:#}");
    let told =
        |finding: &Value| format!("{} {}", finding["policy"].as_str().unwrap(), finding["message"].as_str().unwrap());
    let mut told: Vec<String> = report["findings"].as_array().unwrap().iter().map(told).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["any.e2e.example.com e2e.example.com/v1 geese", "old.e2e.example.com e2e.example.com/v1beta1 geese"]
    );
}

#[test]
fn policies_read_the_cluster_and_what_they_write_never_comes_to_be() {
    let Some(world) = world() else { return };
    make_namespace(world, "written", &json!({}));
    make(world, "written", "apps/v1/deployments", &deployment("web"));
    let writes = policy(
        "writes",
        r#"
        match: { resources: ["deployments"] },
        permissions: { read: ["v1/Namespace"], write: ["v1/ConfigMap"] },
        async validate({ object, get, create, warn, dryRun }) {
          const namespace = object.metadata.namespace;
          await create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "trace", namespace } });
          warn(`${get("v1/Namespace", { name: namespace }).metadata.name} ${dryRun}`);
        },
        "#,
    );
    let (code, report) = scan("writes", &of_admin(world), &[writes], &["--namespace", "written"]);
    assert_eq!((code, &report["findings"][0]["message"]), (Some(0), &json!("written true")), "{report:#}");
    assert_eq!(world.api.get(&path_in("written", "configmaps/trace")).status, 404);
}
