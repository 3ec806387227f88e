//! Clients that choose their own TLS and HTTP, down to single bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reviews::Answer;
use super::server::Server;

/// Longer than every limit of the server on a client.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a client to its end. [`Server`] has a runtime of its own, so it may be used outside of clients only.
pub fn run<F: Future>(client: F) -> F::Output {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(client)
}

/// Where a server is, and whom to trust there.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    roots: Arc<RootCertStore>,
}

impl Target {
    /// A server with an authority of its own.
    pub fn of(server: &Server) -> Self {
        let authority = server.authority().expect("it was given a certificate");
        Self::trusting(server, CertificateDer::from_pem_file(authority).unwrap())
    }

    pub fn trusting(server: &Server, certificate: CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let address = server.url().strip_prefix("https://").unwrap().parse().unwrap();
        Self { address, roots: Arc::new(roots) }
    }

    /// Bytes without TLS.
    pub async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// TLS of any version the server takes, with this protocol on top.
    pub async fn tls(&self, alpn: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_of(alpn, rustls::ALL_VERSIONS).await
    }

    pub async fn tls_of(
        &self,
        alpn: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = ServerName::from(self.address.ip());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub async fn http1(&self) -> Http1 {
        Http1::over(self.tls("http/1.1").await.unwrap()).await
    }

    pub async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        http2_over(self.tls("h2").await.unwrap()).await
    }
}

/// One HTTP/1.1 connection.
pub struct Http1(pub http1::SendRequest<Full<Bytes>>);

impl Http1 {
    pub async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn post(&mut self, path: &str, review: &Value) -> Answer {
        self.0.ready().await.unwrap();
        answer(self.0.send_request(request(path, review)).await.unwrap()).await
    }
}

pub async fn http2_over(stream: TlsStream<TcpStream>) -> http2::SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request as the API server makes it.
pub fn request(path: &str, review: &Value) -> Request<Full<Bytes>> {
    request_of(path, "application/json", review.to_string())
}

pub fn request_of(path: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("https://bylaw.test{path}"))
        .header("host", "bylaw.test")
        .header("content-type", content_type)
        .body(Full::new(body.into()))
        .unwrap()
}

/// The status and the JSON of a response; `null` for a body that is none.
pub async fn answer(response: Response<Incoming>) -> Answer {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Everything until the server closes. A reset ends it too; a server that never closes fails the test.
pub async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await;
    assert!(ended.is_ok(), "the server holds the connection open for more than {PATIENCE:?}");
    String::from_utf8_lossy(&read).into_owned()
}
