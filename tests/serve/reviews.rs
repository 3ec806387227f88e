//! Reviews to send, and what came back.

use serde_json::{Value, json};

/// The status of HTTP and the body, as [`super::server::Server::post`] gives them.
pub type Answer = (u16, Value);

/// The review of a `ConfigMap` named `settings` being made in the namespace `shop`, with this `data`.
pub fn config_map(data: Value) -> Value {
    let metadata = json!({"name": "settings", "namespace": "shop"});
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    object["data"] = data;
    create(object)
}

/// The review of a pod `web` being made in the namespace `shop`, with this image.
pub fn pod(image: &str) -> Value {
    let spec = json!({"containers": [{"name": "web", "image": image}]});
    create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}))
}

/// The review that the API server sends when this object is made. What it is about is read off the object.
pub fn create(object: Value) -> Value {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap();
    let gvk = json!({"group": group, "version": version, "kind": kind});
    let gvr = json!({"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())});
    let mut request = json!({
        "uid": "6f7a2d3c", "kind": gvk, "resource": gvr, "requestKind": gvk, "requestResource": gvr,
        "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"], "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["developers", "system:authenticated"]},
        "object": null, "oldObject": null, "dryRun": false, "options": null,
    });
    request["object"] = object;
    let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    review["request"] = request;
    review
}

/// The same review with some fields of its request replaced.
pub fn with(mut review: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    review["request"].as_object_mut().unwrap().extend(fields);
    review
}

/// The response of an answer that allows; panics at any other.
#[track_caller]
pub fn allowed((status, answer): Answer) -> Value {
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(answer["response"]["allowed"], true, "{answer:#}");
    answer["response"].clone()
}

/// The `status` of an answer that denies; panics at any other.
#[track_caller]
pub fn denied((status, answer): Answer) -> Value {
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(answer["response"]["allowed"], false, "{answer:#}");
    answer["response"]["status"].clone()
}

/// The message of an answer that denies.
#[track_caller]
pub fn message(answer: Answer) -> String {
    denied(answer)["message"].as_str().expect("a denial has a message").to_owned()
}

/// The warnings of an answer that allows.
#[track_caller]
pub fn warnings(answer: Answer) -> Value {
    allowed(answer)["warnings"].clone()
}

/// The text of `{"error": …}` in an answer that is no review.
#[track_caller]
pub fn refused((status, answer): Answer, expected: u16) -> String {
    assert_eq!(status, expected, "{answer:#}");
    answer["error"].as_str().unwrap_or_else(|| panic!("no error in {answer:#}")).to_owned()
}
