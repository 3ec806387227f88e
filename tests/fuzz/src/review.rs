//! The envelope: any body is cut into a review that says what the body says, or refused; any review can be answered.

use bylaw::decision::{Decision, Denial, PatchOp, Status};
use bylaw::review::{Limits, Review, ReviewError, parse, reply, tree};
use bytes::Bytes;
use serde_json::Value;

use crate::json::shape;

const SMALL: Limits = Limits { bytes: 4 << 10, depth: 7, keys_per_object: 12 };

pub fn check(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let parsed = parse(body.clone(), &Limits::default());
    let small = parse(body.clone(), &SMALL);
    match &parsed {
        Ok(review) => holds(&body, review),
        Err(error) => refused(error),
    }
    match (&parsed, &small) {
        (Ok(whole), Ok(small)) => {
            assert_eq!(format!("{whole:?}"), format!("{small:?}"), "limits change nothing but what is refused");
            assert!(body.len() <= SMALL.bytes);
            if let Ok(tree) = tree(std::str::from_utf8(&body).unwrap()) {
                let (depth, keys) = shape(&tree);
                assert!(depth <= SMALL.depth && keys <= SMALL.keys_per_object, "{depth} levels, {keys} keys");
            }
        }
        (Err(_), Ok(_)) => panic!("narrower limits let more pass"),
        (_, Err(error)) => refused(error),
    }
}

fn refused(error: &ReviewError) {
    let told = error.to_string();
    assert!(told.len() < 2_048, "the refusal repeats the body: {} bytes", told.len());
    assert!(!told.contains(|character: char| character.is_control()), "{told:?} has control characters");
}

fn holds(body: &Bytes, review: &Review) {
    let request = &review.request;
    let text = review.text.as_str();
    let inside = |slice: &[u8]| body.as_ptr_range().contains(&slice.as_ptr());
    assert!(inside(review.text.bytes()), "the request is a slice of the body");
    // What a policy will see must be what was matched. Trees cannot hold everything that can be skipped over.
    if let Ok(seen) = tree(text) {
        same(&seen, review);
    }
    for object in [&request.object, &request.old_object].into_iter().flatten() {
        assert!(object.as_str().starts_with('{') && inside(object.bytes()));
    }
    answered(review);
    if let Some(object) = &request.object {
        let empty = bylaw::review::JsonText::of(&serde_json::json!({"b": [1.0]}));
        let changed = review.with_object(&empty).unwrap();
        assert_eq!(changed.request.old_object, request.old_object);
        let back = changed.with_object(object).unwrap();
        assert_eq!(back.text, review.text, "an object put in and taken out again leaves no trace");
    }
}

fn same(seen: &Value, review: &Review) {
    let request = &review.request;
    assert!(seen.is_object(), "the request must be an object");
    let word = |pointer: &str| seen.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(word("/uid"), request.uid);
    assert_eq!(word("/operation"), request.operation.as_str());
    assert_eq!(word("/name"), request.name);
    assert_eq!(word("/namespace"), request.namespace);
    assert_eq!(word("/kind/group"), request.kind.group);
    assert_eq!(word("/kind/version"), request.kind.version);
    assert_eq!(word("/kind/kind"), request.kind.kind);
    assert_eq!(word("/resource/group"), request.resource.group);
    assert_eq!(word("/resource/version"), request.resource.version);
    assert_eq!(word("/resource/resource"), request.resource.resource);
    assert_eq!(word("/subResource"), request.sub_resource);
    assert_eq!(word("/userInfo/username"), request.user.username);
    assert_eq!(seen.pointer("/dryRun").and_then(Value::as_bool).unwrap_or_default(), request.dry_run);
    let groups = seen.pointer("/userInfo/groups").and_then(Value::as_array);
    let groups: Vec<&str> = groups.into_iter().flatten().map(|group| group.as_str().unwrap()).collect();
    assert_eq!(groups, request.user.groups);
    for (field, text) in [("object", &request.object), ("oldObject", &request.old_object)] {
        let there = seen.get(field).filter(|value| !value.is_null());
        assert_eq!(there.cloned(), text.as_ref().map(|text| tree(text.as_str()).unwrap()), "{field}");
    }
}

/// Every kind of answer is JSON that names the same review.
fn answered(review: &Review) {
    let text = review.text.as_str();
    let status = Status {
        code: 403,
        reason: Some(text.to_owned()),
        message: text.to_owned(),
        causes: vec![Denial { message: text.to_owned(), field: Some(text.to_owned()), reason: None, code: None }],
    };
    let patch = vec![PatchOp::Remove { path: text.to_owned() }];
    let denied = Decision {
        status: Some(status),
        warnings: vec![text.to_owned()],
        audit: vec![(text.to_owned(), text.to_owned())],
        ..Decision::default()
    };
    for decision in [Decision::allow(), denied, Decision { patch, ..Decision::allow() }] {
        let answer: Value = serde_json::from_slice(&reply(review, &decision).into_bytes()).unwrap();
        assert_eq!(answer["apiVersion"], review.version.as_str());
        assert_eq!(answer["response"]["uid"], *review.request.uid);
        assert_eq!(answer["response"]["allowed"], decision.allowed);
        if let Some(status) = &decision.status {
            assert_eq!(answer["response"]["status"]["message"], *status.message);
        }
    }
}
