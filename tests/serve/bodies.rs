//! Bodies that no API server sends: each gets a clear answer, and the one after it is answered as if nothing had been.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{Target, answer, request, request_of, run};
use super::folder::{Served, policy};
use super::reviews::{Answer, allowed, config_map, denied, refused, with};

/// A policy that looks at every value it is given.
static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let judge =
        policy("judge", "validate({ object, deny }) { if (JSON.stringify(object).includes(\"bad\")) deny(\"bad\"); }");
    Served::new(&[("judge.ts", &judge)], &[])
});

/// Sends this and then a review over the same connection, which must be none the worse for it.
#[track_caller]
fn send(path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let target = Target::of(&SERVED.server);
    let body = body.into();
    let (first, second) = run(async {
        let mut connection = target.http1().await;
        let first = answer(connection.0.send_request(request_of(path, content_type, body)).await.unwrap()).await;
        // A refusal may end the connection; whoever is refused may come again.
        let mut connection = if connection.0.ready().await.is_ok() { connection } else { target.http1().await };
        (first, connection.post("/validate", &config_map(json!({"a": "bad"}))).await)
    });
    assert_eq!(denied(second)["message"], "[judge.policies.example] bad");
    first
}

#[track_caller]
fn refusal(body: impl Into<Bytes>) -> String {
    refused(send("/validate", "application/json", body), 400)
}

fn text(review: &Value) -> String {
    review.to_string()
}

#[test]
fn an_empty_body_is_400() {
    assert_eq!(refusal(""), "the body is empty: send an AdmissionReview as JSON");
}

#[test]
fn a_body_cut_short_anywhere_is_400() {
    let whole = text(&config_map(json!({"a": "b"})));
    for length in [1, 2, whole.len() / 3, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
        let error = refusal(whole[..length].to_owned());
        assert!(error.contains("at byte") || error.contains("too early"), "{length}: {error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_400_and_located() {
    let mut body = text(&config_map(json!({"a": "b"}))).into_bytes();
    let at = body.len() - 20;
    body[at] = 0xff;
    assert_eq!(refusal(body), format!("the body is not UTF-8: the byte at offset {at} does not belong"));
}

#[test]
fn a_field_that_stands_twice_is_400_because_two_readers_could_see_two_requests() {
    let review = text(&config_map(json!({})));
    let twice = review.replacen("\"uid\":", "\"uid\":\"other\",\"uid\":", 1);
    assert!(refusal(twice).contains("duplicate field `uid`"));
    let request = format!("{},\"request\":{{}}}}", &review[..review.len() - 1]);
    assert!(refusal(request).contains("duplicate field `request`"));
    let object = review.replacen("\"object\":{", "\"object\":{},\"object\":{", 1);
    assert!(refusal(object).contains("duplicate field `object`"));
}

#[test]
fn nine_mebibytes_are_413() {
    let body = format!("{{\"request\": \"{}\"}}", "x".repeat(9 << 20));
    let error = refused(send("/validate", "application/json", body), 413);
    assert!(error.contains("8388608 bytes"), "{error}");
}

#[test]
fn three_mebibytes_are_judged() {
    let mut review = config_map(json!({"a": "x".repeat(3 << 20)}));
    allowed(send("/validate", "application/json", text(&review)));
    review["request"]["object"]["data"]["b"] = json!("bad");
    denied(send("/validate", "application/json", text(&review)));
}

#[test]
fn a_hundred_thousand_levels_are_400() {
    let review = text(&config_map(json!("HERE")));
    let nested = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert!(refusal(review.replacen("\"HERE\"", &nested, 1)).contains("nests deeper than"));
    assert!(refusal(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).contains("nests deeper than"));
    assert!(refusal("[".repeat(100_000)).contains("nests deeper than"));
}

#[test]
fn a_flood_of_keys_is_400() {
    let keys: serde_json::Map<String, Value> = (0..300_000).map(|key| (format!("k{key}"), json!(1))).collect();
    let review = text(&config_map(keys.into()));
    let error = refusal(review);
    assert!(error.contains("keys"), "{error}");
}

#[test]
fn huge_numbers_in_an_object_harm_nobody() {
    let review = text(&config_map(json!({"n": "HERE"})));
    for number in
        ["1e400", "-1e400", "9007199254740993", "1e-400", &"9".repeat(400), "0.1000000000000000055511151231257827"]
    {
        let (status, answer) = send("/validate", "application/json", review.replacen("\"HERE\"", number, 1));
        assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(true)), "{number}: {answer}");
    }
}

