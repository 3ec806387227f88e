//! A certificate that changes while clients are connected.

use std::fs;
use std::time::Instant;

use super::*;

/// The certificate a new connection is shown.
async fn shown(running: &Running) -> Vec<u8> {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut client = running.client(&[b"http/1.1"]);
    client.dangerous().set_certificate_verifier(Arc::new(Anyone));
    let connector = TlsConnector::from(Arc::new(client));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_new_pair_is_served_without_dropping_a_connection() {
    let running = start(Duration::ZERO, |_| {}).await;
    let mut live = running.http1().await;
    assert_eq!(text(live.send_request(review("/validate", "{}")).await.unwrap()).await.0, 200);
    let old = shown(&running).await;

    let next = Files::new();
    fs::copy(&next.cert, &running.files.cert).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shown(&running).await, old, "a half-written pair was served");

    fs::copy(&next.key, &running.files.key).unwrap();
    let changed = Instant::now();
    while shown(&running).await == old {
        assert!(changed.elapsed() < Duration::from_secs(10), "the new pair is not served");
        assert_eq!(text(live.send_request(review("/validate", "{}")).await.unwrap()).await.0, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shown(&running).await, certificates::leaf_of(&next.cert));
    assert_eq!(text(live.send_request(review("/validate", "{}")).await.unwrap()).await.0, 200);
}

#[tokio::test]
async fn our_own_authority_vouches_for_localhost_and_survives_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let own = |config: &mut Config| {
        config.tls =
            TlsSource::SelfSigned { state_dir: state.path().to_owned(), names: vec!["bylaw.default.svc".to_owned()] };
    };
    let running = start(Duration::ZERO, own).await;
    let trusted = state.path().join("ca.crt");
    for name in ["localhost", "127.0.0.1", "::1", "bylaw.default.svc"] {
        greet(running.address, &trusted, name, &rustls::version::TLS13).await.unwrap();
    }
    greet(running.address, &trusted, "localhost", &rustls::version::TLS12).await.unwrap();
    assert!(greet(running.address, &trusted, "other.example.com", &rustls::version::TLS13).await.is_err());
    let pinned = fs::read(&trusted).unwrap();
    running.stop().await;

    let again = start(Duration::ZERO, own).await;
    greet(again.address, &trusted, "localhost", &rustls::version::TLS13).await.unwrap();
    assert_eq!(fs::read(&trusted).unwrap(), pinned);
}

async fn greet(
    address: SocketAddr,
    trusted: &std::path::Path,
    name: &'static str,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates::leaf_of(trusted).into()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(name).unwrap(), stream).await.map(drop)
}

/// Trusts whoever answers: this test looks at the certificate itself.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
