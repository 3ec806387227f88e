//! The supervisor of one domain: takes its jobs one after another, and replaces the worker that runs them when it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{timeout, timeout_at};

use super::death::{self, Broken};
use super::message::Mode;
use super::process::Worker;
use super::run::{Ask, Used};
use super::spare::Taker;
use crate::decision::{Cause, Effect, Verdict};
use crate::host::Host;
use crate::isolate::{Evaluated, Input, MAX_UNDER_WAY};
use crate::policy::Revision;
use crate::pool::warn_of;
use crate::telemetry::{Console, ConsoleLimits, Metrics, WorkerEnd};

/// A worker that has had nothing to do for this long is let go; its next review takes the spare one.
const IDLE: Duration = Duration::from_mins(5);

/// Times a run is begun. Two kills from outside in a row are bad luck, three are somebody who means it.
const ATTEMPTS: u32 = 3;

/// With less time than this left there is no use in beginning again.
const WORTH_IT: Duration = Duration::from_millis(5);

/// Policies of one domain whose printing is counted apart.
const MAX_CONSOLES: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(31);

/// One review for one policy, and where its verdict goes.
pub struct Job {
    pub revision: Arc<Revision>,
    pub input: Input,
    pub mode: Mode,
    pub reply: oneshot::Sender<Evaluated>,
}

/// What all supervisors refer to.
pub struct Shared {
    pub runtime: Handle,
    pub host: Host,
    pub startup: Duration,
    pub metrics: Arc<Metrics>,
    pub spares: mpsc::Sender<Taker>,
}

pub struct Supervisor {
    shared: Arc<Shared>,
    worker: Option<Worker>,
    under_way: Arc<Semaphore>,
    consoles: LruCache<Arc<str>, Console>,
}

impl Supervisor {
    pub fn new(shared: Arc<Shared>) -> Self {
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        Self { shared, worker: None, under_way, consoles: LruCache::new(MAX_CONSOLES) }
    }

    /// Answers jobs until nobody can send any more.
    pub async fn serve(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let next = match &mut self.worker {
                None => jobs.recv().await,
                Some(worker) => tokio::select! {
                    biased;
                    next = timeout(IDLE, jobs.recv()) => {
                        let Ok(next) = next else {
                            self.worker = None;
                            continue;
                        };
                        next
                    }
                    _ = worker.gone() => {
                        self.lose(&Broken::Ended, None).await;
                        continue;
                    }
                },
            };
            let Some(job) = next else { return };
            self.answer(job).await;
        }
    }

    async fn answer(&mut self, job: Job) {
        if job.reply.is_closed() {
            return;
        }
        let Job { revision, input, mode, reply } = job;
        let evaluated = if Instant::now() < input.deadline {
            self.judge(&revision, &input, mode).await
        } else {
            self.shared.metrics.shed.increment();
            let why = "its turn came after the deadline of the review";
            Verdict::error(revision.spec.name.clone(), Cause::Overload, why).into()
        };
        remember(&revision, &evaluated.verdict.effect);
        drop(reply.send(evaluated));
    }

    async fn judge(&mut self, revision: &Arc<Revision>, input: &Input, mode: Mode) -> Evaluated {
        let mut attempt = 1;
        loop {
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                None => match self.spare(input.deadline).await {
                    Ok(worker) => worker,
                    Err((cause, why)) => return Verdict::error(revision.spec.name.clone(), cause, why).into(),
                },
            };
            let begun = Instant::now();
            let mut used = Used::default();
            let run = self.ask(revision, input, mode).run(&mut worker, &mut used).await;
            let left = input.deadline.saturating_duration_since(Instant::now());
            let is_worn = worker.is_worn(begun.elapsed());
            self.worker = Some(worker);
            let broken = match run {
                Ok(evaluated) => {
                    if is_worn {
                        self.worker = None;
                        self.shared.metrics.worker_ended(WorkerEnd::Worn);
                    }
                    return evaluated;
                }
                Err(broken) => broken,
            };
            let end = self.lose(&broken, Some(revision)).await;
            let again = end == WorkerEnd::Killed && !used.has_effects && left > WORTH_IT && attempt < ATTEMPTS;
            if !again {
                return death::verdict(end, &revision.spec).into();
            }
            attempt += 1;
        }
    }

    fn ask<'a>(&'a mut self, revision: &'a Arc<Revision>, input: &'a Input, mode: Mode) -> Ask<'a> {
        let name = &revision.spec.name;
        let console = || Console::new(Arc::clone(name), ConsoleLimits::default());
        Ask {
            revision,
            input,
            mode,
            startup: self.shared.startup,
            host: &self.shared.host,
            runtime: &self.shared.runtime,
            under_way: &self.under_way,
            console: self.consoles.get_or_insert(Arc::clone(name), console),
        }
    }

    /// The worker is of no more use: what it died of.
    async fn lose(&mut self, broken: &Broken, running: Option<&Arc<Revision>>) -> WorkerEnd {
        let Some(worker) = self.worker.take() else { return WorkerEnd::Crashed };
        let (end, status) = worker.end(broken).await;
        self.shared.metrics.worker_ended(end);
        let policy = running.map(|revision| &*revision.spec.name);
        let reason = end.as_str();
        tracing::warn!(policy, reason, what = %broken, exit = ?status, "a worker process has ended; another takes its place");
        end
    }

    async fn spare(&self, deadline: Instant) -> Result<Worker, (Cause, &'static str)> {
        let (taker, worker) = oneshot::channel();
        let asked = async {
            self.shared.spares.send(taker).await.ok()?;
            worker.await.ok()
        };
        match timeout_at(deadline.into(), asked).await {
            Ok(Some(worker)) => Ok(worker),
            Ok(None) => Err((Cause::Internal, "no worker process could be started")),
            Err(_) => Err((Cause::Overload, "no worker process was ready before the deadline of the review")),
        }
    }
}

/// Keeps the record of a policy that ran.
fn remember(revision: &Revision, effect: &Effect) {
    match effect {
        Effect::Error(error) if matches!(error.cause, Cause::Timeout | Cause::Cpu | Cause::Memory) => {
            if revision.conduct.killed(Instant::now()) {
                warn_of(revision);
            }
        }
        // It has not run, or not to its end.
        Effect::Error(error) if matches!(error.cause, Cause::Overload | Cause::Internal) => {}
        _ => revision.conduct.ended(),
    }
}
