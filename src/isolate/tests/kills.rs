//! Runs that are ended from outside, and what comes after them.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::super::testing::{PATIENCE, Rig, error, input, messages, module, mutate, script, validate};
use super::super::{Cell, Fate, KillCause, Limits, Slot};
use crate::decision::{Cause, Effect};
use crate::host::Objects;

const SHORT: Duration = Duration::from_millis(30);

fn rig_with_cpu(cpu: Duration) -> Rig {
    Rig::with(Limits { cpu, startup: cpu, ..Limits::default() }, Objects::Nowhere)
}

/// Loops of every kind that V8 can interrupt.
const LOOPS: [&str; 16] = [
    "for (;;);",
    "try { for (;;); } catch { for (;;); } finally { for (;;); }",
    "(function f() { try { f(); } finally { f(); } })()",
    "const f = () => Promise.resolve().then(f); f()",
    "for (const x of (function* () { for (;;) yield 1; })());",
    "({ get x() { for (;;); } }).x",
    "new Proxy({}, { get() { for (;;); } }).x",
    "JSON.stringify({ toJSON() { for (;;); } })",
    "[2, 1].sort(() => { for (;;); })",
    "/^(a+)+$/.test('a'.repeat(60) + 'b')",
    "throw { toString() { for (;;); }, get message() { for (;;); } }",
    "Promise.reject({ toString() { for (;;); }, get message() { for (;;); } })",
    "Promise.resolve({ get then() { for (;;); } }); ",
    "Array.from({ length: 1e9 }, () => { for (;;); })",
    "let n = 3n; for (;;) n = (n * n) % (2n ** 64n);",
    "Reflect.ownKeys(new Proxy({}, { ownKeys() { for (;;); } }))",
];

#[test]
fn a_loop_of_any_kind_ends_when_its_processor_time_is_used_up() {
    let mut rig = rig_with_cpu(SHORT);
    for body in LOOPS {
        let begun = Instant::now();
        let verdict = rig.run(validate(body));
        let (cause, message) = error(&verdict);
        assert!(matches!(cause, Cause::Cpu | Cause::Memory), "{body}: {message}");
        assert!(begun.elapsed() < PATIENCE / 2, "{body}: {:?}", begun.elapsed());
        assert!(rig.cell.condemned(), "{body}");
        rig.renew();
        assert_eq!(messages(&rig.run(validate("c.deny('next')"))), ["next"], "after {body}");
    }
}

#[test]
fn a_looping_script_ends_at_its_timeout() {
    let mut rig = Rig::new();
    for source in LOOPS {
        let verdict = rig.run(script(source).with(|spec| spec.timeout = SHORT));
        let (cause, message) = error(&verdict);
        assert!(matches!(cause, Cause::Timeout | Cause::Cpu | Cause::Memory), "{source}: {message}");
        assert!(rig.cell.condemned(), "{source}");
        rig.renew();
        assert_eq!(rig.script_told("deny('next')"), ["next"], "after {source}");
    }
}

#[test]
fn waiting_ends_at_the_deadline_of_the_review() {
    let mut rig = Rig::new();
    let mut input = input();
    input.deadline = Instant::now() + SHORT;
    let verdict = rig.run_on(&input, script("for (;;) sleep(1000)"));
    assert_eq!(error(&verdict).0, Cause::Timeout);
    assert!(input.deadline.elapsed() < PATIENCE / 3);
}

#[test]
fn loops_in_what_the_host_calls_afterwards_end_too() {
    let mut rig = rig_with_cpu(SHORT);
    for draft in [
        mutate("c.object.toJSON = () => { for (;;); }"),
        mutate("Object.defineProperty(c.object, 'x', { enumerable: true, get() { for (;;); } })"),
        module("async validate() { throw { get message() { for (;;); } }; }"),
        module("get validate() { for (;;); }"),
        script("mutate({ toJSON() { for (;;); } })").with(|spec| spec.timeout = SHORT),
        script("Object.defineProperty(globalThis, '__response', { get() { for (;;); } })")
            .with(|spec| spec.timeout = SHORT),
        script("throw { toString() { for (;;); } }").with(|spec| spec.timeout = SHORT),
    ] {
        let verdict = rig.run(draft);
        assert!(matches!(error(&verdict).0, Cause::Cpu | Cause::Timeout), "{verdict:?}");
        assert!(rig.cell.condemned());
        rig.renew();
    }
}

