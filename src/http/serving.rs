//! The certificate being served: one pointer that every handshake reads, swapped once in weeks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pair::Pair;

/// Shared between the listener and whoever brings certificates. While there is none, handshakes fail.
#[derive(Debug, Default)]
pub struct Serving {
    key: ArcSwapOption<CertifiedKey>,
    /// In seconds since the Unix epoch.
    not_after: AtomicI64,
}

impl Serving {
    /// Serves this pair from the next handshake on; connections that stand go on.
    pub(crate) fn swap(&self, pair: &Pair) {
        self.not_after.store(pair.not_after, Relaxed);
        self.key.store(Some(Arc::clone(&pair.key)));
    }

    /// The same where this is another pair than is served. Whether it was.
    pub(crate) fn swap_new(&self, pair: &Pair) -> bool {
        let is_new = self.key.load().as_ref().is_none_or(|now| now.cert != pair.key.cert);
        if is_new {
            self.swap(pair);
        }
        is_new
    }

    /// When the certificate expires; `None` where there is none yet.
    pub(crate) fn not_after(&self) -> Option<i64> {
        self.key.load().is_some().then(|| self.not_after.load(Relaxed))
    }

    #[cfg(test)]
    pub(super) fn leaf(&self) -> Vec<u8> {
        self.key.load_full().unwrap().cert[0].to_vec()
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key.load_full()
    }
}
