//! Writes the answer: a well-formed AdmissionReview, whatever was decided.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Review, ReviewVersion};
use crate::decision::{Decision, Denial, PatchOp, Status};

/// The body of an answer: an AdmissionReview as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(Bytes);

impl Reply {
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Answers `review` with `decision`, in the review's own version and with its uid.
#[must_use]
pub fn reply(review: &Review, decision: &Decision) -> Reply {
    let uid = &review.request.uid;
    if decision.is_plain_allow() { plain_allow(review.version, uid) } else { full(review.version, uid, decision) }
}

/// Most answers are a bare yes: it is put together without a tree.
fn plain_allow(version: ReviewVersion, uid: &str) -> Reply {
    const TAIL: &str = r#","allowed":true}}"#;
    let head = match version {
        ReviewVersion::V1 => r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"#,
        ReviewVersion::V1beta1 => {
            r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","response":{"uid":"#
        }
    };
    let mut body = String::with_capacity(head.len() + uid.len() + 2 + TAIL.len());
    body.push_str(head);
    let needs_escape = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    if uid.bytes().any(needs_escape) {
        body.push_str(&Value::from(uid).to_string());
    } else {
        body.extend(["\"", uid, "\""]);
    }
    body.push_str(TAIL);
    Reply(body.into())
}

fn full(version: ReviewVersion, uid: &str, decision: &Decision) -> Reply {
    let mut response = Map::new();
    response.insert("uid".to_owned(), uid.into());
    response.insert("allowed".to_owned(), decision.allowed.into());
    if let Some(status) = &decision.status {
        response.insert("status".to_owned(), status_value(status));
    }
    if !decision.patch.is_empty() {
        let ops: Value = decision.patch.iter().map(op_value).collect();
        response.insert("patchType".to_owned(), "JSONPatch".into());
        response.insert("patch".to_owned(), STANDARD.encode(ops.to_string()).into());
    }
    if !decision.audit.is_empty() {
        let annotations: Map<String, Value> =
            decision.audit.iter().map(|(key, value)| (key.clone(), Value::from(&**value))).collect();
        response.insert("auditAnnotations".to_owned(), annotations.into());
    }
    if !decision.warnings.is_empty() {
        response.insert("warnings".to_owned(), Value::from(&*decision.warnings));
    }
    let answer = json!({"apiVersion": version.as_str(), "kind": "AdmissionReview", "response": response});
    Reply(answer.to_string().into())
}

fn status_value(status: &Status) -> Value {
    let mut value = Map::new();
    value.insert("code".to_owned(), status.code.into());
    if let Some(reason) = &status.reason {
        value.insert("reason".to_owned(), reason.clone().into());
    }
    value.insert("message".to_owned(), status.message.clone().into());
    if !status.causes.is_empty() {
        let causes: Vec<Value> = status.causes.iter().map(cause_value).collect();
        value.insert("details".to_owned(), json!({"causes": causes}));
    }
    value.into()
}

/// A `metav1.StatusCause`.
fn cause_value(cause: &Denial) -> Value {
    let fields =
        [("reason", cause.reason.as_ref()), ("message", Some(&cause.message)), ("field", cause.field.as_ref())];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(&**value?)))).collect()
}

fn op_value(op: &PatchOp) -> Value {
    match op {
        PatchOp::Add { path, value } => json!({"op": "add", "path": path, "value": value}),
        PatchOp::Remove { path } => json!({"op": "remove", "path": path}),
        PatchOp::Replace { path, value } => json!({"op": "replace", "path": path, "value": value}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};
    use super::*;

    fn review(version: &str, uid: &str) -> Review {
        let body = json!({"apiVersion": version, "kind": "AdmissionReview", "request": {
            "uid": uid, "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"},
            "resource": {"version": "v1", "resource": "pods"}}});
        parse(body.to_string().into(), &Limits::default()).unwrap()
    }

    fn answer(version: &str, uid: &str, decision: &Decision) -> Value {
        serde_json::from_slice(&reply(&review(version, uid), decision).into_bytes()).unwrap()
    }

    #[test]
    fn a_plain_allow_echoes_version_and_uid() {
        for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
            for uid in ["705ab4f5-6393-11e8-b7cc-42010a800002", "a\"b\\c\n\u{1}ä"] {
                assert_eq!(
                    answer(version, uid, &Decision::allow()),
                    json!({"apiVersion": version, "kind": "AdmissionReview", "response": {"uid": uid, "allowed": true}})
                );
            }
        }
    }

    #[test]
    fn a_denial_carries_its_status() {
        let cause = Denial {
            message: "no".into(),
            field: Some("spec.x".into()),
            reason: Some("Invalid".into()),
            code: Some(422),
        };
        let bare = Denial { message: "bare".into(), ..Denial::default() };
        let decision = Decision {
            status: Some(Status {
                code: 422,
                reason: Some("Invalid".into()),
                message: "[p] no".into(),
                causes: vec![cause, bare],
            }),
            warnings: vec!["[p] careful".into()],
            audit: vec![("p.key".into(), "value".into())],
            ..Decision::default()
        };
        assert_eq!(
            answer("admission.k8s.io/v1", "u\"", &decision)["response"],
            json!({
                "uid": "u\"",
                "allowed": false,
                "status": {"code": 422, "reason": "Invalid", "message": "[p] no", "details": {"causes": [
                    {"reason": "Invalid", "message": "no", "field": "spec.x"}, {"message": "bare"},
                ]}},
                "auditAnnotations": {"p.key": "value"},
                "warnings": ["[p] careful"],
            })
        );
    }

    #[test]
    fn a_status_without_reason_and_causes_leaves_them_out() {
        let status = Status { code: 500, reason: None, message: "failed".into(), causes: vec![] };
        let decision = Decision { status: Some(status), ..Decision::default() };
        assert_eq!(
            answer("admission.k8s.io/v1", "u", &decision)["response"],
            json!({"uid": "u", "allowed": false, "status": {"code": 500, "message": "failed"}})
        );
    }

    #[test]
    fn a_patch_is_base64_of_rfc_6902() {
        let patch = vec![
            PatchOp::Add { path: "/a~1b".into(), value: json!({"x": 9_007_199_254_740_993_u64}) },
            PatchOp::Remove { path: "/c".into() },
            PatchOp::Replace { path: "/d".into(), value: Value::Null },
        ];
        let expected = serde_json::to_string(&patch).unwrap();
        let response = &answer("admission.k8s.io/v1", "u", &Decision { patch, ..Decision::allow() })["response"];
        assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));
        let decoded = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
    }
}
