//! Bundling in a process of its own: whatever a package does to the parser or the linker, it costs one policy one try.
//!
//! The same binary is started with the hidden command [`COMMAND`]. It reads the job from its standard input, writes what
//! came of it to its standard output, and is killed at its deadline.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::NpmError;
use super::{Made, Options, Source};
use crate::bundle::diagnostics::BundleError;

pub(super) const COMMAND: &str = "bundler";

/// Time for a source that comes with packages of a registry, unless `BUNDLE_TIMEOUT` says otherwise.
const PATIENCE: Duration = Duration::from_mins(2);

/// A script, its map with all sources in it, and a lock.
const MAX_ANSWER: u64 = 128 << 20;

/// What the child may see of the environment: where the system keeps its authorities.
const PASSED_ON: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the binary that bundles: this one, by whatever path leads to it. The first call counts.
pub fn use_program(program: PathBuf) {
    drop(PROGRAM.set(program));
}

pub(super) fn program() -> Option<&'static Path> {
    PROGRAM.get().map(PathBuf::as_path)
}

/// What is asked of the process.
#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub source: Source,
    pub options: Options,
}

/// The answer of a process to one job.
pub(super) fn run(program: &Path, source: &Source, options: &Options) -> Result<Made, BundleError> {
    let failed = |reason: String| BundleError::from(NpmError::Process { reason });
    let job = serde_json::to_vec(&Job { source: source.clone(), options: options.clone() });
    let job = job.map_err(|error| failed(format!("cannot be asked: {error}")))?;
    let mut command = Command::new(program);
    command.arg(COMMAND).env_clear();
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(format!("cannot start: {error}")))?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("has no pipes".to_owned()));
    };
    let mut child = Killed(child);
    // One that dies early breaks the pipe, and its end says why.
    let writer = std::thread::Builder::new().name("bundler-job".to_owned()).spawn(move || drop(stdin.write_all(&job)));
    let (sender, answer) = sync_channel(1);
    let reader = std::thread::Builder::new().name("bundler-answer".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut bytes).map(|_| bytes);
        drop(sender.send(read));
    });
    if writer.is_err() || reader.is_err() {
        return Err(failed("has nobody to talk to: the system gives no thread".to_owned()));
    }
    let patience = patience();
    let bytes = match answer.recv_timeout(patience) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(failed(format!("cannot be understood: {error}"))),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            let seconds = patience.as_secs();
            let reason = format!("did not bundle {} within {seconds} s (BUNDLE_TIMEOUT)", super::make::name_of(source));
            return Err(failed(reason));
        }
    };
    if let Ok(result) = serde_json::from_slice::<Result<Made, BundleError>>(&bytes) {
        return result;
    }
    let how = child.0.wait().map_or_else(|error| error.to_string(), told);
    Err(failed(format!("ended without bundling {}: {how}", super::make::name_of(source))))
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}; it may need more memory or time than it is given"),
        (None, None) => "no reason is known".to_owned(),
    }
}

/// jsPolicy's variable, in seconds.
fn patience() -> Duration {
    let given = std::env::var("BUNDLE_TIMEOUT").ok().and_then(|text| text.trim().parse().ok());
    given.filter(|seconds| *seconds > 0).map_or(PATIENCE, Duration::from_secs)
}

/// A process that does not outlive its owner's interest.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
