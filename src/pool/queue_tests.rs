use std::sync::Arc;

use super::super::account::{HELP_AT, SETTLED};
use super::super::job::{Reply, Task, Work};
use super::*;
use crate::isolate::Input;
use crate::isolate::testing::{input, validate};

const SOON: Duration = Duration::from_millis(20);

const SEAT: Seat = Seat(1);
const OTHER: Seat = Seat(2);

fn queue(jobs: usize, permits: usize) -> FairQueue {
    FairQueue::new(Capacity { jobs, jobs_a_domain: jobs.div_ceil(2), permits })
}

fn job_with(tenant: &str, input: Input) -> Job {
    let tenant = (!tenant.is_empty()).then(|| Arc::from(tenant));
    let policies = [validate("").with(|spec| spec.tenant = tenant).made()].into();
    let (to, _) = tokio::sync::oneshot::channel();
    Job { task: Arc::new(Task { work: Work::Validate, policies, input }), reply: Reply { to, known: Vec::new() } }
}

fn job(tenant: &str) -> Job {
    job_with(tenant, input())
}

fn add(queue: &FairQueue, tenant: &str) {
    assert!(queue.push(job(tenant)).is_ok());
}

/// Serves the next job in a millisecond, and tells whose it was: nothing for the host's.
fn serve(queue: &FairQueue, last: &mut Option<Done>) -> String {
    let Taken::Job(job, charged) = queue.take(SEAT, last.take(), Duration::ZERO) else { panic!("nothing to take") };
    let domain = job.domain().clone();
    *last = Some(Done { domain: domain.clone(), took: Duration::from_millis(1), charged, held_permit: true });
    match domain {
        Domain::Host | Domain::Controllers => String::new(),
        Domain::Tenant(name) | Domain::Policy(name) => name.to_string(),
    }
}

#[test]
fn domains_take_turns_however_much_one_of_them_asks() {
    let queue = queue(100, 1);
    for _ in 0..40 {
        add(&queue, "storm");
    }
    for tenant in ["a", "a", "b"] {
        add(&queue, tenant);
    }
    let mut last = None;
    let served: Vec<String> = (0..8).map(|_| serve(&queue, &mut last)).collect();
    for (tenant, times) in [("a", 2), ("b", 1)] {
        assert_eq!(served.iter().filter(|one| *one == tenant).count(), times, "{served:?}");
    }
}

#[test]
fn the_host_has_four_turns_for_one_of_each_tenant() {
    let queue = queue(200, 1);
    for _ in 0..50 {
        add(&queue, "");
        add(&queue, "a");
    }
    let mut last = None;
    let served: Vec<String> = (0..50).map(|_| serve(&queue, &mut last)).collect();
    let hosts = served.iter().filter(|one| one.is_empty()).count();
    assert!((36..=44).contains(&hosts), "{hosts} of 50");
}

#[test]
fn who_asked_for_nothing_has_gathered_no_credit() {
    let queue = queue(100, 1);
    let mut last = None;
    add(&queue, "idle");
    serve(&queue, &mut last);
    for _ in 0..30 {
        add(&queue, "busy");
        serve(&queue, &mut last);
    }
    for _ in 0..10 {
        add(&queue, "idle");
        add(&queue, "busy");
    }
    let served: Vec<String> = (0..10).map(|_| serve(&queue, &mut last)).collect();
    let idle = served.iter().filter(|one| *one == "idle").count();
    assert!((4..=6).contains(&idle), "{served:?}");
}

#[test]
fn only_as_many_run_as_there_are_permits_and_one_that_takes_long_gives_its_back() {
    let queue = queue(10, 1);
    add(&queue, "a");
    add(&queue, "a");
    assert!(matches!(queue.take(SEAT, None, SOON), Taken::Job(..)));
    assert!(matches!(queue.take(SEAT, None, SOON), Taken::Nothing));
    queue.overdue(SEAT);
    assert!(matches!(queue.take(SEAT, None, SOON), Taken::Job(..)));
    assert!(queue.is_empty());
    let done = |held_permit| Done { domain: Domain::Tenant("a".into()), took: SOON, charged: 0, held_permit };
    add(&queue, "a");
    assert!(matches!(queue.take(SEAT, Some(done(false)), SOON), Taken::Nothing), "it had given its permit back");
    assert!(matches!(queue.take(SEAT, Some(done(true)), SOON), Taken::Job(..)));
}

