//! From a path to an endpoint, from a request to an [`Answer`].
//!
//! Matched by hand: there are five fixed shapes, and a router would box a future and copy a request for each review.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::Instant;

use super::connection::Connection;
use super::{Admit, Answer, Endpoint, body, timeout};
use crate::tenancy::IDENTITY;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
const POST: HeaderValue = HeaderValue::from_static("POST");

/// A request that never becomes a review.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub message: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }
}

/// Answers one request.
pub(super) async fn handle<A: Admit>(connection: &Connection<A>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let _in_flight = connection.requests.enter();
    let (head, mut body) = request.into_parts();
    let answer = match answer(connection, &head, &mut body).await {
        Ok(answer) => answer,
        Err(refusal) => refuse(connection, &head, &mut body, &refusal).await,
    };
    // A client of HTTP/2 is told to leave by GOAWAY; one of HTTP/1.1 only by its last response.
    let last = connection.is_draining() && head.version < Version::HTTP_2;
    respond(answer, last)
}

async fn answer<A: Admit>(connection: &Connection<A>, head: &Parts, body: &mut Incoming) -> Result<Answer, Refusal> {
    let arrived = Instant::now();
    let shared = &connection.shared;
    let endpoint = admissible(head, connection.certificate.as_ref(), &*shared.admit)?;
    let timeout =
        timeout::from_query(head.uri.query()).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;

    let mut share = shared.budget.share();
    let reading = body::read(body, &shared.limits, &mut share);
    let bytes = tokio::time::timeout_at(arrived + shared.limits.body_time, reading)
        .await
        .map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"))??;

    let left = timeout.map(|timeout| timeout.saturating_sub(arrived.elapsed()));
    judged(&*shared.admit, endpoint, bytes, left).await
}

/// A panic is a fault of ours. It costs the one request, not the connection and the other requests on it.
async fn judged<A: Admit>(
    admit: &A,
    endpoint: Endpoint,
    body: Bytes,
    timeout: Option<Duration>,
) -> Result<Answer, Refusal> {
    AssertUnwindSafe(async { admit.admit(endpoint, body, timeout).await }).catch_unwind().await.map_err(|_| {
        tracing::error!("a request panicked; please report this with the lines above");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })
}

/// The endpoint of a request whose head is in order. `certificate` is the common name in that of the caller.
fn admissible(head: &Parts, certificate: Option<&Arc<str>>, admit: &impl Admit) -> Result<Endpoint, Refusal> {
    let mut endpoint = endpoint(head.uri.path()).ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "no such path; there are /validate, /mutate, /policy/<name>, /crds")
    })?;
    if head.method != Method::POST {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "send the AdmissionReview with POST"));
    }
    match &mut endpoint {
        Endpoint::Policy(name) if !admit.knows_policy(name) => {
            let shown: String = name.chars().take(253).collect();
            return Err(Refusal::new(StatusCode::NOT_FOUND, format!("no policy is named {shown}")));
        }
        Endpoint::VirtualCluster { token, certificate: of_caller, .. } => {
            if !admit.knows_vcluster(token, certificate.map(|name| &**name)) {
                return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden"));
            }
            *of_caller = certificate.cloned();
        }
        // Whoever has the certificate of a virtual cluster is no API server of the host.
        _ if certificate.is_some_and(|name| name.starts_with(IDENTITY)) => {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden"));
        }
        _ => {}
    }
    content_type(&head.headers)?;
    Ok(endpoint)
}

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        "/validate" => return Some(Endpoint::Validate),
        "/mutate" => return Some(Endpoint::Mutate),
        "/crds" => return Some(Endpoint::Crds),
        _ => {}
    }
    for (prefix, mutate) in [("/validate/", false), ("/mutate/", true)] {
        if let Some(name) = path.strip_prefix(prefix) {
            return (!name.is_empty() && !name.contains('/'))
                .then(|| Endpoint::Webhook { name: name.to_owned(), mutate });
        }
    }
    if let Some(name) = path.strip_prefix("/policy/") {
        return (!name.is_empty() && !name.contains('/')).then(|| Endpoint::Policy(name.to_owned()));
    }
    let (token, kind) = path.strip_prefix("/vcluster/")?.split_once('/')?;
    let (kind, webhook) = match kind.split_once('/') {
        Some((kind, webhook)) => (kind, Some(webhook.to_owned())),
        None => (kind, None),
    };
    let mutate = match kind {
        "validate" => false,
        "mutate" => true,
        _ => return None,
    };
    let is_name = |name: &String| !name.is_empty() && !name.contains('/');
    (!token.is_empty() && webhook.as_ref().is_none_or(is_name)).then(|| Endpoint::VirtualCluster {
        token: token.to_owned(),
        webhook,
        mutate,
        certificate: None,
    })
}

/// JSON, whatever its parameters, and not compressed: nothing the API server sends is.
fn content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let unsupported = |message| Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() != b"identity") {
        return unsupported("Content-Encoding is not supported; send the AdmissionReview uncompressed");
    }
    // The one spelling the API server uses, without a search in it.
    if headers.get(CONTENT_TYPE) == Some(&JSON) {
        return Ok(());
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    unsupported("Content-Type must be application/json")
}

async fn refuse<A: Admit>(connection: &Connection<A>, head: &Parts, body: &mut Incoming, refusal: &Refusal) -> Answer {
    let shared = &connection.shared;
    shared.metrics.refused(refusal.status.as_u16());
    tracing::debug!(status = refusal.status.as_u16(), reason = %refusal.message, "request refused");
    // A client that asked first has not begun to send. One that was too slow has had its time.
    let sending = !head.headers.contains_key(EXPECT) && refusal.status != StatusCode::REQUEST_TIMEOUT;
    if head.version < Version::HTTP_2 && sending && !body.is_end_stream() {
        let _ = tokio::time::timeout(shared.limits.body_time, body::discard(body, &shared.limits)).await;
    }
    Answer::error(refusal.status, &refusal.message)
}

fn respond(answer: Answer, last: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, POST);
    }
    if last {
        headers.insert(CONNECTION, CLOSE);
    }
    response
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
