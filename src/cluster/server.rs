//! Plain requests to the API server, in and out as text: an object passes through without becoming a tree, so that its
//! numbers stay what they were.

use http_body_util::{BodyExt, Limited};
use hyper::http::{Method, Request, StatusCode, header};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::discovery::Resource;
use super::limits::{ANSWER_BYTES, PAGE};
use super::object::StoredObject;
use super::{ClusterError, Kind, Write};
use crate::review::clip::clip;

/// A client that speaks in texts.
#[derive(Clone)]
pub struct ApiServer {
    pub client: Client,
}

impl ApiServer {
    /// `GET` of a path that is not an object, such as discovery's.
    pub async fn get_path(&self, path: &str) -> Result<String, ClusterError> {
        self.send(Method::GET, path.to_owned(), None).await
    }

    /// One object; `None` where there is none of that name.
    ///
    /// # Errors
    /// `UnknownKind` where the whole path is gone, as after the deletion of a CRD.
    pub async fn get(&self, of: &Resource, namespace: &str, name: &str) -> Result<Option<StoredObject>, ClusterError> {
        match self.send(Method::GET, of.path(namespace, Some(name)), None).await {
            Ok(text) => StoredObject::from_text(&text, &of.kind).map(Some),
            Err(ClusterError::Api { code: 404, reason, .. }) if reason == OBJECT_NOT_FOUND => Ok(None),
            Err(error) => Err(of.or_unknown(error)),
        }
    }

    /// All objects that a label selector takes, page by page.
    pub async fn list(
        &self,
        of: &Resource,
        namespace: Option<&str>,
        label_selector: Option<&str>,
    ) -> Result<Vec<StoredObject>, ClusterError> {
        let path = of.path(namespace.unwrap_or_default(), None);
        let (mut objects, mut bytes, mut next) = (Vec::new(), 0, String::new());
        loop {
            let text = self.send(Method::GET, format!("{path}?{}", page_query(label_selector, &next)), None).await;
            let text = text.map_err(|error| of.or_unknown(error))?;
            bytes += text.len();
            if bytes > ANSWER_BYTES {
                return Err(too_large(&of.kind));
            }
            next = read_page(&text, &of.kind, &mut objects)?;
            if next.is_empty() {
                return Ok(objects);
            }
        }
    }

    /// Changes an object; answers with the server's text. With `dry_run` the server does all but keep it.
    pub async fn write(&self, of: &Resource, write: &Write, dry_run: bool) -> Result<String, ClusterError> {
        let (method, content_type, body) = match write {
            Write::Create { object, .. } => (Method::POST, JSON, object.clone()),
            Write::Update { object, .. } => (Method::PUT, JSON, object.clone()),
            Write::MergePatch { patch, .. } => (Method::PATCH, "application/merge-patch+json", patch.clone()),
            Write::JsonPatch { patch, .. } => (Method::PATCH, "application/json-patch+json", patch.clone()),
            Write::Apply { object, .. } => (Method::PATCH, "application/apply-patch+yaml", object.clone()),
            // The API server reads the options of a DELETE from its body and then ignores the query, dryRun included.
            // Propagation is left to the kind's own default.
            Write::Remove { .. } if dry_run => (Method::DELETE, JSON, r#"{"dryRun":["All"]}"#.to_owned()),
            Write::Remove { .. } => (Method::DELETE, JSON, "{}".to_owned()),
        };
        let query = write_query(write, dry_run);
        let path = of.path(write.namespace(), write.name());
        let answer = self.send(method, format!("{path}{query}"), Some((content_type, body))).await;
        answer.map_err(|error| of.or_unknown(error))
    }

    /// `GET` of a path; with a refusal comes the whole answer, which may say how to go on.
    pub async fn get_or_refusal(&self, path: &str) -> Result<String, (ClusterError, String)> {
        let answer = self.exchange(Method::GET, path.to_owned(), None).await;
        let (status, text) = answer.map_err(|error| (error, String::new()))?;
        if status.is_success() { Ok(text) } else { Err((failure(status, &text), text)) }
    }

    async fn send(
        &self,
        method: Method,
        uri: String,
        body: Option<(&'static str, String)>,
    ) -> Result<String, ClusterError> {
        let (status, text) = self.exchange(method, uri, body).await?;
        if status.is_success() { Ok(text) } else { Err(failure(status, &text)) }
    }

    async fn exchange(
        &self,
        method: Method,
        uri: String,
        body: Option<(&'static str, String)>,
    ) -> Result<(StatusCode, String), ClusterError> {
        let mut request = Request::builder().method(method).uri(uri).header(header::ACCEPT, JSON);
        let body = body.map_or_else(Vec::new, |(content_type, text)| {
            request = std::mem::take(&mut request).header(header::CONTENT_TYPE, content_type);
            text.into_bytes()
        });
        let unreachable = |error: &dyn std::error::Error| ClusterError::Unreachable(chain(error));
        let request = request.body(Body::from(body)).map_err(|e| ClusterError::Client(e.to_string()))?;
        let answer = self.client.send(request).await.map_err(|e| unreachable(&e))?;
        let (head, body) = answer.into_parts();
        let bytes = Limited::new(body, ANSWER_BYTES).collect().await.map_err(|error| {
            let too_long = error.is::<http_body_util::LengthLimitError>();
            let what = "the answer of the API server".to_owned();
            if too_long { ClusterError::TooLarge { what, limit: ANSWER_BYTES } } else { unreachable(error.as_ref()) }
        })?;
        let text = String::from_utf8(bytes.to_bytes().into()).map_err(|e| ClusterError::Malformed {
            what: "the answer of the API server".to_owned(),
            cause: e.to_string(),
        })?;
        Ok((head.status, text))
    }
}

const JSON: &str = "application/json";

/// What the server says of an object with many faults grows with them.
const LONGEST_MESSAGE: usize = 4096;

/// A 404 that is about one object and not about the path it was looked for at.
const OBJECT_NOT_FOUND: &str = "NotFound";
const PATH_NOT_FOUND: &str = "PathNotFound";

impl Resource {
    /// A path the server knows nothing of means that it no longer serves the kind.
    fn or_unknown(&self, error: ClusterError) -> ClusterError {
        match error {
            ClusterError::Api { code: 404, reason, .. } if reason == PATH_NOT_FOUND => {
                ClusterError::UnknownKind { kind: self.kind.to_string() }
            }
            other => other,
        }
    }
}

fn write_query(write: &Write, dry_run: bool) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Write::Apply { manager, force, .. } = write {
        query.append_pair("fieldManager", manager).append_pair("force", if *force { "true" } else { "false" });
    }
    if dry_run {
        query.append_pair("dryRun", "All");
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

fn too_large(kind: &Kind) -> ClusterError {
    ClusterError::TooLarge { what: format!("the list of {kind}"), limit: ANSWER_BYTES }
}

fn page_query(label_selector: Option<&str>, next: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PAGE.to_string());
    if let Some(selector) = label_selector {
        query.append_pair("labelSelector", selector);
    }
    if !next.is_empty() {
        query.append_pair("continue", next);
    }
    query.finish()
}

/// Adds the items of one page; answers with the token of the next, empty at the end.
fn read_page(text: &str, kind: &Kind, objects: &mut Vec<StoredObject>) -> Result<String, ClusterError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(default)]
        metadata: PageMetadata,
        #[serde(borrow, default)]
        items: Option<Vec<&'a RawValue>>,
    }
    #[derive(Deserialize, Default)]
    struct PageMetadata {
        #[serde(default, rename = "continue")]
        next: String,
    }
    let page: Page<'_> = serde_json::from_str(text)
        .map_err(|e| ClusterError::Malformed { what: format!("the list of {kind}"), cause: e.to_string() })?;
    for item in page.items.unwrap_or_default() {
        objects.push(StoredObject::from_text(item.get(), kind)?);
    }
    Ok(page.metadata.next)
}

