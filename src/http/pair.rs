//! A certificate chain and its key, checked against each other before anyone may serve with them.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::PairFault;
use super::issue::validity;

/// A pair that belongs together.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub key: Arc<CertifiedKey>,
    /// Validity of the leaf, in seconds since the Unix epoch.
    pub not_before: i64,
    pub not_after: i64,
}

impl Pair {
    /// Reads both PEM texts, which may be the same one, and checks that the key fits the first certificate.
    pub(crate) fn from_pem(certificate: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Self, PairFault> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| PairFault::Certificate(pem_reason(&error)))?;
        let leaf = chain.first().ok_or(PairFault::NoCertificate)?;
        let (not_before, not_after) = validity(leaf)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => PairFault::NoKey,
            other => PairFault::Key(pem_reason(&other)),
        })?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairFault::Mismatch,
            other => PairFault::Key(other.to_string()),
        })?;
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// When to replace it: at two thirds of its life, which leaves a third for replacing it to fail.
    pub(crate) fn renew_at(&self) -> i64 {
        self.not_before + (self.not_after - self.not_before) / 3 * 2
    }
}

/// The library would show the missing marker as a list of numbers.
fn pem_reason(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the PEM text breaks off".to_owned(),
        other => other.to_string(),
    }
}
