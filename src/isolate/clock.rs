//! The processor time of one thread, readable from another.

use std::time::Duration;

/// A thread's CPU clock (`pthread_getcpuclockid`).
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    pub(super) fn of_this_thread() -> Self {
        let mut clock = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: the thread is the caller itself, and `clock` outlives the call. On failure `clock` keeps a value
        // that is valid, though it then measures the reader: no limit is lost, only its precision.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        Self(clock)
    }

    /// CPU time used so far; zero once the thread is gone.
    pub(super) fn now(self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call; a clock of a thread that is gone makes it fail, not misbehave.
        let read = unsafe { libc::clock_gettime(self.0, &raw mut time) };
        if read != 0 {
            return Duration::ZERO;
        }
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}