/// Reads a `metav1.Status`, or makes the best of an answer that is none.
fn failure(code: StatusCode, text: &str) -> ClusterError {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Status {
        reason: String,
        message: String,
        details: Option<Details>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Details {
        name: String,
    }
    let status: Status = serde_json::from_str(text).unwrap_or_default();
    let names_object = status.details.is_some_and(|details| !details.name.is_empty());
    let reason = match code {
        StatusCode::NOT_FOUND if !names_object => PATH_NOT_FOUND.to_owned(),
        _ if !status.reason.is_empty() => status.reason,
        _ => reason_of(code).to_owned(),
    };
    let message = if status.message.is_empty() {
        format!("the API server answered {code}: {}", text.trim().chars().take(200).collect::<String>())
    } else {
        clip(&status.message, LONGEST_MESSAGE).to_owned()
    };
    ClusterError::Api { code: code.as_u16(), reason, message }
}

/// `ReasonForError` of `k8s.io/apimachinery` for answers without a reason.
const fn reason_of(code: StatusCode) -> &'static str {
    match code {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::GONE => "Gone",
        StatusCode::UNPROCESSABLE_ENTITY => "Invalid",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        _ => "InternalError",
    }
}

/// An error with its causes, which is where hyper keeps the reason.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_reason_and_words_of_a_status() {
        let text =
            r#"{"kind":"Status","status":"Failure","message":"pods is forbidden: no","reason":"Forbidden","code":403}"#;
        let error = failure(StatusCode::FORBIDDEN, text);
        assert_eq!((error.reason(), error.to_string().as_str()), ("Forbidden", "pods is forbidden: no"));
    }

    #[test]
    fn tells_a_missing_object_from_a_missing_path() {
        let object = r#"{"message":"pods \"a\" not found","reason":"NotFound","details":{"name":"a","kind":"pods"}}"#;
        assert_eq!(failure(StatusCode::NOT_FOUND, object).reason(), OBJECT_NOT_FOUND);
        let path = r#"{"message":"the server could not find the requested resource","reason":"NotFound","details":{}}"#;
        assert_eq!(failure(StatusCode::NOT_FOUND, path).reason(), PATH_NOT_FOUND);
        assert_eq!(failure(StatusCode::NOT_FOUND, "404 page not found\n").reason(), PATH_NOT_FOUND);
    }

    #[test]
    fn a_proxys_answer_still_gets_a_reason() {
        let error = failure(StatusCode::SERVICE_UNAVAILABLE, "<html>down</html>");
        assert_eq!(error.reason(), "ServiceUnavailable");
        assert!(error.to_string().contains("503"), "{error}");
    }

    #[test]
    fn reads_pages_of_items_without_kinds() {
        let mut objects = Vec::new();
        let text = r#"{"kind":"PodList","metadata":{"continue":"t"},"items":[{"metadata":{"name":"a"},"n":1.0}]}"#;
        assert_eq!(read_page(text, &Kind::parse("v1/Pod").unwrap(), &mut objects).unwrap(), "t");
        assert_eq!(&*objects[0].text, r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"n":1.0}"#);
        assert_eq!(read_page(r#"{"items":null}"#, &Kind::parse("v1/Pod").unwrap(), &mut objects).unwrap(), "");
    }
}
