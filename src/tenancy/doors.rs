//! The doors of virtual clusters: each has a token, and whoever knows it speaks as the API server of that virtual cluster.
//!
//! Tokens are drawn from one secret key by what a virtual cluster is: its place, and the uid of what makes it one. So all
//! replicas know the same, a virtual cluster that is made anew has another, and nothing is to be written when one comes or
//! goes. A token stands in paths and in configurations of the tenant's own; it never reaches a log.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::registry::Registry;
use super::vcluster::VirtualCluster;

/// Bytes of a key, and of a token: nobody guesses either.
const BYTES: usize = 32;

/// What a token is before it is one; another purpose of the same key would draw others.
const PURPOSE: &str = "bylaw: token of a virtual cluster, v1";

/// How often it is said that somebody came with a token that is none.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What all tokens are drawn from.
#[derive(Clone, PartialEq, Eq)]
pub struct DoorKey([u8; BYTES]);

impl fmt::Debug for DoorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoorKey")
    }
}

/// There is no randomness to be had of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no randomness")]
pub struct NoRandomness;

impl DoorKey {
    /// A new one.
    ///
    /// # Errors
    /// Where the machine has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// One that was kept as text; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// To be kept where only Bylaw reads it.
    #[must_use]
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The token of a virtual cluster.
    #[must_use]
    pub fn token(&self, vcluster: &VirtualCluster) -> Token {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in [PURPOSE, &*vcluster.namespace, &*vcluster.name, &*vcluster.uid] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        Token(URL_SAFE_NO_PAD.encode(context.sign()))
    }
}

/// The secret of one virtual cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Where it is meant to be shown.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

type Digest = [u8; BYTES];

fn digest_of(token: &str) -> Digest {
    let mut of = [0; BYTES];
    of.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    of
}

/// Where digests are looked for. It tells as much of a token as its whole digest, which is nothing.
fn shelf(digest: &Digest) -> u64 {
    digest.iter().take(8).fold(0, |shelf, byte| shelf << 8 | u64::from(*byte))
}

/// By place and uid.
type Who = (Arc<str>, Arc<str>, Arc<str>);

/// The virtual clusters by the digests of their tokens. The tokens themselves are not kept.
#[derive(Default)]
pub(super) struct Doors {
    key: Option<Arc<DoorKey>>,
    shelves: HashMap<u64, Vec<(Digest, Arc<VirtualCluster>)>>,
    digests: HashMap<Who, Digest>,
}

impl Doors {
    /// `before` saves drawing the same tokens again.
    pub(super) fn new(key: Option<Arc<DoorKey>>, registry: &Registry, before: &Self) -> Self {
        let Some(drawn_from) = &key else { return Self::default() };
        let is_same = before.key.as_ref() == Some(drawn_from);
        let mut doors = Self::default();
        for vcluster in registry.vclusters() {
            let who = (Arc::clone(&vcluster.namespace), Arc::clone(&vcluster.name), Arc::clone(&vcluster.uid));
            let known = before.digests.get(&who).filter(|_| is_same).copied();
            let digest = known.unwrap_or_else(|| digest_of(drawn_from.token(vcluster).reveal()));
            doors.shelves.entry(shelf(&digest)).or_default().push((digest, Arc::clone(vcluster)));
            doors.digests.insert(who, digest);
        }
        Self { key, ..doors }
    }

    pub(super) const fn key(&self) -> Option<&Arc<DoorKey>> {
        self.key.as_ref()
    }

    /// The virtual cluster whose token this is.
    pub(super) fn open(&self, token: &str) -> Option<&Arc<VirtualCluster>> {
        let digest = digest_of(token);
        let near = self.shelves.get(&shelf(&digest))?;
        near.iter().find(|(known, _)| verify_slices_are_equal(known, &digest).is_ok()).map(|(_, vcluster)| vcluster)
    }
}

/// Those who come with what is no token. They are counted, and now and then told of.
#[derive(Default)]
pub(super) struct Strangers {
    since: AtomicU64,
    told: Mutex<Option<Instant>>,
}

impl Strangers {
    /// How many have come since it was last told, where it is time to tell again.
    pub(super) fn came(&self, now: Instant) -> Option<u64> {
        self.since.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return None;
        }
        *told = Some(now);
        Some(self.since.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(namespace: &str, name: &str, uid: &str) -> Arc<VirtualCluster> {
        let vcluster = VirtualCluster::new(namespace, name, None, "").unwrap();
        Arc::new(VirtualCluster { uid: uid.into(), ..vcluster })
    }

    fn doors(key: &Arc<DoorKey>, vclusters: &[Arc<VirtualCluster>], before: &Doors) -> Doors {
        Doors::new(Some(Arc::clone(key)), &Registry::new(vclusters.iter().cloned(), [], []), before)
    }

    #[test]
    fn a_token_opens_the_door_of_its_virtual_cluster_alone() {
        let key = Arc::new(DoorKey::generate().unwrap());
        let all = [one("a", "dev", "1"), one("b", "dev", "2"), one("ab", "ev", "1")];
        let doors = doors(&key, &all, &Doors::default());
        for vcluster in &all {
            let token = key.token(vcluster);
            assert_eq!(token.reveal().len(), 43);
            assert!(token.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert_eq!(doors.open(token.reveal()), Some(vcluster));
            for wrong in [&token.reveal()[1..], "", "..", &format!("{} ", token.reveal())] {
                assert_eq!(doors.open(wrong), None, "{wrong}");
            }
        }
        let other = DoorKey::generate().unwrap();
        assert_eq!(doors.open(other.token(&all[0]).reveal()), None);
    }

    #[test]
    fn one_that_is_made_anew_has_another_token() {
        let key = Arc::new(DoorKey::generate().unwrap());
        let (old, new) = (one("a", "dev", "1"), one("a", "dev", "2"));
        let before = doors(&key, &[Arc::clone(&old)], &Doors::default());
        let after = doors(&key, &[Arc::clone(&new)], &before);
        assert_eq!(after.open(key.token(&old).reveal()), None);
        assert_eq!(after.open(key.token(&new).reveal()), Some(&new));
        assert_eq!(after.digests.len(), 1, "what is gone leaves nothing behind");
    }

    #[test]
    fn without_a_key_no_door_opens() {
        let registry = Registry::new([one("a", "dev", "1")], [], []);
        assert_eq!(Doors::new(None, &registry, &Doors::default()).open(""), None);
    }

    #[test]
    fn a_key_is_kept_as_text_and_never_shown() {
        let key = DoorKey::generate().unwrap();
        assert_eq!(DoorKey::parse(&format!("{}\n", key.to_text())), Some(key.clone()));
        for bad in ["", "short", &"A".repeat(44), &format!("{}!", "A".repeat(42))] {
            assert_eq!(DoorKey::parse(bad), None, "{bad}");
        }
        let token = key.token(&one("a", "dev", "1"));
        assert_eq!((format!("{key:?}"), format!("{token:?}")), ("DoorKey".to_owned(), "Token".to_owned()));
    }

    #[test]
    fn strangers_are_told_of_now_and_then() {
        let (strangers, start) = (Strangers::default(), Instant::now());
        assert_eq!(strangers.came(start), Some(1));
        assert_eq!(strangers.came(start), None);
        assert_eq!(strangers.came(start + TOLD_EVERY), Some(2));
    }
}
