//! The keeper of the serving certificate: it swaps the one that [`Serving`] holds.
//!
//! Files are compared by content, not watched: a mounted Secret changes by a symlink two folders up, which a watch on
//! the file never sees. A pair is checked before it is swapped in, so a half-written one keeps the old in service.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ResolvesServerCert;
use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};

use super::ca::Authority;
use super::callers::Callers;
use super::checks::{Checks, Gate};
use super::issue::unix;
use super::pair::Pair;
use super::serving::Serving;
use super::{HttpError, PairFault};
use crate::telemetry::{Certificate, Metrics};

/// How often the files are compared and the leaf's age is checked.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long to wait after a renewal that failed. There is a third of the leaf's life to try again in.
const RETRY_SECONDS: i64 = 60;

/// HTTP/2 first: one connection carries all the reviews of an API server that offers it.
pub(super) const H2: &[u8] = b"h2";

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Unchanged,
    Replaced,
    /// Something new is there, but it cannot be served; the old one is, and this is why.
    Kept(String),
}

/// Watches over the serving certificate. Its checks read and write files: call them off the runtime.
pub(super) struct Keeper {
    source: Source,
    serving: Arc<Serving>,
    provider: Arc<CryptoProvider>,
    callers: Option<Arc<Callers>>,
}

enum Source {
    /// Somebody else swaps it.
    Brought,
    /// `seen` is the hash of both files as they were looked at last, good or bad: a fault is told once.
    Files {
        cert: PathBuf,
        key: PathBuf,
        seen: Hash,
    },
    Own {
        authority: Box<Authority>,
        renew_at: i64,
    },
}

type Hash = [u8; 32];

impl Keeper {
    /// Serves a pair from two files.
    pub(super) fn of_files(cert: &Path, key: &Path) -> Result<Self, HttpError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let read = |what, path: &Path| {
            fs::read(path).map_err(|source| HttpError::Read { what, path: path.to_owned(), source })
        };
        let texts = (read("the certificate", cert)?, read("the private key", key)?);
        let pair = Pair::from_pem(&texts.0, &texts.1, &provider).map_err(|fault| HttpError::Pair {
            cert: cert.to_owned(),
            key: key.to_owned(),
            fault,
        })?;
        let source = Source::Files { cert: cert.to_owned(), key: key.to_owned(), seen: hash(&texts.0, &texts.1) };
        Ok(Self::new(source, &pair, provider))
    }

    /// Serves a leaf of our own authority.
    pub(super) fn of_authority(authority: Authority, now: SystemTime) -> Result<Self, HttpError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pair = authority.leaf(now, &provider)?;
        Ok(Self::new(Source::Own { authority: Box::new(authority), renew_at: pair.renew_at() }, &pair, provider))
    }

    /// Serves what somebody else brings.
    pub(super) fn of_serving(serving: Arc<Serving>) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Self { source: Source::Brought, serving, provider, callers: None }
    }

    fn new(source: Source, pair: &Pair, provider: Arc<CryptoProvider>) -> Self {
        let serving = Arc::new(Serving::default());
        serving.swap(pair);
        Self { source, serving, provider, callers: None }
    }

    /// Asks callers for a certificate of the authority in a file.
    pub(super) fn admit_only(&mut self, authority: &Path) -> Result<(), HttpError> {
        self.callers = Some(Arc::new(Callers::open(authority, &self.provider)?));
        Ok(())
    }

    /// The TLS side of the listener. Resumption is by tickets: it costs the server no memory, and a handshake in full
    /// is dearer than a hundred reviews.
    pub(super) fn server_config(&self) -> Result<ServerConfig, HttpError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.serving) as _;
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let config = match &self.callers {
            Some(callers) => config.with_client_cert_verifier(Arc::clone(callers) as _),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(resolver);
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(config)
    }

    /// The certificate that clients are to trust, where it is one of ours.
    pub(super) fn authority_path(&self) -> Option<PathBuf> {
        match &self.source {
            Source::Own { authority, .. } => Some(authority.certificate_path()),
            Source::Files { .. } | Source::Brought => None,
        }
    }

    /// Looks once whether there is another certificate to serve, and swaps it in.
    pub(super) fn check(&mut self, now: SystemTime) -> Checked {
        let found = match &mut self.source {
            Source::Brought => Ok(None),
            Source::Files { cert, key, seen } => changed_files(cert, key, seen, &self.provider),
            Source::Own { authority, renew_at } => renewed(authority, renew_at, now, &self.provider),
        };
        match found {
            Ok(None) => Checked::Unchanged,
            Ok(Some(pair)) => {
                self.serving.swap(&pair);
                Checked::Replaced
            }
            Err(reason) => Checked::Kept(reason),
        }
    }

    /// Tells metrics and health when the certificates expire.
    pub(super) fn publish(&self, now: SystemTime, checks: &Checks, metrics: &Metrics) {
        let not_after = self.serving.not_after();
        metrics.set_expiry(Certificate::Serving, not_after.unwrap_or_default());
        if let Source::Own { authority, .. } = &self.source {
            metrics.set_expiry(Certificate::Authority, authority.not_after());
        }
        let result = match not_after {
            None => Err("there is no certificate yet".to_owned()),
            Some(end) if unix(now) >= end => Err("the serving certificate has expired".to_owned()),
            Some(_) => Ok(()),
        };
        checks.set("certificate", Gate::Ready, result);
        if let Some(callers) = &self.callers {
            checks.set("callers", Gate::Ready, Ok(()));
            let rule = format!("must present a certificate of the authority in {}", callers.path().display());
            checks.set_details("callers", vec![rule]);
        }
    }
}

