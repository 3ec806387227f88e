//! One virtual cluster's API server. Every answer is bounded in time and in size, whoever is at the other end.

use std::time::Duration;

use hyper::http::{Method, Request, header};
use kube::{Client, Config};
use serde_json::Value;

use super::AccessError;
use crate::cluster::bounded_client;
use crate::operator::FIELD_MANAGER;
use crate::review::clip::clip;

/// For one answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Far above a configuration with a webhook for each of a hundred policies.
const MOST: usize = 4 << 20;

/// What is repeated of what it says.
const REPEATED: usize = 512;

#[derive(Clone)]
pub(super) struct Remote {
    client: Client,
    url: String,
}

/// What an API server answers beside a good object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    NotFound,
    /// It refused, and why.
    Refused(u16, String),
    /// It did not answer, or with what is no answer.
    Silent(String),
}

impl Remote {
    pub(super) fn new(config: Config) -> Result<Self, String> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // The causes of kube name files and fields, never what is in them.
        let client = bounded_client(config, MOST).map_err(|error| clipped(&error.to_string()))?;
        Ok(Self { client, url })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn create(&self, path: &str, object: &Value) -> Result<Value, Fault> {
        self.send(Method::POST, path, Some(("application/json", object))).await
    }

    /// Server-side apply, with what others have written over it.
    pub(super) async fn apply(&self, path: &str, object: &Value) -> Result<Value, Fault> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}&force=true");
        self.send(Method::PATCH, &path, Some(("application/apply-patch+yaml", object))).await
    }

    /// A JSON patch.
    pub(super) async fn edit(&self, path: &str, operations: &Value) -> Result<Value, Fault> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        self.send(Method::PATCH, &path, Some(("application/json-patch+json", operations))).await
    }

    /// It is as good where there is nothing to delete.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Fault> {
        match self.send(Method::DELETE, path, None).await {
            Ok(_) | Err(Fault::NotFound) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, Fault> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        if let Some((kind, _)) = body {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let body = body.map_or_else(Vec::new, |(_, body)| body.to_string().into_bytes());
        let request = request.body(body).map_err(|error| Fault::Silent(error.to_string()))?;
        match tokio::time::timeout(WITHIN, self.client.request::<Value>(request)).await {
            Ok(Ok(answer)) if answer.is_object() => Ok(answer),
            Ok(Ok(_)) => Err(Fault::Silent("what it answers is no object".to_owned())),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(Fault::NotFound),
            Ok(Err(kube::Error::Api(status))) => Err(Fault::Refused(status.code, clipped(&status.message))),
            Ok(Err(error)) => Err(Fault::Silent(clipped(&causes(&error)))),
            Err(_) => Err(Fault::Silent(format!("no answer within {} s", WITHIN.as_secs()))),
        }
    }

    /// The same in words.
    pub(super) fn told(&self, fault: Fault) -> AccessError {
        match fault {
            Fault::NotFound => AccessError::Refused("there is no such thing".to_owned()),
            Fault::Refused(_, message) => AccessError::Refused(message),
            Fault::Silent(why) => AccessError::Unreachable(self.url.clone(), why),
        }
    }
}

fn causes(error: &kube::Error) -> String {
    // An answer that is none may hold anything: only that it is none is told.
    if let kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) = error {
        return "what it answers is no JSON".to_owned();
    }
    crate::operator::reason(error)
}

/// What a tenant wrote, fit for one line.
pub(super) fn clipped(text: &str) -> String {
    clip(text, REPEATED).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What is asked of an API server that answers with this, and goes on with it for ever where it is to.
    async fn asked(head: &'static str, body: &'static [u8], is_endless: bool) -> Result<Value, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let liar = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes()).await.unwrap();
            while stream.write_all(body).await.is_ok() && is_endless {}
            let _ = stream.shutdown().await;
        });
        let remote = Remote::new(Config::new(url.parse().unwrap())).unwrap();
        let answer = remote.get("/api/v1/namespaces/default").await;
        liar.abort();
        answer
    }

    #[tokio::test]
    async fn an_answer_without_end_is_none() {
        let answer = asked("200 OK\r\nContent-Length: 1000000000", vec![b' '; 65_536].leak(), true).await;
        assert!(matches!(answer, Err(Fault::Silent(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn what_is_no_object_is_no_answer_and_is_not_repeated() {
        for body in [&b"<html>s3cret</html>"[..], b"[\"s3cret\"]", b"\"s3cret\"", b"{\"s3cret\":", b""] {
            let head = "200 OK\r\nConnection: close";
            let Err(Fault::Silent(why)) = asked(head, body, false).await else { panic!("{body:?} is an answer") };
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_repeated_in_part_and_on_one_line() {
        let body = br#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no\nway","code":403}"#;
        let answer = asked("403 Forbidden\r\nConnection: close", body, false).await;
        assert_eq!(answer, Err(Fault::Refused(403, "no way".to_owned())));
    }
}
