//! How much one client may ask of the server, and why that much.

use std::time::Duration;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// Bounds on connections, headers and bodies. What exceeds one is refused or closed, never buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body. etcd stores at most 1.5 MiB of an object and the API server takes 3 MiB of a request; a review
    /// holds the object twice (old and new), with room for escapes.
    pub body_bytes: usize,
    /// Longest time from a request's head to the end of its body. Both ends sit in one cluster: a slower body is an
    /// attack or a network that is down.
    pub body_time: Duration,
    /// All bodies in flight together. A flood of large ones is refused (503) before it eats the memory of V8.
    pub buffered_bytes: usize,
    /// The head of a request; the API server's has some 500 bytes. At least 8 KiB.
    pub header_bytes: usize,
    /// Longest time from the end of the handshake to the first request.
    pub header_time: Duration,
    /// Longest TLS handshake.
    pub handshake_time: Duration,
    /// Silence after which a connection is closed. Longer than the 90 s after which the API server closes its own idle
    /// connections, so that the client goes first and no request meets a closing door.
    pub idle_time: Duration,
    /// TLS connections open at once. More wait in the kernel's queue.
    pub connections: usize,
    /// Requests in flight on one HTTP/2 connection: an API server may send all of its reviews over one.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 * MIB,
            body_time: Duration::from_secs(10),
            buffered_bytes: 256 * MIB,
            header_bytes: 64 * KIB,
            header_time: Duration::from_secs(10),
            handshake_time: Duration::from_secs(5),
            idle_time: Duration::from_mins(2),
            connections: 4_096,
            streams: 1_024,
        }
    }
}
