//! Authorities and leaves: what every certificate of ours has in it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

use super::{HttpError, PairFault};

/// A client whose clock is a little late must not find a certificate from the future.
const BACKDATE: Duration = Duration::from_mins(5);

/// A new certificate with its key, both in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub certificate: String,
    pub key: String,
}

/// An authority that signs leaves.
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pub(super) key_id: Vec<u8>,
    /// In seconds since the Unix epoch.
    not_after: i64,
}

/// A new authority that signs itself.
///
/// # Errors
/// Where the machine has no randomness.
pub(crate) fn authority(now: SystemTime, life: Duration) -> Result<Issued, HttpError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    // Two authorities of one name would confuse whoever reads a bundle of both.
    let id = key_id(&key).iter().take(4).fold(0_u32, |id, byte| id << 8 | u32::from(*byte));
    let mut params = params(format!("bylaw authority {id:08x}"), since_epoch(now), life, Duration::MAX);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(Issued { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

impl Signer {
    /// An authority from its certificate in DER and its key in PEM. That they belong together is the caller's to know.
    pub(crate) fn new(certificate: &[u8], key: &[u8]) -> Result<Self, PairFault> {
        let fault = |error: rcgen::Error| PairFault::Key(error.to_string());
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PairFault::NoKey)?;
        let key = KeyPair::try_from(&key).map_err(fault)?;
        let (_, not_after) = validity(certificate)?;
        let key_id = key_id(&key);
        let issuer = Issuer::from_ca_cert_der(&certificate.into(), key).map_err(fault)?;
        Ok(Self { issuer, key_id, not_after })
    }

    /// A leaf for these names and addresses, which does not outlive the authority.
    pub(crate) fn leaf(&self, subjects: &[String], now: SystemTime, life: Duration) -> Result<Issued, HttpError> {
        let end = Duration::from_secs(self.not_after.unsigned_abs());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("bylaw".to_owned(), since_epoch(now), life, end);
        params.subject_alt_names = sans(subjects)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(Issued { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }

    /// A certificate by which somebody shows who he is.
    pub(crate) fn client(&self, name: String, now: SystemTime, life: Duration) -> Result<Issued, HttpError> {
        let end = Duration::from_secs(self.not_after.unsigned_abs());
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(name, since_epoch(now), life, end);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(Issued { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}

/// `now` and `end` since the Unix epoch.
fn params(name: String, now: Duration, life: Duration, end: Duration) -> CertificateParams {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    // A certificate that lives for minutes must not be past two thirds of its life when it is made.
    params.not_before = epoch + now.saturating_sub(BACKDATE.min(life / 100));
    params.not_after = epoch + end.min(now + life);
    params
}

fn key_id(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().key_identifier(key)
}

fn sans(subjects: &[String]) -> Result<Vec<SanType>, HttpError> {
    let san = |subject: &String| match subject.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => subject
            .as_str()
            .try_into()
            .map(SanType::DnsName)
            .map_err(|error: rcgen::Error| HttpError::Name { name: subject.clone(), reason: error.to_string() }),
    };
    subjects.iter().map(san).collect()
}

/// Validity in seconds since the Unix epoch: not before, not after.
pub(crate) fn validity(certificate: &[u8]) -> Result<(i64, i64), PairFault> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|error| PairFault::Certificate(error.to_string()))?;
    let validity = parsed.validity();
    Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

/// The names and addresses that a certificate is for.
pub(crate) fn subjects_of(certificate: &[u8]) -> BTreeSet<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return BTreeSet::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// The common name in the subject of a certificate.
pub(crate) fn common_name_of(certificate: &[u8]) -> Option<Arc<str>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok().map(Arc::from);
    // Of two names nobody can say which is meant.
    name.filter(|_| names.next().is_none())
}

/// Whether a key in PEM is that of a certificate in DER.
pub(crate) fn is_key_of(key: &[u8], certificate: &[u8]) -> bool {
    let key = PrivateKeyDer::from_pem_slice(key).ok().and_then(|key| KeyPair::try_from(&key).ok());
    let certificate = x509_parser::parse_x509_certificate(certificate).ok();
    key.zip(certificate)
        .is_some_and(|(key, (_, certificate))| key.subject_public_key_info() == certificate.public_key().raw)
}

/// Whether a certificate may sign others.
pub(crate) fn is_authority(certificate: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}

/// The key of the authority that signed a certificate.
pub(super) fn authority_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    })
}

/// A certificate in DER as PEM.
pub(crate) fn certificate_pem(certificate: &[u8]) -> String {
    const LINE: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

pub(crate) fn unix(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_secs()).unwrap_or(i64::MAX)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;

    fn der(pem: &str) -> Vec<u8> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let now = SystemTime::now();
        let authority = authority(now, Duration::from_mins(1)).unwrap();
        let signer = Signer::new(&der(&authority.certificate), authority.key.as_bytes()).unwrap();
        let leaf = signer.leaf(&["a.example.com".to_owned()], now, Duration::from_hours(1)).unwrap();
        assert_eq!(validity(&der(&leaf.certificate)).unwrap().1, unix(now) + 60);
        assert!(validity(&der(&leaf.certificate)).unwrap().0 >= unix(now) - 40, "past two thirds when it is made");
        assert!(is_authority(&der(&authority.certificate)) && !is_authority(&der(&leaf.certificate)));
    }

    #[test]
    fn a_key_is_known_by_its_certificate() {
        let now = SystemTime::now();
        let [one, other] = [(); 2].map(|()| authority(now, Duration::from_hours(1)).unwrap());
        assert!(is_key_of(one.key.as_bytes(), &der(&one.certificate)));
        assert!(!is_key_of(other.key.as_bytes(), &der(&one.certificate)));
        assert!(!is_key_of(b"garbage", &der(&one.certificate)) && !is_key_of(one.key.as_bytes(), b"garbage"));
    }

    #[test]
    fn a_certificate_is_written_as_others_write_it() {
        let pem = authority(SystemTime::now(), Duration::from_hours(1)).unwrap().certificate;
        assert_eq!(certificate_pem(&der(&pem)), pem);
    }
}
