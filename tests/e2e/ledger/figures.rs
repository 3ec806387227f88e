//! What the ledger does in a second: a measurement, which checks nothing but that every answer is there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::install::definitions;
use crate::policies::{PolicyFile, policy};
use crate::replicas::Replicas;
use crate::server::Server;
use crate::world::World;

const CLIENTS: usize = 16;
const FOR: Duration = Duration::from_secs(8);

/// Reserves and lets pass.
fn reserving() -> PolicyFile {
    policy(
        "reserving",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"], objectSelector: { matchLabels: { measured: "yes" } } },
        permissions: { quota: ["figures/*"] },
        async validate({ object, quota, deny }) {
          const key = `figures/${object.data.key}`;
          const { allowed } = await quota.reserve({ key, amounts: { maps: 1 }, limits: { maps: "1e6" }, ttl: 1 });
          if (!allowed) deny("no room");
        },
        "#,
    )
}

fn review(number: u64, keys: u64) -> Value {
    let (name, key) = (format!("figure-{number}"), (number % keys).to_string());
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": name, "operation": "CREATE", "namespace": "figures", "name": name,
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "userInfo": {"username": "me"},
        "object": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": key},
            "metadata": {"name": name, "namespace": "figures", "uid": name, "labels": {"measured": "yes"}}},
    }})
}

fn conflicts(server: &Server) -> u64 {
    let page = server.get(server.metrics_url()).1;
    let line = page.lines().find_map(|line| line.strip_prefix("bylaw_ledger_conflicts_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[test]
#[ignore = "a measurement: cargo test --release --test e2e -- --ignored --nocapture ledger::figures"]
fn reservations_in_a_second() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let mut replicas = Replicas::of(world, &[]);
    replicas.write(&reserving());
    replicas.start(&["a", "b", "c"]);
    let servers: Vec<&Server> = replicas.running.values().collect();
    for (keys, replicas) in [(1, 1), (1, 3), (16, 3)] {
        let next = AtomicU64::new(0);
        let before: u64 = servers.iter().map(|server| conflicts(server)).sum();
        let begun = Instant::now();
        let client = &|at: usize| {
            let mut times = Vec::new();
            while begun.elapsed() < FOR {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let sent = Instant::now();
                let (_, answer) =
                    servers[at % replicas].post("/policy/reserving.e2e.example.com", &review(number, keys));
                assert_eq!(answer["response"]["allowed"], true, "{answer}");
                times.push(sent.elapsed());
            }
            times
        };
        let mut times: Vec<Duration> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|at| scope.spawn(move || client(at))).collect();
            clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect()
        });
        times.sort();
        let a_second = f64::from(u32::try_from(times.len()).expect("some thousands")) / begun.elapsed().as_secs_f64();
        let conflicts = servers.iter().map(|server| conflicts(server)).sum::<u64>() - before;
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        eprintln!(
            "{keys} keys, {replicas} replicas: {a_second:.0} reservations/s, p50 {p50:?}, p99 {p99:?}, {conflicts} conflicts"
        );
    }
}
