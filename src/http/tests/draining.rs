//! The end of a server under load: whoever got a request through gets an answer.

use std::time::Instant;

use super::*;

/// Requests that were sent whole. One that is not answered was lost.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    lost: AtomicUsize,
}

impl Tally {
    /// Waits until the load has built up.
    async fn until_answered(&self, requests: usize) {
        while self.answered.load(SeqCst) < requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Sends one request after the other over HTTP/1.1, with a new connection when it is told to leave, until the server
/// takes no more.
async fn http1_client(running: Arc<Running>, tally: Arc<Tally>) {
    while let Ok(stream) = running.connect(&[b"http/1.1"]).await {
        let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else { return };
        tokio::spawn(connection);
        while sender.ready().await.is_ok() {
            let Ok(response) = sender.send_request(review("/validate", "{}")).await else {
                tally.lost.fetch_add(1, SeqCst);
                break;
            };
            let leave = response.headers().get("connection").is_some_and(|value| value == "close");
            assert_eq!(text(response).await.0, StatusCode::OK);
            tally.answered.fetch_add(1, SeqCst);
            if leave {
                break;
            }
        }
    }
}

/// Keeps sending over one HTTP/2 connection until it is told to leave.
async fn http2_client(mut sender: http2::SendRequest<Full<Bytes>>, tally: Arc<Tally>) {
    while sender.ready().await.is_ok() {
        match sender.send_request(review("/validate", "{}")).await {
            Ok(response) => {
                assert_eq!(text(response).await.0, StatusCode::OK);
                tally.answered.fetch_add(1, SeqCst);
            }
            // By its GOAWAY the server says which requests it never took: hyper reports those as canceled or refused,
            // and a client sends them again elsewhere.
            Err(error) if error.is_canceled() || is_refused(&error) => return,
            Err(_) => {
                tally.lost.fetch_add(1, SeqCst);
                return;
            }
        }
    }
}

fn is_refused(error: &hyper::Error) -> bool {
    let text = format!("{error:?}");
    text.contains("GoAway") || text.contains("REFUSED_STREAM")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_http1() {
    for delay in [Duration::ZERO, Duration::from_millis(100)] {
        let running = Arc::new(start(Duration::from_millis(3), |config| config.drain.delay = delay).await);
        let tally = Arc::new(Tally::default());
        let client = || tokio::spawn(http1_client(Arc::clone(&running), Arc::clone(&tally)));
        let clients: Vec<_> = (0..16).map(|_| client()).collect();
        tally.until_answered(200).await;
        running.shutdown.start();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(tally.lost.load(SeqCst), 0, "delay {delay:?}");
        let running = Arc::into_inner(running).unwrap();
        assert_eq!(running.stop().await, Drained { cut_off: 0 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_over_http2() {
    let running = start(Duration::from_millis(3), |_| {}).await;
    let tally = Arc::new(Tally::default());
    let sender = running.http2().await;
    let clients: Vec<_> = (0..32).map(|_| tokio::spawn(http2_client(sender.clone(), Arc::clone(&tally)))).collect();
    drop(sender);
    tally.until_answered(200).await;
    assert_eq!(running.stop().await, Drained { cut_off: 0 });
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(tally.lost.load(SeqCst), 0);
}

#[tokio::test]
async fn what_the_kernel_had_taken_before_the_end_is_answered() {
    let running = start(Duration::from_millis(50), |_| {}).await;
    // Connected, but on this single-threaded runtime not yet accepted when the shutdown starts.
    let stream = std::net::TcpStream::connect(running.address).unwrap();
    stream.set_nonblocking(true).unwrap();
    running.shutdown.start();
    let stream = TcpStream::from_std(stream).unwrap();
    let connector = TlsConnector::from(Arc::new(running.client(&[b"http/1.1"])));
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(review("/validate", "{}")).await.unwrap();
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(text(response).await.0, StatusCode::OK);
    assert_eq!(running.drained.await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn a_request_that_crosses_the_shutdown_on_an_idle_connection_is_answered() {
    let running = start(Duration::ZERO, |_| {}).await;
    let mut sender = running.http1().await;
    assert_eq!(text(sender.send_request(review("/validate", "{}")).await.unwrap()).await.0, StatusCode::OK);
    running.shutdown.start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let response = sender.send_request(review("/validate", "{}")).await.unwrap();
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(text(response).await.0, StatusCode::OK);
    assert_eq!(running.drained.await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn readiness_fails_while_the_server_still_accepts() {
    let running = start(Duration::ZERO, |config| config.drain.delay = Duration::from_mins(1)).await;
    // Connecting proves that the server runs; only then is it ready.
    running.http1().await;
    assert_eq!(running.ready().await.0, StatusCode::OK);
    running.shutdown.start();
    let told = Instant::now();
    let report = loop {
        let (status, report) = running.ready().await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            break report;
        }
        assert!(told.elapsed() < Duration::from_secs(10), "still ready");
    };
    assert!(report.contains("[-]shutdown failed: the process is shutting down"), "{report}");
    let mut late = running.http1().await;
    assert_eq!(text(late.send_request(review("/validate", "{}")).await.unwrap()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_in_flight_is_waited_for_and_idle_connections_are_not() {
    let running = start(Duration::from_millis(800), |_| {}).await;
    let _idle = (running.http1().await, running.http2().await);
    let mut busy = running.http1().await;
    let answer = tokio::spawn(async move { text(busy.send_request(review("/validate", "{}")).await.unwrap()).await.0 });
    running.until_busy(1).await;
    let started = Instant::now();
    assert_eq!(running.stop().await, Drained { cut_off: 0 });
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(answer.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn the_deadline_cuts_off_what_never_ends() {
    let running = start(Duration::from_mins(1), |config| config.drain.deadline = Duration::from_millis(200)).await;
    let (mut one, mut other) = (running.http1().await, running.http2().await);
    let endless = tokio::spawn(async move {
        tokio::join!(one.send_request(review("/validate", "{}")), other.send_request(review("/validate", "{}")))
    });
    running.until_busy(2).await;
    let started = Instant::now();
    assert_eq!(running.stop().await, Drained { cut_off: 2 });
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let (one, other) = endless.await.unwrap();
    assert!(one.is_err() && other.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let running = start(Duration::ZERO, |_| {}).await;
    let mut config = config(&running.files);
    config.listen = running.address;
    let error = Server::bind(config, Arc::default(), Arc::default()).await.err().unwrap().to_string();
    assert!(error.contains(&running.address.to_string()) && error.contains("--listen"), "{error}");
}
