//! Where a denial counts for less than elsewhere: `spec.enforcement` of a `JsPolicy`, and `PolicyException` objects beside the
//! policies.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::command::bylaw;
use super::folder::{Folder, policy, script};
use super::metrics::value;
use super::reviews::{allowed, config_map, create, denied, with};

fn later(seconds: i64) -> String {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap().to_string()
}

const NAMESPACES: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stage: dev}}\n---\n\
                          apiVersion: v1\nkind: Namespace\nmetadata: {name: bank, labels: {stage: prod}}\n";

/// The review of a `ConfigMap` in a namespace.
fn made_in(namespace: &str) -> Value {
    let metadata = json!({"name": "settings", "namespace": namespace});
    create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "x"}}))
}

#[test]
fn an_entry_of_enforcement_counts_in_its_namespaces_until_its_time() {
    let until = later(4);
    let entries = format!(
        "  enforcement:\n  - {{namespaceSelector: {{matchLabels: {{stage: dev}}}}, action: Warn, until: \"{until}\"}}\n"
    );
    let folder = Folder::new(&[("p/a.yaml", &script("a", &entries, "deny('never')")), ("namespaces.yaml", NAMESPACES)]);
    let server = super::server::Server::start(&[
        "-p",
        &folder.argument("p"),
        "--inventory",
        &folder.argument("namespaces.yaml"),
    ]);
    assert_eq!(allowed(server.post("/validate", &made_in("shop")))["warnings"], json!(["[a.policies.example] never"]));
    denied(server.post("/validate", &made_in("bank")));
    denied(server.post("/validate", &made_in("unknown")));
    assert_eq!(
        allowed(server.post("/policy/a.policies.example", &made_in("shop")))["warnings"],
        json!(["[a.policies.example]: never"])
    );
    let until: Timestamp = until.parse().unwrap();
    while Timestamp::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    denied(server.post("/validate", &made_in("shop")));
}

#[test]
fn a_mutation_is_dropped_where_the_policy_is_only_tried_out() {
    let mutating = |name: &str, entries: &str| {
        let fields = format!("  type: Mutating\n{entries}");
        script(
            name,
            &fields,
            &format!(
                "request.object.data.{name} = request.object.data.seen ?? 'none';\nrequest.object.data.seen = '{name}';\nmutate(request.object);"
            ),
        )
    };
    let dry = "  enforcement:\n  - {namespaceSelector: {matchLabels: {stage: dev}}, action: Dry}\n";
    let folder = Folder::new(&[
        ("p/a.yaml", &mutating("a", "")),
        ("p/b.yaml", &mutating("b", dry)),
        ("p/c.yaml", &mutating("c", "")),
        ("namespaces.yaml", NAMESPACES),
    ]);
    let server = super::server::Server::start(&[
        "-p",
        &folder.argument("p"),
        "--inventory",
        &folder.argument("namespaces.yaml"),
    ]);
    let patched = |namespace: &str| {
        let response = allowed(server.post("/mutate", &made_in(namespace)));
        let patch = response["patch"].as_str().unwrap().to_owned();
        let patch = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, patch).unwrap();
        let patch: Vec<Value> = serde_json::from_slice(&patch).unwrap();
        let mut set: Vec<String> = patch
            .iter()
            .map(|op| format!("{}={}", op["path"].as_str().unwrap(), op["value"].as_str().unwrap()))
            .collect();
        set.sort_unstable();
        set
    };
    assert_eq!(patched("bank"), ["/data/a=none", "/data/b=a", "/data/c=b", "/data/seen=c"]);
    assert_eq!(patched("shop"), ["/data/a=none", "/data/c=a", "/data/seen=c"], "those after it do not see it");
}

fn exception(policy: &str, more: &str) -> String {
    format!(
        "apiVersion: bylaw.dev/v1alpha1\nkind: PolicyException\nmetadata: {{name: legacy, namespace: shop}}\nspec:\n  \
         policies: [{policy}.policies.example]\n  objects: [{{resources: [configmaps], names: [settings]}}]\n  reason: moved next month\n{more}"
    )
}

