//! A closed-loop load generator over TLS: so many connections, so many requests in flight on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How the requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// This many HTTP/1.1 connections, one request at a time on each.
    Http1 { connections: usize },
    /// One HTTP/2 connection with this many streams: what an API server does.
    Http2 { streams: usize },
}

/// Who is asked, and what.
pub struct Target {
    pub address: SocketAddr,
    pub authority: std::path::PathBuf,
    pub path: &'static str,
    pub body: Bytes,
}

/// Requests answered, and how long each took.
pub struct Load {
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
}

impl Load {
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub fn percentile(&mut self, percent: usize) -> Duration {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Loads the target for `time`, after a quarter of it for warming up.
pub async fn run(target: &Target, shape: Shape, time: Duration) -> anyhow::Result<Load> {
    let until = Instant::now() + time / 4 + time;
    let from = Instant::now() + time / 4;
    let mut tasks = Vec::new();
    match shape {
        Shape::Http1 { connections } => {
            for _ in 0..connections {
                let (sender, connection) = http1::handshake(TokioIo::new(connect(target, b"http/1.1").await?)).await?;
                tokio::spawn(connection);
                tasks.push(tokio::spawn(one_after_another_http1(sender, request_parts(target), from, until)));
            }
        }
        Shape::Http2 { streams } => {
            let stream = TokioIo::new(connect(target, b"h2").await?);
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            for _ in 0..streams {
                tasks.push(tokio::spawn(one_after_another_http2(sender.clone(), request_parts(target), from, until)));
            }
        }
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(Load { latencies, elapsed: time })
}

type Parts = (String, Bytes);

fn request_parts(target: &Target) -> Parts {
    (format!("https://{}{}", target.address, target.path), target.body.clone())
}

fn request((uri, body): &Parts) -> anyhow::Result<Request<Full<Bytes>>> {
    let request = Request::post(uri).header("host", "localhost").header("content-type", "application/json");
    Ok(request.body(Full::new(body.clone()))?)
}

async fn one_after_another_http1(
    mut sender: http1::SendRequest<Full<Bytes>>,
    parts: Parts,
    from: Instant,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        sender.ready().await?;
        finish(sender.send_request(request(&parts)?).await?, begun, from, &mut latencies).await?;
    }
    Ok(latencies)
}

async fn one_after_another_http2(
    mut sender: http2::SendRequest<Full<Bytes>>,
    parts: Parts,
    from: Instant,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        sender.ready().await?;
        finish(sender.send_request(request(&parts)?).await?, begun, from, &mut latencies).await?;
    }
    Ok(latencies)
}

async fn finish(
    response: hyper::Response<hyper::body::Incoming>,
    begun: Instant,
    from: Instant,
    latencies: &mut Vec<Duration>,
) -> anyhow::Result<()> {
    anyhow::ensure!(response.status().is_success(), "answered {}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    anyhow::ensure!(
        body.windows(14).any(|part| part == br#""allowed":true"#),
        "denied: {}",
        String::from_utf8_lossy(&body)
    );
    if begun >= from {
        latencies.push(begun.elapsed());
    }
    Ok(())
}

async fn connect(target: &Target, protocol: &[u8]) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&target.authority)? {
        roots.add(certificate?)?;
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = TcpStream::connect(target.address).await?;
    tcp.set_nodelay(true)?;
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, tcp).await?)
}