#[test]
fn there_is_room_for_so_many_and_half_of_it_for_one_domain() {
    let queue = queue(4, 1);
    let refused = |tenant| matches!(queue.push(job(tenant)), Err((Refusal::Full, _)));
    assert!(!refused("a") && !refused("a") && refused("a"));
    assert!(!refused("b") && !refused("b") && refused("c"));
}

#[test]
fn a_job_that_would_come_too_late_is_turned_away_at_once() {
    let queue = queue(100, 1);
    let mut last = None;
    for _ in 0..40 {
        add(&queue, "slow");
        let Taken::Job(_, charged) = queue.take(SEAT, last.take(), Duration::ZERO) else { panic!("nothing to take") };
        let took = Duration::from_millis(200);
        last = Some(Done { domain: Domain::Tenant("slow".into()), took, charged, held_permit: true });
    }
    add(&queue, "slow");
    let soon = || Input { deadline: Instant::now() + Duration::from_millis(100), ..input() };
    assert!(matches!(queue.push(job_with("slow", soon())), Err((Refusal::TooLate, _))));
    assert!(queue.push(job_with("other", soon())).is_ok(), "it does not wait behind that one");
}

#[test]
fn a_sleeping_thread_is_woken_for_a_job_and_for_the_end() {
    let queue = queue(10, 1);
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queue.take(SEAT, None, Duration::from_mins(1)));
        std::thread::sleep(SOON);
        add(&queue, "a");
        assert!(matches!(taken.join().unwrap(), Taken::Job(..)));
        let closed = scope.spawn(|| {
            loop {
                match queue.take(SEAT, None, Duration::from_mins(1)) {
                    Taken::Nothing => {}
                    other => break other,
                }
            }
        });
        std::thread::sleep(SOON);
        queue.close();
        assert!(matches!(closed.join().unwrap(), Taken::Closed));
    });
    assert!(queue.push(job("a")).is_err(), "and nothing comes in any more");
}

#[test]
fn domains_that_owe_nothing_are_forgotten() {
    let queue = queue(10, 1);
    let mut last = None;
    for at in 0..REMEMBERED * 4 {
        add(&queue, &at.to_string());
        serve(&queue, &mut last);
    }
    assert!(queue.state().accounts.len() <= REMEMBERED * 2, "{} accounts", queue.state().accounts.len());
}

/// A thread that takes what there is for it, and leaves the job behind it.
fn takes(queue: &FairQueue, seat: Seat) -> bool {
    let Taken::Job(job, charged) = queue.take(seat, None, Duration::ZERO) else { return false };
    let domain = job.domain().clone();
    queue.done(&Done { domain, took: Duration::from_micros(10), charged, held_permit: true });
    true
}

#[test]
fn the_jobs_of_a_tenant_go_to_the_thread_that_has_its_isolate() {
    let queue = queue(100, 2);
    add(&queue, "a");
    assert!(takes(&queue, SEAT));
    add(&queue, "a");
    assert!(!takes(&queue, OTHER), "it would have to make an isolate");
    add(&queue, "");
    assert!(takes(&queue, OTHER), "the host's policies are everywhere");
    assert!(takes(&queue, SEAT));
}

#[test]
fn a_tenant_that_asks_for_more_than_its_thread_can_do_gets_help() {
    let queue = queue(100, 2);
    add(&queue, "a");
    assert!(takes(&queue, SEAT));
    for _ in 0..HELP_AT {
        add(&queue, "a");
    }
    assert!(takes(&queue, OTHER));
    assert!(takes(&queue, OTHER), "it has the isolate now");
}

