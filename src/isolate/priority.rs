//! Which thread of the process the scheduler prefers.

use std::sync::atomic::{AtomicBool, Ordering};

/// The lowest priority there is: a fiftieth of what a thread gets that wants the same core.
const LOWEST: libc::c_int = 19;

/// The priority of one thread. It can be lowered, but nobody without privileges can raise it again.
#[derive(Debug)]
pub(super) struct ThreadPriority {
    thread: libc::pid_t,
    is_low: AtomicBool,
}

impl ThreadPriority {
    pub(super) fn of_this_thread() -> Self {
        // SAFETY: the call has no arguments and cannot fail.
        let thread = unsafe { libc::gettid() };
        Self { thread, is_low: AtomicBool::new(false) }
    }

    /// Lowers it, from any thread. On Linux `setpriority` takes the number of a thread as well as of a process.
    pub(super) fn lower(&self) {
        let thread = libc::id_t::try_from(self.thread).unwrap_or_default();
        // SAFETY: numbers only. A thread that is gone makes the call fail.
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, LOWEST) };
        self.is_low.store(result == 0, Ordering::Release);
    }

    pub(super) fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_is_lowered_and_no_other() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse::<i32>().unwrap()
        };
        let before = nice();
        let lowered = std::thread::spawn(move || {
            let priority = ThreadPriority::of_this_thread();
            priority.lower();
            (priority.is_low(), nice())
        });
        assert_eq!(lowered.join().unwrap(), (true, 19));
        assert_eq!(nice(), before);
    }
}