/// The exit is asked for at the very moment of the kill, many times: whichever comes first, what the host then reads
/// must not be able to loop unwatched.
#[test]
fn an_exit_cannot_undo_a_kill() {
    let mut rig = Rig::new();
    let source = "const end = Date.now() + 12; __response.patched = { toJSON() { for (;;); } };
         while (Date.now() < end); exit()";
    for _ in 0..20 {
        let begun = Instant::now();
        let verdict = rig.run(script(source).with(|spec| spec.timeout = Duration::from_millis(13)));
        assert!(matches!(error(&verdict).0, Cause::Timeout | Cause::Cpu), "{verdict:?}");
        assert!(begun.elapsed() < PATIENCE / 3);
        rig.renew();
    }
}

#[test]
fn a_batch_stops_at_the_kill_and_says_so_by_its_length() {
    let mut rig = rig_with_cpu(SHORT);
    let verdicts = rig.batch([validate("c.deny('before')"), validate("for (;;);"), validate("c.deny('after')")]);
    assert_eq!(verdicts.len(), 2);
    assert_eq!(messages(&verdicts[0]), ["before"]);
    assert_eq!(error(&verdicts[1]).0, Cause::Cpu);
}

#[test]
fn a_top_level_that_never_ends_is_stopped() {
    let mut rig = rig_with_cpu(SHORT);
    let verdict = rig.run(super::super::testing::bundle("for (;;);"));
    assert!(matches!(error(&verdict).0, Cause::Cpu | Cause::Timeout));
    assert!(rig.cell.condemned());
    rig.renew();
    rig.cell.prepare(&super::super::testing::bundle("for (;;);").made());
    assert!(rig.cell.condemned(), "also when it is loaded ahead of time");
    rig.renew();
    let error = rig.cell.describe("p.js", "for (;;);").unwrap_err();
    assert!(matches!(error, super::super::IsolateError::Killed { .. }), "{error:?}");
}

/// A hundred thousand runs whose deadlines lie at their very end. No run that was given more time than it took may be
/// killed: it would be its neighbour's kill that hit it.
#[test]
fn no_run_is_ever_killed_by_its_neighbours_timer() {
    const RUNS: u32 = 100_000;
    let mut rig = Rig::new();
    let edge = [validate("for (let i = 0; i < 1000; i += 1);").made()];
    let calm = [validate("").made()];
    let (mut overdue, in_time) = (input(), input());
    let mut kills = 0;
    for run in 0..RUNS / 2 {
        // Out of time from the start: the watchdog's look may come at any point of the run, or just after it.
        overdue.deadline = Instant::now();
        let verdict = rig.cell.validate(&overdue, &edge).remove(0).verdict;
        if rig.cell.condemned() {
            assert_eq!(error(&verdict).0, Cause::Timeout);
            kills += 1;
            rig.renew();
        }
        let verdict = rig.cell.validate(&in_time, &calm).remove(0).verdict;
        assert_eq!(verdict.effect, Effect::Allow, "run {run} was killed for its neighbour");
        assert!(!rig.cell.condemned());
        if in_time.deadline.saturating_duration_since(Instant::now()) < PATIENCE / 3 {
            break;
        }
    }
    assert!(kills > 0, "no deadline was ever hit");
}

/// `Array(1e9).indexOf` takes seconds, and V8 does not interrupt it.
#[test]
fn a_built_in_that_cannot_be_interrupted_is_told_while_it_lasts() {
    let (tell, told) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    let host = super::super::testing::host(Objects::Nowhere);
    let work = move || {
        let slot = Slot::register(move |fate| {
            if fate.is_final() {
                tell.send((fate, Instant::now())).unwrap();
            }
        });
        let limits = Arc::new(Limits { cpu: SHORT, ..Limits::default() });
        let mut cell = Cell::new(host, Arc::clone(&slot), limits);
        let revisions = [validate("Array(1e9).indexOf(1)").made()];
        let verdict = cell.validate(&input(), &revisions).remove(0).verdict;
        drop(done.send((verdict, slot.is_abandoned())));
    };
    let begun = Instant::now();
    std::thread::Builder::new().stack_size(super::super::STACK).spawn(work).unwrap();
    let (fate, when) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(fate, Fate::Wedged(KillCause::Cpu));
    assert!(when - begun < Duration::from_secs(3), "told after {:?}", when - begun);
    assert!(is_done.try_recv().is_err(), "it was not stuck at all");
    let (verdict, is_abandoned) = is_done.recv_timeout(PATIENCE * 2).unwrap();
    assert_eq!(error(&verdict).0, Cause::Cpu);
    assert!(is_abandoned, "and when it comes back it knows");
}
