//! Who may call: with `--client-ca`, only those with a certificate of that authority, as an API server presents one whose
//! admission configuration says so.
//!
//! The file is compared by content like the serving certificate, and one that holds nothing of use keeps the old.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::HttpError;

/// Asks every caller for a certificate.
#[derive(Debug)]
pub(super) struct Callers {
    path: PathBuf,
    /// The content of the file as it was looked at last, good or bad: a fault is told once.
    seen: ArcSwap<Vec<u8>>,
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Callers {
    pub(super) fn open(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, HttpError> {
        let text = fs::read(path).map_err(|source| HttpError::Read {
            what: "the authority of the callers",
            path: path.to_owned(),
            source,
        })?;
        let verifier =
            verifier(&text, provider).map_err(|reason| HttpError::Callers { path: path.to_owned(), reason })?;
        Ok(Self {
            path: path.to_owned(),
            seen: ArcSwap::from_pointee(text),
            verifier: ArcSwap::from_pointee(verifier),
            provider: Arc::clone(provider),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether the file has changed. `Err` says why the old authority stays in force.
    pub(super) fn check(&self) -> Result<(), String> {
        // Between the two renames of an update it may be missing: no news.
        let Ok(text) = fs::read(&self.path) else { return Ok(()) };
        if text == **self.seen.load() {
            return Ok(());
        }
        let made = verifier(&text, &self.provider);
        self.seen.store(Arc::new(text));
        match made {
            Ok(verifier) => {
                self.verifier.store(Arc::new(verifier));
                tracing::info!(path = %self.path.display(), "callers must present a certificate of another authority now");
                Ok(())
            }
            Err(reason) => Err(format!("{}: {reason}; the previous authority stays in force", self.path.display())),
        }
    }
}

fn verifier(text: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|_| "the PEM text is broken".to_owned())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("the file holds no PEM certificate".to_owned());
    }
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    built.map_err(|error| error.to_string())
}

impl ClientCertVerifier for Callers {
    /// None: they would have to live as long as `self`, and the authority may change. Clients then offer what they have.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verifier.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.load().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.load().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}
