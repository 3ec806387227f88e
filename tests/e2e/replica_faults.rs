//! Replicas that come and go, and an API server that does, under creates that must all be judged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::load::Creates;
use super::operator::js_policy;
use super::replicas::{Replicas, assert_apart, judged, terms};
use super::world::World;

#[test]
fn no_create_fails_while_replicas_are_replaced_one_after_the_other() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--lease-duration", "3s", "--drain-delay", "1"]);
    replicas.start(&["a", "b", "c"]);
    replicas.await_webhook();
    let created = replicas.under_load(|replicas| {
        for (old, new) in [("a", "d"), ("b", "e"), ("c", "f")] {
            replicas.start(&[new]);
            let mut stopped = replicas.running.remove(old).expect("it runs");
            stopped.terminate();
            // Endpoints are told while it still accepts.
            replicas.balance();
            assert!(stopped.wait(Duration::from_secs(40)).success(), "{}", stopped.log());
        }
        let leader = replicas.await_leader();
        assert!(["d", "e", "f"].contains(&leader.as_str()), "{leader}");
    });
    eprintln!("{created} creates");
}

#[test]
fn a_replica_that_is_killed_costs_no_more_than_what_it_was_about_to_answer() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--lease-duration", "3s"]);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    let lost = AtomicUsize::new(0);
    // Nothing is let through unjudged; a request that was on its way to the dead is refused.
    let refused = |reply: &Reply| !reply.is_good() && reply.message().contains("failed calling webhook");
    let good = |reply: Option<&Reply>| {
        let was_lost = reply.is_some_and(refused);
        lost.fetch_add(usize::from(was_lost), Ordering::Relaxed);
        was_lost || judged(reply)
    };
    let created = replicas.under_load_of(good, |replicas| {
        let leader = replicas.await_leader();
        replicas.kill(&leader);
        replicas.start(&["c"]);
        let next = replicas.await_leader();
        let follower = replicas.running.keys().find(|name| **name != next).expect("there are two").clone();
        replicas.kill(&follower);
        thread::sleep(Duration::from_secs(1));
    });
    let lost = lost.into_inner();
    eprintln!("{created} creates, {lost} lost");
    assert!(lost <= 2 * 3, "each client may lose one to each kill: {lost}");
}

#[test]
fn replicas_go_on_when_the_api_server_comes_back() {
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &["--lease-duration", "3s", "--propagation", "1s"]);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    // No answer is as good as a refusal.
    let good = |reply: Option<&Reply>| reply.is_none_or(|reply| !reply.is_good()) || judged(reply);
    let created = replicas.under_load_of(good, |replicas| {
        world.cluster.restart_api_server().expect("it starts again");
        let ready = Instant::now();
        replicas.await_webhook();
        eprintln!("judged again {:?} after the API server was ready", ready.elapsed());
        replicas.await_leader();
        eprintln!("led again {:?} after the API server was ready", ready.elapsed());
        // And the Secret is watched again.
        let before = replicas.secret("ca.crt");
        world.api.delete(&replicas.secret_path()).object();
        eventually("it is back", || replicas.secret("ca.crt"), |bundle| bundle.contains(&before));
    });
    for server in replicas.running.values() {
        let (status, page) = server.get(server.health_url());
        assert_eq!(status, 200, "{page}");
    }
    eprintln!("{created} creates");
}

#[test]
fn nothing_is_let_past_and_no_refusal_lost_while_etcd_is_paused_for_twenty_seconds() {
    const PAUSED: Duration = Duration::from_secs(20);
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &["--lease-duration", "3s"]);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    replicas.await_leader();
    let target = replicas.target();
    let ((), tally) = target.under_load("etcd paused for 20 s", Creates::Refused, || {
        world.cluster.pause_etcd().expect("it can be stopped");
        // One that is stored has to wait, and nothing else.
        thread::sleep(PAUSED);
        world.cluster.resume_etcd().expect("it goes on");
        let resumed = Instant::now();
        replicas.await_webhook();
        eprintln!("  creates are stored again after {:?}", resumed.elapsed());
        let lease = || world.api.get(&replicas.lease_path()).body["spec"]["renewTime"].clone();
        let before = lease();
        eventually("the Lease is renewed", lease, |now| *now != before);
        let leader = replicas.await_leader();
        eprintln!("  {leader} leads, {:?} after etcd went on", resumed.elapsed());
        assert_eq!(leader, replicas.holder());
        let ca = replicas.secret("ca.crt");
        world.api.delete(&replicas.secret_path()).object();
        eventually("the Secret is watched again", || replicas.secret("ca.crt"), |now| now.contains(&ca));
        eprintln!("  and what it keeps is mended, {:?} after etcd went on", resumed.elapsed());
    });
    tally.is_whole();
    let led: Vec<_> = replicas.running.values().flat_map(|server| terms(server, Timestamp::now())).collect();
    assert_apart(led);
}

