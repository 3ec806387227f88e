//! A world in which nothing is done for real: writes are noted, and requests, files and variables are answered by whoever
//! set it up. Permissions are looked up all the same.

use std::sync::Arc;

use serde_json::Value;

use crate::cluster::Inventory;

use super::{Answer, Caller, HostError};

/// Answers in the place of the world.
pub trait Pretence: Send + Sync {
    /// What `get` and `list` of this policy see.
    fn inventory(&self, policy: &str) -> Arc<Inventory>;

    /// A write that the policy may do: `create`, `update`, `patch` or `remove`, and what it was given.
    ///
    /// # Errors
    /// What the API server would refuse it with.
    fn write(&self, policy: &str, verb: &str, arguments: &Value) -> Answer;

    /// A request that the policy may send: the body of the answer, with its status.
    ///
    /// # Errors
    /// Where nobody answers.
    fn fetch(&self, policy: &str, arguments: &Value) -> Result<(u16, String), HostError>;

    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file.
    fn file(&self, path: &str) -> Option<String>;
}

/// The JSON that `fetch` gives a policy.
pub(super) fn response(status: u16, body: &str) -> String {
    let words =
        reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let text = format!("{status} {words}");
    let headers = serde_json::json!({"Content-Type": "application/json"});
    serde_json::json!({"status": status, "statusText": text, "headers": headers, "body": body}).to_string()
}

/// What a write was given, for the note of it.
pub(super) fn noted(caller: &Caller<'_>, pretence: &dyn Pretence, verb: &str, args: &str) -> Answer {
    let arguments: Value = serde_json::from_str(args).unwrap_or_default();
    pretence.write(caller.policy, verb, &arguments)
}
