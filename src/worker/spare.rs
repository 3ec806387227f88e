//! Workers started ahead of time: one is always ready, so that no review waits for a process to start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::message::{Confinement, Setup};
use super::process::Worker;
use crate::telemetry::{Metrics, WorkerEnd};

/// Attempts in a row to start a process before whoever waits for one is told that there is none. A process may well be
/// killed while it starts.
const ATTEMPTS: u32 = 3;

/// Between two attempts: at first, and once there is little hope.
const BACK_OFF: Duration = Duration::from_millis(10);
const LONG_BACK_OFF: Duration = Duration::from_millis(500);

/// What it takes to start a worker.
pub struct Recipe {
    pub program: PathBuf,
    pub setup: Setup,
    pub sdk: String,
    pub metrics: Arc<Metrics>,
}

/// Who waits for a worker.
pub type Taker = oneshot::Sender<Worker>;

/// Keeps one worker ready until nobody can ask any more. None is started before the first is wanted.
pub async fn keep(recipe: Recipe, wanted: Arc<Notify>, mut takers: mpsc::Receiver<Taker>) {
    let mut told = None;
    let mut failures = 0;
    let mut first = tokio::select! {
        () = wanted.notified() => None,
        taker = takers.recv() => match taker {
            Some(taker) => Some(taker),
            None => return,
        },
    };
    loop {
        let started = Worker::start(&recipe.program, &recipe.setup, &recipe.sdk, &recipe.metrics).await;
        let mut worker = match started {
            Ok((worker, confinement)) => {
                failures = 0;
                tell_once(&mut told, confinement);
                worker
            }
            Err(error) => {
                failures += 1;
                tracing::error!(%error, failures, "no worker process could be started");
                let is_hopeless = failures >= ATTEMPTS;
                if is_hopeless {
                    // Whoever waits is answered now: the next attempt may go no better.
                    drop(first.take());
                    while takers.try_recv().is_ok() {}
                }
                if takers.is_closed() {
                    return;
                }
                tokio::time::sleep(if is_hopeless { LONG_BACK_OFF } else { BACK_OFF }).await;
                continue;
            }
        };
        loop {
            match next(&mut first, &mut takers, &mut worker).await {
                Next::Taker(taker) => match taker.send(worker) {
                    Ok(()) => break,
                    // It did not wait any longer.
                    Err(unused) => worker = unused,
                },
                Next::Gone => {
                    tracing::warn!("the spare worker process has ended; another takes its place");
                    recipe.metrics.worker_ended(WorkerEnd::Killed);
                    break;
                }
                Next::Over => return,
            }
        }
    }
}

/// What becomes of a spare worker.
enum Next {
    Taker(Taker),
    /// It has ended.
    Gone,
    /// Nobody can ask for it any more.
    Over,
}

async fn next(first: &mut Option<Taker>, takers: &mut mpsc::Receiver<Taker>, worker: &mut Worker) -> Next {
    if let Some(taker) = first.take() {
        return Next::Taker(taker);
    }
    tokio::select! {
        taker = takers.recv() => taker.map_or(Next::Over, Next::Taker),
        _ = worker.gone() => Next::Gone,
    }
}

/// Says what holds the workers, and what of it the kernel lacks; again only where it has changed.
fn tell_once(told: &mut Option<Confinement>, found: Confinement) {
    if told.as_ref() == Some(&found) {
        return;
    }
    let Confinement { seccomp, landlock, unlimited, open } = &found;
    if *seccomp && *landlock && unlimited.is_empty() && open.is_empty() {
        tracing::info!("worker processes are confined by seccomp, landlock and resource limits");
    } else {
        tracing::warn!(
            seccomp,
            landlock,
            ?unlimited,
            still_possible = ?open,
            "worker processes are confined as far as this kernel can"
        );
    }
    *told = Some(found);
}
