//! What policies fetch from: a few paths over HTTP, and the same over TLS with a certificate that nobody vouches for.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Json;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use axum::routing::{any, get, post};
use axum::serve::Listener;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

/// What `/whoami` takes for a token.
pub const TOKEN: &str = "s3cret";

/// Serves until the process ends; the URLs of HTTP and of HTTPS.
pub async fn serve() -> (String, String) {
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let secure = TlsListener::bind().await;
    let url = format!("http://{}", plain.local_addr().expect("it is bound"));
    let secure_url = format!("https://{}", secure.tcp.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(plain, routes()).await });
    tokio::spawn(async move { axum::serve(secure, routes()).await });
    (url, secure_url)
}

fn routes() -> Router {
    Router::new()
        .route("/images", post(images))
        .route("/echo", any(echo))
        .route("/redirect", get(|| async { Redirect::to("/echo") }))
        .route("/text", get(|| async { "plain words" }))
        .route("/never", get(pending::<Infallible>))
        .route("/whoami", get(whoami))
}

async fn images(Json(asked): Json<Value>) -> Json<Value> {
    let image = asked["image"].as_str().unwrap_or_default();
    Json(json!({"allowed": image.starts_with("registry.example.com/"), "why": "it is from elsewhere"}))
}

async fn echo(method: Method, headers: HeaderMap, body: String) -> impl IntoResponse {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let seen = json!({"method": method.as_str(), "body": body, "custom": header("x-custom")});
    (AppendHeaders([("x-many", "1"), ("x-many", "2")]), Json(seen))
}

async fn whoami(headers: HeaderMap) -> (StatusCode, &'static str) {
    let expected = format!("Bearer {TOKEN}");
    match headers.get(header::AUTHORIZATION) {
        Some(given) if given.as_bytes() == expected.as_bytes() => (StatusCode::OK, "system:serviceaccount:policies:reader"),
        _ => (StatusCode::UNAUTHORIZED, "nobody"),
    }
}

/// Connections that have shaken hands.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    async fn bind() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("the key fits its certificate");
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.tcp.accept().await else { continue };
            // A client that distrusts the certificate hangs up here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
