//! One book of those that replicas share, and the one task of this replica that writes it. Whatever waits when a write
//! begins goes into that write, so that a storm of requests is few writes, and replicas, not requests, contend.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::Clock;
use super::answer::Answer;
use super::ask::{Ask, Wanted};
use super::book::Applied;
use super::error::LedgerError;
use super::store::{Store, StoreError, Stored};
use crate::telemetry::Metrics;

/// Asks that go into one write: each costs microseconds, and a policy a part of its deadline.
const MOST_TOGETHER: usize = 64;

/// Asks that wait for one book. What comes beyond them could not be written in time.
pub(super) const QUEUE: usize = 1_024;

/// Three replicas that contend need three attempts, each of a few milliseconds.
const ATTEMPTS: u32 = 12;

/// After the first conflict; each time half as much again, by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// A book that nobody asks about is let go.
const IDLE: Duration = Duration::from_mins(5);

/// A write that takes longer has failed, whatever the deadlines are.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// One ask, and where its answer goes.
pub(super) struct Call {
    pub ask: Ask,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Result<Answer, LedgerError>>,
}

pub(super) struct Shard {
    pub number: usize,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// As it was after the last write of this replica. Others may have written since: then the next write fails.
    pub known: Option<Stored>,
}

impl Shard {
    /// Serves until nobody can ask any more.
    pub async fn serve(mut self, mut calls: mpsc::Receiver<Call>) {
        loop {
            let next = if self.known.is_none() {
                calls.recv().await
            } else {
                let Ok(next) = tokio::time::timeout(IDLE, calls.recv()).await else {
                    self.known = None;
                    continue;
                };
                next
            };
            let Some(first) = next else { return };
            let mut together = vec![first];
            while together.len() < MOST_TOGETHER
                && let Ok(next) = calls.try_recv()
            {
                together.push(next);
            }
            self.answer(together).await;
        }
    }

    async fn answer(&mut self, mut calls: Vec<Call>) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            forget_late(&mut calls);
            let Some(latest) = calls.iter().map(|call| call.deadline).max() else { return };
            let until = latest.min(Instant::now() + WRITE_WITHIN);
            match self.attempt(&mut calls, until).await {
                Ok(()) => return,
                Err(StoreError::Conflict) => {
                    self.metrics.ledger.conflicts.increment();
                    if attempt < ATTEMPTS {
                        sleep(pause.mul_f64(0.5 + self.clock.chance())).await;
                        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
                    }
                }
                Err(StoreError::NotInstalled) => return tell_all(calls, &LedgerError::NotInstalled),
                Err(StoreError::Unreachable(why)) => return tell_all(calls, &LedgerError::Unreachable(why)),
            }
        }
        tell_all(calls, &LedgerError::Contended(ATTEMPTS));
    }

    /// Answers all that are left, or fails before any is answered.
    async fn attempt(&mut self, calls: &mut Vec<Call>, until: Instant) -> Result<(), StoreError> {
        let late = || StoreError::Unreachable("no answer in time".to_owned());
        let mut stored = self.known.take();
        loop {
            let is_fresh = stored.is_none();
            let Stored { version, book } = match stored.take() {
                Some(stored) => stored,
                None => timeout_at(until, self.store.read(self.number)).await.map_err(|_| late())??,
            };
            let (now, mut next) = (self.clock.now(), book);
            let expired = next.prune(now);
            let applied: Vec<_> = calls.iter().map(|call| next.apply(&call.ask, now)).collect();
            // Only a write proves that what is known is what there is. What this replica holds it knows.
            let is_proven = |(call, applied): (&Call, &Result<Applied, LedgerError>)| {
                let is_written = applied.as_ref().is_ok_and(|one| one.is_changed && one.answer.is_allowed());
                is_written || call.ask.wanted == Wanted::Nothing
            };
            if !is_fresh && !calls.iter().zip(&applied).all(is_proven) {
                continue;
            }
            let is_changed = applied.iter().flatten().any(|applied| applied.is_changed);
            let version = if is_changed {
                let write = self.store.write(self.number, version.as_deref(), &next);
                let written = timeout_at(until, write).await.map_err(|_| late())??;
                self.metrics.ledger.dropped.add(u64::try_from(expired).unwrap_or_default());
                Some(written)
            } else {
                version
            };
            self.known = Some(Stored { version, book: next });
            for (call, applied) in calls.drain(..).zip(applied) {
                let answer = applied.map(|applied| {
                    count(&self.metrics, &call.ask, &applied);
                    applied.answer
                });
                drop(call.reply.send(answer));
            }
            return Ok(());
        }
    }
}

/// Counts what became of an ask.
pub(super) fn count(metrics: &Metrics, ask: &Ask, applied: &Applied) {
    let metrics = &metrics.ledger;
    if ask.wanted == Wanted::Nothing {
        metrics.released.add(u64::from(applied.is_changed));
    } else if !applied.answer.is_allowed() {
        metrics.refused.increment();
    } else if ask.books {
        metrics.allowed.increment();
    }
}

/// Whoever asked has gone on by then.
fn forget_late(calls: &mut Vec<Call>) {
    let now = Instant::now();
    let (late, rest) = std::mem::take(calls).into_iter().partition(|call| call.deadline <= now);
    *calls = rest;
    tell_all(late, &LedgerError::Timeout);
}

fn tell_all(calls: Vec<Call>, error: &LedgerError) {
    for call in calls {
        drop(call.reply.send(Err(error.clone())));
    }
}
