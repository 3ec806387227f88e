//! An authority of our own, for those who bring no certificate: made once, kept, and never replaced behind the back
//! of the clients that trust it.
//!
//! The state folder holds `authority.pem` (key and certificate in one file, so that no crash can tear them apart),
//! `ca.crt` (the certificate alone, for clients), and `leaf.pem` (key and certificate of the server).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

use super::issue::{self, Signer, authority_key_id, certificate_pem, is_authority, subjects_of, unix};
use super::pair::Pair;
use super::state::{self, PRIVATE, PUBLIC};
use super::{HttpError, PairFault};

const DAY: Duration = Duration::from_hours(24);
/// Clients pin the authority in their webhook configuration, where replacing it is a deed; so it lives long.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3_650);
/// As long as Let's Encrypt: renewal is routine, a stolen key is of little use.
const LEAF_LIFE: Duration = DAY.saturating_mul(90);

/// An authority and the folder it lives in.
pub(super) struct Authority {
    folder: PathBuf,
    subjects: Vec<String>,
    signer: Signer,
    certificate_pem: String,
    not_after: i64,
}

/// The PEM certificate of the authority in `state_dir`, which is made if there is none: what a webhook configuration
/// wants as `caBundle`.
///
/// # Errors
/// [`HttpError::Authority`] where the folder holds something that is none.
pub fn ca_bundle(state_dir: &Path) -> Result<String, HttpError> {
    Ok(Authority::open(state_dir, Vec::new(), SystemTime::now())?.certificate_pem)
}

impl Authority {
    /// Loads the authority of a folder, or makes one where there is none. `subjects` are the names and addresses of
    /// its leaves.
    pub(super) fn open(folder: &Path, subjects: Vec<String>, now: SystemTime) -> Result<Self, HttpError> {
        state::make_folder(folder)?;
        let _lock = state::lock(folder)?;
        let path = folder.join("authority.pem");
        let text = match state::read(&path)? {
            Some(text) => text,
            None => create(&path, now)?,
        };
        if state::is_exposed(&path) {
            tracing::warn!(path = %path.display(), "others may read the key of the authority: chmod 600 mends it");
        }
        let authority = Self::load(&path, &text, subjects, now)?;
        let public = authority.certificate_path();
        if state::read(&public)?.as_deref() != Some(&authority.certificate_pem) {
            state::write(&public, authority.certificate_pem.as_bytes(), PUBLIC)?;
        }
        Ok(authority)
    }

    fn load(path: &Path, text: &str, subjects: Vec<String>, now: SystemTime) -> Result<Self, HttpError> {
        let unusable = |reason: String| HttpError::Authority { path: path.to_owned(), reason };
        let pair = Pair::from_pem(text.as_bytes(), text.as_bytes(), &aws_lc_rs::default_provider())
            .map_err(|fault| unusable(fault.to_string()))?;
        if unix(now) >= pair.not_after {
            return Err(unusable("it has expired".to_owned()));
        }
        let certificate = pair.key.cert.first().ok_or_else(|| unusable(PairFault::NoCertificate.to_string()))?;
        if !is_authority(certificate) {
            return Err(unusable("its certificate may not sign others".to_owned()));
        }
        let signer = Signer::new(certificate, text.as_bytes()).map_err(|fault| unusable(fault.to_string()))?;
        let certificate_pem = certificate_pem(certificate);
        Ok(Self { folder: folder_of(path), subjects, signer, certificate_pem, not_after: pair.not_after })
    }

    /// Where clients find the certificate to trust.
    pub(super) fn certificate_path(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// In seconds since the Unix epoch.
    pub(super) fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The leaf in the folder where it is still good for these subjects, else a new one.
    pub(super) fn leaf(&self, now: SystemTime, provider: &CryptoProvider) -> Result<Pair, HttpError> {
        let kept = state::read(&self.leaf_path()).ok().flatten();
        let kept = kept.and_then(|text| Pair::from_pem(text.as_bytes(), text.as_bytes(), provider).ok());
        match kept.filter(|leaf| self.may_serve(leaf, now)) {
            Some(leaf) => Ok(leaf),
            None => self.renew(now, provider),
        }
    }

    /// A new leaf, kept in the folder. A folder that cannot be written costs only that: the leaf serves all the same.
    pub(super) fn renew(&self, now: SystemTime, provider: &CryptoProvider) -> Result<Pair, HttpError> {
        let leaf = self.signer.leaf(&self.subjects, now, LEAF_LIFE)?;
        let text = leaf.certificate + &leaf.key;
        let path = self.leaf_path();
        let pair = Pair::from_pem(text.as_bytes(), text.as_bytes(), provider).map_err(|fault| HttpError::Pair {
            cert: path.clone(),
            key: path.clone(),
            fault,
        })?;
        if let Err(error) = state::write(&path, text.as_bytes(), PRIVATE) {
            tracing::warn!(%error, "the new serving certificate is in use, but could not be kept");
        }
        Ok(pair)
    }

    fn leaf_path(&self) -> PathBuf {
        self.folder.join("leaf.pem")
    }

    /// Whether a leaf is of this authority, for these subjects, and not yet due for renewal.
    fn may_serve(&self, leaf: &Pair, now: SystemTime) -> bool {
        let now = unix(now);
        let Some(der) = leaf.key.cert.first() else { return false };
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else { return false };
        let wanted: BTreeSet<String> = self.subjects.iter().cloned().collect();
        (leaf.not_before..leaf.renew_at()).contains(&now)
            && authority_key_id(&parsed) == Some(&self.signer.key_id)
            && subjects_of(der) == wanted
    }
}

/// Loopback under all its names, the listening address where it is one, and what the user adds.
pub(super) fn subjects(listen: IpAddr, names: &[String]) -> Vec<String> {
    let mut subjects: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !listen.is_unspecified() {
        subjects.push(listen.to_string());
    }
    subjects.extend(names.iter().cloned());
    subjects.sort();
    subjects.dedup();
    subjects
}

fn create(path: &Path, now: SystemTime) -> Result<String, HttpError> {
    let issued = issue::authority(now, AUTHORITY_LIFE)?;
    let text = issued.certificate + &issued.key;
    state::write(path, text.as_bytes(), PRIVATE)?;
    Ok(text)
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn provider() -> CryptoProvider {
        aws_lc_rs::default_provider()
    }

    fn names(extra: &[&str]) -> Vec<String> {
        let extra: Vec<String> = extra.iter().map(|&name| name.to_owned()).collect();
        subjects([10, 1, 2, 3].into(), &extra)
    }

    #[test]
    fn an_authority_and_its_leaf_outlive_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = Authority::open(root.path(), names(&[]), now).unwrap();
        let leaf = first.leaf(now, &provider()).unwrap();
        let again = Authority::open(root.path(), names(&[]), now + DAY).unwrap();
        assert_eq!(again.certificate_pem, first.certificate_pem);
        assert_eq!(again.leaf(now + DAY, &provider()).unwrap().key.cert, leaf.key.cert);
        assert_eq!(ca_bundle(root.path()).unwrap(), fs::read_to_string(first.certificate_path()).unwrap());
        assert!(!first.certificate_pem.contains("KEY"));
    }

