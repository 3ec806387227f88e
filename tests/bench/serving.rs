//! The real server as a process, for as long as it is measured.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::policies;

/// A running `bylaw serve`; it ends with this value.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    pub authority: PathBuf,
    _dir: tempfile::TempDir,
}

impl Serving {
    /// Serves this many module policies; none stands for `--echo`, a negative number for one script.
    pub fn start(count: i32) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let folder = dir.path().join("policies");
        std::fs::create_dir(&folder)?;
        match usize::try_from(count) {
            Ok(count) => policies::write(&folder, count)?,
            Err(_) => policies::write_script(&folder)?,
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("serve").arg("-p").arg(&folder).env("XDG_STATE_HOME", dir.path());
        for port in ["--listen", "--metrics-listen", "--health-listen"] {
            command.args([port, "127.0.0.1:0"]);
        }
        if count == 0 {
            command.arg("--echo");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut address = None;
        let mut authority = None;
        for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
            let line = line?;
            if let Some((_, url)) = line.split_once("serving at https://") {
                address = Some(url.trim().parse()?);
            }
            if let Some(path) = line.trim().strip_prefix("authority") {
                authority = Some(PathBuf::from(path.trim()));
            }
            if line.starts_with("Try it") {
                break;
            }
        }
        // The threads load what they serve; a measurement must not begin before.
        std::thread::sleep(Duration::from_millis(500));
        Ok(Self {
            child,
            address: address.context("no address")?,
            authority: authority.context("no authority")?,
            _dir: dir,
        })
    }

    /// Processor time that the server has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
