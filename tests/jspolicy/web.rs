//! What policies fetch from: a few paths over HTTP, and the same over TLS with a certificate that nobody vouches for.

use std::sync::Arc;

use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, LOCATION};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::http::{self, Answer};

/// What `/whoami` takes for a token.
pub const TOKEN: &str = "s3cret";

/// Serves until the process ends; the URLs of HTTP and of HTTPS.
pub async fn serve() -> (String, String) {
    let plain = http::serve(None, Arc::new(answer)).await;
    let secure = http::serve(Some(self_signed()), Arc::new(answer)).await;
    (format!("http://{plain}"), format!("https://{secure}"))
}

#[expect(clippy::needless_pass_by_value, reason = "a handler takes its request")]
fn answer(request: Request<Bytes>) -> Option<Answer> {
    match request.uri().path() {
        "/images" => Some(images(request.body())),
        "/echo" => Some(echo(&request)),
        "/redirect" => {
            let mut answer = http::text(302, "");
            answer.headers_mut().insert(LOCATION, "/echo".parse().expect("it is a header"));
            Some(answer)
        }
        "/text" => Some(http::text(200, "plain words")),
        "/never" => None,
        "/whoami" => Some(whoami(&request)),
        _ => Some(http::text(404, "no such path")),
    }
}

fn images(body: &[u8]) -> Answer {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let image = asked["image"].as_str().unwrap_or_default();
    http::json(200, &json!({"allowed": image.starts_with("registry.example.com/"), "why": "it is from elsewhere"}))
}

fn echo(request: &Request<Bytes>) -> Answer {
    let custom = request.headers().get("x-custom").and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(request.body());
    let mut answer = http::json(200, &json!({"method": request.method().as_str(), "body": body, "custom": custom}));
    for value in ["1", "2"] {
        answer.headers_mut().append("x-many", value.parse().expect("it is a header"));
    }
    answer
}

fn whoami(request: &Request<Bytes>) -> Answer {
    let expected = format!("Bearer {TOKEN}");
    match request.headers().get(AUTHORIZATION) {
        Some(given) if given.as_bytes() == expected.as_bytes() => {
            http::text(200, "system:serviceaccount:policies:reader")
        }
        _ => http::text(401, "nobody"),
    }
}

fn self_signed() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key fits its certificate");
    TlsAcceptor::from(Arc::new(config))
}
