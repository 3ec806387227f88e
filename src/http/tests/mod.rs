//! The server against real sockets, with a judge that is not one: what a client may do, well or badly.

mod callers;
pub(super) mod certificates;
mod concurrency;
mod draining;
mod hostile;
mod refusals;
mod rotation;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::telemetry::Metrics;
use certificates::Files;

/// Answers with what it was asked. `delay` is how long it takes; a body of `panic` makes it panic.
#[derive(Default)]
struct Echo {
    delay: Duration,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Admit for Echo {
    fn admit(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answering<'_> {
        Box::pin(async move {
            let running = self.running.fetch_add(1, SeqCst) + 1;
            self.most_running.fetch_max(running, SeqCst);
            assert_ne!(body, "panic", "asked to");
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            self.running.fetch_sub(1, SeqCst);
            let echo = serde_json::json!({
                "endpoint": format!("{endpoint:?}"), "bytes": body.len(), "timeout": timeout.map(|left| left.as_millis()),
            });
            Answer { status: StatusCode::OK, body: echo.to_string().into() }
        })
    }

    fn knows_policy(&self, name: &str) -> bool {
        name == "known.example.com"
    }

    fn knows_vcluster(&self, token: &str, _certificate: Option<&str>) -> bool {
        token == "s3cret"
    }
}

/// A server on ports of its own.
struct Running {
    address: SocketAddr,
    health: SocketAddr,
    files: Files,
    echo: Arc<Echo>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    drained: JoinHandle<Drained>,
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn config(files: &Files) -> Config {
    Config {
        listen: ANY_PORT,
        metrics_listen: None,
        health_listen: Some(ANY_PORT),
        tls: TlsSource::Files { cert: files.cert.clone(), key: files.key.clone() },
        client_ca: None,
        limits: Limits::default(),
        drain: DrainConfig { delay: Duration::ZERO, deadline: Duration::from_secs(10) },
    }
}

async fn start(delay: Duration, change: impl FnOnce(&mut Config)) -> Running {
    let files = Files::new();
    let mut config = config(&files);
    change(&mut config);
    let (checks, metrics) = (Arc::new(Checks::default()), Arc::new(Metrics::default()));
    let server = Server::bind(config, checks, Arc::clone(&metrics)).await.unwrap();
    let echo = Arc::new(Echo { delay, ..Echo::default() });
    let shutdown = Shutdown::default();
    Running {
        address: server.address(),
        health: server.health_address().unwrap(),
        files,
        metrics,
        drained: tokio::spawn(server.run(Arc::clone(&echo), shutdown.clone())),
        shutdown,
        echo,
    }
}

impl Running {
    /// A TLS connection that offers `alpn` and trusts the server's current certificate.
    async fn connect(&self, alpn: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.address, self.client(alpn)).await
    }

    fn client(&self, alpn: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificates::leaf_of(&self.files.cert).into()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        client
    }

    async fn http1(&self) -> http1::SendRequest<Full<Bytes>> {
        let stream = self.connect(&[b"http/1.1"]).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let stream = self.connect(&[b"h2"]).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends bytes as they are over TLS and reads to the end.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect(&[b"http/1.1"]).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn ready(&self) -> (StatusCode, String) {
        let stream = TcpStream::connect(self.health).await.unwrap();
        let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/readyz?verbose").header("host", "x").body(Full::default()).unwrap();
        text(sender.send_request(request).await.unwrap()).await
    }

    /// Waits until so many requests are being judged.
    async fn until_busy(&self, requests: usize) {
        while self.echo.running.load(SeqCst) < requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> Drained {
        self.shutdown.start();
        self.drained.await.unwrap()
    }
}

async fn connect(address: SocketAddr, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Everything until the peer closes, or until it stays silent for too long. A reset ends it too.
async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}

fn review(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("https://localhost{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// For clients that shape their own bodies.
type Pieces = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
