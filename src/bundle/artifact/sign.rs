//! Signatures: Ed25519 (RFC 8032) or ECDSA on P-256 with SHA-256 (ASN.1), over the first line of the bundle file without its
//! `// `. So `openssl` can check them too. Keys are PEM, as `openssl` writes them.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::ArtifactError;
use crate::bundle::hash::hex_hash;

const OID_ED25519: &str = "1.3.101.112";
const OID_EC: &str = "1.2.840.10045.2.1";
const OID_P256: &str = "1.2.840.10045.3.1.7";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    EcdsaP256,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256-sha256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::EcdsaP256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// One signature of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    algorithm: Algorithm,
    /// Tells keys apart for people; it proves nothing.
    pub key: String,
    bytes: Vec<u8>,
}

impl Signature {
    pub(super) const START: &str = "// signature ";

    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(Self::START)?.split(' ');
        let (algorithm, key, bytes) = (words.next()?, words.next()?, words.next()?);
        let is_id = key.len() == KEY_ID && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = STANDARD.decode(bytes).ok()?;
        let algorithm = Algorithm::named(algorithm)?;
        (is_id && words.next().is_none()).then(|| Self { algorithm, key: key.to_owned(), bytes })
    }

    /// `ed25519 <key id>`
    #[must_use]
    pub fn told(&self) -> String {
        format!("{} {}", self.algorithm.name(), self.key)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {}", Self::START, self.told(), STANDARD.encode(&self.bytes))
    }
}

/// Digits of a hash of the public key.
const KEY_ID: usize = 16;

fn key_id(public: &[u8]) -> String {
    let mut id = hex_hash(public);
    id.truncate(KEY_ID);
    id
}

/// A private key.
pub enum SigningKey {
    Ed25519(Box<Ed25519KeyPair>),
    EcdsaP256(Box<EcdsaKeyPair>),
}

impl SigningKey {
    /// # Errors
    /// Where it is no PEM of such a key. The key itself is never told.
    pub fn parse(pem: &[u8]) -> Result<Self, ArtifactError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| {
            let reason = "is no private key in PEM (`-----BEGIN PRIVATE KEY-----`); make one with `openssl genpkey -algorithm \
                          ed25519 -out key.pem`, or convert an older one with `openssl pkcs8 -topk8 -nocrypt`";
            ArtifactError::Key(reason.to_owned())
        })?;
        let der = key.secret_pkcs8_der();
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Ok(Self::Ed25519(Box::new(pair)));
        }
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            Ok(pair) => Ok(Self::EcdsaP256(Box::new(pair))),
            Err(_) => {
                Err(ArtifactError::Key("is a private key, but neither of Ed25519 nor of ECDSA on P-256".to_owned()))
            }
        }
    }

    pub(super) fn sign(&self, text: &str) -> Result<Signature, ArtifactError> {
        let (algorithm, public, bytes) = match self {
            Self::Ed25519(pair) => {
                (Algorithm::Ed25519, pair.public_key().as_ref(), pair.sign(text.as_bytes()).as_ref().to_vec())
            }
            Self::EcdsaP256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), text.as_bytes());
                let signed = signed.map_err(|_| ArtifactError::Key("cannot sign".to_owned()))?;
                (Algorithm::EcdsaP256, pair.public_key().as_ref(), signed.as_ref().to_vec())
            }
        };
        Ok(Signature { algorithm, key: key_id(public), bytes })
    }
}

/// A public key that bundles are checked with.
#[derive(Debug, Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// # Errors
    /// Where it is no PEM of such a key.
    pub fn parse(pem: &[u8]) -> Result<Self, ArtifactError> {
        let unknown = || {
            let reason = "is no public key of Ed25519 or of ECDSA on P-256 in PEM (`-----BEGIN PUBLIC KEY-----`); `openssl pkey \
                          -in key.pem -pubout` prints that of a private key";
            ArtifactError::Key(reason.to_owned())
        };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| unknown())?;
        let (rest, info) = SubjectPublicKeyInfo::from_der(der.as_ref()).map_err(|_| unknown())?;
        let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
        let algorithm = match (info.algorithm.algorithm.to_id_string().as_str(), curve.as_deref()) {
            (OID_ED25519, _) => Algorithm::Ed25519,
            (OID_EC, Some(OID_P256)) => Algorithm::EcdsaP256,
            _ => return Err(unknown()),
        };
        if !rest.is_empty() {
            return Err(unknown());
        }
        Ok(Self { algorithm, bytes: info.subject_public_key.data.to_vec() })
    }

    /// As it stands in the signatures of its private key.
    #[must_use]
    pub fn id(&self) -> String {
        key_id(&self.bytes)
    }

    pub(super) fn verifies(&self, text: &str, signature: &Signature) -> bool {
        let bytes = &self.bytes;
        let verified = match self.algorithm {
            _ if signature.algorithm != self.algorithm => return false,
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, bytes).verify(text.as_bytes(), &signature.bytes),
            Algorithm::EcdsaP256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes).verify(text.as_bytes(), &signature.bytes)
            }
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> Vec<u8> {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)).into_bytes()
    }

    fn ed25519() -> (SigningKey, PublicKey) {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let signing = SigningKey::parse(&pem("PRIVATE KEY", private.as_ref())).unwrap();
        (signing, PublicKey::parse(&pem("PUBLIC KEY", public.as_ref())).unwrap())
    }

    fn ecdsa() -> (SigningKey, PublicKey) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let private = pair.to_pkcs8v1().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let signing = SigningKey::parse(&pem("PRIVATE KEY", private.as_ref())).unwrap();
        (signing, PublicKey::parse(&pem("PUBLIC KEY", public.as_ref())).unwrap())
    }

    #[test]
    fn the_holder_of_the_key_signed_it_and_nobody_else() {
        for ((private, public), (other, stranger)) in [(ed25519(), ed25519()), (ecdsa(), ecdsa()), (ed25519(), ecdsa())]
        {
            let signature = private.sign("bylaw-bundle/v1 sha256:00").unwrap();
            let read = Signature::parse(&signature.to_string()).unwrap();
            assert_eq!((read.clone(), read.key.clone()), (signature, public.id()));
            assert!(public.verifies("bylaw-bundle/v1 sha256:00", &read));
            assert!(!public.verifies("bylaw-bundle/v1 sha256:01", &read));
            assert!(!stranger.verifies("bylaw-bundle/v1 sha256:00", &read));
            assert!(!public.verifies("bylaw-bundle/v1 sha256:00", &other.sign("bylaw-bundle/v1 sha256:00").unwrap()));
        }
    }

    #[test]
    fn a_signature_of_another_form_is_none() {
        let whole = ed25519().0.sign("x").unwrap().to_string();
        assert!(Signature::parse(&whole).is_some());
        for line in ["// signature ", "// signature rsa 0123456789abcdef AAAA", &format!("{whole} x"), &whole[..40]] {
            assert_eq!(Signature::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_mend() {
        let told = |result: Result<SigningKey, ArtifactError>| result.err().unwrap().to_string();
        assert!(told(SigningKey::parse(b"secret")).contains("openssl genpkey"));
        assert!(!told(SigningKey::parse(b"secret")).contains("secret"));
        assert!(told(SigningKey::parse(&pem("PRIVATE KEY", b"x"))).contains("neither of Ed25519"));
        assert!(PublicKey::parse(b"").unwrap_err().to_string().contains("openssl pkey"));
        assert!(PublicKey::parse(&pem("PUBLIC KEY", b"x")).is_err());
    }
}