/// The pair in two files, where they changed since the last look.
fn changed_files(cert: &Path, key: &Path, seen: &mut Hash, provider: &CryptoProvider) -> Result<Option<Pair>, String> {
    // Between the two renames of an update a file may be missing. That is no news; the next look will tell.
    let (Ok(certificate), Ok(private_key)) = (fs::read(cert), fs::read(key)) else { return Ok(None) };
    let found = hash(&certificate, &private_key);
    if found == *seen {
        return Ok(None);
    }
    *seen = found;
    match Pair::from_pem(&certificate, &private_key, provider) {
        Ok(pair) => Ok(Some(pair)),
        Err(fault) => Err(kept(cert, key, &fault)),
    }
}

fn kept(cert: &Path, key: &Path, fault: &PairFault) -> String {
    format!("{fault} (certificate {}, key {}); the previous pair stays in service", cert.display(), key.display())
}

fn renewed(
    authority: &Authority,
    renew_at: &mut i64,
    now: SystemTime,
    provider: &CryptoProvider,
) -> Result<Option<Pair>, String> {
    if unix(now) < *renew_at {
        return Ok(None);
    }
    match authority.renew(now, provider) {
        Ok(pair) => {
            *renew_at = pair.renew_at().max(unix(now) + RETRY_SECONDS);
            Ok(Some(pair))
        }
        Err(error) => {
            *renew_at = unix(now) + RETRY_SECONDS;
            Err(format!("the serving certificate could not be renewed: {error}"))
        }
    }
}