#[test]
fn replicas_that_start_at_once_without_a_secret_fail_no_create() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--lease-duration", "3s"]);
    let was_judged = AtomicBool::new(false);
    // Until the first configuration stands nobody asks; from then on each create is judged, and none fails ever.
    let good = |reply: Option<&Reply>| {
        let is_judged = judged(reply);
        was_judged.fetch_or(is_judged, Ordering::Relaxed);
        reply.is_some_and(Reply::is_good)
    };
    let created = replicas.under_load_of(good, |replicas| {
        let begun = Instant::now();
        replicas.start(&["a", "b"]);
        eprintln!("ready after {:?}", begun.elapsed());
        replicas.await_webhook();
        eprintln!("asked after {:?}", begun.elapsed());
        thread::sleep(Duration::from_secs(3));
    });
    assert!(was_judged.into_inner());
    let (_, tally) = replicas.target().under_load("two replicas with no Secret, once asked", Creates::Both, || {
        thread::sleep(Duration::from_secs(2));
    });
    tally.is_whole();
    eprintln!("fault: two replicas start at once with no Secret: {created} creates, 0 failed");
}

#[test]
fn a_clock_that_is_two_centuries_off_costs_the_lead_and_no_create() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &["--lease-duration", "3s"]);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    replicas.await_leader();
    let (target, path) = (replicas.target(), replicas.lease_path());
    let (healed, tally) = target.under_load("clock skew of the Lease", Creates::Both, || {
        // Somebody whose clock is off takes the Lease and renews it, now in the past, now in the future.
        for renewal in 0..20 {
            let year = if renewal % 2 == 0 { 1970 } else { 2199 };
            let renewed = format!("{year}-01-01T00:00:00.{renewal:06}Z");
            let spec = json!({"holderIdentity": "other_1", "renewTime": renewed, "acquireTime": renewed});
            world.api.merge(&path, &json!({"spec": spec})).object();
            thread::sleep(Duration::from_millis(300));
        }
        let silent = Instant::now();
        assert_eq!(replicas.leader(), None, "the Lease is another's");
        let leader = replicas.await_leader();
        assert_eq!(replicas.holder(), leader);
        silent.elapsed()
    });
    eprintln!("  a replica leads again {healed:?} after that one was silent");
    tally.is_whole();
}

#[test]
fn two_replicas_reconcile_each_policy_once_while_the_lead_changes_hands() {
    const POLICIES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicies";
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &["--lease-duration", "3s", "--drain-delay", "1"]);
    replicas.start(&["a", "b"]);
    replicas.await_webhook();
    let first = replicas.await_leader();
    let put = |number: usize| {
        let code = format!("if (request.object.data?.n === '{number}') deny('by {number}.');");
        let policy = js_policy(&format!("n{number}"), &json!({"javascript": code}));
        world.api.post(POLICIES, &policy).object();
    };
    let list = || world.api.get(POLICIES).object()["items"].as_array().cloned().unwrap_or_default();
    let is_synced = |policy: &Value| policy["status"]["phase"] == "Synced";
    let target = replicas.target();
    let (times, tally) = target.under_load("reconcile by two replicas", Creates::Both, || {
        (0..30).for_each(put);
        let mut stopped = replicas.running.remove(&first).expect("it runs");
        stopped.terminate();
        replicas.balance();
        (30..60).for_each(put);
        let made = Instant::now();
        assert!(stopped.wait(Duration::from_secs(40)).success(), "{}", stopped.log());
        let all = eventually("all are reconciled", list, |all| all.iter().filter(|one| is_synced(one)).count() == 60);
        let reconciled = made.elapsed();
        // Nobody writes any more what is written.
        replicas.start(&["c"]);
        thread::sleep(Duration::from_secs(4));
        let versions = |all: &[Value]| -> Vec<Value> {
            all.iter().map(|one| one["metadata"]["resourceVersion"].clone()).collect()
        };
        let settled = list();
        thread::sleep(Duration::from_secs(4));
        assert_eq!(versions(&settled), versions(&list()), "somebody writes again and again");
        assert_eq!(all.len(), settled.len());
        reconciled
    });
    eprintln!("  reconciled {times:?} after the last was made");
    tally.is_whole();
}
