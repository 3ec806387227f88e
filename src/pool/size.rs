//! How many threads, how much memory, how long the queues.

use super::lane::Purpose;
use super::queue::Capacity;

/// Threads beside those that may run at once: they take over where a run takes long, and have everything loaded.
const SPARES: usize = 2;

/// What the isolates take together where nobody says otherwise: a hundred tenants fit, and the process stays well within
/// a pod of 1 GiB even where as much again was lost.
const MEMORY: usize = 256 << 20;

/// How many threads, isolates and waiting jobs.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize {
    /// Policies that only compute and run at once: the cores.
    pub threads: usize,
    /// Threads that take over where one of those is held up.
    pub spares: usize,
    /// Threads for policies that compute for long.
    pub apart_threads: usize,
    /// Threads for policies that may wait for the API server or the network.
    pub waiting_threads: usize,
    /// Jobs that wait for a thread in each lane; one more is turned away at once.
    pub queue: usize,
    /// Bytes that all isolates may take together.
    pub memory: usize,
}

impl PoolSize {
    /// For a machine with this many cores.
    #[must_use]
    pub fn for_cores(cores: usize) -> Self {
        let cores = cores.max(1);
        Self {
            threads: cores,
            spares: SPARES,
            apart_threads: cores.max(2),
            waiting_threads: (cores * 2).max(4),
            queue: 2_048,
            memory: MEMORY,
        }
    }

    pub(super) const fn all_threads(&self) -> usize {
        self.threads + self.spares + self.apart_threads + self.waiting_threads
    }

    pub(super) const fn threads_of(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Quick => self.threads + self.spares,
            Purpose::Apart => self.apart_threads,
            Purpose::Waiting => self.waiting_threads,
        }
    }

    pub(super) fn memory_a_thread(&self) -> usize {
        self.memory / self.all_threads().max(1)
    }

    pub(super) const fn capacity(&self, purpose: Purpose) -> Capacity {
        let permits = match purpose {
            Purpose::Quick => self.threads,
            Purpose::Apart | Purpose::Waiting => self.threads_of(purpose),
        };
        // Half of the room is kept for the others, whoever it is that asks for so much.
        Capacity { jobs: self.queue, jobs_a_domain: self.queue.div_ceil(2), permits }
    }
}
