//! The ledger: what requests may still use of something that is limited, decided once for all replicas.
//!
//! A policy that lists what there is and then decides lets two requests through that each saw the same rest. So each
//! reserves first: `ask` is what a policy wants, `book` holds the reservations of some keys and says what they come to,
//! `answer` is what the policy is told. `shard` writes a book by compare-and-swap through a `store`, which in a cluster
//! are `QuotaLedger` objects (`cluster`); without one the book is in memory. `review` gives back what a request reserved
//! that is denied; what nobody gives back expires.
//!
//! `quantity`, `host_name` and `identity` are what is compared: amounts without floats, names as clients mean them, objects
//! whatever version they are read in.

mod answer;
mod ask;
mod book;
mod clock;
mod cluster;
mod count;
mod error;
mod host_name;
mod identity;
mod quantity;
#[cfg(test)]
mod race_tests;
mod review;
mod seed;
mod shard;
mod store;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

pub use answer::Answer;
pub use ask::{Ask, Asker};
pub use clock::{Clock, WallClock};
pub use cluster::ClusterStore;
pub use error::LedgerError;
pub use review::Reserving;
pub use seed::Seed;
pub use store::{Store, StoreError, Stored};

use crate::telemetry::Metrics;
use book::Book;
use shard::{Call, QUEUE, Shard};

/// Books of a cluster: what is asked under different keys seldom meets.
const SHARDS: usize = 64;

/// How long it is tried to give back what a denied request had reserved; it expires anyway.
const RELEASE_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

pub type Answering = BoxFuture<'static, Result<Answer, LedgerError>>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

enum Inner {
    /// Of this process alone.
    Memory {
        book: Mutex<Book>,
        metrics: Arc<Metrics>,
    },
    Shared(Shared),
}

struct Shared {
    runtime: Handle,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    shards: Vec<OnceLock<mpsc::Sender<Call>>>,
    /// They end with this.
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
    }
}

impl Default for Ledger {
    /// Empty, and of this process alone.
    fn default() -> Self {
        Self::of_book(Book::default())
    }
}

impl Ledger {
    /// Of this process alone, with reservations of somebody else's.
    #[must_use]
    pub fn holding(seeds: &[Seed]) -> Self {
        Self::of_book(seed::book(seeds, WallClock.now()))
    }

    fn of_book(book: Book) -> Self {
        Self::of_process(book, Arc::default())
    }

    /// Of this process alone, and counted.
    #[must_use]
    pub fn alone(metrics: Arc<Metrics>) -> Self {
        Self::of_process(Book::default(), metrics)
    }

    fn of_process(book: Book, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner::Memory { book: Mutex::new(book), metrics }))
    }

    /// One that all replicas share.
    #[must_use]
    pub fn shared(store: Arc<dyn Store>, runtime: &Handle, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let shards = std::iter::repeat_with(OnceLock::new).take(SHARDS).collect();
        let (runtime, tasks) = (runtime.clone(), Mutex::default());
        Self(Arc::new(Inner::Shared(Shared { runtime, store, clock, metrics, shards, tasks })))
    }

    /// Asks for something, on behalf of a review.
    ///
    /// # Errors
    /// Where the review is over, or uses too much.
    pub fn ask(&self, ask: Ask, review: &Reserving, deadline: Instant) -> Result<Answering, LedgerError> {
        if ask.books {
            review.note(self, &ask.key)?;
        }
        match &*self.0 {
            Inner::Memory { book, metrics } => {
                let answer = in_memory(book, &ask, metrics);
                Ok(std::future::ready(answer).boxed())
            }
            Inner::Shared(shared) => shared.ask(ask, deadline),
        }
    }

    /// Ends it as a kill of its process does.
    #[cfg(test)]
    fn kill(&self) {
        if let Inner::Shared(shared) = &*self.0 {
            shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
        }
    }

    /// Gives back what a request holds under a key, some time soon.
    fn release(&self, key: &str, request: &str) {
        let ask = Ask::release(key, request);
        match &*self.0 {
            Inner::Memory { book, metrics } => drop(in_memory(book, &ask, metrics)),
            // It is behind the reservation in the same queue.
            Inner::Shared(shared) => drop(shared.ask(ask, Instant::now() + RELEASE_WITHIN)),
        }
    }
}

fn in_memory(book: &Mutex<Book>, ask: &Ask, metrics: &Metrics) -> Result<Answer, LedgerError> {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let now = WallClock.now();
    let expired = book.prune(now);
    metrics.ledger.dropped.add(u64::try_from(expired).unwrap_or_default());
    let applied = book.apply(ask, now)?;
    shard::count(metrics, ask, &applied);
    Ok(applied.answer)
}

impl Shared {
    fn ask(&self, ask: Ask, deadline: Instant) -> Result<Answering, LedgerError> {
        let number = shard_of(&ask.key);
        let Some(shard) = self.shards.get(number) else { return Err(LedgerError::Timeout) };
        let (reply, answer) = oneshot::channel();
        let calls = shard.get_or_init(|| self.start(number));
        let is_full = || LedgerError::Unreachable("too many requests wait for it".to_owned());
        calls.try_send(Call { ask, deadline: deadline.into(), reply }).map_err(|_| is_full())?;
        let gone = || LedgerError::Unreachable("it was shut down".to_owned());
        Ok(async move { answer.await.unwrap_or_else(|_| Err(gone())) }.boxed())
    }

    fn start(&self, number: usize) -> mpsc::Sender<Call> {
        let (store, clock, metrics) = (Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let (calls, queue) = mpsc::channel(QUEUE);
        let task = self.runtime.spawn(Shard { number, store, clock, metrics, known: None }.serve(queue));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
        calls
    }
}

/// The same in every replica of every version: FNV-1a, which no library changes.
fn shard_of(key: &str) -> usize {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    let hash = key.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % SHARDS as u64).unwrap_or_default()
}
