//! One rest, many requests, several replicas: nobody is let have what somebody else was promised.

mod figures;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::api::{Reply, eventually};
use crate::bylaw::{Bylaw, path_in, with_bylaw};
use crate::install::definitions;
use crate::objects::config_map;
use crate::policies::{PolicyFile, policy};
use crate::replicas::Replicas;
use crate::world::World;

const LIMIT: usize = 7;

/// Lets seven config maps with that label be, in all of a namespace.
fn counting() -> PolicyFile {
    policy(
        "counting",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"], objectSelector: { matchLabels: { counted: "yes" } } },
        permissions: { read: ["v1/ConfigMap"], quota: ["maps/*"] },
        async validate({ list, quota, deny, namespace }) {
          const there = list("v1/ConfigMap", { namespace: namespace.name, selector: "counted=yes" });
          const answer = await quota.reserve({
            key: `maps/${namespace.name}`, amounts: { maps: 1 }, limits: { maps: 7 }, ttl: 600,
            used: there.map((object) => ({ object, amounts: { maps: 1 } })),
          });
          if (!answer.allowed) deny(answer.message);
        },
        "#,
    )
}

/// Has something against some of them, whatever the other says.
fn minding() -> PolicyFile {
    policy(
        "minding",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"], objectSelector: { matchLabels: { minded: "yes" } } },
        validate({ deny }) { deny("minded"); },
        "#,
    )
}

/// Lets a host name be one config map's.
fn claiming() -> PolicyFile {
    policy(
        "claiming",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"], objectSelector: { matchLabels: { claims: "yes" } } },
        permissions: { read: ["v1/ConfigMap"], quota: ["hosts"] },
        async validate({ object, list, quota, deny }) {
          const taken = list("v1/ConfigMap", { selector: "claims=yes" })
            .map((object) => ({ object, name: object.data.host, owner: object.data.owner }));
          const { allowed, message } =
            await quota.claim({ key: "hosts", names: [object.data.host], owner: object.data.owner, taken });
          if (!allowed) deny(message);
        },
        "#,
    )
}

/// Holds the quotas of one owner to five config maps in all of his namespaces together.
fn sharing() -> PolicyFile {
    policy(
        "sharing",
        r#"
        match: { resources: ["resourcequotas/status"], operations: ["UPDATE"] },
        permissions: { read: ["v1/ResourceQuota"], quota: ["resourcequotas/*"] },
        validate: (context) => sharedQuota(context, { label: "example.com/owner", limits: { "count/configmaps": 5 } }),
        "#,
    )
    .importing("sharedQuota")
}

fn counted(name: &str) -> Value {
    let mut map = config_map(name, json!({}));
    map["metadata"]["labels"] = json!({"counted": "yes"});
    map
}

/// Sends them from sixteen clients at once.
fn race(replicas: &Replicas<'_>, count: usize, query: &str, object: impl Fn(usize) -> Value + Sync) -> Vec<Reply> {
    let (next, target) = (AtomicUsize::new(0), replicas.target());
    let path = format!("/api/v1/namespaces/{}/configmaps{query}", target.namespace);
    let client = || {
        let mut replies = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return replies;
            }
            replies.push(target.api.post(&path, &object(number)));
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("it ends")).collect()
    })
}

/// How much is reserved under a key.
fn reservations(replicas: &Replicas<'_>, key: &str) -> usize {
    let path = format!("/apis/bylaw.dev/v1alpha1/namespaces/{}/quotaledgers", replicas.name);
    let ledgers = replicas.world.api.get(&path).object();
    let of = |ledger: &Value| ledger["spec"]["reservations"].as_array().cloned().unwrap_or_default();
    let all = ledgers["items"].as_array().expect("a list").iter().flat_map(of);
    all.filter(|entry| entry["key"] == key).count()
}

