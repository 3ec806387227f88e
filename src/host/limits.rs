//! How much one call of a policy may bring in.

/// Bounds on host functions. The run's own limits (number of calls, heap, wall time) are the isolate's.
#[derive(Debug, Clone, Copy)]
pub struct HostLimits {
    /// Body of one response of `fetch`, and of one request: a policy's heap holds a few of them.
    pub fetch_bytes: usize,
    /// One file read by `readFile`: the size a `ConfigMap` or Secret can have.
    pub file_bytes: u64,
    /// Answer of one `list`: what a policy asked for without a namespace or selector may be a whole cluster.
    pub list_bytes: usize,
    /// Redirects followed by one `fetch`, as Go's client, and so jsPolicy, did.
    pub redirects: usize,
    /// Requests of all policies under way at once; the others wait their turn until their deadline.
    pub fetches: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self { fetch_bytes: 8 << 20, file_bytes: 1 << 20, list_bytes: 32 << 20, redirects: 10, fetches: 64 }
    }
}
