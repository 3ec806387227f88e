//! Certificates and keys for 127.0.0.1.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;

/// A certificate that vouches for itself, and its key.
pub struct Pair {
    pub certificate: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

impl Pair {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { certificate: made.pem(), key: key.serialize_pem(), der: made.der().clone() }
    }
}
