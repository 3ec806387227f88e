//! Runs of the binary that end by themselves.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A command that has not ended by then hangs, or serves where it should not.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs `bylaw` with these arguments and nothing on standard input.
pub fn bylaw(arguments: &[&str]) -> Ended {
    bylaw_with(arguments, &[], "")
}

/// The same with additions to its environment, and with text on standard input.
pub fn bylaw_with(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    // The width at which clap wraps must not depend on who runs the tests.
    command.args(arguments).env("COLUMNS", "100").envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A command that does not read its input must not block the test; one that has ended breaks the pipe.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = wait(child, arguments);
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn wait(mut child: Child, arguments: &[&str]) -> Output {
    let deadline = Instant::now() + ENDS_WITHIN;
    // Output that fills a pipe would stop the command: it is read all the while.
    let (out, err) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("bylaw {arguments:?} has not ended within {ENDS_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("the output can be read");
        bytes
    })
}
