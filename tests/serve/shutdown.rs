//! The end of the server under load: whoever got a request through gets an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Target, answer, request, run};
use super::folder::{Folder, policy, script};
use super::load::{Tally, over_http1, over_http2};
use super::reviews::{config_map, denied};
use super::server::Server;

const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A script, because it may sleep: what is in flight when the end comes takes its time.
const SLOW: &str = "if (request.object.data.slow) {\n  sleep(800);\n  deny('slow but sure');\n}";

fn serve(arguments: &[&str]) -> (Folder, Server) {
    let quick = policy("quick", "validate({ warn }) { warn(\"seen\"); }");
    let folder = Folder::new(&[("quick.ts", &quick), ("slow.yaml", &script("slow", "", SLOW))]);
    let server = folder.serve(arguments);
    (folder, server)
}

fn quick() -> Arc<Value> {
    Arc::new(config_map(json!({"a": "b"})))
}

fn assert_clean_end(server: &mut Server) {
    let status = server.wait(ENDS_WITHIN);
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn nothing_is_lost_over_http1() {
    for delay in ["0", "1"] {
        let (_folder, mut server) = serve(&["--drain-delay", delay]);
        let (target, tally) = (Target::of(&server), Arc::new(Tally::default()));
        run(async {
            let client = || tokio::spawn(over_http1(target.clone(), quick(), Arc::clone(&tally)));
            let clients: Vec<_> = (0..16).map(|_| client()).collect();
            tally.until_answered(300).await;
            server.terminate();
            for client in clients {
                client.await.unwrap();
            }
        });
        tally.assert_nothing_lost();
        assert_clean_end(&mut server);
    }
}

#[test]
fn nothing_is_lost_over_http2() {
    for delay in ["0", "1"] {
        let (_folder, mut server) = serve(&["--drain-delay", delay]);
        let (target, tally) = (Target::of(&server), Arc::new(Tally::default()));
        run(async {
            let sender = target.http2().await;
            let client = || tokio::spawn(over_http2(sender.clone(), quick(), Arc::clone(&tally)));
            let clients: Vec<_> = (0..32).map(|_| client()).collect();
            drop(sender);
            tally.until_answered(300).await;
            server.terminate();
            for client in clients {
                client.await.unwrap();
            }
        });
        tally.assert_nothing_lost();
        assert_clean_end(&mut server);
    }
}

#[test]
fn what_is_in_flight_is_waited_for() {
    let (_folder, mut server) = serve(&[]);
    let target = Target::of(&server);
    let slow = config_map(json!({"slow": "yes"}));
    run(async {
        let mut http1 = target.http1().await;
        let mut http2 = target.http2().await;
        let over_http2 = http2.send_request(request("/validate", &slow));
        let in_flight =
            tokio::spawn(
                async move { (http1.post("/validate", &slow).await, answer(over_http2.await.unwrap()).await) },
            );
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.terminate();
        let (first, second) = in_flight.await.unwrap();
        assert_eq!(denied(first)["message"], "[slow.policies.example] slow but sure");
        assert_eq!(denied(second)["message"], "[slow.policies.example] slow but sure");
    });
    assert_clean_end(&mut server);
}

#[test]
fn a_client_that_is_slow_to_hear_the_goodbye_loses_nothing() {
    let (_folder, mut server) = serve(&[]);
    let target = Target::of(&server);
    // One thread, so that the connection rests while the client is busy elsewhere.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sender = target.http2().await;
        let review = quick();
        assert_eq!(answer(sender.send_request(request("/validate", &review)).await.unwrap()).await.0, 200);
        sender.ready().await.unwrap();
        let sent: Vec<_> = (0..8).map(|_| sender.send_request(request("/validate", &review))).collect();
        server.terminate();
        std::thread::sleep(Duration::from_secs(3));
        for one in sent {
            let (status, answer) = answer(one.await.expect("the server took leave too early")).await;
            assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(true)), "{answer}");
        }
    });
    assert_clean_end(&mut server);
}

#[test]
fn readiness_fails_while_the_server_still_judges() {
    let (_folder, mut server) = serve(&["--drain-delay", "3"]);
    assert_eq!(server.get(server.health_url()), (200, "ok".to_owned()));
    server.terminate();
    let begun = Instant::now();
    let page = loop {
        let (status, page) = server.get(server.health_url());
        if status == 503 {
            break page;
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{status} {page}");
    };
    assert!(page.contains("[-]shutdown failed: the process is shutting down"), "{page}");
    let livez = server.health_url().replace("/readyz", "/livez");
    assert_eq!(server.get(&livez).0, 200);
    denied(server.post("/validate", &config_map(json!({"slow": "yes"}))));
    assert_clean_end(&mut server);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_folder, mut server) = serve(&["--drain-delay", "60"]);
    server.terminate();
    server.wait_for_log(0, "a second signal stops at once").unwrap();
    let begun = Instant::now();
    server.terminate();
    let status = server.wait(ENDS_WITHIN);
    assert_eq!(status.code(), Some(130), "{}", server.log());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn an_idle_server_ends_soon() {
    let (_folder, mut server) = serve(&[]);
    let begun = Instant::now();
    server.terminate();
    assert_clean_end(&mut server);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
