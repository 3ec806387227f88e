//! Certificates of one virtual cluster: every part of it knows the others by them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of one certificate, in PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Its certificate is the pair `ca` of this folder.
    pub fn new(folder: &Path) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = named("e2e authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).expect("an authority");
        write(folder, "ca", &certificate.pem(), &key.serialize_pem());
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    pub fn own(&self) -> Pair {
        pair(&self.folder, "ca")
    }

    /// A certificate for a server on loopback, which may be a client too.
    pub fn server(&self, name: &str) -> Pair {
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = named(name, &[]);
        params.subject_alt_names = names.map(|name| SanType::DnsName(name.try_into().expect("a name"))).into();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        self.signed(name, params)
    }

    /// A certificate for a user of these groups.
    pub fn client(&self, user: &str, groups: &[&str]) -> Pair {
        self.signed(user, named(user, groups))
    }

    fn signed(&self, name: &str, mut params: CertificateParams) -> Pair {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        write(&self.folder, name, &certificate.pem(), &key.serialize_pem());
        pair(&self.folder, name)
    }
}

fn named(name: &str, groups: &[&str]) -> CertificateParams {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    for group in groups {
        distinguished.push(DnType::OrganizationName, *group);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished;
    params
}

fn pair(folder: &Path, name: &str) -> Pair {
    Pair { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) }
}

/// The folder around them is nobody else's.
fn write(folder: &Path, name: &str, certificate: &str, key: &str) {
    let Pair { certificate: at, key: key_at } = pair(folder, name);
    fs::write(at, certificate).and_then(|()| fs::write(key_at, key)).expect("the folder is ours");
}
