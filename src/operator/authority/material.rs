//! What the Secret holds: the authorities that clients trust, the keys of those that still sign, and the leaf.
//!
//! `ca.crt`, `tls.crt` and `tls.key` are as in any Secret of certificates, jsPolicy's among them. `ca.key` is the key of
//! the authority that signs, `next.key` that of the one which will, once clients trust it; their certificates stand in
//! `ca.crt`. A Secret is whatever somebody wrote: each part is read for itself, and what is wrong with it is kept as text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::http::issue::{self, Issued, Signer, certificate_pem, is_key_of, subjects_of, unix, validity};
use crate::http::{HttpError, Pair};

pub(super) const CA_CERTIFICATES: &str = "ca.crt";
pub(super) const CA_KEY: &str = "ca.key";
pub(super) const NEXT_KEY: &str = "next.key";
pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";

/// Authorities that one bundle may hold. A rotation needs two; the rest is room for what others put there.
const MOST_AUTHORITIES: usize = 16;

pub(super) type Data = BTreeMap<String, ByteString>;

/// A certificate that clients are to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ca {
    pub der: Vec<u8>,
    pub not_before: i64,
    pub not_after: i64,
}

/// An authority that can sign, for its key is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signing {
    pub ca: Ca,
    pub key: String,
}

/// What is served.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub certificate: String,
    pub key: String,
    pub pair: Pair,
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.key) == (&other.certificate, &other.key)
    }
}

/// The content of a Secret, as far as it can be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Material {
    pub bundle: Vec<Ca>,
    pub signer: Option<Signing>,
    pub next: Option<Signing>,
    pub leaf: Option<Leaf>,
    /// What could not be used, and why.
    pub faults: Vec<String>,
}

impl Material {
    /// Reads a Secret. Never fails: what is wrong is in `faults`.
    pub(super) fn read(data: &Data) -> Self {
        let mut material = Self::default();
        let part = |name: &str| data.get(name).map(|bytes| bytes.0.as_slice()).filter(|bytes| !bytes.is_empty());
        match part(CA_CERTIFICATES) {
            Some(text) => material.read_bundle(text),
            None => material.faults.push(format!("{CA_CERTIFICATES} is missing")),
        }
        material.signer = material.signing(CA_KEY, part(CA_KEY));
        material.next = material.signing(NEXT_KEY, part(NEXT_KEY));
        match (part(CERTIFICATE), part(KEY)) {
            (Some(certificate), Some(key)) => match Leaf::read(certificate, key) {
                Ok(leaf) => material.leaf = Some(leaf),
                Err(fault) => material.faults.push(format!("{CERTIFICATE} and {KEY}: {fault}")),
            },
            _ => material.faults.push(format!("{CERTIFICATE} or {KEY} is missing")),
        }
        material
    }

    fn read_bundle(&mut self, text: &[u8]) {
        for certificate in CertificateDer::pem_slice_iter(text) {
            match certificate.map_err(|_| "the PEM text is broken".to_owned()).and_then(|der| Ca::read(&der)) {
                Ok(ca) if self.bundle.contains(&ca) => {}
                Ok(_) if self.bundle.len() >= MOST_AUTHORITIES => {
                    self.faults.push(format!("{CA_CERTIFICATES} holds more than {MOST_AUTHORITIES} certificates"));
                    return;
                }
                Ok(ca) => self.bundle.push(ca),
                Err(fault) => self.faults.push(format!("{CA_CERTIFICATES}: {fault}")),
            }
        }
        if self.bundle.is_empty() {
            self.faults.push(format!("{CA_CERTIFICATES} holds no certificate"));
        }
    }

    fn signing(&mut self, name: &str, key: Option<&[u8]>) -> Option<Signing> {
        let key = key?;
        let found = self.bundle.iter().find(|ca| is_key_of(key, &ca.der) && issue::is_authority(&ca.der));
        let Some(ca) = found else {
            self.faults.push(format!("{name} is not the key of an authority in {CA_CERTIFICATES}"));
            return None;
        };
        Some(Signing { ca: ca.clone(), key: String::from_utf8_lossy(key).into_owned() })
    }