#[test]
fn an_exception_beside_the_policies_is_heeded_noted_and_counted() {
    let closed = policy("closed", "validate({ deny, warn }) { warn(\"mind\"); deny(\"closed\"); }");
    let expires = format!("  expires: {}\n", later(3_600));
    let folder = Folder::new(&[("closed.ts", &closed), ("legacy.yaml", &exception("closed", &expires))]);
    let server = folder.serve(&[]);
    let response = allowed(server.post("/validate", &config_map(json!({}))));
    assert_eq!(
        response["auditAnnotations"],
        json!({"closed.policies.example.exception": "shop/legacy: moved next month"})
    );
    assert_eq!(response["warnings"], json!(["[closed.policies.example] mind"]));
    assert_eq!(value(&server, "bylaw_exceptions_used_total{policy=\"closed.policies.example\"}"), 1);
    denied(server.post("/validate", &made_in("bank")));
    denied(server.post("/validate", &with(config_map(json!({})), json!({"name": "other"}))));
    folder.write("legacy.yaml", &exception("closed", "  expires: 2020-01-01T00:00:00Z\n"));
    while server.post("/validate", &config_map(json!({}))).1["response"]["allowed"] == true {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_chain_of_mutations_goes_on_behind_a_policy_that_is_excepted_from() {
    let denies = policy("ant", "mutate({ object, deny }) { object.data.ant = \"yes\"; deny(\"closed\"); }");
    let stamps = policy("bee", "mutate({ object }) { object.data.bee = object.data.ant ?? \"alone\"; }");
    let expires = format!("  expires: {}\n", later(3_600));
    let files = [("ant.ts", &*denies), ("bee.ts", &stamps), ("legacy.yaml", &exception("ant", &expires))];
    let folder = Folder::new(&files);
    let server = folder.serve(&[]);
    let response = allowed(server.post("/mutate", &config_map(json!({}))));
    let patch = response["patch"].as_str().unwrap();
    let patch = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, patch).unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch, json!([{"op": "add", "path": "/data/bee", "value": "alone"}]));
    denied(server.post("/mutate", &made_in("bank")));
}

#[test]
fn an_exception_keeps_a_policy_that_fails_from_denying_too() {
    let failing = policy("failing", "validate() { throw new Error(\"boom\"); }");
    let expires = format!("  expires: {}\n", later(3_600));
    let folder = Folder::new(&[("failing.ts", &failing), ("legacy.yaml", &exception("failing", &expires))]);
    let server = folder.serve(&[]);
    allowed(server.post("/validate", &config_map(json!({}))));
    denied(server.post("/validate", &made_in("bank")));
}

#[test]
fn a_policy_that_forbids_exceptions_is_never_excepted_from() {
    let strict = script("strict", "", "deny('never')").replace(
        "  name: strict.policies.example\n",
        "  name: strict.policies.example\n  annotations: {bylaw.dev/exceptions: Forbid}\n",
    );
    let expires = format!("  expires: {}\n", later(3_600));
    let folder = Folder::new(&[("strict.yaml", &strict), ("legacy.yaml", &exception("strict", &expires))]);
    denied(folder.serve(&[]).post("/validate", &config_map(json!({}))));
}

#[test]
fn an_exception_without_an_end_is_a_problem_and_excepts_from_nothing() {
    let closed = policy("closed", "validate({ deny }) { deny(\"closed\"); }");
    let folder = Folder::new(&[("closed.ts", &closed), ("legacy.yaml", &exception("closed", ""))]);
    let server = folder.serve(&[]);
    denied(server.post("/validate", &config_map(json!({}))));
    assert!(
        server.log().contains("PolicyException shop/legacy: spec.expires: is missing: an exception ends"),
        "{}",
        server.log()
    );
}

#[test]
fn review_and_scan_heed_exceptions_too() {
    let closed = policy("closed", "validate({ deny }) { deny(\"closed\"); }");
    let expires = format!("  expires: {}\n", later(3_600));
    let object = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n");
    let folder = Folder::new(&[
        ("p/closed.ts", &closed),
        ("p/legacy.yaml", &exception("closed", &expires)),
        ("settings.yaml", &object("settings")),
        ("other.yaml", &object("other")),
    ]);
    let policies = folder.argument("p");
    let review = |name: &str| bylaw(&["review", "-p", &policies, "--object", &folder.argument(name)]).code;
    assert_eq!((review("settings.yaml"), review("other.yaml")), (Some(0), Some(1)));
    let scan = bylaw(&[
        "scan",
        "-p",
        &policies,
        &folder.argument("settings.yaml"),
        &folder.argument("other.yaml"),
        "-o",
        "json",
    ]);
    let report: Value = serde_json::from_str(&scan.out).unwrap();
    let denied: Vec<&Value> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["name"]).collect();
    assert_eq!((scan.code, denied), (Some(1), vec![&json!("other")]), "{report:#}");
}
