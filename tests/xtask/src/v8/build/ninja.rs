//! The compilation itself. Ninja knows by its own log what is done, so that an interrupted build goes on.

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};

use super::lock::Lock;
use super::tools::Tools;
use crate::v8::machine::Machine;

/// One compilation of V8's larger files takes that much.
const MEMORY_OF_JOB_KIB: u64 = 2 << 20;

/// How often the progress is told where lines stay.
const EVERY: Duration = Duration::from_mins(1);
/// And where they are overwritten.
const EVERY_ON_TERMINAL: Duration = Duration::from_secs(1);

/// Everything that the compilation says.
const LOG: &str = "build.log";

/// Compilations at once: one a processor, if there is memory for them.
pub fn jobs() -> u32 {
    let wished = ["NUM_JOBS", "CARGO_BUILD_JOBS"].into_iter().find_map(|name| env::var(name).ok()?.parse().ok());
    let processors = thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    wished.unwrap_or_else(|| jobs_for(processors, &fs::read_to_string("/proc/meminfo").unwrap_or_default()))
}

fn jobs_for(processors: u32, meminfo: &str) -> u32 {
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next());
    let Some(available) = available.and_then(|kib| kib.parse::<u64>().ok()) else { return processors };
    let fit = u32::try_from(available / MEMORY_OF_JOB_KIB).unwrap_or(u32::MAX);
    processors.min(fit).max(1)
}

pub fn build(machine: &Machine<'_>, tools: &Tools, out: &Path, jobs: u32, lock: &Lock) -> Result<()> {
    let log = machine.places.folder().join(LOG);
    let mut file = File::options().create(true).append(true).open(&log).context("the log cannot be opened")?;
    let mut command = Command::new(&tools.ninja);
    command.arg("-C").arg(out).args(["-j", &jobs.to_string(), "rusty_v8"]);
    command.env("NINJA_STATUS", "[%f/%t] ").env("PYTHONDONTWRITEBYTECODE", "1").stdin(lock.share()?);
    let on_terminal = std::io::stderr().is_terminal();
    let mut telling = Telling::new(Instant::now(), if on_terminal { EVERY_ON_TERMINAL } else { EVERY });
    let mut said = Said::default();
    let good = machine.runner.watch(&mut command, &mut |line| {
        // A log that cannot be written is no reason to stop.
        let _ = writeln!(file, "{line}");
        match Progress::of(line) {
            Some(progress) => {
                if let Some(told) = telling.at(progress, Instant::now()) {
                    let (before, after) = if on_terminal { ("\r", "\u{1b}[K") } else { ("", "\n") };
                    eprint!("{before}V8: {told}{after}");
                }
            }
            None => said.add(line),
        }
    })?;
    if on_terminal {
        eprintln!();
    }
    if !good {
        bail!("the compilation failed; {} has all of it:\n{}", log.display(), said.lines.join("\n"));
    }
    Ok(())
}

/// What is shown of a failure: the first step that failed and what it said, or else the last lines.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    has_failed: bool,
}

const LINES_SHOWN: usize = 20;

impl Said {
    fn add(&mut self, line: &str) {
        if line.trim().is_empty() || (self.has_failed && self.lines.len() >= LINES_SHOWN) {
            return;
        }
        if !self.has_failed && line.starts_with("FAILED:") {
            self.has_failed = true;
            self.lines.clear();
        }
        if self.lines.len() >= LINES_SHOWN {
            self.lines.remove(0);
        }
        // Commands are lines of many thousand letters.
        self.lines.push(line.chars().take(400).collect());
    }
}

/// How far the last compilation came, by its log.
pub fn last_progress(folder: &Path) -> Option<String> {
    let log = fs::read(folder.join(LOG)).ok()?;
    let last = String::from_utf8_lossy(&log).lines().rev().find_map(Progress::of)?;
    Some(format!("{} of {} steps done in the last run", last.done, last.all))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    done: u32,
    all: u32,
}

impl Progress {
    /// Of a line like `[12/3456] CXX obj/…`.
    fn of(line: &str) -> Option<Self> {
        let (done, all) = line.strip_prefix('[')?.split_once(']')?.0.split_once('/')?;
        Some(Self { done: done.parse().ok()?, all: all.parse().ok()? })
    }

    /// What is left if it goes on as it went, which is too early to say at first.
    fn left(self, spent: Duration) -> Option<Duration> {
        (self.done >= 50 && self.done < self.all).then(|| spent * self.all.saturating_sub(self.done) / self.done.max(1))
    }

    fn told(self, spent: Duration) -> String {
        let left = self.left(spent).map_or_else(String::new, |left| format!(", about {} left", minutes(left)));
        format!("{} of {} steps, {}{left}", self.done, self.all, minutes(spent))
    }
}

fn minutes(time: Duration) -> String {
    format!("{} min", time.as_secs().div_ceil(60))
}

/// Not every step is told.
struct Telling {
    since: Instant,
    last: Option<Instant>,
    every: Duration,
}

impl Telling {
    fn new(since: Instant, every: Duration) -> Self {
        Self { since, last: None, every }
    }

    fn at(&mut self, progress: Progress, now: Instant) -> Option<String> {
        let is_due = self.last.is_none_or(|last| now.duration_since(last) >= self.every);
        if !is_due && progress.done != progress.all {
            return None;
        }
        self.last = Some(now);
        Some(progress.told(now.duration_since(self.since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_at_once_as_processors_and_memory_bear() {
        let memory = |gib: u64| format!("MemTotal: 1 kB\nMemAvailable:   {} kB\n", gib << 20);
        assert_eq!(jobs_for(2, &memory(24)), 2);
        assert_eq!(jobs_for(16, &memory(8)), 4);
        assert_eq!(jobs_for(4, &memory(1)), 1);
        assert_eq!(jobs_for(4, ""), 4);
    }

    #[test]
    fn of_all_that_is_said_the_first_failure_is_shown_and_never_much() {
        let mut said = Said::default();
        (0..1000).for_each(|at| said.add(&format!("warning {at}")));
        assert_eq!((said.lines.len(), said.lines[0].as_str()), (LINES_SHOWN, "warning 980"));
        said.add("FAILED: b.o");
        said.add(&"x".repeat(9000));
        (0..1000).for_each(|at| said.add(&format!("error {at}")));
        said.add("FAILED: c.o");
        assert_eq!((said.lines.len(), said.lines[0].as_str(), said.lines[1].len()), (LINES_SHOWN, "FAILED: b.o", 400));
        assert_eq!(said.lines[2], "error 0");
    }

    #[test]
    fn progress_is_read_from_ninjas_lines_and_told_now_and_then() {
        assert_eq!(Progress::of("[12/3456] CXX obj/v8/x.o"), Some(Progress { done: 12, all: 3456 }));
        assert_eq!(Progress::of("ninja: Entering directory `out'"), None);
        assert_eq!(Progress::of("[notes] 1/2"), None);

        let begun = Instant::now();
        let mut telling = Telling::new(begun, EVERY);
        let at = |seconds| begun + Duration::from_secs(seconds);
        let step = |done| Progress { done, all: 400 };
        assert_eq!(telling.at(step(1), at(1)).as_deref(), Some("1 of 400 steps, 1 min"));
        assert_eq!(telling.at(step(2), at(30)), None);
        assert_eq!(telling.at(step(100), at(600)).as_deref(), Some("100 of 400 steps, 10 min, about 30 min left"));
        assert_eq!(telling.at(step(400), at(601)).as_deref(), Some("400 of 400 steps, 11 min"));
    }
}
