//! A running `bylaw serve` of the binary under test, on free ports of loopback; it ends with its owner.

#![allow(dead_code, reason = "each test target uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test has nothing better to do about a server that does not start"
)]

#[path = "lifeline.rs"]
pub mod lifeline;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use lifeline::{Guarded, ScratchFolder};

/// V8 starts in well under a second; machines that compile meanwhile are slower.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// What comes out of a log has passed a pipe and a file.
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

/// Arguments: files for the process id and for standard output; then what to run. `exec` keeps the process id.
const LAUNCH: &str = r#"echo $$ >"$1"; exec >"$2"; shift 2; exec "$@""#;

/// A serving process. Its methods panic with its log: they are for tests.
pub struct Server {
    // Dropped in this order: the process stops before its folder goes.
    process: Guarded,
    folder: ScratchFolder,
    printed: Printed,
    client: Client,
    runtime: Runtime,
}

/// What `bylaw serve` says on standard output.
struct Printed {
    url: String,
    authority: Option<PathBuf>,
    health: Option<String>,
    metrics: Option<String>,
}

impl Server {
    /// Starts `bylaw serve` with these arguments and waits until it is ready. The addresses need not be given.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same with additions to its environment.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut server = Self::launch(arguments, environment);
        let deadline = Instant::now() + READY_WITHIN;
        while !server.is_ready() {
            server.check_alive();
            assert!(Instant::now() < deadline, "bylaw is not ready within {READY_WITHIN:?}:\n{}", server.log());
            sleep(Duration::from_millis(10));
        }
        server
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.printed.url
    }

    /// The file with the certificate of the server's own authority; none where it was given a certificate.
    pub fn authority(&self) -> Option<&Path> {
        self.printed.authority.as_deref()
    }

    /// The whole URL of `/readyz`.
    pub fn health_url(&self) -> &str {
        self.printed.health.as_deref().expect("no health address was printed")
    }

    /// The whole URL of `/metrics`.
    pub fn metrics_url(&self) -> &str {
        self.printed.metrics.as_deref().expect("no metrics address was printed")
    }

    /// A client that trusts the server; for tests with a runtime of their own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a review, or anything else, to `path`. An answer that is not JSON comes as `null`.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.post_text(path, body.to_string())
    }

    /// The same with a body that is text already, for what no [`Value`] can hold.
    pub fn post_text(&self, path: &str, body: String) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url())).header("content-type", "application/json");
        self.runtime.block_on(async {
            let answer = request.body(body).send().await;
            let answer = answer.unwrap_or_else(|error| panic!("no answer to {path}: {error:?}\n{}", self.log()));
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap_or_else(|error| panic!("half an answer to {path}: {error:?}"));
            (status, serde_json::from_str(&text).unwrap_or_default())
        })
    }

    /// The status and the text at a URL, such as [`Self::health_url`].
    pub fn get(&self, url: &str) -> (u16, String) {
        self.try_get(url).unwrap_or_else(|error| panic!("no answer from {url}: {error:?}\n{}", self.log()))
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Where the log has got to: a mark for [`Self::wait_for_log`].
    pub fn log_length(&self) -> usize {
        self.log().len()
    }

    /// Waits for `text` in what was logged after `mark`.
    pub fn wait_for_log(&self, mark: usize, text: &str) -> Result<(), String> {
        let deadline = Instant::now() + LOGGED_WITHIN;
        loop {
            let log = self.log();
            let fresh = log.get(mark..).unwrap_or_default();
            if fresh.contains(text) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{text:?} is not in the log:\n{fresh}"));
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.folder.path().join("pid")).expect("the process id was written at the start");
        text.trim().parse().expect("the process id is a number")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
    }

    /// How it ended; panics if it does not end in time.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.process.ended().expect("the process can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "bylaw has not ended within {within:?}:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }

    fn launch(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bylaw-serve-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = ScratchFolder::create(std::env::temp_dir().join(name)).expect("no temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();

        let mut command = ["-c", LAUNCH, "launch"].map(str::to_owned).to_vec();
        command.extend([at("pid"), at("stdout"), "env".to_owned(), format!("XDG_STATE_HOME={}", at("state"))]);
        command.extend(environment.iter().map(|(name, value)| format!("{name}={value}")));
        command.extend([env!("CARGO_BIN_EXE_bylaw"), "serve"].map(str::to_owned));
        for flag in ["--listen", "--metrics-listen", "--health-listen"] {
            if !arguments.contains(&flag) {
                command.extend([flag, "127.0.0.1:0"].map(str::to_owned));
            }
        }
        command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut process = Guarded::start(Path::new("sh"), &command, &folder.path().join("log")).expect("sh starts");

        let printed = Printed::wait(&folder, &mut process);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = printed.client();
        Self { process, folder, printed, client, runtime }
    }

    fn is_ready(&self) -> bool {
        let Some(health) = &self.printed.health else { return true };
        self.try_get(health).is_ok_and(|(status, _)| status == 200)
    }

    fn try_get(&self, url: &str) -> reqwest::Result<(u16, String)> {
        let request = self.client.get(url);
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status().as_u16(), answer.text().await?))
        })
    }

    fn check_alive(&mut self) {
        let ended = self.process.ended().expect("the process can be waited for");
        assert!(ended.is_none(), "bylaw ended early, {ended:?}:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Printed {
    /// Waits for the whole announcement, which is written at once.
    fn wait(folder: &ScratchFolder, process: &mut Guarded) -> Self {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let text = fs::read_to_string(folder.path().join("stdout")).unwrap_or_default();
            if let Some(printed) = Self::parse(&text) {
                return printed;
            }
            let ended = process.ended().expect("the process can be waited for");
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "bylaw ended before it served, {ended:?}:\n{log}");
            assert!(Instant::now() < deadline, "bylaw does not serve within {READY_WITHIN:?}:\n{log}");
            sleep(Duration::from_millis(10));
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let after = |label: &str| text.lines().find_map(|line| line.trim_start().strip_prefix(label)).map(str::trim);
        let url = after("Bylaw is serving at ")?.to_owned();
        let own = |label| after(label).map(str::to_owned);
        let printed = Self {
            url,
            authority: after("authority ").map(Into::into),
            health: own("health "),
            metrics: own("metrics "),
        };
        text.ends_with('\n').then_some(printed)
    }

    fn client(&self) -> Client {
        // A proxy of the environment is not for loopback.
        let builder = Client::builder().no_proxy();
        let builder = match &self.authority {
            Some(path) => {
                let pem = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                builder.tls_certs_only([Certificate::from_pem(&pem).expect("the authority is a certificate in PEM")])
            }
            // Its certificate is the test's own affair.
            None => builder.tls_danger_accept_invalid_certs(true),
        };
        builder.build().expect("a client")
    }
}