/// Of both files, each with its length, so that no byte can wander from one to the other.
fn hash(certificate: &[u8], key: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    for part in [certificate, key] {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Checks for ever. A fault is logged once, when it appears.
pub(super) async fn keep(mut keeper: Keeper, checks: Arc<Checks>, metrics: Arc<Metrics>) {
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (checks, metrics) = (Arc::clone(&checks), Arc::clone(&metrics));
        let look = move || {
            let now = SystemTime::now();
            match keeper.check(now) {
                Checked::Unchanged => {}
                Checked::Replaced => {
                    tracing::info!(not_after = keeper.serving.not_after(), "serving a new certificate");
                }
                Checked::Kept(reason) => tracing::warn!("{reason}"),
            }
            if let Some(Err(reason)) = keeper.callers.as_ref().map(|callers| callers.check()) {
                tracing::warn!("{reason}");
            }
            keeper.publish(now, &checks, &metrics);
            keeper
        };
        keeper = match tokio::task::spawn_blocking(look).await {
            Ok(keeper) => keeper,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!("certificates are no longer renewed: the check panicked");
                }
                return;
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::certificates::{Files, leaf_of};

    const DAY: Duration = Duration::from_hours(24);

    fn served(keeper: &Keeper) -> Vec<u8> {
        keeper.serving.leaf()
    }

    #[test]
    fn a_half_written_pair_keeps_the_old_and_says_so_once() {
        let files = Files::new();
        let mut keeper = Keeper::of_files(&files.cert, &files.key).unwrap();
        let old = served(&keeper);
        let next = Files::new();

        fs::copy(&next.cert, &files.cert).unwrap();
        let Checked::Kept(reason) = keeper.check(SystemTime::now()) else { panic!("served a half-written pair") };
        assert!(reason.contains("does not belong") && reason.contains("tls.crt"), "{reason}");
        assert_eq!(keeper.check(SystemTime::now()), Checked::Unchanged, "told once");
        assert_eq!(served(&keeper), old);

        fs::copy(&next.key, &files.key).unwrap();
        assert_eq!(keeper.check(SystemTime::now()), Checked::Replaced);
        assert_eq!(served(&keeper), leaf_of(&next.cert));
    }

    #[test]
    fn a_missing_file_and_garbage_keep_the_old() {
        let files = Files::new();
        let mut keeper = Keeper::of_files(&files.cert, &files.key).unwrap();
        let old = served(&keeper);
        fs::remove_file(&files.key).unwrap();
        assert_eq!(keeper.check(SystemTime::now()), Checked::Unchanged);
        fs::write(&files.key, "half a k").unwrap();
        assert!(matches!(keeper.check(SystemTime::now()), Checked::Kept(_)));
        assert_eq!(served(&keeper), old);
    }

    #[test]
    fn a_mounted_secret_changes_by_its_symlink() {
        let mount = tempfile::tempdir().unwrap();
        let (first, second) = (Files::new(), Files::new());
        let path = |name: &str| mount.path().join(name);
        std::os::unix::fs::symlink(first.folder(), path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/tls.crt", path("tls.crt")).unwrap();
        std::os::unix::fs::symlink("..data/tls.key", path("tls.key")).unwrap();
        let mut keeper = Keeper::of_files(&path("tls.crt"), &path("tls.key")).unwrap();

        std::os::unix::fs::symlink(second.folder(), path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert_eq!(keeper.check(SystemTime::now()), Checked::Replaced);
        assert_eq!(served(&keeper), leaf_of(&second.cert));
    }

    #[test]
    fn a_pair_that_is_none_is_refused_at_the_start_naming_both_files() {
        let (one, other) = (Files::new(), Files::new());
        let error = Keeper::of_files(&one.cert, &other.key).err().unwrap().to_string();
        for part in
            ["the key does not belong to the certificate", one.cert.to_str().unwrap(), other.key.to_str().unwrap()]
        {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains('\n'));
        let error = Keeper::of_files(&one.cert, &one.cert).err().unwrap().to_string();
        assert!(error.contains("holds no PEM private key"), "{error}");
        let error = Keeper::of_files(&one.key, &one.key).err().unwrap().to_string();
        assert!(error.contains("holds no PEM certificate"), "{error}");
        let error = Keeper::of_files(&one.cert.with_extension("nowhere"), &one.key).err().unwrap().to_string();
        assert!(error.contains("cannot read the certificate") && error.contains("tls.nowhere"), "{error}");
    }

    #[test]
    fn our_own_leaf_is_renewed_at_two_thirds_of_its_life_by_the_same_authority() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = Authority::open(root.path(), vec!["localhost".to_owned()], now).unwrap();
        let mut keeper = Keeper::of_authority(authority, now).unwrap();
        let trusted = fs::read(keeper.authority_path().unwrap()).unwrap();
        let first = served(&keeper);

        assert_eq!(keeper.check(now + 59 * DAY), Checked::Unchanged);
        assert_eq!(keeper.check(now + 61 * DAY), Checked::Replaced);
        assert_eq!(keeper.check(now + 61 * DAY), Checked::Unchanged);
        assert_ne!(served(&keeper), first);
        assert_eq!(fs::read(keeper.authority_path().unwrap()).unwrap(), trusted);
        assert!(keeper.serving.not_after().unwrap() > unix(now + 150 * DAY));
    }

    #[test]
    fn an_expired_certificate_makes_the_server_unready() {
        let root = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let authority = Authority::open(root.path(), vec!["localhost".to_owned()], now).unwrap();
        let keeper = Keeper::of_authority(authority, now).unwrap();
        let (checks, metrics) = (Checks::default(), Arc::new(Metrics::default()));
        keeper.publish(now, &checks, &metrics);
        assert!(checks.passes(Gate::Ready));
        assert!(
            metrics.render().contains(&format!("{{certificate=\"serving\"}} {}", keeper.serving.not_after().unwrap()))
        );
        keeper.publish(now + 91 * DAY, &checks, &metrics);
        assert!(!checks.passes(Gate::Ready));
    }
}
