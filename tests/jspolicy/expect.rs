//! Compares an answer with what a case expects, and says each difference.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::case::{Case, Expect};
use super::json_patch;

/// What came back.
pub struct Answer<'a> {
    pub uid: &'a str,
    pub http: u16,
    pub review: Value,
    pub took: Duration,
    pub writes: Vec<String>,
}

/// Every difference, in words; empty where there is none.
pub fn misses(case: &Case, answer: &Answer<'_>) -> Vec<String> {
    let expect = &case.expect;
    let mut misses = Misses::default();
    misses.same("status of HTTP", &expect.http.unwrap_or(200), &answer.http);
    if expect.http.is_some_and(|status| status != 200) {
        return misses.0;
    }
    let response = &answer.review["response"];
    misses.same("apiVersion", &case.api_version().into(), &answer.review["apiVersion"]);
    misses.same("kind", &Value::from("AdmissionReview"), &answer.review["kind"]);
    misses.same("uid", &answer.uid.into(), &response["uid"]);
    misses.same("allowed", &expect.allowed.into(), &response["allowed"]);
    let warnings: Vec<Value> = expect.warnings.iter().map(|warning| Value::from(warning.as_str())).collect();
    misses.same("warnings", &warnings, &response["warnings"].as_array().cloned().unwrap_or_default());
    misses.same("writes", &expect.writes, &answer.writes);
    if let Some(within) = expect.within.filter(|within| answer.took.as_secs_f64() > *within) {
        misses.0.push(format!("it took {:?}, more than {within} s", answer.took));
    }
    if expect.allowed {
        misses.same("status", &Value::Null, &response["status"]);
        patch(case, response, &mut misses);
    } else {
        misses.same("patch", &Value::Null, &response["patch"]);
        status(expect, &response["status"], &mut misses);
    }
    misses.0
}

fn status(expect: &Expect, status: &Value, misses: &mut Misses) {
    let code = expect.code.unwrap_or(403);
    misses.same("code", &code.into(), &status["code"]);
    // A policy that failed gave no reason.
    let reason = expect.reason.as_deref().or((code != 500).then_some("Forbidden"));
    misses.same("reason", &reason.into(), &status["reason"]);
    let message = status["message"].as_str();
    if let Some(expected) = &expect.message {
        misses.same("message", &Some(expected.as_str()), &message);
    }
    if let Some(part) = expect.message_contains.as_deref().filter(|part| !message.unwrap_or_default().contains(part)) {
        misses.0.push(format!("message: expected {part:?} in {message:?}"));
    }
    if let Some(expected) = &expect.says {
        let said = serde_json::from_str(message.unwrap_or_default()).unwrap_or(status["message"].clone());
        misses.same("message", expected, &said);
    }
    if expect.message.is_none() && expect.message_contains.is_none() && expect.says.is_none() {
        misses.0.push("the case expects no message".to_owned());
    }
}

fn patch(case: &Case, response: &Value, misses: &mut Misses) {
    let expect = &case.expect;
    if expect.patched.is_none() && expect.patch_paths.is_none() {
        misses.same("patch", &Value::Null, &response["patch"]);
        misses.same("patchType", &Value::Null, &response["patchType"]);
        return;
    }
    misses.same("patchType", &Value::from("JSONPatch"), &response["patchType"]);
    let decoded = response["patch"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let Some(operations) = decoded.and_then(|bytes| serde_json::from_slice::<Vec<Value>>(&bytes).ok()) else {
        misses.0.push("there is no patch that could be read".to_owned());
        return;
    };
    if let Some(expected) = &expect.patch_paths {
        let paths = operations.iter().filter_map(|operation| operation["path"].as_str().map(str::to_owned)).collect();
        misses.same("paths of the patch", &expected.iter().cloned().collect::<BTreeSet<String>>(), &paths);
    }
    if let Some(expected) = &expect.patched {
        let mut object = case.object().unwrap_or_default();
        match json_patch::apply(&operations, &mut object) {
            Ok(()) => misses.same("patched object", expected, &object),
            Err(error) => misses.0.push(error),
        }
    }
}

#[derive(Default)]
struct Misses(Vec<String>);

impl Misses {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}
