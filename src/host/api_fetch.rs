//! `fetch` of the API server by a policy with a `ServiceAccount` of its own: under that account's name, and with the
//! authority of the cluster trusted, which no other `fetch` does.

use http_body_util::{BodyExt as _, Limited};
use hyper::http::{HeaderMap, Method, Request};
use kube::client::Body;
use url::{Position, Url};

use super::fetch::{FetchAnswer, status_text};
use super::{Answer, HostError, headers};
use crate::cluster::{Cluster, ClusterError};

/// A redirect is the policy's to follow: the account's token must not go with it.
pub(super) async fn run(
    cluster: &Cluster,
    method: &Method,
    url: &Url,
    given: &HeaderMap,
    body: &str,
    limit: usize,
) -> Answer {
    let made = || {
        let path = &url[Position::BeforePath..Position::AfterQuery];
        let request = Request::builder().method(method).uri(path).body(Body::from(body.as_bytes().to_vec()));
        let mut request = request.map_err(|error| ClusterError::Client(error.to_string()))?;
        *request.headers_mut() = given.clone();
        Ok(request)
    };
    let (head, body) = cluster.pass(made).await?.into_parts();
    let too_large = || HostError::new("TooLarge", format!("the body of the response is larger than {limit} bytes"));
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() { too_large() } else { HostError::new("FetchFailed", error) }
    })?;
    let answer = FetchAnswer {
        status: head.status.as_u16(),
        status_text: status_text(head.status, &head.extensions),
        headers: headers::received(&head.headers),
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    };
    serde_json::to_string(&answer).map(Some).map_err(|_| HostError::internal())
}
