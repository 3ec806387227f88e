//! An API server sends all of its reviews over one HTTP/2 connection: a slow one must not hold up the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::client::{Target, answer, request, run};
use super::folder::{Folder, policy, script};
use super::reviews::{Answer, config_map, denied};
use super::server::Server;

/// How many reviews wait for something slow. More than any lane has threads.
const SLOW: usize = 10;
const QUICK: usize = 200;

const QUICK_PATH: &str = "/policy/quick.policies.example";

fn quick() -> String {
    policy("quick", "validate({ deny }) { deny(\"at once\"); }")
}

/// A server of HTTP that accepts and never answers.
async fn silent_host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        }
    });
    format!("http://{address}/")
}

/// Sends the slow reviews, then the quick ones over the same connection; what the slow ones came to.
async fn race(target: &Target, slow_path: &str, review: &Value) -> Vec<Answer> {
    let sender = target.http2().await;
    let ask = |path: &str| {
        let (mut sender, request) = (sender.clone(), request(path, review));
        tokio::spawn(async move {
            sender.ready().await.unwrap();
            answer(sender.send_request(request).await.unwrap()).await
        })
    };
    let slow: Vec<_> = (0..SLOW).map(|_| ask(slow_path)).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut longest = Duration::ZERO;
    for _ in 0..QUICK / 20 {
        let begun = Instant::now();
        for quick in join_all((0..20).map(|_| ask(QUICK_PATH))).await {
            denied(quick.unwrap());
        }
        longest = longest.max(begun.elapsed());
    }
    println!("twenty quick reviews took at most {longest:?} beside {SLOW} slow ones");
    assert!(!slow.iter().any(tokio::task::JoinHandle::is_finished), "the quick ones had to wait: {longest:?}");
    join_all(slow).await.into_iter().map(Result::unwrap).collect()
}

fn serve(slow: (&str, &str)) -> (Folder, Server) {
    let folder = Folder::new(&[("quick.ts", &quick()), slow]);
    let server = folder.serve(&[]);
    (folder, server)
}

#[test]
fn reviews_are_not_held_up_by_a_policy_that_fetches() {
    let fetching = "permissions: { net: [\"127.0.0.1\"] },\n\
        async validate({ object, deny, fetch }) { await fetch(object.data.url); deny(\"it answered\"); }";
    let (_folder, server) = serve(("slow.ts", &policy("slow", fetching)));
    let target = Target::of(&server);
    let answers = run(async {
        let review = config_map(json!({"url": silent_host().await}));
        race(&target, "/policy/slow.policies.example?timeout=5s", &review).await
    });
    // Nobody answers, so each is decided by its failure mode, and in time.
    for answer in answers {
        assert_eq!(denied(answer)["code"], 500);
    }
}

#[test]
fn reviews_are_not_held_up_by_a_script_that_sleeps() {
    let script = script("slow", "", "for (let n = 0; n < 3; n += 1) sleep(1000);\ndeny('rested');");
    let (_folder, server) = serve(("slow.yaml", &script));
    let target = Target::of(&server);
    let answers = run(race(&target, "/policy/slow.policies.example?timeout=30s", &config_map(json!({}))));
    for answer in answers {
        assert_eq!(denied(answer)["message"], "rested");
    }
}

#[test]
fn reviews_are_not_held_up_by_a_policy_that_never_ends() {
    let (_folder, server) = serve(("slow.ts", &policy("slow", "validate() { for (;;); }")));
    let target = Target::of(&server);
    let never = Arc::new(config_map(json!({})));
    run(async {
        let mut sender = target.http2().await;
        let looping = sender.send_request(request("/policy/slow.policies.example", &never));
        let looping = tokio::spawn(async move { answer(looping.await.unwrap()).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut longest = Duration::ZERO;
        let mut asked = 0;
        while !looping.is_finished() {
            let begun = Instant::now();
            sender.ready().await.unwrap();
            denied(answer(sender.send_request(request(QUICK_PATH, &never)).await.unwrap()).await);
            longest = longest.max(begun.elapsed());
            asked += 1;
        }
        println!("{asked} quick reviews took at most {longest:?} beside one that never ends");
        assert!(asked > 5, "they had to wait: {asked}, {longest:?}");
        assert_eq!(denied(looping.await.unwrap())["code"], 500);
    });
}

#[test]
fn hundreds_of_reviews_at_once_on_one_connection_are_all_answered() {
    let (_folder, server) = serve(("other.ts", &policy("other", "validate({ warn }) { warn(\"seen\"); }")));
    let target = Target::of(&server);
    run(async {
        let sender = target.http2().await;
        let asked = (0..800).map(|number| {
            let mut sender = sender.clone();
            let mut review = config_map(json!({}));
            review["request"]["uid"] = json!(format!("uid-{number}"));
            tokio::spawn(async move {
                sender.ready().await.unwrap();
                let (status, answer) = answer(sender.send_request(request("/validate", &review)).await.unwrap()).await;
                assert_eq!((status, &answer["response"]["uid"]), (200, &json!(format!("uid-{number}"))));
                assert_eq!(answer["response"]["status"]["message"], "[quick.policies.example] at once", "{answer}");
            })
        });
        for one in join_all(asked).await {
            one.unwrap();
        }
    });
}
