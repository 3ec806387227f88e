//! One run, as its supervisor sees it: the request goes out, the verdict comes in, and in between the worker is given
//! what the policy may have. How much that is is counted here again, for a worker may be in the hands of its policy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout_at;

use super::death::Broken;
use super::frame::{Frame, FrameError};
use super::message::{Answered, FromWorker, Mode, Order, Outcome, ToWorker};
use super::process::Worker;
use crate::host::{Answer, Caller, Host, HostError};
use crate::isolate::{Evaluated, Input, MAX_HOST_BYTES, MAX_HOST_CALLS, MAX_LINES, MAX_WAITING, Vantage};
use crate::policy::Revision;
use crate::review::JsonText;
use crate::telemetry::{Console, ConsoleLevel};

/// How long after its deadline a worker may take to say so. Its own watchdog needs 100 ms for a run that does not end.
const GRACE: Duration = Duration::from_millis(300);

/// What reads only, or is the same asked twice: a run that asked for nothing else can be repeated.
const REPEATABLE: [&str; 6] = ["get", "list", "env", "readFile", "reserve", "claim"];

/// What is asked, and with what the worker's questions are answered.
pub struct Ask<'a> {
    pub revision: &'a Arc<Revision>,
    pub input: &'a Input,
    pub mode: Mode,
    pub startup: Duration,
    pub host: &'a Host,
    pub runtime: &'a Handle,
    /// Calls that may be under way, those of runs that did not wait for them included.
    pub under_way: &'a Arc<Semaphore>,
    pub console: &'a Console,
}

/// What a run has used up.
#[derive(Default)]
pub struct Used {
    /// Something was asked for that must not happen twice.
    pub has_effects: bool,
    calls: u32,
    asked_bytes: usize,
    answered_bytes: usize,
    waiting: usize,
    lines: u32,
}

