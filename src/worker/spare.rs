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
            let taker = match first.take() {
                Some(taker) => taker,
                None => tokio::select! {
                    taker = takers.recv() => match taker {
                        Some(taker) => taker,
                        None => return,
                    },
                    _ = worker.gone() => {
                        tracing::warn!("the spare worker process has ended; another takes its place");
                        recipe.metrics.worker_ended(WorkerEnd::Killed);
                        break;
                    }
                },
            };
            match taker.send(worker) {
                Ok(()) => break,
                // It did not wait any longer.
                Err(unused) => worker = unused,
            }
        }
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
