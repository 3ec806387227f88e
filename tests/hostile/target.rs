//! The server under attack, and what must hold of it whatever is done to it: its neighbours' answers, its readiness, its
//! memory.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::case::Case;
use super::review;
use super::server::Server;

/// Policies that do no harm, and where they are asked. Each matches its own review alone.
pub const NEIGHBOURS: [(&str, &str); 6] = [
    ("neighbour", "validate"),
    ("calm", "validate"),
    ("patient", "validate"),
    ("gardener", "mutate"),
    ("clerk", "validate"),
    ("witness", "validate"),
];

/// A neighbour never waits longer, whatever happens beside it and however busy the machine is. How long they do wait is
/// in the report.
const NEIGHBOUR_WITHIN: Duration = Duration::from_secs(8);

/// What the server may hold beyond what it held before the attacks: isolates that have grown, code that was compiled,
/// what the allocators keep for the next time.
const TOLERANCE: u64 = 192 << 20;
/// What a thread that was parked out of memory keeps at most: its heap at the raised limit, and the one allocation that V8
/// lets pass any limit, such as a text of half a gigabyte made flat.
const KEPT_BY_LOST: u64 = (128 + 512) << 20;
/// For how long memory may take to come back.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// A server with the policies of some cases, and its neighbours.
pub struct Target {
    server: Server,
    /// The processor time of a run, where it is less than usual.
    pub hurry: Option<Duration>,
    expected: Vec<Value>,
    baseline: u64,
    /// Attacks that may have cost a thread, so far.
    pub costly: AtomicU64,
    folder: tempfile::TempDir,
}

impl Target {
    /// `hurry` is the processor time that a run has, where that is less than usual: most attacks take all there is.
    pub fn start(cases: &[Case<'_>], hurry: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let neighbours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/neighbours");
        for file in fs::read_dir(neighbours).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        for case in cases {
            case.write(folder.path());
        }
        // Attacks that lose memory for good are many here; where that ends is not what these tests are about.
        let mut flags = vec!["--policies", folder.path().to_str().unwrap(), "--memory-budget", "64Gi"];
        let limit = hurry.map(|limit| format!("{}ms", limit.as_millis()));
        flags.extend(limit.iter().flat_map(|limit| ["--cpu-limit", limit]));
        let server = Server::start(&flags);
        // A policy that was refused would let its review pass, and prove nothing.
        let log = server.log();
        assert!(!log.contains("serving_last_good"), "{log}");
        let mut target = Self { server, hurry, expected: Vec::new(), baseline: 0, costly: AtomicU64::new(0), folder };
        target.expected = (0..NEIGHBOURS.len()).map(|which| target.ask(which).0).collect();
        for (expected, (name, _)) in target.expected.iter().zip(NEIGHBOURS) {
            assert_eq!(expected["uid"], name, "{expected}");
            assert_ne!(expected["status"]["code"], 500, "{expected}");
        }
        target.baseline = target.memory();
        target
    }

    /// What it logged, without its decisions.
    fn log(&self) -> String {
        let log = self.server.log();
        let lines = log.lines().filter(|line| !line.contains("INFO"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Where its policies are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A neighbour's answer, and how long it took.
    fn ask(&self, which: usize) -> (Value, Duration) {
        let (name, endpoint) = NEIGHBOURS[which];
        let begun = Instant::now();
        let (status, answer) = self.server.post_text(&format!("/{endpoint}?timeout=10s"), review::of(name, "plain"));
        let took = begun.elapsed();
        assert_eq!(status, 200, "{name}: {answer}");
        (answer["response"].clone(), took)
    }

    /// Asks a neighbour, whose answer must be what it was, in time.
    pub fn check_neighbour(&self, which: usize, when: &str) -> Duration {
        let which = which % NEIGHBOURS.len();
        let (answer, took) = self.ask(which);
        let (name, _) = NEIGHBOURS[which];
        assert_eq!(answer, self.expected[which], "{name}, {when}\n{}", self.log());
        assert!(took < NEIGHBOUR_WITHIN, "{name} waited for {took:?}, {when}\n{}", self.log());
        took
    }

    /// Whether it has lost as many threads as it may, and says so. Anything else that makes it unready is a failure.
    pub fn is_spent(&self) -> bool {
        let (status, report) = self.server.get(&format!("{}?verbose", self.server.health_url()));
        if status == 200 {
            return false;
        }
        assert!(
            report.contains("lost") && self.costly.load(Ordering::Relaxed) > 0,
            "unready: {report}\n{}",
            self.log()
        );
        true
    }

    /// What must hold when it is quiet again.
    pub fn check_calm(&self) {
        self.check_calm_but_for(0);
    }

    /// The same where so many more threads were given up than the server counts.
    pub fn check_calm_but_for(&self, threads: u64) {
        for which in 0..NEIGHBOURS.len() {
            self.check_neighbour(which, "at the end");
        }
        let bound = self.baseline + TOLERANCE + self.kept_by_lost_threads() + threads * KEPT_BY_LOST;
        let deadline = Instant::now() + SETTLES_WITHIN;
        while self.memory() > bound {
            let memory = self.memory() >> 20;
            assert!(
                Instant::now() < deadline,
                "{memory} MiB, {} before, {} threads lost\n{}",
                self.baseline >> 20,
                self.lost_threads(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops it as an operator would: it must end by itself, and well.
    pub fn stop(mut self) {
        self.server.terminate();
        let status = self.server.wait(Duration::from_secs(30));
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Threads that the server gave up with their memory, as it tells; where it tells nothing, as many as there may be.
    pub fn lost_threads(&self) -> u64 {
        self.lost("threads").unwrap_or_else(|| self.costly.load(Ordering::Relaxed))
    }

    /// What the server says that it lost: the sum of its series of this name.
    fn lost(&self, what: &str) -> Option<u64> {
        let (_, page) = self.server.get(self.server.metrics_url());
        let series =
            page.lines().filter(|line| line.starts_with("bylaw_") && line.contains("lost") && line.contains(what));
        let told: Vec<f64> = series.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of bytes at most")]
        (!told.is_empty()).then(|| told.iter().sum::<f64>() as u64)
    }

    /// At most what the threads that were given up keep.
    pub fn kept_by_lost_threads(&self) -> u64 {
        self.lost("bytes").unwrap_or_else(|| KEPT_BY_LOST * self.lost_threads())
    }

    /// Bytes of memory that the process has.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub fn baseline(&self) -> u64 {
        self.baseline
    }
}
