//! Clients that are slow, half gone, or speak something else: each costs itself only.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Http1, Target, answer, http2_over, read_to_end, request, run};
use super::folder::{Served, policy};
use super::reviews::{allowed, config_map, denied};

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let judge = policy("judge", "validate({ object, deny }) { if (object.data.a === \"bad\") deny(\"bad\"); }");
    Served::new(&[("judge.ts", &judge)], &[])
});

/// Runs a client of the server, which must not be started from within the client's runtime.
fn client<F: Future>(work: impl FnOnce(Target) -> F) -> F::Output {
    let target = Target::of(&SERVED.server);
    run(work(target))
}

/// The server judges as ever.
fn assert_well() {
    denied(SERVED.server.post("/validate", &config_map(json!({"a": "bad"}))));
    allowed(SERVED.server.post("/validate", &config_map(json!({"a": "good"}))));
}

/// A review as bytes on an HTTP/1.1 connection.
fn bytes() -> String {
    let body = config_map(json!({"a": "bad"})).to_string();
    let length = body.len();
    format!(
        "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn garbage_instead_of_tls_is_closed_at_once() {
    client(|target| async move {
        for garbage in [&b"\x16\x03\x01\xff\xff garbage"[..], &[0; 64], &[0x80, 0x2e, 1, 3, 1], &[0xff; 4096]] {
            let mut stream = target.tcp().await;
            let begun = Instant::now();
            stream.write_all(garbage).await.unwrap();
            read_to_end(&mut stream).await;
            assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        }
    });
    assert_well();
}

#[test]
fn plain_http_on_the_tls_port_is_told_to_use_https() {
    let said = client(|target| async move {
        let mut stream = target.tcp().await;
        stream.write_all(bytes().as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    });
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("use an https:// URL"), "{said}");
    assert_well();
}

#[test]
fn http_in_tls_that_is_none_is_400() {
    let said = client(|target| async move {
        let mut stream = target.tls("http/1.1").await.unwrap();
        stream.write_all(b"\x00\x01\x02 not http\r\n\r\n").await.unwrap();
        read_to_end(&mut stream).await
    });
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_well();
}

#[test]
fn both_versions_of_tls_carry_both_versions_of_http() {
    let review = &config_map(json!({"a": "bad"}));
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        client(|target| async move {
            let stream = target.tls_of("http/1.1", versions).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            denied(Http1::over(stream).await.post("/validate", review).await);

            let stream = target.tls_of("h2", versions).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let mut sender = http2_over(stream).await;
            denied(answer(sender.send_request(request("/validate", review)).await.unwrap()).await);
        });
    }
}

/// The limits of these are seconds long, so all of them wait at once.
#[test]
fn slow_clients_are_cut_off_and_others_answered_meanwhile() {
    client(|target| async move {
        let (first, second, third, fourth) = (target.clone(), target.clone(), target.clone(), target.clone());
        let silent = tokio::spawn(async move {
            let mut stream = first.tcp().await;
            read_to_end(&mut stream).await
        });
        let half_a_handshake = tokio::spawn(async move {
            let mut stream = second.tcp().await;
            stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
            read_to_end(&mut stream).await
        });
        let half_a_head = tokio::spawn(async move {
            let mut stream = third.tls("http/1.1").await.unwrap();
            // One byte at a time, so that no single read is slow.
            for byte in b"POST /validate HTTP/1.1\r\nHost:".chunks(1).cycle() {
                if stream.write_all(byte).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
                if tokio::time::timeout(Duration::from_millis(400), stream.read_u8())
                    .await
                    .is_ok_and(|read| read.is_err())
                {
                    break;
                }
            }
        });
        let half_a_body = tokio::spawn(async move {
            let mut stream = fourth.tls("http/1.1").await.unwrap();
            let bytes = bytes();
            stream.write_all(&bytes.as_bytes()[..bytes.len() - 10]).await.unwrap();
            read_to_end(&mut stream).await
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            denied(target.http1().await.post("/validate", &config_map(json!({"a": "bad"}))).await);
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        }
        silent.await.unwrap();
        half_a_handshake.await.unwrap();
        half_a_head.await.unwrap();
        let said = half_a_body.await.unwrap();
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("the body took too long"), "{said}");
    });
    assert_well();
}

#[test]
fn a_client_that_closed_its_side_still_gets_its_answer() {
    let said = client(|target| async move {
        let mut stream = target.tls("http/1.1").await.unwrap();
        stream.write_all(bytes().as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        read_to_end(&mut stream).await
    });
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("[judge.policies.example] bad"), "{said}");
}

#[test]
fn a_client_that_breaks_off_anywhere_harms_nobody() {
    let bytes = &bytes();
    client(|target| async move {
        for length in [0, 1, 20, 60, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
            let mut stream = target.tls("http/1.1").await.unwrap();
            stream.write_all(&bytes.as_bytes()[..length]).await.unwrap();
            stream.flush().await.unwrap();
            // Without a goodbye of TLS or of TCP.
            stream.get_ref().0.set_zero_linger().unwrap();
        }
    });
    assert_well();
}

/// An API server that was kept waiting gives up on all of its reviews at once, and has others under way on the connection.
#[test]
fn many_reviews_given_up_at_once_do_not_end_the_connection() {
    client(|target| async move {
        let mut stream = target.tls("h2").await.unwrap();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        for id in (1..=1_001).step_by(2) {
            // POST https /, and that its sender no longer cares.
            bytes.extend(frame(1, 0x4, id, &[0x83, 0x87, 0x84]));
            bytes.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
        }
        bytes.extend(frame(6, 0, 0, &[7; 8]));
        stream.write_all(&bytes).await.unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let [a, b, c, kind, flags, ..] = head;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            assert_ne!(kind, 7, "GOAWAY: {}", String::from_utf8_lossy(&payload));
            if (kind, flags) == (6, 1) && payload == [7; 8] {
                break;
            }
        }
    });
    assert_well();
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    let said = client(|target| async move {
        let mut stream = target.tls("http/1.1").await.unwrap();
        let head = format!("POST /validate HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
        // The server does not read to the end what it refuses, so that writing may fail, and a reset hide its answer.
        let written = stream.write_all(head.as_bytes()).await.is_ok();
        (written, read_to_end(&mut stream).await)
    });
    assert!(said.1.starts_with("HTTP/1.1 431 ") || (!said.0 && said.1.is_empty()), "{said:?}");
    assert_well();
}

#[test]
fn two_requests_that_disagree_on_where_they_end_are_refused() {
    let said = client(|target| async move {
        let mut stream = target.tls("http/1.1").await.unwrap();
        let smuggled = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nContent-Length: 40\r\n\r\n{}{}";
        stream.write_all(smuggled.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    });
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_well();
}
