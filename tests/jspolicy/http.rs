//! A server of a few lines, for what the policies under test talk to.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Gives answers to requests whose bodies are read; none stands for one that never comes.
pub type Handler = dyn Fn(Request<Bytes>) -> Option<Answer> + Send + Sync;

/// Serves until the process ends, over TLS if there is an acceptor; the authority part of its URL.
pub async fn serve(tls: Option<TlsAcceptor>, handler: Arc<Handler>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, handler) = (tls.clone(), handler.clone());
            tokio::spawn(async move {
                match tls {
                    // A client that distrusts the certificate hangs up here.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            connection(stream, handler).await;
                        }
                    }
                    None => connection(stream, handler).await,
                }
            });
        }
    });
    address
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, handler: Arc<Handler>) {
    let service = service_fn(move |request| respond(request, handler.clone()));
    // What ends a connection is the client's affair.
    drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
}

async fn respond(request: Request<Incoming>, handler: Arc<Handler>) -> hyper::Result<Answer> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    match handler(Request::from_parts(head, body)) {
        Some(answer) => Ok(answer),
        None => std::future::pending().await,
    }
}

pub fn text(status: u16, text: &str) -> Answer {
    let body = Full::new(Bytes::from(text.to_owned())).boxed_unsync();
    Response::builder().status(status).body(body).expect("the status is one")
}

pub fn json(status: u16, value: &Value) -> Answer {
    let mut answer = text(status, &value.to_string());
    answer.headers_mut().insert(CONTENT_TYPE, "application/json".parse().expect("it is a header"));
    answer
}

/// Headers, and then nothing for as long as anyone listens.
pub fn silence() -> Answer {
    let stream = futures::stream::pending::<Result<Frame<Bytes>, Infallible>>();
    Response::new(StreamBody::new(stream).boxed_unsync())
}
