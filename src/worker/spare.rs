//! Workers started ahead of time: one is always ready, so that no review waits for a process to start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::message::{Confinement, Setup};
use super::process::Worker;
use crate::telemetry::{Metrics, WorkerEnd};

/// Between two attempts to start a process, when the system gave none.
const BACK_OFF: Duration = Duration::from_millis(500);

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
                tell_once(&mut told, confinement);
                worker
            }
            Err(error) => {
                tracing::error!(%error, "no worker process could be started");
                // Whoever waits is answered now: the next attempt may go no better.
                drop(first.take());
                while takers.try_recv().is_ok() {}
                if takers.is_closed() {
                    return;
                }
                tokio::time::sleep(BACK_OFF).await;
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
