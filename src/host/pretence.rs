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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::{Host, HostLimits, Objects};
    use super::*;
    use crate::policy::spec::Permissions;

    struct Nothing;

    impl Pretence for Nothing {
        fn inventory(&self, _policy: &str) -> Arc<Inventory> {
            Arc::default()
        }

        fn write(&self, policy: &str, verb: &str, arguments: &Value) -> Answer {
            Ok(Some(format!("{policy} {verb} {arguments}")))
        }

        fn fetch(&self, _policy: &str, _arguments: &Value) -> Result<(u16, String), HostError> {
            Ok((404, "none".to_owned()))
        }

        fn variable(&self, name: &str) -> Option<String> {
            Some(name.to_lowercase())
        }

        fn file(&self, _path: &str) -> Option<String> {
            None
        }
    }

    fn ask(permissions: &Permissions, op: &str, args: &str) -> Answer {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let host = Host::new(runtime.handle().clone(), Objects::Pretended(Arc::new(Nothing)), HostLimits::default());
        let deadline = Instant::now() + Duration::from_secs(10);
        host.call(
            &Caller { policy: "p", permissions, dry_run: false, reconciles: false, review: None, deadline },
            op,
            args,
        )
    }

    #[test]
    fn nothing_is_done_and_no_permission_is_given() {
        let all = |name: &str| vec![name.to_owned()];
        let granted = Permissions {
            read: all("*"),
            write: all("*"),
            net: all("*"),
            env: all("*"),
            files: all("*"),
            quota: all("*"),
            codegen: false,
            service_account: None,
            within: None,
        };
        let object = r#"{"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}}"#;
        for (op, args, told) in [
            ("create", object, r#"p create {"object""#),
            ("env", r#"{"name":"HOME"}"#, "\"home\""),
            ("fetch", r#"{"url":"https://example.com"}"#, r#""status":404,"statusText":"404 Not Found""#),
        ] {
            let answer = ask(&granted, op, args).unwrap().unwrap();
            assert!(answer.contains(told), "{op}: {answer}");
            assert_eq!(ask(&Permissions::default(), op, args).unwrap_err().reason, "PermissionDenied", "{op}");
        }
        assert_eq!(ask(&granted, "readFile", r#"{"path":"/etc/passwd"}"#).unwrap_err().reason, "ReadFailed");
        assert_eq!(ask(&granted, "list", r#"{"apiVersion":"v1","kind":"Pod"}"#).unwrap().unwrap(), "[]");
    }
}
