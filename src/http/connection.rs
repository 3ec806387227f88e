//! One TLS connection from the handshake to its end.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::body::Budget;
use super::drain::Phase;
use super::issue::common_name_of;
use super::silence::{Next, Requests, Silence};
use super::tls::H2;
use super::{Admit, Limits, routes};
use crate::telemetry::Metrics;

/// Receive windows. A stream's takes a usual review whole, the connection's a good many of them.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// A dead peer behind a broken network is found in less time than the idle limit takes.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(15);
/// hyper panics below this.
const SMALLEST_HEADER_BUFFER: usize = 8 * 1024;

/// What a client is told that speaks HTTP to the TLS port.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\
    Content-Length: 54\r\n\r\n{\"error\": \"this port speaks TLS: use an https:// URL\"}";

/// The most that is read of what such a client sends.
const PLAIN_HTTP_READ: u64 = 64 * 1024;

/// The most that is read of a connection that has ended.
const LINGER_READ: u64 = 1024 * 1024;

/// What all connections of a server share.
pub(super) struct Shared<A> {
    pub admit: Arc<A>,
    pub limits: Limits,
    pub budget: Budget,
    pub metrics: Arc<Metrics>,
    phase: watch::Sender<Phase>,
    /// [`Phase::Draining`] or later, for requests: reading the channel would take its lock for each.
    draining: AtomicBool,
    tls: TlsAcceptor,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
}

impl<A> Shared<A> {
    pub(super) fn new(admit: Arc<A>, limits: Limits, metrics: Arc<Metrics>, tls: TlsAcceptor) -> Self {
        Self {
            admit,
            budget: Budget::new(limits.buffered_bytes),
            metrics,
            phase: watch::Sender::new(Phase::Serving),
            draining: AtomicBool::new(false),
            tls,
            http1: http1(&limits),
            http2: http2(&limits),
            limits,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.draining.store(phase >= Phase::Draining, Relaxed);
        self.phase.send_replace(phase);
    }

    /// Each connection holds one.
    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn open_connections(&self) -> usize {
        self.phase.receiver_count()
    }

    pub(super) async fn all_closed(&self) {
        self.phase.closed().await;
    }
}

fn http1(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        // Its timer would be set and cleared for each request; ours is set once for a connection.
        .header_read_timeout(None)
        // A client may close its side after the request and still wait for the answer.
        .half_close(true)
        .max_buf_size(limits.header_bytes.max(SMALLEST_HEADER_BUFFER));
    builder
}

fn http2(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        // An API server that was kept waiting gives up on many at once; others are under way on the same connection.
        .max_pending_accept_reset_streams(usize::try_from(limits.streams).ok())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER);
    builder
}

/// What the requests of one connection see of it.
pub(super) struct Connection<A> {
    pub shared: Arc<Shared<A>>,
    pub requests: Requests,
    /// The common name in the certificate that the caller has shown.
    pub certificate: Option<Arc<str>>,
}

impl<A> Connection<A> {
    pub(super) fn is_draining(&self) -> bool {
        self.shared.draining.load(Relaxed)
    }
}

/// Serves one connection to its end.
pub(super) async fn serve<A: Admit>(
    shared: Arc<Shared<A>>,
    stream: TcpStream,
    mut phase: watch::Receiver<Phase>,
    _permit: OwnedSemaphorePermit,
) {
    let metrics = Arc::clone(&shared.metrics);
    let _open = Open::new(&metrics);
    let Some(stream) = handshake(&shared, stream).await else {
        metrics.handshake_failures.increment();
        return;
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    let socket = is_http2.then(|| stream.get_ref().0.as_fd().try_clone_to_owned().ok()).flatten();
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| common_name_of(chain.first()?));
    let connection = Connection { shared: Arc::clone(&shared), requests: Requests::default(), certificate };
    let connection = Arc::new(connection);
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request| {
            let connection = Arc::clone(&connection);
            async move { Ok::<_, Infallible>(routes::handle(&connection, request).await) }
        })
    };
    let builder = if is_http2 { &shared.http2 } else { &shared.http1 };
    let mut http = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut silence = Silence::new(is_http2, shared.limits.idle_time);
    let mut look = pin!(sleep(shared.limits.header_time));
    loop {
        let looking = tokio::select! {
            biased;
            ended = http.as_mut() => {
                match ended {
                    Ok(()) => linger(socket, silence.patience()).await,
                    Err(error) => tracing::debug!(%error, "connection ended"),
                }
                return;
            }
            _ = phase.changed() => false,
            () = look.as_mut() => true,
        };
        match silence.judge(*phase.borrow_and_update(), looking, &connection.requests) {
            Next::Wait => {}
            Next::LookAfter(time) => look.as_mut().reset(Instant::now() + time),
            Next::SayGoodbye => {
                http.as_mut().graceful_shutdown();
                look.as_mut().reset(Instant::now() + silence.patience());
            }
            Next::CutOff => return,
        }
    }
}

/// The TLS stream, or `None` where the peer is too slow or speaks something else.
async fn handshake<A>(shared: &Shared<A>, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let handshake = async {
        let mut first = [0];
        stream.peek(&mut first).await.ok().filter(|read| *read > 0)?;
        // A TLS record starts with its type, 22. A capital letter is the method of a request in plain HTTP.
        if first.first().is_some_and(u8::is_ascii_uppercase) {
            tell_plain_http(stream).await;
            return None;
        }
        match shared.tls.accept(stream).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
        }
    };
    timeout(shared.limits.handshake_time, handshake).await.ok().flatten()
}

/// Waits for the client to close its side as well, and reads what still comes. HTTP/2 clients write of their own accord
/// (windows, pings): into a socket that is closed already, that is an error before they have read their last answers.
async fn linger(socket: Option<OwnedFd>, patience: Duration) {
    let Some(Ok(socket)) = socket.map(|socket| TcpStream::from_std(socket.into())) else { return };
    let _ = timeout(patience, tokio::io::copy(&mut socket.take(LINGER_READ), &mut tokio::io::sink())).await;
}

/// Closing a socket with unread data resets it, and the client would never see the answer: so what it sent is read.
async fn tell_plain_http(mut stream: TcpStream) {
    if stream.write_all(PLAIN_HTTP).await.is_ok() && stream.shutdown().await.is_ok() {
        let _ = tokio::io::copy(&mut stream.take(PLAIN_HTTP_READ), &mut tokio::io::sink()).await;
    }
}

/// Counts a connection while it is open.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.add(1);
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.add(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::PLAIN_HTTP;

    #[test]
    fn the_answer_to_plain_http_has_its_length() {
        let text = std::str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
