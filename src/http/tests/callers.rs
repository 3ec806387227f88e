//! A server that asks its callers for a certificate.

use std::fs;
use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::http::issue::{self, Issued, Signer};

const HOUR: Duration = Duration::from_hours(1);

fn authority() -> Issued {
    issue::authority(std::time::SystemTime::now(), HOUR).unwrap()
}

/// A pair that an API server may present. Our leaves are for servers, so it is made here.
fn caller(authority: &Issued) -> Issued {
    let key = rcgen::KeyPair::from_pem(&authority.key).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&authority.certificate, key).unwrap();
    let mut params = rcgen::CertificateParams::new(["kube-apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    Issued { certificate: params.signed_by(&key, &issuer).unwrap().pem(), key: key.serialize_pem() }
}

/// Whether a request is answered that is sent with this certificate, or without any.
async fn is_answered(
    running: &Running,
    pair: Option<&Issued>,
    version: &'static rustls::SupportedProtocolVersion,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(certificates::leaf_of(&running.files.cert).into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let builder = builder.with_root_certificates(roots);
    let client = match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
        }
    };
    // In TLS 1.3 the client is done before the server has looked at its certificate.
    let Ok(mut stream) = connect(running.address, client).await else { return false };
    let request = b"POST /validate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    read_to_end(&mut stream).await.starts_with("HTTP/1.1 200")
}

async fn admitting(path: &Path) -> Running {
    let path = path.to_owned();
    start(Duration::ZERO, |config| config.client_ca = Some(path)).await
}

#[tokio::test]
async fn only_callers_with_a_certificate_of_the_authority_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (known, unknown) = (authority(), authority());
    let path = folder.path().join("client-ca.crt");
    fs::write(&path, &known.certificate).unwrap();
    let running = admitting(&path).await;
    let leaf = Signer::new(&certificates::leaf_of(&path), known.key.as_bytes());
    let server_leaf = leaf.unwrap().leaf(&["localhost".to_owned()], std::time::SystemTime::now(), HOUR).unwrap();
    for version in [&TLS12, &TLS13] {
        assert!(is_answered(&running, Some(&caller(&known)), version).await);
        assert!(!is_answered(&running, None, version).await, "without a certificate");
        assert!(!is_answered(&running, Some(&caller(&unknown)), version).await, "of another authority");
        assert!(!is_answered(&running, Some(&server_leaf), version).await, "for servers only");
    }
    let page = running.ready().await.1;
    assert!(page.contains("[+]callers ok") && page.contains("client-ca.crt"), "{page}");
}

#[tokio::test]
async fn another_authority_of_the_callers_holds_without_a_restart_and_garbage_keeps_the_old() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (authority(), authority());
    let path = folder.path().join("client-ca.crt");
    fs::write(&path, &old.certificate).unwrap();
    let running = admitting(&path).await;
    fs::write(&path, "garbage").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(is_answered(&running, Some(&caller(&old)), &TLS13).await);
    fs::write(&path, &new.certificate).unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_answered(&running, Some(&caller(&new)), &TLS13).await {
        assert!(tokio::time::Instant::now() < deadline, "the new authority is not in force");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_answered(&running, Some(&caller(&old)), &TLS13).await);
}

#[tokio::test]
async fn an_authority_of_the_callers_that_is_none_is_refused_at_the_start_with_its_flag() {
    let files = Files::new();
    for (path, reason) in [(&files.key, "holds no PEM certificate"), (&files.key.with_extension("gone"), "cannot read")]
    {
        let mut config = config(&files);
        config.client_ca = Some(path.clone());
        let error = Server::bind(config, Arc::default(), Arc::default()).await.err().unwrap().to_string();
        assert!(error.contains(reason) && error.contains(path.to_str().unwrap()), "{error}");
    }
}
