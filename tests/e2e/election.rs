//! One replica writes at any time, whatever happens to it, to the others, to the API server and to clocks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::api::eventually;
use super::replicas::{Replicas, SetOnDrop, assert_apart, signal, terms};
use super::world::World;

/// The shortest that there is.
const LEASE: [&str; 2] = ["--lease-duration", "3s"];

fn spec(holder: &str, renewed: &str) -> Value {
    json!({"holderIdentity": holder, "leaseDurationSeconds": 3, "renewTime": renewed, "acquireTime": renewed})
}

#[test]
fn a_leader_that_is_killed_is_succeeded_and_never_led_beside_another() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &LEASE);
    replicas.start(&["a", "b"]);
    let (first, mut led) = (replicas.await_leader(), Vec::new());
    assert_eq!(replicas.holder(), first);
    let (dead, at) = replicas.kill(&first);
    led.extend(terms(&dead, at));

    // A container that is started anew has the name of the one before, and none of its rights.
    replicas.start(&[&first]);
    let second = replicas.await_leader();
    eprintln!("led again {} after the kill", Timestamp::now().duration_since(at));
    for server in replicas.running.values() {
        led.extend(terms(server, Timestamp::now()));
    }
    assert_apart(led);
    assert_eq!(replicas.holder(), second);
    let lease = world.api.get(&replicas.lease_path()).object();
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let Some(world) = World::shared() else { return };
    // Nobody waits for such a Lease to lapse.
    let mut replicas = Replicas::of(world, &["--lease-duration", "60s"]);
    replicas.start(&["a", "b"]);
    let first = replicas.await_leader();
    let mut stopped = replicas.running.remove(&first).expect("it runs");
    let told = Timestamp::now();
    stopped.terminate();
    assert!(stopped.wait(Duration::from_secs(20)).success(), "{}", stopped.log());
    assert!(stopped.log().contains("the Lease is released"), "{}", stopped.log());
    let second = replicas.await_leader();
    assert_ne!(second, first);
    eprintln!("led again {} after SIGTERM", Timestamp::now().duration_since(told));
}

#[test]
fn a_lease_whose_times_lie_is_judged_by_how_long_it_stays_the_same() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &LEASE);
    let lies = ["1970-01-01T00:00:00.000000Z", "2199-01-01T00:00:00.000000Z"];
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "bylaw", "namespace": replicas.name}, "spec": spec("other_1", lies[0]),
    });
    let leases = replicas.lease_path().trim_end_matches("/bylaw").to_owned();
    world.api.post(&leases, &lease).object();

    let path = replicas.lease_path();
    let (over, robbed) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for renewal in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                // Alive, and its clock jumps by two centuries to and fro.
                let renewed = lies[renewal % 2].replace(".000000", &format!(".{renewal:06}"));
                let lease = world.api.merge(&path, &json!({"spec": {"renewTime": renewed}})).object();
                robbed.fetch_or(lease["spec"]["holderIdentity"] != "other_1", Ordering::Relaxed);
                thread::sleep(Duration::from_millis(300));
            }
        });
        let _over = SetOnDrop(&over);
        replicas.start(&["a"]);
        thread::sleep(Duration::from_secs(8));
        assert_eq!(replicas.leader(), None, "it took the Lease of one that is alive");
    });
    assert!(!robbed.load(Ordering::Relaxed));
    assert_eq!(replicas.await_leader(), "a", "the other one is silent now");
    assert_eq!(replicas.holder(), "a");
}

#[test]
fn a_leader_that_was_stopped_and_goes_on_does_not_lead_beside_its_successor() {
    let Some(world) = World::shared() else { return };
    let mut replicas = Replicas::of(world, &LEASE);
    replicas.start(&["a", "b"]);
    let first = replicas.await_leader();
    let stopped = replicas.running.remove(&first).expect("it runs");
    signal(&stopped, "-STOP");
    let second = replicas.await_leader();
    signal(&stopped, "-CONT");
    stopped.wait_for_log(0, "this replica does not lead any more").expect("it knows");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(replicas.holder(), second);
    assert_eq!(world.api.get(&replicas.lease_path()).object()["spec"]["leaseTransitions"], 1);
}

#[test]
fn an_election_outlasts_its_lease_and_the_api_server() {
    let Some(world) = World::start() else { return };
    let mut replicas = Replicas::of(&world, &LEASE);
    replicas.start(&["a", "b"]);
    let first = replicas.await_leader();
    world.api.delete(&replicas.lease_path()).object();
    eventually("there is a Lease again", || replicas.holder(), |holder| !holder.is_empty());
    replicas.await_leader();

    world.cluster.restart_api_server().expect("it starts again");
    let last = eventually(
        "a replica leads again",
        || replicas.leader().map(str::to_owned),
        |leader| leader.as_ref().is_some_and(|leader| *leader == replicas.holder()),
    );
    eprintln!("{first} led, then {last:?}");
    let mut led = Vec::new();
    for server in replicas.running.values() {
        led.extend(terms(server, Timestamp::now()));
        let page = server.get(&format!("{}?verbose", server.health_url())).1;
        assert!(page.contains("[+]leadership ok") && page.contains("leads"), "{page}");
    }
    assert_apart(led);
}
