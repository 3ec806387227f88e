//! How much of a cluster is kept in memory, and for how long it is waited for.

use std::time::Duration;

/// Bounds of the caches behind `get` and `list`.
#[derive(Debug, Clone, Copy)]
pub struct CacheLimits {
    /// Text and labels of all cached objects together. A kind that does not fit is read live: slower, but it never
    /// costs the server its memory (what jsPolicy's users saw as restarts).
    pub bytes: usize,
    /// Kinds watched at once: each costs the API server a watch.
    pub kinds: usize,
    /// A kind nobody asked about for so long is no longer watched (jsPolicy's three hours).
    pub idle: Duration,
    /// How long the first `get` or `list` of a kind waits for its cache before it asks the API server directly. Short:
    /// one live answer is cheaper than a whole list, and the cache goes on filling meanwhile.
    pub first_sync: Duration,
    /// A watch that has failed for so long is no longer believed, and its kind is read live.
    pub stale: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            kinds: 64,
            idle: Duration::from_hours(3),
            first_sync: Duration::from_millis(500),
            stale: Duration::from_mins(1),
        }
    }
}

/// One answer of the API server to a live `get` or `list`: more would not fit into a policy's heap anyway.
pub const ANSWER_BYTES: usize = 32 << 20;

/// Objects in one page of a live list.
pub const PAGE: usize = 500;

/// Discovered kinds remembered, served or not.
pub const DISCOVERED_KINDS: usize = 512;

/// How long the API server's word that it serves a kind is believed; what it does not serve may be installed any moment.
pub const SERVED_FOR: Duration = Duration::from_mins(10);
pub const UNSERVED_FOR: Duration = Duration::from_secs(3);
