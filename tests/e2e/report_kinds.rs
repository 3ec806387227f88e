//! The kinds that reports are written as. Their schemas name what readers rely on and nothing else, so that a field in the
//! wrong place is dropped by the API server, and a test misses it.

use serde_json::{Value, json};

use super::api::eventually;
use super::world::World;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Installs them, and waits until each is served.
pub fn install(world: &World) {
    let texts = |names: &[&str]| fields(names.iter().map(|name| (*name, json!({"type": "string"}))));
    let violation = fields([
        ("action", json!({"type": "string", "enum": ["Deny", "Warn", "Dry", "Controller"]})),
        ("code", json!({"type": "integer", "format": "int32"})),
        ("reason", json!({"type": "string"})),
        ("message", json!({"type": "string", "maxLength": 256})),
        ("requestInfo", texts(&["name", "namespace", "kind", "apiVersion", "operation"])),
        ("userInfo", texts(&["username", "uid"])),
        ("timestamp", json!({"type": "string", "format": "date-time"})),
    ]);
    let violations = fields([("status", fields([("violations", list(violation))]))]);
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let ours = "policy.jspolicy.com/v1beta1";
    define(world, ours, ["JsPolicy", "jspolicies", "Cluster"], anything.clone());
    define(world, ours, ["JsPolicyViolations", "jspolicyviolations", "Cluster"], violations);
    define(world, "bylaw.dev/v1alpha1", ["PolicyException", "policyexceptions", "Namespaced"], anything);
    for (api, kinds) in [
        (
            "wgpolicyk8s.io/v1alpha2",
            [
                ["PolicyReport", "policyreports", "Namespaced"],
                ["ClusterPolicyReport", "clusterpolicyreports", "Cluster"],
            ],
        ),
        (
            "openreports.io/v1alpha1",
            [["Report", "reports", "Namespaced"], ["ClusterReport", "clusterreports", "Cluster"]],
        ),
    ] {
        for kind in kinds {
            define(world, api, kind, report(api));
        }
    }
}

fn report(api: &str) -> Value {
    let text = || json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let severities: &[&str] = if api.starts_with("open") {
        &["critical", "high", "medium", "low", "info"]
    } else {
        &["high", "medium", "low"]
    };
    let mut result = fields([
        ("source", text()),
        ("policy", text()),
        ("rule", text()),
        ("category", text()),
        ("severity", json!({"type": "string", "enum": severities})),
        ("result", json!({"type": "string", "enum": ["pass", "fail", "warn", "error", "skip"]})),
        ("message", text()),
        ("properties", texts),
        ("resources", list(fields(["kind", "namespace", "name", "apiVersion", "uid"].map(|name| (name, text()))))),
        (
            "timestamp",
            json!({
                "type": "object", "required": ["seconds", "nanos"],
                "properties": {"seconds": {"type": "integer", "format": "int64"}, "nanos": {"type": "integer", "format": "int32"}},
            }),
        ),
    ]);
    result["required"] = json!(["policy"]);
    let summary = ["pass", "fail", "warn", "error", "skip"].map(|name| (name, json!({"type": "integer"})));
    fields([("source", text()), ("summary", fields(summary)), ("results", list(result))])
}

fn fields<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields: serde_json::Map<String, Value> = fields.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    json!({"type": "object", "properties": fields})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn define(world: &World, api: &str, [kind, plural, scope]: [&str; 3], schema: Value) {
    let (group, version) = api.split_once('/').unwrap();
    let has_status = schema["properties"]["status"].is_object();
    let mut version = json!({"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    if has_status {
        version["subresources"] = json!({"status": {}});
    }
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": scope, "names": {"plural": plural, "kind": kind}, "versions": [version]},
    });
    world.api.post(DEFINITIONS, &definition).object();
    let path = format!("/apis/{api}/{plural}");
    eventually("the kind is served", || world.api.get(&path), |reply| reply.status == 200);
}
