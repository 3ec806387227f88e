//! How far a command is that does the same many times: a line on a terminal, for who waits longer than a second.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);

/// Between two lines.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Steps {
    what: &'static str,
    begun: Instant,
    shown: Option<Instant>,
    is_seen: bool,
    done: usize,
    count: usize,
}

impl Steps {
    /// `count` steps, each a `what`, in the plural.
    pub(super) fn new(what: &'static str, count: usize) -> Self {
        let is_seen = std::io::stderr().is_terminal();
        Self { what, begun: Instant::now(), shown: None, is_seen, done: 0, count }
    }

    /// Since the first.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn step(&mut self) {
        self.done += 1;
        let is_due = match self.shown {
            None => self.begun.elapsed() > PATIENCE,
            Some(shown) => shown.elapsed() > PAUSE,
        };
        if self.is_seen && is_due {
            eprint!("\r{} of {} {}", self.done, self.count, self.what);
            self.shown = Some(Instant::now());
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
            drop(std::io::stderr().flush());
        }
    }
}
