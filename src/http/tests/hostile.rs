//! Clients that are slow, half gone, or speak something else.

use std::time::Instant;

use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;

fn impatient(config: &mut Config) {
    config.limits.handshake_time = Duration::from_millis(700);
    config.limits.header_time = Duration::from_millis(700);
    config.limits.body_time = Duration::from_millis(300);
    config.limits.idle_time = Duration::from_millis(500);
}

/// The server still answers.
async fn is_well(running: &Running) -> bool {
    let mut sender = running.http1().await;
    text(sender.send_request(review("/validate", "{}")).await.unwrap()).await.0 == StatusCode::OK
}

#[tokio::test]
async fn garbage_instead_of_tls_is_closed_and_counted() {
    let running = start(Duration::ZERO, impatient).await;
    for garbage in
        [&b"\x16\x03\x01\xff\xff garbage"[..], &[0; 64], &[0x80, 0x2e, 1, 3, 1], &[22, 3, 1, 0, 5, 1, 0, 0, 1, 3]]
    {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        read_to_end(&mut stream).await;
    }
    assert!(is_well(&running).await);
    assert_eq!(running.metrics.handshake_failures.get(), 4);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_told_so() {
    let running = start(Duration::ZERO, impatient).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let running = start(Duration::ZERO, impatient).await;
    let started = Instant::now();
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "");
    let mut handshaken = running.connect(&[b"http/1.1"]).await.unwrap();
    assert_eq!(read_to_end(&mut handshaken).await, "");
    let mut preface_only = running.connect(&[b"h2"]).await.unwrap();
    read_to_end(&mut preface_only).await;
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let running = start(Duration::ZERO, impatient).await;
    let started = Instant::now();
    let stream = running.connect(&[b"http/1.1"]).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = tokio::spawn(async move {
        writer.write_all(b"POST /validate HTTP/1.1\r\n").await.unwrap();
        while writer.write_all(b"X-Drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    read_to_end(&mut reader).await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    dripping.abort();
    assert!(is_well(&running).await);
}

#[tokio::test]
async fn a_body_that_stalls_is_408_over_both_protocols() {
    let running = start(Duration::ZERO, impatient).await;
    let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = running.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("took too long"), "{answer}");

    let stream = running.connect(&[b"h2"]).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Pieces>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let stalled = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>()).boxed_unsync();
    let (head, _) = review("/validate", "").into_parts();
    let response = sender.send_request(Request::from_parts(head, stalled)).await.unwrap();
    assert_eq!(text(response).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_client_that_closed_its_side_still_gets_its_answer() {
    let running = start(Duration::from_millis(100), |_| {}).await;
    let mut stream = running.connect(&[b"http/1.1"]).await.unwrap();
    let request = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_breaks_off_in_its_body_harms_nobody() {
    let running = start(Duration::ZERO, |_| {}).await;
    let mut stream = running.connect(&[b"http/1.1"]).await.unwrap();
    let request =
        "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(running.echo.most_running.load(SeqCst), 0, "half a body was judged");
    assert!(is_well(&running).await);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let running = start(Duration::from_millis(1_600), impatient).await;
    let mut sender = running.http1().await;
    let answer = sender.send_request(review("/validate", "{}")).await.unwrap();
    assert_eq!(text(answer).await.0, StatusCode::OK, "longer than the idle limit, but in flight");
    let answered = Instant::now();
    while !sender.is_closed() {
        assert!(answered.elapsed() < Duration::from_secs(10), "an idle connection is never closed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answered.elapsed() > Duration::from_millis(400), "{:?}", answered.elapsed());
}
