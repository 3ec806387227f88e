//! The plain ports of probes and scrapes: small, slow traffic from inside the cluster, kept apart from the webhook so
//! that neither can starve the other.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::HttpError;
use super::accept::Acceptor;
use super::health::Page;

/// A kubelet, some Prometheus servers, a person with curl.
const CONNECTIONS: usize = 128;
/// Between two requests on one connection too: a scraper connects anew, and the port stays free for the next.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// An answer that nobody reads is not kept for ever.
const LONGEST_CONNECTION: Duration = Duration::from_mins(10);
const HEADER_BYTES: usize = 16 * 1024;

/// A bound port, not yet serving.
pub(super) struct PlainServer {
    acceptor: Acceptor,
    page: Page,
}

impl PlainServer {
    pub(super) async fn bind(address: SocketAddr, flag: &'static str, page: Page) -> Result<Self, HttpError> {
        Ok(Self { acceptor: Acceptor::bind(address, flag, CONNECTIONS).await?, page })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.acceptor.address().ok()
    }

    /// Serves until it is dropped.
    pub(super) async fn run(self) {
        loop {
            let (stream, permit) = self.acceptor.next().await;
            let page = self.page.clone();
            tokio::spawn(async move {
                let _ = tokio::time::timeout(LONGEST_CONNECTION, connection(stream, page)).await;
                drop(permit);
            });
        }
    }
}

async fn connection(stream: TcpStream, page: Page) {
    let service = service_fn(|request| {
        let page = page.clone();
        async move { Ok::<_, Infallible>(page.answer(request).await) }
    });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "plain connection ended");
    }
}