#[test]
fn a_field_of_the_wrong_type_is_400() {
    let review = config_map(json!({}));
    for (fields, field) in [
        (json!({"uid": 7}), "expected a string"),
        (json!({"operation": "PATCH"}), "PATCH"),
        (json!({"object": "text"}), "request.object must be a JSON object"),
        (json!({"object": [1]}), "request.object must be a JSON object"),
        (json!({"dryRun": 1}), "expected a boolean"),
        (json!({"userInfo": {"groups": "a"}}), "expected a sequence"),
        (json!({"kind": null}), "request.kind is missing"),
        (json!({"resource": {}}), "request.resource is missing"),
        (json!({"operation": null}), "request.operation is missing"),
    ] {
        let error = refusal(text(&with(review.clone(), fields.clone())));
        assert!(error.contains(field), "{fields}: {error}");
    }
    let numbers = text(&review).replacen("\"dryRun\":false", "\"dryRun\":1e400", 1);
    assert!(refusal(numbers).contains("at byte"));
}

#[test]
fn what_is_json_but_no_review_is_400() {
    for (body, error) in [
        ("null", "the body is not a JSON object: send an AdmissionReview"),
        ("[]", "the body is not a JSON object: send an AdmissionReview"),
        ("\"review\"", "the body is not a JSON object: send an AdmissionReview"),
        ("{}", "kind is missing"),
        (r#"{"apiVersion": "v1", "kind": "Pod"}"#, "kind is \"Pod\", not \"AdmissionReview\""),
    ] {
        assert_eq!(refusal(body), error);
    }
}

#[test]
fn another_version_of_the_api_is_400_and_the_mend_named() {
    let mut review = config_map(json!({}));
    review["apiVersion"] = json!("admission.k8s.io/v2");
    assert_eq!(
        refusal(text(&review)),
        "apiVersion \"admission.k8s.io/v2\" is not supported: set admissionReviewVersions of the webhook to \
         admission.k8s.io/v1 or admission.k8s.io/v1beta1"
    );
    review["apiVersion"] = Value::Null;
    assert_eq!(refusal(text(&review)), "apiVersion is missing");
}

#[test]
fn a_review_without_a_request_or_a_uid_is_400() {
    let bare = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"});
    assert_eq!(refusal(text(&bare)), "request is missing");
    assert_eq!(refusal(text(&with(config_map(json!({})), json!({"uid": ""})))), "request.uid is missing");
    let response = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "1", "allowed": true}});
    assert_eq!(refusal(text(&response)), "request is missing");
}

#[test]
fn an_answer_echoes_the_version_and_the_uid() {
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let mut review = with(config_map(json!({})), json!({"uid": "a-\"quoted\"-uid"}));
        review["apiVersion"] = json!(version);
        let (status, answer) = send("/validate", "application/json", text(&review));
        assert_eq!(status, 200);
        assert_eq!(
            answer,
            json!({"apiVersion": version, "kind": "AdmissionReview", "response": {"uid": "a-\"quoted\"-uid", "allowed": true}})
        );
    }
}

#[test]
fn fields_of_a_newer_api_server_pass() {
    let review = with(config_map(json!({})), json!({"requestedAt": "2030-01-01", "extra": {"a": [1, 2]}}));
    allowed(send("/validate", "application/json", text(&review)));
}

#[test]
fn only_json_is_taken() {
    let review = text(&config_map(json!({})));
    for other in ["text/plain", "application/yaml", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let error = refused(send("/validate", other, review.clone()), 415);
        assert_eq!(error, "Content-Type must be application/json", "{other}");
    }
    for json in ["application/json; charset=utf-8", "Application/JSON"] {
        allowed(send("/validate", json, review.clone()));
    }
}

#[test]
fn what_is_not_there_is_404() {
    let review = text(&config_map(json!({})));
    for path in
        ["/", "/validat", "/validate/", "/validate/x/y", "/policy", "/policy/", "/policy/a/b", "/readyz", "/metrics"]
    {
        refused(send(path, "application/json", review.clone()), 404);
    }
    let error = refused(send("/policy/nobody.policies.example", "application/json", review.clone()), 404);
    assert_eq!(error, "no policy is named nobody.policies.example");
    allowed(send("/policy/judge.policies.example", "application/json", review));
}

#[test]
fn another_method_is_405() {
    let target = Target::of(&SERVED.server);
    let (status, allow) = run(async {
        let mut connection = target.http1().await;
        let mut get = request("/validate", &Value::Null);
        *get.method_mut() = hyper::Method::GET;
        let response = connection.0.send_request(get).await.unwrap();
        (response.status().as_u16(), response.headers()["allow"].clone())
    });
    assert_eq!((status, allow.to_str().unwrap()), (405, "POST"));
}

#[test]
fn a_timeout_that_is_none_is_400() {
    let review = text(&config_map(json!({})));
    for timeout in ["0s", "-1s", "10", "soon", "99999999999999999999s"] {
        let error = refused(send(&format!("/validate?timeout={timeout}"), "application/json", review.clone()), 400);
        assert!(error.contains(timeout) && error.contains("10s"), "{error}");
    }
    for timeout in ["10s", "1m30s", "500ms"] {
        allowed(send(&format!("/validate?timeout={timeout}"), "application/json", review.clone()));
    }
}
