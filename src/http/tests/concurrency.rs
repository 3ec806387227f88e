//! Many requests at once: over one connection, over many, and with one that goes wrong among them.

use std::time::Instant;

use futures::future::join_all;

use super::*;

const SLOW: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sixty_four_slow_reviews_on_one_connection_run_at_once() {
    let running = start(SLOW, |_| {}).await;
    let sender = running.http2().await;
    let started = Instant::now();
    let answers = join_all((0..64).map(|_| {
        let mut sender = sender.clone();
        async move { text(sender.send_request(review("/validate", "{}")).await.unwrap()).await.0 }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(running.echo.most_running.load(SeqCst), 64);
    assert!(started.elapsed() < 8 * SLOW, "{:?}", started.elapsed());
}

#[tokio::test]
async fn streams_beyond_the_limit_wait_and_none_is_lost() {
    let running = start(Duration::from_millis(50), |config| config.limits.streams = 4).await;
    let sender = running.http2().await;
    let mut first = sender.clone();
    // The client knows the limit once it has seen the server's settings.
    text(first.send_request(review("/validate", "{}")).await.unwrap()).await;
    let answers = join_all((0..16).map(|_| {
        let mut sender = sender.clone();
        async move { text(sender.send_request(review("/validate", "{}")).await.unwrap()).await.0 }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(running.echo.most_running.load(SeqCst), 4);
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let running = start(SLOW, |_| {}).await;
    let sender = running.http2().await;
    let send = |body: &'static str| {
        let mut sender = sender.clone();
        async move { text(sender.send_request(review("/validate", body)).await.unwrap()).await }
    };
    let (well, ill) = tokio::join!(send("{}"), send("panic"));
    assert_eq!(well.0, StatusCode::OK);
    assert_eq!(ill, (StatusCode::INTERNAL_SERVER_ERROR, "{\"error\":\"internal error\"}".to_owned()));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let running = start(Duration::ZERO, |config| config.limits.connections = 2).await;
    let (first, _second) = (running.http1().await, running.http1().await);
    let third = tokio::time::timeout(Duration::from_millis(200), running.connect(&[b"http/1.1"])).await;
    assert!(third.is_err(), "a third connection was served");
    assert_eq!(running.metrics.connections.get(), 2);
    drop(first);
    let mut third = running.http1().await;
    assert_eq!(text(third.send_request(review("/validate", "{}")).await.unwrap()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn large_bodies_are_refused_together_not_one_by_one() {
    let running = start(SLOW, |config| config.limits.buffered_bytes = 3 << 20).await;
    let sender = running.http2().await;
    let body = Bytes::from(vec![b' '; 1 << 20]);
    let answers = join_all((0..8).map(|_| {
        let (mut sender, body) = (sender.clone(), body.clone());
        async move { text(sender.send_request(review("/validate", body)).await.unwrap()).await.0.as_u16() }
    }))
    .await;
    let count = |code| answers.iter().filter(|status| **status == code).count();
    assert!((1..=3).contains(&count(200)), "{answers:?}");
    assert_eq!(count(200) + count(503), 8, "{answers:?}");
    let mut sender = sender;
    assert_eq!(text(sender.send_request(review("/validate", body)).await.unwrap()).await.0, 200, "given back");
}
