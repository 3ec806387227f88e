//! A worker's end of the socket: frames out, and the calls that wait for an answer.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::frame::{FROM_WORKER, Frame, FrameError, Incoming, TO_WORKER, encode};
use super::message::{Answered, FromWorker, Outcome};
use crate::host::{Answer, Forward, HostError, Tell};
use crate::isolate::MAX_LINES;

/// A call begun at the very deadline still gets what is at hand.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// The socket of a worker, which it got as its standard input.
pub struct Link {
    socket: File,
    /// Nothing comes between the parts of a frame.
    writing: Mutex<()>,
    calls: Mutex<Calls>,
    /// Printed by the run under way.
    lines: AtomicU32,
}

#[derive(Default)]
struct Calls {
    last: u64,
    waiting: HashMap<u64, Tell>,
}

impl Link {
    /// # Errors
    /// Where standard input is closed.
    pub fn new() -> io::Result<Self> {
        let socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { socket, writing: Mutex::default(), calls: Mutex::default(), lines: AtomicU32::new(0) })
    }

    /// Where the supervisor's frames come in.
    pub fn incoming(&self) -> Incoming<&File> {
        Incoming::new(&self.socket, TO_WORKER)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// Where it is too long, or the supervisor is gone.
    pub fn send(&self, head: &impl Serialize, body: &[&[u8]]) -> Result<(), FrameError> {
        let frame = encode(FROM_WORKER, head, body)?;
        let _whole = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        (&self.socket).write_all(&frame)?;
        Ok(())
    }

    /// Gives an answer to the call that waits for it, if it still does.
    pub fn answered(&self, answered: Answered, frame: &Frame) {
        let Answered { call, outcome } = answered;
        let Some(tell) = self.calls().waiting.remove(&call) else { return };
        tell(match outcome {
            Outcome::Text => match String::from_utf8(frame.body.to_vec()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(HostError::internal()),
            },
            Outcome::Undefined => Ok(None),
            Outcome::Error { reason, message } => Err(HostError { reason, message }),
        });
    }

    /// A run is over: nobody waits for its calls any more, though they go on.
    pub fn end_run(&self) {
        self.calls().waiting.clear();
        self.lines.store(0, Ordering::Relaxed);
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the supervisor; the number of the call.
    fn ask(&self, op: &str, args: &str, tell: Tell) -> Result<u64, HostError> {
        let call = {
            let mut calls = self.calls();
            calls.last += 1;
            let call = calls.last;
            calls.waiting.insert(call, tell);
            call
        };
        let sent = self.send(&FromWorker::Call { call, operation: op.to_owned() }, &[args.as_bytes()]);
        sent.map(|()| call).map_err(|error| {
            self.calls().waiting.remove(&call);
            match error {
                FrameError::TooLong { .. } => HostError::new("TooLarge", "the arguments are larger than 32 MiB"),
                _ => HostError::internal(),
            }
        })
    }
}

impl Forward for Link {
    fn call(&self, op: &str, args: &str, deadline: Instant) -> Answer {
        let (tell, answer) = sync_channel(1);
        let call = self.ask(op, args, Box::new(move |told| drop(tell.try_send(told))))?;
        let left = deadline.saturating_duration_since(Instant::now()).max(SHORTEST_WAIT);
        answer.recv_timeout(left).unwrap_or_else(|_| {
            self.calls().waiting.remove(&call);
            Err(HostError::timeout())
        })
    }

    fn start(&self, op: &str, args: &str, tell: Tell) -> Result<(), HostError> {
        self.ask(op, args, tell).map(drop)
    }

    fn print(&self, line: &str) {
        if self.lines.fetch_add(1, Ordering::Relaxed) >= MAX_LINES {
            return;
        }
        // A line that cannot be printed is no reason to stop a policy.
        drop(self.send(&FromWorker::Line, &[line.as_bytes()]));
    }
}
