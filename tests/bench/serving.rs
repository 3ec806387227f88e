//! The real server as a process, for as long as it is measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::load::{Question, Target};
use crate::machine;

/// Thousands of policies take their time.
const READY_WITHIN: Duration = Duration::from_mins(5);

/// A running `bylaw serve`; it ends with this value.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    pub authority: PathBuf,
    /// The folder of its policies.
    pub policies: PathBuf,
    /// From the start of the process until `/readyz` said yes.
    pub ready_after: Duration,
    _dir: tempfile::TempDir,
}

impl Serving {
    /// The yardstick: everything but matching and running.
    pub fn echo() -> anyhow::Result<Self> {
        Self::start(true, |_| Ok(()))
    }

    /// Serves what `write` puts into a folder, and returns when it is ready.
    pub fn of(write: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<Self> {
        Self::start(false, write)
    }

    /// Serves the policies of a cluster, and returns when it is ready.
    pub fn of_cluster(kubeconfig: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("serve").arg("--kubeconfig").arg(kubeconfig).args(arguments);
        Self::launch(command, dir)
    }

    fn start(echo: bool, write: impl FnOnce(&Path) -> std::io::Result<()>) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let policies = dir.path().join("policies");
        std::fs::create_dir(&policies)?;
        write(&policies)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("serve").arg("-p").arg(&policies);
        if echo {
            command.arg("--echo");
        }
        Self::launch(command, dir)
    }

    fn launch(mut command: Command, dir: tempfile::TempDir) -> anyhow::Result<Self> {
        command.env("XDG_STATE_HOME", dir.path());
        for port in ["--listen", "--metrics-listen", "--health-listen"] {
            command.args([port, "127.0.0.1:0"]);
        }
        let policies = dir.path().join("policies");
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        // From here on it ends with this value, whatever goes wrong.
        let mut serving = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: PathBuf::new(),
            policies,
            ready_after: Duration::ZERO,
            _dir: dir,
        };
        let mut health = None;
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some((_, url)) = line.split_once("serving at https://") {
                serving.address = url.trim().parse()?;
            }
            if let Some(path) = line.trim().strip_prefix("authority") {
                serving.authority = PathBuf::from(path.trim());
            }
            if let Some((_, url)) = line.split_once("health     http://") {
                health = url.trim().strip_suffix("/readyz").map(str::parse).transpose()?;
            }
            if line.starts_with("Try it") {
                break;
            }
        }
        let health: SocketAddr = health.context("the server said no health address")?;
        while !is_ready(health) {
            anyhow::ensure!(begun.elapsed() < READY_WITHIN, "the server is not ready within {READY_WITHIN:?}");
            anyhow::ensure!(serving.child.try_wait()?.is_none(), "the server ended before it was ready");
            sleep(Duration::from_millis(2));
        }
        serving.ready_after = begun.elapsed();
        Ok(serving)
    }

    pub fn target(&self, questions: Vec<Question>) -> Target {
        Target { address: self.address, authority: self.authority.clone(), questions }
    }

    /// Processor time that the server has used.
    pub fn cpu_time(&self) -> Duration {
        machine::processor_time(self.child.id())
    }

    /// Memory that it holds, in bytes.
    pub fn resident(&self) -> u64 {
        machine::resident(self.child.id())
    }
}

/// What `/readyz` says. No answer counts as no.
fn is_ready(health: SocketAddr) -> bool {
    let asked = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(health)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200 "))
    };
    asked().unwrap_or(false)
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(10));
        }
    }
}