#[test]
fn tenants_that_crowd_one_thread_move_to_a_free_one_by_and_by() {
    let queue = queue(100, 2);
    let tenants: Vec<String> = (0..MOVE_AT).map(|at| at.to_string()).collect();
    let all_ask = || tenants.iter().for_each(|tenant| add(&queue, tenant));
    all_ask();
    while takes(&queue, SEAT) {}
    all_ask();
    assert!(takes(&queue, OTHER), "one moves");
    assert!(!takes(&queue, OTHER), "too few wait now");
    add(&queue, &tenants[MOVE_AT - 1]);
    assert!(!takes(&queue, OTHER), "and it is too soon for the next");
    while takes(&queue, SEAT) {}
    let moved = tenants.iter().filter(|tenant| {
        add(&queue, tenant);
        let is_there = takes(&queue, OTHER);
        assert!(is_there || takes(&queue, SEAT));
        is_there
    });
    assert_eq!(moved.count(), 1, "it has no other home");
}

#[test]
fn a_job_whose_thread_does_not_come_is_taken_by_another() {
    let queue = queue(100, 2);
    add(&queue, "a");
    assert!(takes(&queue, SEAT));
    add(&queue, "a");
    let begun = Instant::now();
    // It keeps watch: it sleeps no longer than it takes until the job may be had.
    while !matches!(queue.take(OTHER, None, Duration::from_mins(1)), Taken::Job(..)) {}
    assert!(begun.elapsed() >= HELP_AFTER);
}

#[test]
fn a_thread_that_helped_out_long_ago_is_no_home() {
    let queue = queue(100, 2);
    for seat in [SEAT, OTHER] {
        for _ in 0..HELP_AT {
            add(&queue, "a");
        }
        while takes(&queue, seat) {}
    }
    for _ in 0..SETTLED {
        add(&queue, "a");
        assert!(takes(&queue, SEAT));
    }
    add(&queue, "a");
    assert!(!takes(&queue, OTHER));
}

#[test]
fn nobody_waits_for_a_thread_whose_run_takes_long_or_that_is_gone() {
    let queue = queue(100, 2);
    for leave in [FairQueue::overdue, FairQueue::leave] {
        add(&queue, "a");
        assert!(takes(&queue, SEAT));
        add(&queue, "a");
        assert!(!takes(&queue, OTHER));
        leave(&queue, SEAT);
        assert!(takes(&queue, OTHER));
        // It is back, and the other has helped out so long ago that it no longer counts.
        for _ in 0..SETTLED * 2 {
            add(&queue, "a");
            assert!(takes(&queue, SEAT));
        }
    }
}

#[test]
fn a_thread_that_finds_no_job_for_itself_wakes_the_one_that_does() {
    const HOME: Seat = Seat(4);
    let end = |queue: &FairQueue, seat, charged| {
        let done = Done { domain: Domain::Host, took: Duration::from_micros(10), charged, held_permit: true };
        queue.take(seat, Some(done), Duration::ZERO)
    };
    let queue = queue(100, 2);
    add(&queue, "a");
    assert!(takes(&queue, HOME));
    add(&queue, "");
    add(&queue, "");
    let Taken::Job(_, charged) = queue.take(SEAT, None, Duration::ZERO) else { panic!("nothing to take") };
    assert!(matches!(queue.take(OTHER, None, Duration::ZERO), Taken::Job(..)));
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queue.take(HOME, None, Duration::from_secs(5)));
        while queue.state().sleepers.is_empty() {
            std::thread::yield_now();
        }
        add(&queue, "a");
        assert!(!queue.state().sleepers.is_empty(), "there is no permit for it yet");
        assert!(matches!(end(&queue, SEAT, charged), Taken::Nothing));
        assert!(queue.state().sleepers.is_empty(), "it is woken, and sleeps no longer than that");
        assert!(matches!(taken.join().unwrap(), Taken::Job(..)));
    });
}
