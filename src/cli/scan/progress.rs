//! A bar for who waits at a terminal for longer than a second.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Shared by those who read and those who judge.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    is_seen: bool,
    shown: OnceLock<()>,
}

impl Progress {
    pub(super) fn new(is_wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let is_seen = is_wanted && std::io::stderr().is_terminal();
        Self { bar, begun: Instant::now(), is_seen, shown: OnceLock::new() }
    }

    /// How much there is, where that is known.
    pub(super) fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
    }

    /// So much was read.
    pub(super) fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// So many objects were judged so far.
    pub(super) fn judged(&self, objects: u64) {
        if !self.is_seen || self.begun.elapsed() < PATIENCE {
            return;
        }
        self.shown.get_or_init(|| {
            let is_measured = self.bar.length().is_some();
            let template = if is_measured { "{wide_bar} {percent:>3} %  {msg}" } else { "{spinner} {msg}" };
            self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        });
        self.bar.set_message(format!("{objects} objects"));
        self.bar.tick();
    }

    /// Takes it off the terminal.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
