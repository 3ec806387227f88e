//! What the queue of a lane keeps of each domain: the jobs in line, what it has had, and which threads have its isolate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::job::Job;
use super::queue::Seat;
use crate::policy::Domain;

/// What the host's own policies get for one share of each tenant.
const HOST_WEIGHT: u64 = 4;

/// Nanoseconds that a first job of a domain is taken to need.
const FIRST_GUESS: u64 = 50_000;

/// A job that has waited for so long, or has so many behind it, goes to any thread. To make an isolate takes some
/// milliseconds: who helps sooner makes others wait for that, who then need help themselves.
pub(super) const HELP_AFTER: Duration = Duration::from_millis(50);
pub(super) const HELP_AT: usize = 16;

/// Jobs after which a domain has the thread that serves it for its own, and no other: it may have helped out long ago.
pub(super) const SETTLED: u32 = 1_024;

/// What a domain has had, in nanoseconds divided by its weight, and what it waits for.
pub(super) struct Account {
    pub jobs: VecDeque<Job>,
    pub had: u64,
    /// What a job of this domain takes, in nanoseconds: a moving average.
    pub usual: u64,
    pub weight: u64,
    /// The threads that have its isolate, as far as is known here; none where every thread has.
    pub homes: u64,
    served: u32,
    /// Since when its first job waits, where it matters which thread takes it.
    pub waits_since: Option<Instant>,
}

impl Account {
    pub fn new(domain: &Domain, clock: u64) -> Self {
        let weight = if *domain == Domain::Host { HOST_WEIGHT } else { 1 };
        Self { jobs: VecDeque::new(), had: clock, usual: FIRST_GUESS, weight, homes: 0, served: 0, waits_since: None }
    }

    pub fn suits(&self, seat: Seat, away: u64) -> bool {
        self.homes & !away == 0 || self.homes & seat.0 != 0 || self.needs_help()
    }

    pub fn needs_help(&self) -> bool {
        self.jobs.len() >= HELP_AT || self.waits_since.is_some_and(|since| since.elapsed() >= HELP_AFTER)
    }

    pub fn is_served_by(&mut self, seat: Seat) {
        self.served = self.served.wrapping_add(1);
        self.homes = if self.served.is_multiple_of(SETTLED) { seat.0 } else { self.homes | seat.0 };
    }
}
