//! Steady load that counts what it loses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use serde_json::Value;

use super::client::{Http1, Target, answer, request};
use super::reviews::Answer;

/// What became of the requests that were sent whole.
#[derive(Default)]
pub struct Tally {
    answered: AtomicUsize,
    faults: Mutex<Vec<String>>,
    done: AtomicBool,
}

impl Tally {
    pub fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }

    /// Waits until the load has built up.
    pub async fn until_answered(&self, requests: usize) {
        while self.answered() < requests {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Tells the clients to send no more.
    pub fn stop(&self) {
        self.done.store(true, SeqCst);
    }

    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        let faults = self.faults.lock().unwrap();
        assert!(faults.is_empty(), "{} of {} requests went wrong: {faults:#?}", faults.len(), self.answered());
    }

    fn is_done(&self) -> bool {
        self.done.load(SeqCst)
    }

    fn lost(&self, why: String) {
        self.faults.lock().unwrap().push(why);
    }

    fn count(&self, (status, answer): &Answer, review: &Value) {
        self.answered.fetch_add(1, SeqCst);
        let failed = answer["response"]["status"]["code"].as_u64().is_some_and(|code| code >= 500);
        if *status != 200 || failed || answer["response"]["uid"] != review["request"]["uid"] {
            self.lost(format!("{status} {answer}"));
        }
    }
}

/// Sends one review after the other over HTTP/1.1, on a new connection when it is told to leave, until the server takes
/// no more or the tally is stopped.
pub async fn over_http1(target: Target, review: Arc<Value>, tally: Arc<Tally>) {
    while !tally.is_done() {
        let Ok(stream) = target.tls("http/1.1").await else { return };
        let mut connection = Http1::over(stream).await;
        while !tally.is_done() && connection.0.ready().await.is_ok() {
            let response = match connection.0.send_request(request("/validate", &review)).await {
                Ok(response) => response,
                Err(error) => {
                    tally.lost(format!("{error:?}"));
                    return;
                }
            };
            let leave = response.headers().get("connection").is_some_and(|value| value == "close");
            tally.count(&answer(response).await, &review);
            if leave {
                break;
            }
        }
    }
}

/// Keeps sending over one HTTP/2 connection until it is told to leave or the tally is stopped.
pub async fn over_http2(mut sender: SendRequest<Full<Bytes>>, review: Arc<Value>, tally: Arc<Tally>) {
    while !tally.is_done() && sender.ready().await.is_ok() {
        match sender.send_request(request("/validate", &review)).await {
            Ok(response) => tally.count(&answer(response).await, &review),
            // GOAWAY names the last request that was taken: those after it never began, and a client sends them again.
            Err(error) if error.is_canceled() || was_never_taken(&error) => return,
            Err(error) => {
                tally.lost(format!("{error:?}"));
                return;
            }
        }
    }
}

fn was_never_taken(error: &hyper::Error) -> bool {
    let text = format!("{error:?}");
    text.contains("GoAway") || text.contains("REFUSED_STREAM")
}
