//! What `parse` takes and what it refuses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

fn review() -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "subResource": "scale",
            "requestKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
            "requestResource": {"group": "apps", "version": "v1beta1", "resource": "deployments"},
            "requestSubResource": "scale",
            "name": "my-deployment",
            "namespace": "my-namespace",
            "operation": "UPDATE",
            "userInfo": {
                "username": "admin", "uid": "014fbff9a07c",
                "groups": ["system:authenticated", "my-admin-group"], "extra": {"some-key": ["a", "b"]}
            },
            "object": {"apiVersion": "autoscaling/v1", "kind": "Scale", "name": "ä"},
            "oldObject": {"apiVersion": "autoscaling/v1", "kind": "Scale"},
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions"},
            "dryRun": true
        }
    })
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut review = review();
    change(&mut review);
    review.to_string()
}

fn read(body: impl Into<Bytes>) -> Result<Review, ReviewError> {
    parse(body.into(), &Limits::default())
}

fn refusal(body: impl Into<Bytes>) -> String {
    read(body).expect_err("refused").to_string()
}

#[test]
fn every_field_of_a_review_arrives() {
    let review = read(with(|_| {})).unwrap();
    assert_eq!(review.version, ReviewVersion::V1);
    let request = &review.request;
    assert_eq!(request.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!((&*request.kind.group, &*request.kind.version, &*request.kind.kind), ("autoscaling", "v1", "Scale"));
    assert_eq!((&*request.resource.group, &*request.resource.version), ("apps", "v1"));
    assert_eq!((&*request.resource.resource, &*request.sub_resource), ("deployments", "scale"));
    assert_eq!(request.request_kind.as_ref().unwrap().kind, "Scale");
    assert_eq!(request.request_resource.as_ref().unwrap().version, "v1beta1");
    assert_eq!(request.request_sub_resource.as_deref(), Some("scale"));
    assert_eq!((&*request.name, &*request.namespace), ("my-deployment", "my-namespace"));
    assert_eq!(request.operation, Operation::Update);
    assert_eq!((&*request.user.username, request.user.groups.len()), ("admin", 2));
    assert!(request.dry_run);
    assert_eq!(
        request.object.as_ref().unwrap().as_str(),
        r#"{"apiVersion":"autoscaling/v1","kind":"Scale","name":"ä"}"#
    );
    assert!(request.old_object.is_some());
}

#[test]
fn the_texts_are_slices_of_the_body() {
    let body = Bytes::from(with(|_| {}));
    let within = body.as_ptr_range();
    let review = read(body.clone()).unwrap();
    for text in [&review.text, review.request.object.as_ref().unwrap(), review.request.old_object.as_ref().unwrap()] {
        assert!(within.contains(&text.bytes().as_ptr()));
    }
    let request: Value = serde_json::from_str(review.text.as_str()).unwrap();
    assert_eq!(request, self::review()["request"]);
}

#[test]
fn a_v1beta1_review_is_read_and_remembered() {
    let review = read(with(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into())).unwrap();
    assert_eq!(review.version.as_str(), "admission.k8s.io/v1beta1");
}

#[test]
fn null_and_absent_fields_are_the_same() {
    let body = with(|review| {
        let request = review["request"].as_object_mut().unwrap();
        for field in ["object", "oldObject", "options", "dryRun", "name", "namespace", "subResource", "userInfo"] {
            request[field] = Value::Null;
        }
        request.retain(|field, _| !field.starts_with("request"));
        review["response"] = Value::Null;
    });
    let request = read(body).unwrap().request;
    assert!(request.object.is_none() && request.old_object.is_none() && !request.dry_run);
    assert_eq!((&*request.name, &*request.namespace, &*request.sub_resource), ("", "", ""));
    assert_eq!((request.user, request.request_kind), (UserInfo::default(), None));
}

#[test]
fn white_space_order_and_unknown_fields_do_not_matter() {
    let pretty = serde_json::to_string_pretty(&json!({
        "future": [1, {"request": null}], "request": review()["request"],
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": true,
    }))
    .unwrap();
    assert!(read(format!("\n\t {pretty} \r\n")).is_ok());
}

#[test]
fn escaped_text_is_decoded() {
    let body = with(|_| {}).replace("my-namespace", "my-\\u006eamespace").replace("apiVersion", "api\\u0056ersion");
    assert_eq!(read(body).unwrap().request.namespace, "my-namespace");
}

#[test]
fn an_empty_body_is_refused() {
    assert_eq!(refusal(""), "the body is empty: send an AdmissionReview as JSON");
    assert!(refusal("   ").contains("ends too early"));
}

#[test]
fn a_truncated_body_is_refused_wherever_it_was_cut() {
    let body = with(|_| {});
    for length in 1..body.len() {
        let Some(cut) = body.get(..length) else { continue };
        assert!(matches!(read(cut.to_owned()), Err(ReviewError::Json { .. })), "{cut}");
    }
}

#[test]
fn trailing_garbage_is_refused() {
    let body = with(|_| {});
    let at = body.len();
    assert_eq!(
        refusal(format!("{body}x")),
        format!("the body is not valid JSON of an AdmissionReview at byte {at}: trailing characters after the review")
    );
    assert!(refusal(format!("{body}{body}")).contains("trailing characters"));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut body = with(|_| {}).into_bytes();
    let at = body.windows(2).position(|pair| pair == "ä".as_bytes()).unwrap();
    body[at + 1] = b'"';
    assert_eq!(refusal(body), format!("the body is not UTF-8: the byte at offset {at} does not belong"));
}

#[test]
fn fields_that_stand_twice_are_refused() {
    let body = with(|_| {});
    let twice = |field: &str| body.replacen(field, &format!("{field},{field}"), 1);
    for field in [
        r#""kind":"AdmissionReview""#,
        r#""uid":"705ab4f5-6393-11e8-b7cc-42010a800002""#,
        r#""operation":"UPDATE""#,
        r#""namespace":"my-namespace""#,
        r#""username":"admin""#,
        r#""resource":"deployments""#,
        r#""oldObject":{"apiVersion":"autoscaling/v1","kind":"Scale"}"#,
        r#""options":{"apiVersion":"meta.k8s.io/v1","kind":"UpdateOptions"}"#,
    ] {
        assert!(refusal(twice(field)).contains("duplicate field"), "{field}: {}", refusal(twice(field)));
    }
    let request = json!({"request": review()["request"]}).to_string();
    let request = request.trim_matches(['{', '}']);
    assert!(refusal(body.replacen("\"apiVersion\"", &format!("{request}}},\"apiVersion\""), 1)).contains("duplicate"));
}

#[test]
fn another_kind_or_version_says_what_is_supported() {
    assert_eq!(refusal(r#"{"apiVersion":"v1","kind":"Pod","spec":{}}"#), r#"kind is "Pod", not "AdmissionReview""#);
    assert_eq!(
        refusal(with(|review| review["apiVersion"] = "admission.k8s.io/v2".into())),
        "apiVersion \"admission.k8s.io/v2\" is not supported: set admissionReviewVersions of the webhook to \
         admission.k8s.io/v1 or admission.k8s.io/v1beta1"
    );
    assert_eq!(refusal("{}"), "kind is missing");
    assert_eq!(refusal(r#"{"kind":"AdmissionReview"}"#), "apiVersion is missing");
}

#[test]
fn a_review_without_request_or_uid_is_refused() {
    let mut review = review();
    review.as_object_mut().unwrap().remove("request");
    assert_eq!(refusal(review.to_string()), "request is missing");
    assert_eq!(refusal(with(|review| review["request"] = Value::Null)), "request is missing");
    for field in ["uid", "kind", "resource", "operation"] {
        let body = with(|review| review["request"][field] = Value::Null);
        assert_eq!(refusal(body), format!("request.{field} is missing"));
    }
    assert_eq!(refusal(with(|review| review["request"]["uid"] = "".into())), "request.uid is missing");
}

#[test]
fn values_of_the_wrong_type_are_refused_where_they_stand() {
    for (body, message) in [
        ("[]", "the body is not a JSON object"),
        ("7", "the body is not a JSON object"),
        ("null", "the body is not a JSON object"),
        (r#"{"kind":7}"#, "at byte 8: invalid type: integer `7`, expected a string"),
        (r#"{"kind":"AdmissionReview","request":[]}"#, "at byte 36: invalid type: sequence, expected an object"),
        (r#"{"kind" "x"}"#, "at byte 8: expected `:`"),
        (r#"{"kind":"x" "y":1}"#, "at byte 12: expected `,` or `}`"),
        (r#"{"kind":"x",}"#, "at byte 12"),
        (r"{1:2}", "at byte 1"),
    ] {
        assert!(refusal(body).contains(message), "{body}: {}", refusal(body));
    }
    let operation = with(|review| review["request"]["operation"] = "PATCH".into());
    assert!(refusal(operation).contains("unknown variant `PATCH`, expected one of `CREATE`"));
    for field in ["object", "oldObject"] {
        let body = with(|review| review["request"][field] = json!([1]));
        assert_eq!(refusal(body), format!("request.{field} must be a JSON object"));
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused_inside_the_object_too() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = with(|_| {}).replace("\"ä\"", &deep);
    assert!(refusal(body).contains("nests deeper than 127 levels"));
}

#[test]
fn huge_numbers_stay_text() {
    let body = with(|_| {}).replace("\"ä\"", &"9".repeat(100_000));
    assert!(read(body).unwrap().request.object.unwrap().as_str().contains(&"9".repeat(100_000)));
    let body = with(|_| {}).replace("\"ä\"", "1e999999");
    assert!(read(body).unwrap().request.object.unwrap().as_str().contains("1e999999"));
}

#[test]
fn nine_mebibytes_are_too_large() {
    let error = read(vec![b' '; 9 << 20]).unwrap_err();
    assert!(error.is_too_large());
    assert_eq!(error.to_string(), "the body has more than 8388608 bytes");
}

#[test]
fn an_array_of_fields_in_their_order_is_no_object() {
    for (pointer, array) in [
        ("/request/kind", json!(["", "v1", "Pod"])),
        ("/request/resource", json!(["", "v1", "pods"])),
        ("/request/requestKind", json!(["", "v1", "Pod"])),
        ("/request/requestResource", json!(["", "v1", "pods"])),
        ("/request/userInfo", json!(["admin", [], null, null])),
    ] {
        let message = refusal(with(|review| *review.pointer_mut(pointer).unwrap() = array));
        assert!(message.contains("invalid type: sequence, expected an object"), "{pointer}: {message}");
    }
    let request =
        json!(["u", ["", "v1", "Pod"], ["", "v1", "pods"], "", null, null, "", "", "", "CREATE", null, false]);
    let message = refusal(with(|review| review["request"] = request));
    assert!(message.contains("invalid type: sequence, expected an object"), "{message}");
}

#[test]
fn control_characters_of_a_body_never_reach_an_answer() {
    let message = refusal(with(|review| review["request"]["operation"] = "\u{1b}[31mDELETE\n".into()));
    assert!(message.contains("unknown variant ` [31mDELETE `"), "{message:?}");
}
