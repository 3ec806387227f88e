//! The API server as any client sees it: status, warnings and body of each answer.

#![allow(dead_code, reason = "the end-to-end tests and the bench each use a part")]

use std::fmt::Debug;
use std::fs;
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Method};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::cluster::Cluster;

/// Longer than any webhook's timeout.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// How long the API server may take to act on what it has stored: a webhook configuration, a label, a CRD.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

pub struct Api {
    url: String,
    token: String,
    client: Client,
    runtime: Runtime,
}

/// An answer of the API server.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The texts of its `Warning` headers.
    pub warnings: Vec<String>,
    pub body: Value,
}

impl Reply {
    pub fn is_good(&self) -> bool {
        self.status < 300
    }

    /// The message of a `metav1.Status`.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The object of a good answer.
    pub fn object(self) -> Value {
        assert!(self.is_good(), "refused: {self:?}");
        self.body
    }

    /// The message of a bad answer.
    pub fn refusal(self) -> String {
        assert!(!self.is_good(), "not refused: {self:?}");
        self.message().to_owned()
    }
}

impl Api {
    /// Speaks as the user `admin`.
    pub fn of(cluster: &Cluster) -> Self {
        let authority = fs::read(cluster.authority()).expect("the API server has made its certificate");
        let authority = Certificate::from_pem(&authority).expect("it is a certificate in PEM");
        let client = Client::builder().no_proxy().tls_certs_only([authority]).timeout(ANSWER_WITHIN).build();
        Self {
            url: cluster.url().to_owned(),
            token: cluster.admin_token().to_owned(),
            client: client.expect("a client"),
            runtime: Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"),
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(("application/json", body)))
    }

    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, Some(("application/json", body)))
    }

    /// RFC 7386.
    pub fn merge(&self, path: &str, change: &Value) -> Reply {
        self.send(Method::PATCH, path, Some(("application/merge-patch+json", change)))
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None)
    }

    fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Reply {
        self.try_send(method, path, body).unwrap_or_else(|error| panic!("no answer from {path}: {error:?}"))
    }

    /// An error where the API server is not there.
    pub fn try_send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> reqwest::Result<Reply> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body.to_string());
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let warnings = answer.headers().get_all("warning").iter().filter_map(|value| warning(value.as_bytes()));
            let warnings = warnings.collect();
            let status = answer.status().as_u16();
            let body = serde_json::from_str(&answer.text().await?).unwrap_or_default();
            Ok(Reply { status, warnings, body })
        })
    }
}

/// The text of `299 - "text"` (RFC 7234, section 5.5).
fn warning(header: &[u8]) -> Option<String> {
    let header = std::str::from_utf8(header).expect("the API server writes UTF-8");
    let quoted = header.strip_prefix("299 - \"")?.strip_suffix('"')?;
    Some(quoted.replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// Asks again until the answer is as it should be, for the API server does some things in its own time. Panics with
/// `what` and the last answer if it never is.
pub fn eventually<T: Debug>(what: &str, ask: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    within(SETTLES_WITHIN, what, ask, good)
}

/// The same where it takes another time.
pub fn within<T: Debug>(limit: Duration, what: &str, mut ask: impl FnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if good(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}, but {answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
