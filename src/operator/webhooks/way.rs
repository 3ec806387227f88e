//! The way that API servers take to Bylaw. A configuration that is made before anybody answers there refuses every request:
//! at the first start of all, no replica is ready, and a Service leads to none that is not.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tracing::warn;

/// How long an answer is waited for, and how soon it is asked for again.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(200);

/// How long the way is waited for. The API server may have another one than this process: then it is for it to say.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is known of it. Once it led to Bylaw it is not looked at again: what fails later is not mended by taking the
/// configuration away.
#[derive(Debug, Default)]
pub(in crate::operator) struct Way {
    since: Option<Instant>,
    is_open: bool,
}

impl Way {
    /// When to look again, where it does not lead to Bylaw yet. `client` is the `clientConfig` without a path,
    /// `authority` what is trusted, in PEM.
    pub(super) async fn closed(&mut self, client: &Value, authority: &[u8]) -> Option<Instant> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !self.is_open {
            let asked = tokio::time::timeout(ANSWER_WITHIN, answers(client, authority)).await;
            let failed = match asked {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match failed {
                Some(_) if since.elapsed() < PATIENCE => return Some(Instant::now() + AGAIN),
                Some(why) => {
                    warn!(why, "Bylaw is not reached where API servers are told to call; they are told all the same")
                }
                None => {}
            }
            self.is_open = true;
        }
        None
    }
}

/// Whether somebody with a certificate of that authority is there; a request would need one of the API server's own.
async fn answers(client: &Value, authority: &[u8]) -> io::Result<()> {
    let (host, port) = address(client).ok_or_else(|| io::Error::other("it has no address"))?;
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    if authority.is_empty() {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(drop)
}

fn address(client: &Value) -> Option<(String, u16)> {
    if let Some(url) = client.get("url").and_then(Value::as_str) {
        let url = url::Url::parse(url).ok()?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        return Some((host, url.port_or_known_default()?));
    }
    let service = client.get("service")?;
    let text = |name: &str| service.get(name).and_then(Value::as_str);
    let port = service.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Some((format!("{}.{}.svc", text("name")?, text("namespace")?), port.unwrap_or(443)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn it_is_waited_for_until_somebody_is_there_and_then_never_again() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = json!({ "url": format!("https://{}", listener.local_addr().unwrap()) });
        let there = listener.local_addr().unwrap();
        drop(listener);
        let mut way = Way::default();
        assert!(way.closed(&client, b"").await.is_some());
        let listener = tokio::net::TcpListener::bind(there).await.unwrap();
        assert!(way.closed(&client, b"").await.is_none());
        drop(listener);
        assert!(way.closed(&client, b"").await.is_none());
    }

    #[tokio::test]
    async fn patience_ends() {
        let client = json!({ "url": "https://127.0.0.1:1" });
        let mut way = Way { since: Instant::now().checked_sub(PATIENCE), is_open: false };
        assert!(way.closed(&client, b"").await.is_none());
    }

    #[test]
    fn the_address_is_that_of_the_url_or_of_the_service() {
        let of = |client: Value| address(&client).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(of(json!({"url": "https://[::1]:8443"})).unwrap(), "::1 8443");
        assert_eq!(of(json!({"url": "https://bylaw.example.com"})).unwrap(), "bylaw.example.com 443");
        let service = json!({"name": "jspolicy", "namespace": "policies"});
        assert_eq!(of(json!({ "service": service })).unwrap(), "jspolicy.policies.svc 443");
        assert_eq!(of(json!({})), None);
    }
}