impl Ask<'_> {
    /// Runs it in this worker, which must not be used again where this fails.
    ///
    /// # Errors
    /// Where the worker ended, or had better.
    pub async fn run(&self, worker: &mut Worker, used: &mut Used) -> Result<Evaluated, Broken> {
        let longest = Instant::now() + self.startup + self.revision.spec.timeout;
        let deadline = self.input.deadline.min(longest);
        let conversation = self.converse(worker, used, deadline);
        timeout_at((deadline + GRACE).into(), conversation).await.unwrap_or(Err(Broken::Overdue))
    }

    async fn converse(&self, worker: &mut Worker, used: &mut Used, deadline: Instant) -> Result<Evaluated, Broken> {
        let Input { request, namespace, tenant, vantage, view, dry_run, now, measure, .. } = self.input;
        let begun = Instant::now();
        let run = worker.next_run();
        let asked = Order {
            run,
            revision: worker.load(self.revision).await?,
            mode: self.mode,
            namespace: namespace.clone(),
            tenant: Arc::clone(tenant),
            is_virtual: *vantage == Vantage::Virtual,
            view: view.as_ref().map(JsonText::len),
            dry_run: *dry_run,
            now: *now,
            measure: *measure,
            left: self.input.deadline.saturating_duration_since(begun),
        };
        let body = [Some(request), view.as_ref()].map(|text| text.map_or(&[][..], JsonText::bytes));
        worker.send(&ToWorker::Run(asked), &body).await?;
        let (tell, mut answers) = channel(MAX_WAITING);
        loop {
            tokio::select! {
                frame = worker.next() => {
                    let frame = frame?;
                    match frame.head()? {
                        FromWorker::Call { call, operation } => self.answer(call, operation, &frame, used, deadline, &tell)?,
                        FromWorker::Line => self.print(&frame, used)?,
                        FromWorker::Done { run: done, verdict } if done == run => {
                            let (name, elapsed) = (self.revision.spec.name.clone(), begun.elapsed());
                            return Ok(verdict.into_evaluated(name, &frame.body, self.may_mutate(), elapsed)?);
                        }
                        FromWorker::Done { .. } | FromWorker::Ready { .. } => {
                            return Err(Broken::Protocol("an answer to nothing"));
                        }
                    }
                }
                Some((call, answer)) = answers.recv() => {
                    used.waiting = used.waiting.saturating_sub(1);
                    used.answered_bytes += answer.as_ref().map_or(0, |text| text.as_ref().map_or(0, String::len));
                    send_answer(worker, call, answer).await?;
                }
            }
        }
    }

    fn may_mutate(&self) -> bool {
        let is_asked = matches!(self.mode, Mode::Mutate | Mode::Fresh { mutating: true } | Mode::Script);
        is_asked && self.revision.spec.mutates
    }

    /// Puts a call to the host, as the policy that was asked and as nobody else.
    fn answer(
        &self,
        call: u64,
        operation: String,
        frame: &Frame,
        used: &mut Used,
        deadline: Instant,
        tell: &Sender<(u64, Answer)>,
    ) -> Result<(), Broken> {
        let arguments = String::from_utf8(frame.body.to_vec()).map_err(|_| Broken::Protocol("a call without text"))?;
        used.calls += 1;
        if used.calls > MAX_HOST_CALLS {
            return Err(Broken::Protocol("more calls than a run may make"));
        }
        used.asked_bytes += arguments.len();
        used.waiting += 1;
        // A sound worker knows all of these limits but the first, and has thrown at the policy before.
        let refused = if used.asked_bytes > MAX_HOST_BYTES {
            Some("more than 64 MiB sent through host calls in one run")
        } else if used.answered_bytes > MAX_HOST_BYTES {
            Some("more than 64 MiB read through host calls in one run")
        } else if used.waiting > MAX_WAITING {
            Some("more than 64 calls of one run wait for an answer")
        } else {
            None
        };
        let permit = Arc::clone(self.under_way).try_acquire_owned();
        let refused = refused.or(permit.is_err().then_some("too many calls are under way that no run waits for"));
        if let Some(why) = refused {
            // As many answers as there is room for are on their way already: this worker does not wait for any.
            let answer = Err(HostError::new("LimitExceeded", why));
            return tell.try_send((call, answer)).map_err(|_| Broken::Protocol("calls without end"));
        }
        used.has_effects |= !REPEATABLE.contains(&&*operation);
        let (host, revision, dry_run) = (self.host.clone(), Arc::clone(self.revision), self.input.dry_run);
        let reserving = self.input.reserving.clone();
        // Looking something up in memory takes no waiting, but may take a while.
        let begun = self.runtime.spawn_blocking(move || {
            let spec = &revision.spec;
            let (policy, permissions, reconciles) = (&*spec.name, &spec.permissions, spec.reconciles);
            let caller = Caller { policy, permissions, dry_run, reconciles, review: reserving.as_ref(), deadline };
            host.start(&caller, &operation, &arguments)
        });
        let tell = tell.clone();
        self.runtime.spawn(async move {
            let answer = match begun.await {
                Ok(Ok(pending)) => pending.await,
                Ok(Err(error)) => Err(error),
                Err(_) => Err(HostError::internal()),
            };
            drop(permit);
            // Nobody takes it once the run is over.
            drop(tell.send((call, answer)).await);
        });
        Ok(())
    }

    fn print(&self, frame: &Frame, used: &mut Used) -> Result<(), Broken> {
        used.lines += 1;
        if used.lines > MAX_LINES {
            return Err(Broken::Protocol("more lines than a run may print"));
        }
        self.console.print(ConsoleLevel::Info, &String::from_utf8_lossy(&frame.body));
        Ok(())
    }
}

async fn send_answer(worker: &mut Worker, call: u64, answer: Answer) -> Result<(), FrameError> {
    let error = |HostError { reason, message }| Outcome::Error { reason, message };
    let (outcome, text) = match answer {
        Ok(Some(text)) => (Outcome::Text, text),
        Ok(None) => (Outcome::Undefined, String::new()),
        Err(failed) => (error(failed), String::new()),
    };
    match worker.send(&ToWorker::Answer(Answered { call, outcome }), &[text.as_bytes()]).await {
        Err(FrameError::TooLong { .. }) => {
            let outcome = error(HostError::new("TooLarge", "the answer is larger than a worker process may get"));
            worker.send(&ToWorker::Answer(Answered { call, outcome }), &[]).await
        }
        sent => sent,
    }
}

/// The verdict in a frame, where it is one that a worker may answer with. What a supervisor makes of a frame, for those
/// who send it anything at all.
#[must_use]
pub fn verdict_in(frame: &Frame, policy: Arc<str>, may_mutate: bool) -> Option<Evaluated> {
    match frame.head().ok()? {
        FromWorker::Done { verdict, .. } => {
            verdict.into_evaluated(policy, &frame.body, may_mutate, Duration::ZERO).ok()
        }
        _ => None,
    }
}
