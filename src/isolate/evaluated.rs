//! A verdict and what it cost.

use std::time::Duration;

use crate::decision::Verdict;

/// What came of running one policy on one review.
#[derive(Debug, Clone)]
pub struct Evaluated {
    pub verdict: Verdict,
    /// Wall time inside the isolate; zero for a policy that never ran.
    pub time: Duration,
    /// Bytes that were allocated on the heap, where the review asked for it.
    pub allocated: Option<u64>,
    /// It is no verdict yet: a closed script found something that the shared realm does not give, and must be run once
    /// more in a realm of its own.
    pub is_open: bool,
}

impl From<Verdict> for Evaluated {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, time: Duration::ZERO, allocated: None, is_open: false }
    }
}
