//! Three replicas, 64 creators, kills at any moment, answers that are lost, caches that lag: the limit holds all the while,
//! and nothing is held longer than it may be. All of it is simulated on one thread, so that a seed is one course of
//! events; time is turned on by hand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};

use super::book::{Book, Millis};
use super::*;

const LIMIT: usize = 10;
const TTL: Millis = 60_000;
/// How far the cache of a replica lags behind at most, in events.
const LAG: usize = 40;

/// One course of chance.
struct Chance(Mutex<u64>);

impl Chance {
    /// xorshift64*.
    fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    async fn pause(&self, most: u64) {
        for _ in 0..self.below(most) {
            yield_now().await;
        }
    }
}

#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

/// As etcd behaves: linearizable, one version after another, and an answer may be lost on its way.
struct Etcd {
    books: Mutex<BTreeMap<usize, (u64, Book)>>,
    chance: Arc<Chance>,
    lossy: bool,
}

impl Store for Etcd {
    fn read(&self, shard: usize) -> BoxFuture<'_, Result<Stored, StoreError>> {
        async move {
            self.chance.pause(4).await;
            let found = self.books.lock().unwrap().get(&shard).cloned();
            self.chance.pause(4).await;
            Ok(found
                .map_or_else(Stored::default, |(version, book)| Stored { version: Some(version.to_string()), book }))
        }
        .boxed()
    }

    fn write<'a>(
        &'a self,
        shard: usize,
        over: Option<&'a str>,
        book: &'a Book,
    ) -> BoxFuture<'a, Result<String, StoreError>> {
        async move {
            self.chance.pause(4).await;
            let version = {
                let mut books = self.books.lock().unwrap();
                let known = books.get(&shard).map(|(version, _)| *version);
                if known.map(|version| version.to_string()).as_deref() != over {
                    return Err(StoreError::Conflict);
                }
                let next = known.unwrap_or_default() + 1;
                books.insert(shard, (next, book.clone()));
                next
            };
            self.chance.pause(4).await;
            if self.lossy && self.chance.below(16) == 0 {
                return Err(StoreError::Unreachable("the answer was lost".to_owned()));
            }
            Ok(version.to_string())
        }
        .boxed()
    }
}

/// The objects that there are, and what was there how many events ago.
#[derive(Default)]
struct Objects {
    history: Vec<Vec<String>>,
    most: usize,
}

impl Objects {
    fn now(&self) -> Vec<String> {
        self.history.last().cloned().unwrap_or_default()
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<String>)) {
        let mut next = self.now();
        change(&mut next);
        self.most = self.most.max(next.len());
        self.history.push(next);
    }

    /// As a cache has it that lags.
    fn as_of(&self, lag: usize) -> Vec<String> {
        let at = self.history.len().saturating_sub(1 + lag);
        self.history.get(at).cloned().unwrap_or_default()
    }
}

struct World {
    store: Arc<Etcd>,
    clock: Arc<Hands>,
    metrics: Arc<Metrics>,
    chance: Arc<Chance>,
    objects: Mutex<Objects>,
    /// Nothing goes wrong.
    is_calm: bool,
}

impl World {
    fn of(seed: u64, is_calm: bool) -> Arc<Self> {
        let chance = Arc::new(Chance(Mutex::new(seed.wrapping_mul(2).wrapping_add(1))));
        let store = Etcd { books: Mutex::default(), chance: Arc::clone(&chance), lossy: !is_calm };
        let clock = Arc::new(Hands(AtomicU64::new(1_000_000)));
        Arc::new(Self {
            store: Arc::new(store),
            clock,
            metrics: Arc::default(),
            chance,
            objects: Mutex::default(),
            is_calm,
        })
    }

    fn ledger(&self, runtime: &Handle) -> Ledger {
        let (store, clock) = (Arc::clone(&self.store) as _, Arc::clone(&self.clock) as _);
        Ledger::shared(store, runtime, Arc::clone(&self.metrics), clock)
    }

