//! Whatever a policy does to its thread, everybody gets an answer in time, and the pool goes on.

mod closed;
mod neighbours;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::future::join_all;

use super::{Pool, PoolSize};
use crate::decision::{Cause, Effect, Verdict};
use crate::host::Objects;
use crate::isolate::testing::{Draft, PATIENCE, error, host, input, messages, module, mutate, script, validate};
use crate::isolate::{Evaluated, Input, Limits};
use crate::policy::{Catalog, Isolation, Permissions, Revision};
use crate::telemetry::Metrics;

const CPU: Duration = Duration::from_millis(60);

struct Rig {
    pool: Pool,
    catalog: Arc<ArcSwap<Catalog>>,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Runtime,
}

fn rig(threads: usize, queue: usize, served: &[Arc<Revision>]) -> Rig {
    let size = PoolSize { threads, spares: 0, apart_threads: 1, waiting_threads: 1, queue, ..PoolSize::for_cores(1) };
    rig_of(size, CPU, served)
}

fn rig_of(size: PoolSize, cpu: Duration, served: &[Arc<Revision>]) -> Rig {
    let limits = Limits { cpu, startup: cpu, heap: 24 << 20, ..Limits::default() };
    let catalog = Arc::new(ArcSwap::from_pointee(catalog(1, served)));
    let metrics = Arc::new(Metrics::default());
    let host = host(Objects::Nowhere);
    let pool = Pool::start(size, host, Arc::new(limits), Arc::clone(&catalog), Arc::clone(&metrics)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rig = Rig { pool, catalog, metrics, runtime };
    wait_until("it is ready", || rig.pool.ready());
    rig
}

fn catalog(generation: u64, served: &[Arc<Revision>]) -> Catalog {
    let mut revisions = served.to_vec();
    revisions.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    Catalog { revisions, generation, ..Catalog::default() }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Rig {
    fn validate(&self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Verdict> {
        self.runtime.block_on(self.pool.validate(input, &revisions.into())).into_iter().map(|one| one.verdict).collect()
    }

    /// All of them asked at once, each for its own review.
    fn at_once(&self, asked: &[(Input, Vec<Arc<Revision>>)]) -> Vec<(Vec<Evaluated>, Duration)> {
        let begun = Instant::now();
        let asked = asked.iter().map(async |(input, revisions)| {
            let evaluated = self.pool.validate(input, &revisions.as_slice().into()).await;
            (evaluated, begun.elapsed())
        });
        self.runtime.block_on(join_all(asked))
    }

    /// That it still answers, on as many threads as it began with.
    fn check_whole(&self) {
        wait_until("all threads are back", || self.pool.shared.ready_threads() == self.pool.shared.size.all_threads());
        let probe = denying("probe");
        assert_eq!(messages(&self.validate(&input(), &[probe])[0]), ["probe"]);
    }
}

fn denying(name: &str) -> Arc<Revision> {
    validate(&format!("c.deny('{name}')")).named(name).made()
}

fn looping(name: &str) -> Arc<Revision> {
    validate("for (;;);").named(name).made()
}

fn until(deadline: Duration) -> Input {
    Input { deadline: Instant::now() + deadline, ..input() }
}

fn names(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().map(|verdict| &*verdict.policy).collect()
}

#[test]
fn a_looping_policy_costs_the_others_of_its_review_nothing_but_time() {
    let rig = rig(1, 16, &[]);
    let revisions = [denying("a"), looping("b"), denying("c"), looping("d"), denying("e")];
    let verdicts = rig.validate(&input(), &revisions);
    assert_eq!(names(&verdicts), ["a", "b", "c", "d", "e"]);
    for at in [0, 2, 4] {
        assert_eq!(messages(&verdicts[at]).len(), 1);
    }
    for at in [1, 3] {
        assert_eq!(error(&verdicts[at]).0, Cause::Cpu);
    }
    rig.check_whole();
}

#[test]
fn verdicts_come_in_the_order_asked_whoever_gives_them() {
    let rig = rig(2, 16, &[]);
    let read = |draft: Draft| {
        draft.with(|spec| spec.permissions = Permissions { read: vec!["*".to_owned()], ..Permissions::default() })
    };
    let fresh = |draft: Draft| draft.with(|spec| spec.isolation = Isolation::Fresh);
    let revisions = [
        script("deny('z')").named("z").made(),
        denying("y"),
        fresh(validate("c.deny('x')")).named("x").made(),
        read(validate("c.deny('w')")).named("w").made(),
        denying("v"),
        script("deny('u')").named("u").made(),
    ];
    for _ in 0..20 {
        let verdicts = rig.validate(&input(), &revisions);
        assert_eq!(names(&verdicts), ["z", "y", "x", "w", "v", "u"]);
        for verdict in &verdicts {
            assert_eq!(messages(verdict), [&*verdict.policy]);
        }
    }
    assert!(rig.validate(&input(), &[]).is_empty());
}

#[test]
fn a_full_queue_is_told_at_once() {
    let rig = rig(1, 4, &[]);
    let asked: Vec<_> = (0..8).map(|_| (input(), vec![looping("loop")])).collect();
    let answers = rig.at_once(&asked);
    let shed: Vec<_> =
        answers.iter().filter(|(evaluated, _)| error(&evaluated[0].verdict).0 == Cause::Overload).collect();
    assert!((4..=6).contains(&shed.len()), "{} of 8 were turned away", shed.len());
    let first_other = answers
        .iter()
        .filter(|(evaluated, _)| error(&evaluated[0].verdict).0 != Cause::Overload)
        .map(|(_, took)| *took)
        .min();
    for (_, took) in &shed {
        assert!(Some(*took) <= first_other, "a refusal waited for {took:?}");
    }
    rig.check_whole();
}

#[test]
fn what_waited_too_long_is_not_run_and_nobody_waits_for_it() {
    let rig = rig(1, 16, &[]);
    let hold = module("validate() { let sum = 0; for (let i = 0; i < 1e8; i += 1) sum ^= i; }").named("hold").made();
    let late: Vec<_> = (0..3).map(|_| (until(Duration::from_millis(10)), vec![denying("late")])).collect();
    let asked: Vec<_> = std::iter::once((input(), vec![hold])).chain(late).collect();
    let answers = rig.at_once(&asked);
    for (evaluated, took) in &answers[1..] {
        // The caller keeps its own time; a busy machine may let the thread be first to say so.
        assert!(matches!(error(&evaluated[0].verdict).0, Cause::Timeout | Cause::Overload));
        assert!(*took < Duration::from_millis(45), "{took:?}");
    }
    wait_until("the thread has shed them", || rig.metrics.shed.get() >= 3);
    rig.check_whole();
}

#[test]
fn a_wedged_thread_is_replaced_while_it_is_wedged_and_its_caller_is_answered() {
    let rig = rig(1, 16, &[]);
    let wedge = validate("Array(1e9).indexOf(1)").named("wedge").made();
    let begun = Instant::now();
    let verdicts = rig.validate(&input(), &[denying("before"), wedge, denying("after")]);
    assert!(begun.elapsed() < Duration::from_secs(3), "answered after {:?}", begun.elapsed());
    assert_eq!(names(&verdicts), ["before", "wedge", "after"]);
    assert_eq!(error(&verdicts[1]).0, Cause::Cpu);
    for at in [0, 2] {
        assert_eq!(messages(&verdicts[at]), [&*verdicts[at].policy], "who was in the same job has run again");
    }
    wait_until("it is counted", || rig.pool.lost_threads() == 1);
    let verdicts = rig.validate(&input(), &[denying("next")]);
    assert_eq!(messages(&verdicts[0]), ["next"]);
    assert!(begun.elapsed() < Duration::from_secs(4), "the next one waited for the wedged thread");
    rig.check_whole();
    // Also when the old thread has come back, and has found its place taken.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(rig.pool.lost_threads(), 1);
    rig.check_whole();
}

#[test]
fn a_thread_lost_to_its_memory_is_replaced() {
    let rig = rig(1, 16, &[]);
    for body in ["new Array(1e8).fill(1)", "Object.keys('x'.repeat(2 ** 29 - 25))"] {
        let verdicts = rig.validate(&input(), &[validate(body).named("bomb").made()]);
        // On a slow machine its processor time is used up first, and the memory a moment later.
        assert!(matches!(error(&verdicts[0]).0, Cause::Memory | Cause::Cpu), "{body}: {verdicts:?}");
    }
    wait_until("both are counted", || rig.pool.lost_threads() == 2);
    rig.check_whole();
    assert!(rig.pool.ready(), "a thread that is replaced is no reason to be unready");
}

#[test]
fn a_policy_that_waits_never_delays_one_that_computes() {
    let rig = rig(1, 64, &[]);
    let slow = |name: &str| {
        script("for (;;) sleep(1000)").named(name).with(|spec| spec.timeout = Duration::from_secs(1)).made()
    };
    let spinning = |name: &str| {
        script("for (;;) if (!request) sleep(1);").named(name).with(|spec| spec.timeout = Duration::from_secs(1)).made()
    };
    let mut asked = vec![(input(), vec![slow("slow")]), (input(), vec![spinning("spin")])];
    asked.extend((0..20).map(|_| (input(), vec![denying("quick")])));
    let answers = rig.at_once(&asked);
    for (evaluated, took) in &answers[2..] {
        assert_eq!(messages(&evaluated[0].verdict), ["quick"]);
        assert!(*took < Duration::from_millis(500), "waited for {took:?}");
    }
    assert!(answers[0].1 > Duration::from_millis(500));
}

#[test]
fn a_chain_of_mutations_runs_as_far_as_the_engine_is_told() {
    let rig = rig(1, 16, &[]);
    let step = |name: &str, body: &str| mutate(body).named(name).made();
    let chain = [
        step("a", "c.object.metadata.labels.a = '1'"),
        step("b", "c.object.metadata.labels.b = c.object.metadata.labels.a"),
        script("mutate({ ...request.object, c: 1 })").named("c").made(),
        step("d", "c.deny('no')"),
        step("e", ""),
    ];
    assert_eq!(Pool::one_go(&chain), 2);
    assert_eq!(Pool::one_go(&chain[2..]), 1);
    assert_eq!(Pool::one_go(&chain[3..]), 2);
    assert_eq!(Pool::one_go(&[]), 0);
    let run = |revisions: &[Arc<Revision>]| rig.runtime.block_on(rig.pool.mutate(&input(), revisions));
    assert!(run(&[]).is_empty());
    let evaluated = run(&chain[..2]);
    assert!(evaluated[1].verdict.mutation.as_ref().unwrap().after.contains(r#""b":"1""#));
    assert!(run(&chain[2..3])[0].verdict.mutation.is_some());
    assert_eq!(run(&chain[3..]).len(), 1, "the denial ends the request");
}

#[test]
fn fresh_policies_find_nothing_of_their_last_run() {
    let rig = rig(1, 16, &[]);
    let source = "let count = 0; ({ default: { validate({ deny }) { count += 1; deny(String(count)); } } })";
    let counting = crate::isolate::testing::bundle(source);
    let fresh = counting.clone().with(|spec| spec.isolation = Isolation::Fresh).made();
    let shared = counting.made();
    let ask = |revision: &Arc<Revision>| messages(&rig.validate(&input(), &[Arc::clone(revision)])[0]).remove(0);
    assert_eq!([ask(&fresh), ask(&fresh), ask(&fresh)], ["1", "1", "1"]);
    assert_eq!([ask(&shared), ask(&shared)], ["1", "2"], "what the lint is there to find");
}

#[test]
fn a_new_catalog_does_not_hold_up_who_waits() {
    let served = |generation: u64| -> Vec<Arc<Revision>> {
        // Slow to load: each takes a millisecond or more.
        let top = "let x = 0; for (let i = 0; i < 2e6; i += 1) x += i;";
        let draft = |at: u64| {
            crate::isolate::testing::bundle(&format!("{top} ({{ default: {{ validate() {{}} }} }})"))
                .named(&format!("p{at:03}.{generation}"))
        };
        (0..100).map(|at| draft(at).made()).collect()
    };
    let rig = rig(1, 64, &served(1));
    let probe = denying("probe");
    let ask = || {
        let begun = Instant::now();
        assert_eq!(messages(&rig.validate(&input(), &[Arc::clone(&probe)])[0]), ["probe"]);
        begun.elapsed()
    };
    ask();
    rig.catalog.store(Arc::new(catalog(2, &served(2))));
    std::thread::sleep(Duration::from_millis(25));
    let mut times: Vec<Duration> = (0..50).map(|_| ask()).collect();
    times.sort_unstable();
    assert!(
        times[40] < Duration::from_millis(60),
        "a review waited for {:?} while 100 policies were loaded",
        times[40]
    );
}

#[test]
fn many_callers_of_many_policies_all_get_their_own_answers() {
    let rig = rig(2, 1024, &[]);
    let policies: BTreeMap<String, Arc<Revision>> =
        ('a'..='h').map(|name| (name.to_string(), denying(&name.to_string()))).collect();
    let asked: Vec<_> = (0..400)
        .map(|at| {
            let some = policies
                .values()
                .enumerate()
                .filter(|(bit, _)| at >> bit & 1 == 1)
                .map(|(_, policy)| Arc::clone(policy));
            (input(), some.collect::<Vec<_>>())
        })
        .collect();
    for ((evaluated, _), (_, revisions)) in rig.at_once(&asked).iter().zip(&asked) {
        let told: Vec<String> = evaluated.iter().flat_map(|one| messages(&one.verdict)).collect();
        let wanted: Vec<String> = revisions.iter().map(|revision| revision.spec.name.to_string()).collect();
        assert_eq!(told, wanted);
    }
    assert!(rig.validate(&input(), &[validate("").made()]).iter().all(|verdict| verdict.effect == Effect::Allow));
}
