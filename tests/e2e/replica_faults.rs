//! Replicas that come and go, and an API server that does, under creates that must all be judged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::api::{Reply, eventually};
use super::replicas::{Replicas, judged};
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
        replicas.await_webhook();
        replicas.await_leader();
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