#[test]
fn creates_that_race_through_three_replicas_get_the_limit_and_no_more() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let mut replicas = Replicas::of(world, &[]);
    for file in [counting(), minding(), claiming()] {
        replicas.write(&file);
    }
    replicas.start(&["a", "b", "c"]);
    replicas.await_webhook();
    let key = format!("maps/{}", replicas.target().namespace);

    // What only asks, and what another policy denies, leave all of it to others.
    let replies = race(&replicas, 20, "?dryRun=All", |number| counted(&format!("dry-{number}")));
    assert!(replies.iter().all(Reply::is_good), "{replies:?}");
    assert_eq!(reservations(&replicas, &key), 0, "a dry run leaves nothing");
    let minded = |number: usize| {
        let mut map = counted(&format!("minded-{number}"));
        map["metadata"]["labels"]["minded"] = "yes".into();
        map
    };
    let replies = race(&replicas, 20, "", minded);
    assert!(replies.iter().all(|reply| reply.message().contains("minded")), "{replies:?}");
    eventually("what was denied is given back", || reservations(&replicas, &key), |held| *held == 0);

    let replies = race(&replicas, 60, "", |number| counted(&format!("counted-{number}")));
    let (stored, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.is_good());
    let others: Vec<_> = refused.iter().filter(|reply| !reply.message().contains("exceeded quota: maps")).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(stored.len(), LIMIT);
}

#[test]
fn a_host_name_that_many_ask_for_at_once_is_one_owners() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let mut replicas = Replicas::of(world, &[]);
    replicas.write(&claiming());
    replicas.start(&["a", "b", "c"]);
    replicas.await_webhook();
    let spellings =
        ["shop.bücher.example", "SHOP.BÜCHER.example:8443", "*.xn--bcher-kva.example", "shop.xn--bcher-kva.example."];
    let claim = |number: usize| {
        let data = json!({"host": spellings[number % spellings.len()], "owner": format!("owner-{number}")});
        let mut map = config_map(&format!("claims-{number}"), data);
        map["metadata"]["labels"] = json!({"claims": "yes"});
        map
    };
    let replies = race(&replicas, 40, "", claim);
    let (stored, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.is_good());
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(refused.iter().all(|reply| reply.message().contains("already in use")), "{refused:?}");
    assert!(refused.iter().all(|reply| !reply.message().contains("owner-")), "whose it is is not told");
}

/// As the quota controller would leave it, were there one.
fn make_quota(bylaw: &Bylaw, namespace: &str) {
    let hard = json!({"count/configmaps": "100"});
    let mut quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "shared", "namespace": namespace, "labels": {"example.com/owner": bylaw.name}},
        "spec": {"hard": hard},
    });
    let api = &bylaw.world.api;
    api.post(&path_in(namespace, "resourcequotas"), &quota).object();
    quota["status"] = json!({"hard": hard, "used": {"count/configmaps": "0"}});
    api.put(&path_in(namespace, "resourcequotas/shared/status"), &quota).object();
}

#[test]
fn what_kubernetes_counts_is_held_over_all_namespaces_of_one_owner() {
    if World::shared().map(definitions).is_none() {
        return;
    }
    with_bylaw([sharing()], |bylaw| {
        let namespaces: Vec<String> = (0..3).map(|number| format!("{}-{number}", bylaw.name)).collect();
        for namespace in &namespaces {
            bylaw.make_namespace(namespace, &json!({}));
            make_quota(bylaw, namespace);
        }
        let create = |number: usize| {
            let path = path_in(&namespaces[number % namespaces.len()], "configmaps");
            bylaw.world.api.post(&path, &config_map(&format!("map-{number}"), json!({})))
        };
        let replies: Vec<Reply> = thread::scope(|scope| {
            let creates: Vec<_> = (0..24)
                .map(|number| {
                    scope.spawn({
                        let create = &create;
                        move || create(number)
                    })
                })
                .collect();
            creates.into_iter().map(|create| create.join().expect("it ends")).collect()
        });
        let stored = |replies: &[Reply]| replies.iter().filter(|reply| reply.is_good()).count();
        let at_once = stored(&replies);
        assert!(at_once <= 5, "{replies:?}");
        // The API server counts what comes to one namespace at once together, and refuses it together: one after the other
        // there is room for what is left.
        let replies: Vec<Reply> = (24..40).map(create).collect();
        assert_eq!(at_once + stored(&replies), 5, "{replies:?}");
        let last = replies.last().expect("there are some").message();
        assert!(last.contains("exceeded quota: count/configmaps"), "{last}");
        for namespace in &namespaces {
            drop(bylaw.world.api.delete(&format!("/api/v1/namespaces/{namespace}")));
        }
    });
}
