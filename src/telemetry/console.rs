//! What a policy prints, on its way to the log: capped, so that a policy in a loop cannot fill a disk, and escaped,
//! so that it cannot forge a line.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The length of the window that `lines_per_second` counts in.
const WINDOW: Duration = Duration::from_secs(1);

/// How much one policy may print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleLimits {
    pub lines_per_second: u32,
    /// Longer lines are cut, with a note of how much is missing.
    pub bytes_per_line: usize,
}

impl Default for ConsoleLimits {
    /// Enough to debug a policy by printing, too little to hurt: at most 20 KiB a second for one policy.
    fn default() -> Self {
        Self { lines_per_second: 20, bytes_per_line: 1_024 }
    }
}

/// The level a policy printed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// The console of one policy.
#[derive(Debug)]
pub struct Console {
    policy: Arc<str>,
    limits: ConsoleLimits,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    started: Instant,
    lines: u32,
    dropped: u64,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// Print it; so many lines were dropped since the last one printed.
    Print {
        dropped: u64,
    },
    Drop,
}

impl Console {
    pub fn new(policy: Arc<str>, limits: ConsoleLimits) -> Self {
        let window = Window { started: Instant::now(), lines: 0, dropped: 0 };
        Self { policy, limits, window: Mutex::new(window) }
    }

    /// Logs one line under the target `policy`, or counts it as dropped.
    pub fn print(&self, level: ConsoleLevel, text: &str) {
        let Admission::Print { dropped } = self.admit(Instant::now()) else { return };
        let policy = &*self.policy;
        if dropped > 0 {
            tracing::warn!(target: "policy", policy, dropped, "lines of this policy were dropped: it prints too much");
        }
        let line = sanitize(text, self.limits.bytes_per_line);
        match level {
            ConsoleLevel::Debug => tracing::debug!(target: "policy", policy, "{line}"),
            ConsoleLevel::Info => tracing::info!(target: "policy", policy, "{line}"),
            ConsoleLevel::Warn => tracing::warn!(target: "policy", policy, "{line}"),
            ConsoleLevel::Error => tracing::error!(target: "policy", policy, "{line}"),
        }
    }

    fn admit(&self, now: Instant) -> Admission {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.started) >= WINDOW {
            window.started = now;
            window.lines = 0;
        }
        if window.lines >= self.limits.lines_per_second {
            window.dropped += 1;
            return Admission::Drop;
        }
        window.lines += 1;
        Admission::Print { dropped: std::mem::take(&mut window.dropped) }
    }
}

impl Drop for Console {
    /// A policy that floods and is then replaced has no next line to carry the count.
    fn drop(&mut self) {
        let dropped = self.window.get_mut().unwrap_or_else(PoisonError::into_inner).dropped;
        if dropped > 0 {
            let policy = &*self.policy;
            tracing::warn!(target: "policy", policy, dropped, "lines of this policy were dropped: it printed too much");
        }
    }
}

/// One line of at most about `max` bytes without control characters.
fn sanitize(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for (at, character) in text.char_indices() {
        if line.len() >= max {
            let _ = write!(line, "… ({} more bytes)", text.len() - at);
            break;
        }
        // Bidirectional overrides make a line read as what it is not.
        if character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_prints_its_share_and_says_what_is_missing() {
        let console = Console::new("p".into(), ConsoleLimits { lines_per_second: 3, bytes_per_line: 10 });
        let start = Instant::now();
        let printed = (0..100).filter(|_| console.admit(start) != Admission::Drop).count();
        assert_eq!(printed, 3);
        assert_eq!(console.admit(start + WINDOW), Admission::Print { dropped: 97 });
        assert_eq!(console.admit(start + WINDOW), Admission::Print { dropped: 0 });
    }

    #[test]
    fn a_line_cannot_forge_another() {
        assert_eq!(
            sanitize("a\n2026 ERROR forged\u{1b}[2J\u{202e}x", 100),
            "a\\n2026 ERROR forged\\u{1b}[2J\\u{202e}x"
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(sanitize("ééééé", 4), "éé… (6 more bytes)");
        assert_eq!(sanitize("éé", 4), "éé");
    }
}
