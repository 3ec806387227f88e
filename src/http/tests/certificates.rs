//! Key pairs on disk for tests.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A self-signed pair for localhost, as a TLS Secret is mounted.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let cert_path = folder.path().join("tls.crt");
        let key_path = folder.path().join("tls.key");
        fs::write(&cert_path, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        Self { folder, cert: cert_path, key: key_path }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The first certificate of a PEM file.
pub(crate) fn leaf_of(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}
