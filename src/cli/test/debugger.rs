//! `--inspect`: the line between a debugger and the policies, as Node and Chrome have it: a list of targets over HTTP, and
//! the inspector protocol over a WebSocket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use crossbeam_channel::{Sender, TrySendError, bounded};
use futures::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::isolate::{DebugMessage, DebuggerPort, Tools};

/// Messages on their way in one direction. A debugger sends some hundred when it connects.
const QUEUE: usize = 4_096;

/// What a debugger gets to hear the last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// The address of `--inspect`: `HOST:PORT`, or a part of it.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PORT: u16 = 9229;
    let text = text.strip_prefix("localhost").map_or_else(|| text.to_owned(), |rest| format!("127.0.0.1{rest}"));
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT)));
    let address = address.or_else(|| Some(SocketAddr::new(LOOPBACK, text.parse::<u16>().ok()?)));
    address.ok_or_else(|| format!("{text:?} is not HOST:PORT, such as 127.0.0.1:9229"))
}

/// A port that a debugger may connect to.
pub(super) struct Debugger {
    pub tools: Tools,
    line: Arc<Line>,
    is_ready: Arc<Notify>,
    end: watch::Sender<bool>,
}

struct Line {
    address: SocketAddr,
    /// Nobody who may not read this process's output can guess it.
    id: String,
    messages: Sender<DebugMessage>,
    is_taken: AtomicBool,
    end: watch::Receiver<bool>,
}

impl Debugger {
    pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr().context("the port has no address")?;
        let (messages, received) = bounded(QUEUE);
        let is_ready = Arc::new(Notify::new());
        let tools = Tools::Debugger(DebuggerPort::new(received, Arc::clone(&is_ready)));
        let (end, ended) = watch::channel(false);
        let line = Line { address, id: random_id()?, messages, is_taken: AtomicBool::new(false), end: ended };
        let line = Arc::new(line);
        tokio::spawn(serve(listener, Arc::clone(&line)));
        Ok(Self { tools, line, is_ready, end })
    }

    /// Says where it is, and waits for a debugger that lets the policies run.
    pub(super) async fn wait(&self) {
        if !self.line.address.ip().is_loopback() {
            eprintln!("warning: whoever reaches {} may run code in the policies", self.line.address);
        }
        eprintln!("Debugger listening on {}", self.line.url());
        eprintln!("Open chrome://inspect, or attach VS Code; the cases run once a debugger is there.");
        self.is_ready.notified().await;
    }

    /// Lets the debugger hear the last words.
    pub(super) async fn close(self) {
        self.end.send_replace(true);
        let begun = tokio::time::Instant::now();
        while self.line.is_taken.load(Ordering::Acquire) && begun.elapsed() < FAREWELL {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Line {
    fn url(&self) -> String {
        format!("ws://{}/{}", self.address, self.id)
    }
}

fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

async fn serve(listener: TcpListener, line: Arc<Line>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&line)));
    }
}

async fn connection(stream: TcpStream, line: Arc<Line>) {
    let service = service_fn(move |request| {
        let line = Arc::clone(&line);
        async move { Ok::<_, std::convert::Infallible>(answer(request, &line)) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    // A debugger that goes is no error of ours.
    drop(http.serve_connection(TokioIo::new(stream), service).with_upgrades().await);
}

fn answer(mut request: Request<Incoming>, line: &Arc<Line>) -> Response<Full<Bytes>> {
    // A page of the web may send its reader here under a name of its own: names other than this machine's are refused.
    if !is_local(&request) {
        return refusal(StatusCode::BAD_REQUEST, "the Host header must be an address or localhost");
    }
    if request.method() != Method::GET {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "GET only");
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    match path.as_str() {
        "/json" | "/json/list" => json_answer(&json!([target(line)])),
        "/json/version" => json_answer(&json!({
            "Browser": concat!("bylaw/v", env!("CARGO_PKG_VERSION")),
            "Protocol-Version": "1.3",
            "V8-Version": crate::isolate::version(),
        })),
        path if path.strip_prefix('/') == Some(&line.id) => upgrade(&mut request, line),
        _ => refusal(StatusCode::NOT_FOUND, "there are /json/list and /json/version"),
    }
}

fn is_local(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
        return true;
    } else {
        host.rsplit_once(':').map_or(host, |(name, _)| name)
    };
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn target(line: &Line) -> serde_json::Value {
    let url = line.url();
    let bare = url.trim_start_matches("ws://");
    json!({
        "id": line.id,
        "type": "node",
        "title": "bylaw test",
        "description": "policies under test",
        "url": "file://",
        "webSocketDebuggerUrl": url,
        "devtoolsFrontendUrl": format!("devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws={bare}"),
    })
}

fn json_answer(value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(value.to_string().into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

fn upgrade(request: &mut Request<Incoming>, line: &Arc<Line>) -> Response<Full<Bytes>> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes())) else {
        return refusal(StatusCode::BAD_REQUEST, "a WebSocket is expected");
    };
    if line.is_taken.swap(true, Ordering::AcqRel) {
        return refusal(StatusCode::CONFLICT, "another debugger is connected");
    }
    let upgraded = hyper::upgrade::on(request);
    let line = Arc::clone(line);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            talk(socket, &line).await;
        }
        line.is_taken.store(false, Ordering::Release);
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, key);
    response.body(Full::default()).unwrap_or_else(|_| refusal(StatusCode::BAD_REQUEST, "a WebSocket is expected"))
}

/// Carries messages both ways until one side ends.
async fn talk<S>(mut socket: WebSocketStream<S>, line: &Line)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (out, mut outgoing) = mpsc::channel::<String>(QUEUE);
    let mut end = line.end.clone();
    let hand_on = |message| {
        !matches!(line.messages.try_send(message), Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
    };
    let mut goes_on = hand_on(DebugMessage::Open(out));
    while goes_on {
        tokio::select! {
            biased;
            text = outgoing.recv() => match text {
                Some(text) => goes_on = socket.send(Message::text(text)).await.is_ok(),
                None => goes_on = false,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => goes_on = hand_on(DebugMessage::Text(text.as_str().to_owned())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => goes_on = false,
                Some(Ok(_)) => {}
            },
            () = async { drop(end.wait_for(|ended| *ended).await.map(drop)) } => goes_on = false,
        }
    }
    hand_on(DebugMessage::Close);
    drop(socket.close(None).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_address_is_enough() {
        for (text, expected) in [
            ("9000", "127.0.0.1:9000"),
            ("localhost:0", "127.0.0.1:0"),
            ("localhost", "127.0.0.1:9229"),
            ("0.0.0.0", "0.0.0.0:9229"),
            ("[::1]:9229", "[::1]:9229"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()).as_deref(), Ok(expected));
        }
        assert!(address("nowhere:x").unwrap_err().contains("HOST:PORT"));
    }
}
