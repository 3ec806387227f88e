//! What the figures were measured on, and what the system says of a process.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

/// Hardware, kernel and versions: a figure without them says nothing.
pub fn describe() -> Value {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| kibibytes(&text)).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpu": cpu,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memoryMiB": memory >> 10,
        "kernel": format!("{} {}", std::env::consts::OS, kernel.trim()),
        "bylaw": env!("CARGO_PKG_VERSION"),
        "commit": said_by("git", &["describe", "--always", "--dirty"]),
        "v8": bylaw::isolate::version(),
        "rustc": said_by("rustc", &["--version"]),
    })
}

/// Processor time that a process has used, of all threads that still are.
pub fn processor_time(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let of = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.filter_map(of).sum())
}

/// Memory that a process holds, in bytes.
pub fn resident(process: u32) -> u64 {
    let text = field(&format!("/proc/{process}/status"), "VmRSS");
    text.and_then(|text| kibibytes(&text)).unwrap_or_default() << 10
}

/// Runs `work` with timers of the main thread as exact as the system can: by default it wakes a sleeper up to 50 us
/// late, which is as long as an answer takes. Where it may not be asked for that, the lateness is part of the figures.
pub fn with_exact_timers<R>(work: impl FnOnce() -> R) -> R {
    const SLACK: &str = "/proc/self/timerslack_ns";
    drop(fs::write(SLACK, "1"));
    let result = work();
    // Its default again, which processes started from here inherit.
    drop(fs::write(SLACK, "0"));
    result
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kibibytes(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse::<u64>().ok()
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
