//! Requests that never become a review, and what their senders are told.

use super::*;

async fn refusal(running: &Running, request: Request<Full<Bytes>>) -> (u16, String) {
    let mut sender = running.http1().await;
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let (status, body) = text(response).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    (status.as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_refusal_has_its_code_and_says_what_is_wrong() {
    let running = start(Duration::ZERO, |config| config.limits.body_bytes = 1_000).await;
    let mut plain_text = review("/validate", "{}");
    plain_text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    let mut get = review("/validate", "");
    *get.method_mut() = hyper::Method::GET;
    for (request, code, message) in [
        (review("/nowhere", "{}"), 404, "no such path"),
        (review("/policy/unknown.example.com", "{}"), 404, "no policy is named unknown.example.com"),
        (get, 405, "POST"),
        (plain_text, 415, "Content-Type must be application/json"),
        (review("/validate", vec![b' '; 1_001]), 413, "larger than 1000 bytes"),
        (review("/validate?timeout=soon", "{}"), 400, "timeout=soon"),
        (review("/validate?timeout=-1s", "{}"), 400, "timeout=-1s"),
    ] {
        let path = request.uri().to_string();
        let (status, error) = refusal(&running, request).await;
        assert_eq!(status, code, "{path}");
        assert!(error.contains(message), "{path}: {error}");
    }
    let page = running.metrics.render();
    assert!(page.contains("bylaw_requests_refused_total{code=\"404\"} 2"), "{page}");
    assert_eq!(running.echo.most_running.load(SeqCst), 0, "a refused request was judged");
}

#[tokio::test]
async fn nine_mebibytes_are_413_over_both_protocols_and_the_connection_lives_on() {
    let running = start(Duration::ZERO, |_| {}).await;
    let body = Bytes::from(vec![b' '; 9 << 20]);
    let mut http1 = running.http1().await;
    assert_eq!(text(http1.send_request(review("/validate", body.clone())).await.unwrap()).await.0, 413);
    assert_eq!(text(http1.send_request(review("/validate", "{}")).await.unwrap()).await.0, 200);
    let mut http2 = running.http2().await;
    assert_eq!(text(http2.send_request(review("/validate", body)).await.unwrap()).await.0, 413);
    assert_eq!(text(http2.send_request(review("/validate", "{}")).await.unwrap()).await.0, 200);
}

#[tokio::test]
async fn a_body_without_a_length_is_measured_as_it_comes() {
    let running = start(Duration::ZERO, |config| config.limits.body_bytes = 100).await;
    let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunks = format!("40\r\n{}\r\n", " ".repeat(0x40)).repeat(2);
    let answer = running.raw(format!("{head}{chunks}0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn who_asks_before_sending_is_refused_before_sending() {
    let running = start(Duration::ZERO, |_| {}).await;
    let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 9999999\r\nExpect: 100-continue\r\n\r\n";
    let answer = running.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_431() {
    let running = start(Duration::ZERO, |config| config.limits.header_bytes = 10_000).await;
    let answer = running.raw(format!("POST /validate HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn endpoint_body_and_remaining_time_reach_the_judge() {
    let running = start(Duration::ZERO, |_| {}).await;
    let mut sender = running.http1().await;
    for (path, endpoint) in [
        ("/validate?timeout=10s", "Validate"),
        ("/mutate?timeout=10s", "Mutate"),
        ("/policy/known.example.com?timeout=10s", "Policy(\"known.example.com\")"),
        ("/vcluster/s3cret/mutate?timeout=10s", "VirtualCluster { mutate: true, .. }"),
    ] {
        let (status, body) = text(sender.send_request(review(path, "abc")).await.unwrap()).await;
        assert_eq!(status, 200);
        let echo: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((echo["endpoint"].as_str(), echo["bytes"].as_u64()), (Some(endpoint), Some(3)));
        assert!((9_000..=10_000).contains(&echo["timeout"].as_u64().unwrap()), "{echo}");
    }
}
