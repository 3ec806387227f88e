//! The API server, as far as writing reports needs it. Every change waits for its turn.

use std::sync::Arc;
use std::time::Duration;

use hyper::http::{Method, Request, header};
use kube::Client;
use serde_json::Value;

use super::pace::Pace;
use crate::telemetry::Metrics;

const ANSWERS_WITHIN: Duration = Duration::from_secs(15);

pub(super) struct Remote {
    client: Client,
    pace: Pace,
    metrics: Arc<Metrics>,
}

/// Why something was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    #[error("somebody else was quicker")]
    Conflict,
    #[error("{0}")]
    NotFound(String),
    #[error("the cluster does not serve {0}: install its CRD, or leave it out of --report")]
    NotServed(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
}

impl RemoteError {
    /// Whether the same may go well later.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Conflict | Self::Unreachable(_))
    }
}

impl Remote {
    pub(super) const fn new(client: Client, pace: Pace, metrics: Arc<Metrics>) -> Self {
        Self { client, pace, metrics }
    }

    /// `None` where there is no such object.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, RemoteError> {
        match self.send(Method::GET, path, None).await {
            Ok(object) => Ok(Some(object)),
            Err(RemoteError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn create(&mut self, path: &str, object: &Value) -> Result<Value, RemoteError> {
        self.change(Method::POST, path, "application/json", object).await
    }

    pub(super) async fn replace(&mut self, path: &str, object: &Value) -> Result<Value, RemoteError> {
        self.change(Method::PUT, path, "application/json", object).await
    }

    pub(super) async fn merge(&mut self, path: &str, change: &Value) -> Result<Value, RemoteError> {
        self.change(Method::PATCH, path, "application/merge-patch+json", change).await
    }

    async fn change(&mut self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Value, RemoteError> {
        self.pace.turn().await;
        self.metrics.report_writes.increment();
        self.send(method, &format!("{path}?fieldManager=bylaw"), Some((kind, body))).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, RemoteError> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if let Some((kind, _)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let body = body.map_or_else(Vec::new, |(_, body)| body.to_string().into_bytes());
        let request = request.body(body).map_err(|error| RemoteError::Refused(error.to_string()))?;
        match tokio::time::timeout(ANSWERS_WITHIN, self.client.request::<Value>(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(refusal(path, &status)),
            Ok(Err(error)) => Err(RemoteError::Unreachable(error.to_string())),
            Err(_) => Err(RemoteError::Unreachable(format!("no answer within {} s", ANSWERS_WITHIN.as_secs()))),
        }
    }
}

fn refusal(path: &str, status: &kube::core::Status) -> RemoteError {
    let names_object = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
    match status.code {
        409 => RemoteError::Conflict,
        404 if names_object => RemoteError::NotFound(status.message.clone()),
        404 => RemoteError::NotServed(path.split('?').next().unwrap_or(path).to_owned()),
        429 | 500..=599 => RemoteError::Unreachable(status.message.clone()),
        _ => RemoteError::Refused(status.message.clone()),
    }
}