    #[test]
    fn other_names_or_two_thirds_of_its_life_make_a_new_leaf() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = Authority::open(root.path(), names(&[]), now).unwrap();
        let leaf = authority.leaf(now, &provider()).unwrap();
        assert_eq!(leaf.not_after, unix(now) + 90 * 86_400);
        assert_eq!(authority.leaf(now + 59 * DAY, &provider()).unwrap().key.cert, leaf.key.cert);
        let renewed = authority.leaf(now + 61 * DAY, &provider()).unwrap();
        assert_ne!(renewed.key.cert, leaf.key.cert);

        let renamed = Authority::open(root.path(), names(&["bylaw.default.svc"]), now).unwrap();
        let leaf = renamed.leaf(now, &provider()).unwrap();
        let subjects: Vec<String> = subjects_of(&leaf.key.cert[0]).into_iter().collect();
        assert_eq!(subjects, ["10.1.2.3", "127.0.0.1", "::1", "bylaw.default.svc", "localhost"]);
    }

    #[test]
    fn a_leaf_of_another_authority_is_not_served() {
        let (mine, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = SystemTime::now();
        let authority = |root: &tempfile::TempDir| Authority::open(root.path(), names(&[]), now).unwrap();
        let foreign = authority(&other).leaf(now, &provider()).unwrap();
        fs::copy(other.path().join("leaf.pem"), mine.path().join("leaf.pem")).unwrap();
        assert_ne!(authority(&mine).leaf(now, &provider()).unwrap().key.cert, foreign.key.cert);
    }

    #[test]
    fn an_authority_that_cannot_be_used_is_an_error_and_stays_as_it_is() {
        let donor = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        Authority::open(donor.path(), names(&[]), now).unwrap().leaf(now, &provider()).unwrap();
        let leaf = fs::read_to_string(donor.path().join("leaf.pem")).unwrap();
        let whole = fs::read_to_string(donor.path().join("authority.pem")).unwrap();
        for (text, reason) in [
            ("garbage", "no PEM certificate"),
            ("", "no PEM certificate"),
            (&whole[..whole.len() / 2], "the PEM text breaks off"),
            (&whole[..whole.len() - 40], "the PEM text breaks off"),
            (leaf.as_str(), "may not sign others"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("authority.pem");
            fs::write(&path, text).unwrap();
            let error = Authority::open(root.path(), names(&[]), now).err().unwrap().to_string();
            assert!(
                error.contains(reason) && error.contains("authority.pem") && error.contains("--state-dir"),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let error = Authority::open(donor.path(), names(&[]), now + 3_651 * DAY).err().unwrap().to_string();
        assert!(error.contains("expired"), "{error}");
    }

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = Authority::open(root.path(), names(&[]), now).unwrap();
        let leaf = authority.renew(now + 3_600 * DAY, &provider()).unwrap();
        assert_eq!(leaf.not_after, authority.not_after());
    }

    #[test]
    fn a_name_that_is_none_is_named() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = Authority::open(root.path(), names(&["bücher.example"]), now).unwrap();
        let error = authority.leaf(now, &provider()).err().unwrap().to_string();
        assert!(error.contains("bücher.example"), "{error}");
    }

    #[test]
    fn servers_that_start_at_once_share_one_authority() {
        let root = tempfile::tempdir().unwrap();
        let open = || Authority::open(root.path(), names(&[]), SystemTime::now()).unwrap().certificate_pem;
        let made: BTreeSet<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.len(), 1);
    }
}
