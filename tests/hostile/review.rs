//! The reviews that policies of the corpus, and their neighbours, match.

use serde_json::{Value, json};

/// Levels that a body may have at most, as `src/review/limits.rs` has it.
const DEPTH: usize = 127;

/// A pod with the label `case: name`, and data of this shape.
pub fn of(name: &str, shape: &str) -> String {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"case": name, "app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}, {"name": "side", "image": "busybox@sha256:0"}]},
        "data": "the data",
    });
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let resource = json!({"group": "", "version": "v1", "resource": "pods"});
    let review: Value = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": name, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": "web", "namespace": "shop", "operation": "CREATE", "userInfo": {"username": "mallory", "groups": []},
        "object": object, "oldObject": null, "dryRun": shape == "dry run", "options": null,
    }});
    // As text, for there is JSON that no `Value` holds.
    review.to_string().replacen("\"the data\"", &data(shape), 1)
}

fn data(shape: &str) -> String {
    let keys = |count: usize, key: &dyn Fn(usize) -> String| {
        let members: Vec<String> = (0..count).map(|at| format!("\"{}\":{at}", key(at))).collect();
        format!("{{{}}}", members.join(","))
    };
    match shape {
        "plain" | "dry run" => "null".to_owned(),
        "prototype keys" => {
            r#"{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":"x","valueOf":1,"hasOwnProperty":0,"a":1,"a":2}"#.to_owned()
        }
        "deep" => nested(DEPTH - 8),
        "too deep" => nested(100_000),
        "many keys" => keys(49_000, &|at| format!("key-{at:06}")),
        "too many keys" => keys(1 << 17, &|at| format!("key-{at:06}")),
        // Integer-like keys have a hash without a seed, made of the value and the length.
        "integer keys" => keys(49_000, &|at| ((at << 14) + 100_000_000).to_string()),
        "index keys" => keys(49_000, &|at| (at * 87_178).to_string()),
        "integer values" => {
            let values: Vec<String> = (0..60_000_u64).map(|at| format!("\"{}\"", (at << 18) + 1_000_000_000)).collect();
            format!("[{}]", values.join(","))
        }
        "surrogates" => r#"["\ud800","\udfff\ud800","a\u0000b","\ud83d\ude00","\u2028"]"#.to_owned(),
        "numbers" => "[-0,-0.0,9007199254740993,123456789012345678901234567890,1e400,1e-400,0.1]".to_owned(),
        "not a number" => "NaN".to_owned(),
        "large text" => format!("\"{}\"", "x".repeat(3 << 20)),
        "many objects" => format!("[{}{{}}]", "{},".repeat(600_000)),
        other => panic!("no review has the shape {other:?}"),
    }
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}