    fn ask(&self, request: &str, name: &str, lag: usize) -> Ask {
        let of = |name: &str| format!(r#"{{"kind":"Thing","name":"{name}","uid":"{name}"}}"#);
        let seen = self.objects.lock().unwrap().as_of(lag);
        let used: Vec<String> =
            seen.iter().map(|name| format!(r#"{{"object":{},"amounts":{{"things":"1"}}}}"#, of(name))).collect();
        let args = format!(
            r#"{{"key":"jane","object":{},"amounts":{{"things":"1"}},"limits":{{"things":"{LIMIT}"}},"used":[{}]}}"#,
            of(name),
            used.join(",")
        );
        Ask::reserve(&args, &Asker { request, books: true }).unwrap()
    }

    /// False once in so many times, where anything goes wrong.
    fn goes_on(&self, times: u64) -> bool {
        self.is_calm || self.chance.below(times) != 0
    }

    /// One creator: asks the webhook of a replica, and stores its object where it may.
    async fn create(self: Arc<Self>, ledger: Ledger, number: usize) {
        self.chance.pause(200).await;
        let name = format!("thing-{number}");
        let review = Reserving::of(&format!("request-{number}"), false);
        let lag = usize::try_from(self.chance.below(LAG as u64)).unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let Ok(answering) = ledger.ask(self.ask(review.request(), &name, lag), &review, deadline) else { return };
        let is_allowed = answering.await.is_ok_and(|answer| answer.is_allowed());
        // Another policy of the same review may deny it.
        let is_allowed = is_allowed && self.goes_on(8);
        review.conclude(is_allowed);
        self.chance.pause(50).await;
        // And so may another webhook, of which nobody here hears.
        if is_allowed && self.goes_on(8) {
            self.objects.lock().unwrap().change(|objects| objects.push(name.clone()));
            self.chance.pause(200).await;
            if !self.goes_on(3) {
                self.objects.lock().unwrap().change(|objects| objects.retain(|known| *known != name));
            }
        }
    }

    /// Whether one more is let in now.
    async fn has_room(&self, ledger: &Ledger, request: &str) -> bool {
        for attempt in 0..100 {
            let review = Reserving::of(&format!("{request}-{attempt}"), false);
            let deadline = Instant::now() + Duration::from_mins(1);
            let ask = self.ask(review.request(), request, 0);
            // Lost answers aside, which are errors.
            if let Ok(answer) = ledger.ask(ask, &review, deadline).unwrap().await {
                review.conclude(answer.is_allowed());
                return answer.is_allowed();
            }
        }
        panic!("no answer came through");
    }
}

/// Runs one course of events and says how many objects there ever were at once.
fn run(seed: u64, is_calm: bool) -> usize {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let world = World::of(seed, is_calm);
    runtime.block_on(async {
        let mut creators = JoinSet::new();
        // Each with the requests that it is about: they die together.
        let mut replicas: Vec<(Ledger, Vec<AbortHandle>)> =
            (0..3).map(|_| (world.ledger(&Handle::current()), Vec::new())).collect();
        for number in 0..64 {
            let at = usize::try_from(world.chance.below(3)).unwrap();
            let (ledger, handles) = &mut replicas[at];
            handles.push(creators.spawn(Arc::clone(&world).create(ledger.clone(), number)));
            world.chance.pause(20).await;
            if !world.goes_on(10) {
                // A kill: what it was about is never answered, and nothing is given back.
                let victim = usize::try_from(world.chance.below(3)).unwrap();
                let (ledger, handles) =
                    std::mem::replace(&mut replicas[victim], (world.ledger(&Handle::current()), Vec::new()));
                ledger.kill();
                handles.iter().for_each(AbortHandle::abort);
            }
            world.clock.0.fetch_add(world.chance.below(50), Ordering::Relaxed);
        }
        while creators.join_next().await.is_some() {}
        let (most, there) = {
            let objects = world.objects.lock().unwrap();
            (objects.most, objects.now().len())
        };
        // Whatever was never given back is free again when it has expired, and not an object more fits.
        world.clock.0.fetch_add(TTL, Ordering::Relaxed);
        let ledger = world.ledger(&Handle::current());
        for number in there..LIMIT {
            assert!(
                world.has_room(&ledger, &format!("late-{number}")).await,
                "seed {seed}: {there} there, {number} not let in"
            );
            world.objects.lock().unwrap().change(|objects| objects.push(format!("late-{number}")));
        }
        assert!(!world.has_room(&ledger, "one-too-many").await, "seed {seed}");
        most
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sixty_four_creators_on_three_replicas_that_are_killed_never_exceed_and_never_leak(seed: u64) {
        let most = run(seed, false);
        prop_assert!(most <= LIMIT, "seed {seed}: {most} objects of {LIMIT}");
    }
}

#[test]
fn where_nothing_goes_wrong_all_of_it_is_let_have() {
    for seed in 0..10 {
        assert_eq!(run(seed, true), LIMIT, "seed {seed}");
    }
}