    /// Whether it can be served: there is a leaf, and clients that trust the bundle trust it while it lasts.
    pub(super) fn is_whole(&self) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.signer(&self.bundle).is_some())
    }

    /// The same for now.
    pub(super) fn is_good(&self, now: SystemTime) -> bool {
        self.is_whole() && self.leaf.as_ref().is_some_and(|leaf| leaf.is_valid(now))
    }

    pub(super) fn to_data(&self) -> Data {
        let mut data = self.to_public_data();
        for (name, signing) in [(CA_KEY, &self.signer), (NEXT_KEY, &self.next)] {
            if let Some(signing) = signing {
                data.insert(name.to_owned(), ByteString(signing.key.clone().into_bytes()));
            }
        }
        data
    }

    /// What it takes to serve, without the keys that sign.
    pub(super) fn to_public_data(&self) -> Data {
        let mut data = Data::from([(CA_CERTIFICATES.to_owned(), ByteString(pem(&self.bundle).into_bytes()))]);
        if let Some(leaf) = &self.leaf {
            data.insert(CERTIFICATE.to_owned(), ByteString(leaf.certificate.clone().into_bytes()));
            data.insert(KEY.to_owned(), ByteString(leaf.key.clone().into_bytes()));
        }
        data
    }
}

impl Ca {
    fn read(der: &[u8]) -> Result<Self, String> {
        let (not_before, not_after) = validity(der).map_err(|fault| fault.to_string())?;
        Ok(Self { der: der.to_owned(), not_before, not_after })
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        unix(now) >= self.not_after
    }

    /// Two thirds of its life are over.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        unix(now) >= self.not_before + (self.not_after - self.not_before) / 3 * 2
    }
}

impl Signing {
    /// A new authority.
    pub(super) fn make(now: SystemTime, life: Duration) -> Result<Self, HttpError> {
        let Issued { certificate, key } = issue::authority(now, life)?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| unreadable(&error))?;
        let ca = Ca::read(&der).map_err(|error| unreadable(&error))?;
        Ok(Self { ca, key })
    }

    pub(super) fn leaf(&self, subjects: &[String], now: SystemTime, life: Duration) -> Result<Leaf, HttpError> {
        let signer = Signer::new(&self.ca.der, self.key.as_bytes()).map_err(|fault| unreadable(&fault))?;
        let Issued { certificate, key } = signer.leaf(subjects, now, life)?;
        Leaf::read(certificate.as_bytes(), key.as_bytes()).map_err(|fault| unreadable(&fault))
    }
}

/// What we have made ourselves and cannot read.
fn unreadable(error: &impl ToString) -> HttpError {
    HttpError::Tls(rustls::Error::General(error.to_string()))
}

impl Leaf {
    fn read(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let pair = Pair::from_pem(certificate, key, &provider()).map_err(|fault| fault.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { certificate: text(certificate), key: text(key), pair })
    }

    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        (self.pair.not_before..self.pair.not_after).contains(&unix(now))
    }

    /// Whether it is for all of these names and addresses.
    pub(super) fn covers(&self, subjects: &[String]) -> bool {
        let own = self.pair.key.cert.first().map(|der| subjects_of(der)).unwrap_or_default();
        let wanted: BTreeSet<&String> = subjects.iter().collect();
        wanted.iter().all(|subject| own.contains(*subject))
    }

    /// The certificate among these that makes clients trust the leaf, in the middle of the leaf's life.
    pub(super) fn signer<'a>(&self, bundle: &'a [Ca]) -> Option<&'a Ca> {
        bundle.iter().find(|ca| self.is_trusted_by(ca))
    }

    fn is_trusted_by(&self, ca: &Ca) -> bool {
        let Some((leaf, intermediates)) = self.pair.key.cert.split_first() else { return false };
        // jsPolicy's leaf is its own authority, which Go takes for good.
        if leaf.as_ref() == ca.der.as_slice() {
            return true;
        }
        let mut roots = RootCertStore::empty();
        if roots.add(CertificateDer::from(ca.der.as_slice()).into_owned()).is_err() {
            return false;
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
        let Ok(verifier) = builder.build() else { return false };
        let Some(name) = subjects_of(leaf).into_iter().find_map(|name| ServerName::try_from(name).ok()) else {
            return false;
        };
        // Expiry is another question: both are valid at some time if they are in the middle of what they share.
        let (start, end) = (self.pair.not_before.max(ca.not_before), self.pair.not_after.min(ca.not_after));
        let middle = u64::try_from(start.midpoint(end)).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(middle));
        verifier.verify_server_cert(leaf, intermediates, &name, &[], at).is_ok()
    }
}

fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// A bundle as a webhook configuration has it.
pub(super) fn pem(bundle: &[Ca]) -> String {
    bundle.iter().map(|ca| certificate_pem(&ca.der)).collect()
}

/// The certificates of a bundle in PEM, in DER; what is none is left out.
pub(super) fn certificates(pem: &[u8]) -> BTreeSet<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem).filter_map(|certificate| Some(certificate.ok()?.to_vec())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::operator::authority) const HOUR: Duration = Duration::from_hours(1);

    /// What a first start makes.
    pub(in crate::operator::authority) fn whole(now: SystemTime) -> Material {
        let signer = Signing::make(now, HOUR * 100).unwrap();
        let leaf = signer.leaf(&["a.example.com".to_owned()], now, HOUR).unwrap();
        Material {
            bundle: vec![signer.ca.clone()],
            leaf: Some(leaf),
            signer: Some(signer),
            next: None,
            faults: Vec::new(),
        }
    }

    fn with(data: &Data, name: &str, value: &[u8]) -> Material {
        let mut data = data.clone();
        data.insert(name.to_owned(), ByteString(value.to_owned()));
        Material::read(&data)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let now = SystemTime::now();
        let mut material = whole(now);
        let next = Signing::make(now, HOUR).unwrap();
        material.bundle.push(next.ca.clone());
        material.next = Some(next);
        assert_eq!(Material::read(&material.to_data()), material);
        assert!(material.is_whole() && material.is_good(now) && !material.is_good(now + HOUR));
        assert!(!material.to_public_data().contains_key(CA_KEY));
    }

    #[test]
    fn each_part_that_is_garbage_is_named_and_costs_only_itself() {
        let now = SystemTime::now();
        let (one, other) = (whole(now), whole(now));
        let data = one.to_data();
        let foreign = other.to_data();
        for (name, value, fault) in [
            (CA_CERTIFICATES, b"garbage".as_slice(), "ca.crt holds no certificate"),
            (CA_CERTIFICATES, b"-----BEGIN CERTIFICATE-----\nAAAA\n", "ca.crt: the PEM text is broken"),
            (CA_KEY, &foreign[CA_KEY].0, "ca.key is not the key of an authority in ca.crt"),
            (CA_KEY, b"\xff\xfe", "ca.key is not the key of an authority in ca.crt"),
            (KEY, &foreign[KEY].0, "tls.crt and tls.key: the key does not belong to the certificate"),
            (CERTIFICATE, b"", "tls.crt or tls.key is missing"),
        ] {
            let read = with(&data, name, value);
            assert!(read.faults.iter().any(|found| found == fault), "{name}: {:?}", read.faults);
            assert_eq!(read.is_whole(), name == CA_KEY, "{name}");
        }
        assert!(!with(&data, CA_CERTIFICATES, &foreign[CA_CERTIFICATES].0).is_whole(), "nobody would trust the leaf");
        assert_eq!(Material::read(&Data::new()).faults.len(), 2);
    }

    #[test]
    fn a_leaf_that_is_its_own_authority_is_whole_but_cannot_sign() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["jspolicy.jspolicy.svc".to_owned()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = ByteString(params.self_signed(&key).unwrap().pem().into_bytes());
        let data = Data::from([
            (CA_CERTIFICATES.to_owned(), certificate.clone()),
            (CERTIFICATE.to_owned(), certificate),
            (KEY.to_owned(), ByteString(key.serialize_pem().into_bytes())),
        ]);
        let material = Material::read(&data);
        assert!(material.is_good(SystemTime::now()) && material.signer.is_none(), "{material:?}");
        assert_eq!(material.faults, Vec::<String>::new());
    }

    #[test]
    fn a_bundle_is_bounded() {
        let now = SystemTime::now();
        let many: String = (0..20).map(|_| pem(&[Signing::make(now, HOUR).unwrap().ca])).collect();
        let read = with(&whole(now).to_data(), CA_CERTIFICATES, many.as_bytes());
        assert_eq!(read.bundle.len(), MOST_AUTHORITIES);
    }
}
