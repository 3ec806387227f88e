//! How workers end, as their exit status and their frames tell it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::frame::FrameError;
use super::verdict::VerdictError;
use crate::decision::{Cause, Verdict};
use crate::isolate::{Fate, KillCause};
use crate::policy::PolicySpec;
use crate::telemetry::WorkerEnd;

/// Exit codes of a worker that gives itself up. Above those of the command line, below those of shells.
const MEMORY: i32 = 90;
const CPU: i32 = 91;
const WALL: i32 = 92;
pub const BROKEN: i32 = 93;

/// What a worker ends with when its thread does not come back.
pub const fn code_of(fate: Fate) -> i32 {
    match fate {
        Fate::Lost | Fate::Wedged(KillCause::Memory) => MEMORY,
        Fate::Wedged(KillCause::Cpu) => CPU,
        _ => WALL,
    }
}

/// Why a conversation with a worker is over.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("it has ended")]
    Ended,
    #[error("it does not answer")]
    Overdue,
    #[error("it sent what it must not: {0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("it sent a verdict that is none: {0}")]
    Verdict(#[from] VerdictError),
}

impl Broken {
    /// Whether the worker ended by itself, or was ended by others than its supervisor.
    fn is_its_end(&self) -> bool {
        matches!(self, Self::Ended | Self::Frame(FrameError::Cut | FrameError::Socket(_)))
    }
}

/// What a worker died of: why its supervisor let it go, and how the process ended, if it did so by itself.
pub fn end_of(broken: &Broken, status: Option<ExitStatus>) -> WorkerEnd {
    if !broken.is_its_end() {
        return if matches!(broken, Broken::Overdue) { WorkerEnd::Timeout } else { WorkerEnd::Protocol };
    }
    let Some(status) = status else { return WorkerEnd::Crashed };
    match (status.code(), status.signal()) {
        (Some(MEMORY), _) => WorkerEnd::Memory,
        (Some(CPU), _) | (_, Some(libc::SIGXCPU)) => WorkerEnd::Cpu,
        (Some(WALL), _) => WorkerEnd::Timeout,
        // Nothing in the process can send it: it came from outside.
        (_, Some(libc::SIGKILL)) => WorkerEnd::Killed,
        _ => WorkerEnd::Crashed,
    }
}

/// The verdict of a policy whose worker ended while it ran.
pub fn verdict(end: WorkerEnd, spec: &PolicySpec) -> Verdict {
    let name = spec.name.clone();
    match end {
        WorkerEnd::Memory => Verdict::error(name, Cause::Memory, "used more memory than a run may"),
        WorkerEnd::Cpu => Verdict::error(name, Cause::Cpu, "used more processor time than a run may"),
        WorkerEnd::Timeout => Verdict::error(name, Cause::Timeout, format!("script {} timed out", spec.name)),
        WorkerEnd::Protocol => Verdict::error(name, Cause::BadResult, "its worker process sent no proper verdict"),
        WorkerEnd::Killed => Verdict::error(name, Cause::Internal, "its worker process was killed"),
        WorkerEnd::Crashed | WorkerEnd::Worn => Verdict::error(name, Cause::Internal, "its worker process crashed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: i32) -> WorkerEnd {
        end_of(&Broken::Ended, Some(ExitStatus::from_raw(status)))
    }

    #[test]
    fn what_a_thread_ran_into_is_told_by_the_end_of_its_process() {
        for (fate, end) in [
            (Fate::Lost, WorkerEnd::Memory),
            (Fate::Wedged(KillCause::Memory), WorkerEnd::Memory),
            (Fate::Wedged(KillCause::Cpu), WorkerEnd::Cpu),
            (Fate::Wedged(KillCause::Wall), WorkerEnd::Timeout),
        ] {
            assert_eq!(ended(code_of(fate) << 8), end, "{fate:?}");
        }
    }

    #[test]
    fn signals_are_told_apart() {
        assert_eq!(ended(libc::SIGKILL), WorkerEnd::Killed);
        assert_eq!(ended(libc::SIGXCPU), WorkerEnd::Cpu);
        assert_eq!(ended(libc::SIGSEGV), WorkerEnd::Crashed);
        assert_eq!(ended(libc::SIGABRT), WorkerEnd::Crashed);
        assert_eq!(ended(0), WorkerEnd::Crashed);
        assert_eq!(end_of(&Broken::Ended, None), WorkerEnd::Crashed);
    }

    #[test]
    fn what_the_supervisor_ended_is_not_taken_for_a_kill_from_outside() {
        let killed = Some(ExitStatus::from_raw(libc::SIGKILL));
        assert_eq!(end_of(&Broken::Overdue, killed), WorkerEnd::Timeout);
        assert_eq!(end_of(&Broken::Protocol("x"), killed), WorkerEnd::Protocol);
        assert_eq!(end_of(&FrameError::TooLong { head: 0, body: 0 }.into(), killed), WorkerEnd::Protocol);
        assert_eq!(end_of(&FrameError::Cut.into(), killed), WorkerEnd::Killed);
    }
}
