//! `/livez`, `/readyz`, `/healthz` and `/metrics`: what a probe or a scrape is answered.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::checks::{Checks, Gate};
use crate::telemetry::{CONTENT_TYPE as OPENMETRICS, Metrics};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static(OPENMETRICS);

/// What a plain port serves.
#[derive(Clone)]
pub(super) enum Page {
    Health(Arc<Checks>),
    Metrics(Arc<Metrics>),
}

impl Page {
    /// Answers one request. Rendering a large page of metrics takes milliseconds, which belong on no worker thread of
    /// the webhook.
    pub(super) async fn answer<B>(self, request: Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match self {
            Self::Health(checks) => health(&checks, request.uri().path(), request.uri().query()),
            Self::Metrics(metrics) if request.uri().path() == "/metrics" => {
                let Ok(page) = tokio::task::spawn_blocking(move || metrics.render()).await else {
                    return text(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be rendered\n");
                };
                let mut page = text(StatusCode::OK, page);
                page.headers_mut().insert(CONTENT_TYPE, METRICS);
                page
            }
            Self::Metrics(_) => text(StatusCode::NOT_FOUND, "there is /metrics\n"),
        }
    }
}

fn health(checks: &Checks, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
    let (gate, probe) = match path {
        "/livez" => (Gate::Live, "livez"),
        "/readyz" => (Gate::Ready, "readyz"),
        "/healthz" => (Gate::Ready, "healthz"),
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "there are /livez, /readyz and /healthz; add ?verbose for every check\n",
            );
        }
    };
    let (passes, report) = checks.report(gate, probe);
    let verbose =
        query.is_some_and(|query| url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "verbose"));
    match (passes, verbose) {
        (true, false) => text(StatusCode::OK, "ok"),
        (true, true) => text(StatusCode::OK, report),
        // Like kube-apiserver, a failing probe says why without being asked: it ends up in the pod's events.
        (false, _) => text(StatusCode::SERVICE_UNAVAILABLE, report),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn get(page: &Page, method: Method, uri: &str) -> (u16, String) {
        let response = page.clone().answer(Request::builder().method(method).uri(uri).body(()).unwrap()).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn probes_answer_for_their_own_checks() {
        let checks = Arc::new(Checks::default());
        let page = Page::Health(Arc::clone(&checks));
        assert_eq!(get(&page, Method::GET, "/readyz").await, (200, "ok".to_owned()));
        checks.set("policies", Gate::Ready, Err("not loaded yet".to_owned()));
        assert_eq!(get(&page, Method::GET, "/livez").await, (200, "ok".to_owned()));
        for probe in ["/readyz", "/healthz", "/readyz?verbose"] {
            let (status, body) = get(&page, Method::GET, probe).await;
            assert_eq!(status, 503);
            assert!(body.contains("[-]policies failed: not loaded yet"), "{body}");
        }
        assert!(get(&page, Method::GET, "/livez?verbose=1").await.1.contains("livez check passed"));
        assert_eq!(get(&page, Method::GET, "/").await.0, 404);
        assert_eq!(get(&page, Method::POST, "/livez").await.0, 405);
    }

    #[tokio::test]
    async fn metrics_are_on_their_own_path_with_their_own_type() {
        let page = Page::Metrics(Arc::default());
        let response = page.clone().answer(Request::get("/metrics").body(()).unwrap()).await;
        assert_eq!(response.headers()[CONTENT_TYPE], OPENMETRICS);
        assert!(get(&page, Method::GET, "/metrics").await.1.contains("bylaw_reviews_total"));
        assert_eq!(get(&page, Method::GET, "/livez").await.0, 404);
    }
}
