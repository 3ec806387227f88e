//! The process metrics that every Prometheus client exports, read from `/proc/self` when someone scrapes.

use std::fs;

/// `USER_HZ`, the unit of the times in `/proc/<pid>/stat`: fixed at 100 in the ABI of every architecture that
/// Kubernetes runs on (proc(5), time(7)).
const TICKS_PER_SECOND: f64 = 100.0;

const KIB: u64 = 1024;

/// What the kernel says about this process. A field is `None` where the kernel does not (or it is not Linux).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    pub resident_bytes: Option<u64>,
    pub virtual_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub cpu_seconds: Option<f64>,
    /// Since the Unix epoch.
    pub start_seconds: Option<f64>,
    pub open_files: Option<u64>,
    pub max_files: Option<u64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let mut process = Self::parse(
            &text("/proc/self/status"),
            &text("/proc/self/stat"),
            &text("/proc/stat"),
            &text("/proc/self/limits"),
        );
        // The directory handle that counts them is one of them.
        process.open_files = fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
        process
    }

    fn parse(status: &str, stat: &str, system: &str, limits: &str) -> Self {
        let kib = |name| number_after(status, name).map(|kib| kib * KIB);
        // The second field is the program's name in brackets and may itself hold blanks and brackets.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        // Fields are numbered from 1 in proc(5), and the first one left here is the third.
        let seconds = |number: usize| fields.get(number - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
        let boot = number_after(system, "btime");
        Self {
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            threads: number_after(status, "Threads:"),
            cpu_seconds: seconds(14).zip(seconds(15)).map(|(user, kernel)| user + kernel),
            start_seconds: seconds(22).zip(boot).map(|(since_boot, boot)| precise(boot) + since_boot),
            open_files: None,
            max_files: number_after(limits, "Max open files"),
        }
    }
}

/// The first number on the line that starts with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[allow(clippy::cast_precision_loss, reason = "a Unix time fits")]
fn precise(seconds: u64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_name_may_hold_blanks_and_brackets() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1000 1 1";
        let process = Process::parse("VmRSS:\t  10 kB\nThreads:\t9\n", stat, "cpu 1\nbtime 1700000000\n", "");
        assert_eq!(process.cpu_seconds, Some(3.0));
        assert_eq!(process.start_seconds, Some(1_700_000_010.0));
        assert_eq!(process.resident_bytes, Some(10_240));
        assert_eq!(process.threads, Some(9));
        assert_eq!(process.max_files, None);
    }

    #[test]
    fn nothing_to_read_is_nothing_to_say() {
        assert_eq!(Process::parse("", "", "", ""), Process::default());
    }

    #[test]
    fn this_process_has_memory_files_and_a_past() {
        let process = Process::read();
        assert!(process.resident_bytes > Some(100_000));
        assert!(process.open_files > Some(2));
        assert!(process.max_files >= process.open_files);
        assert!(process.start_seconds > Some(1.6e9));
        assert!(process.cpu_seconds >= Some(0.0));
    }
}
