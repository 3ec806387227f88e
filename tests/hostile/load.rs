//! Benign requests at a steady rate, each answer compared with what it should be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::Duration;

use super::target::Target;

/// Clients, and what each leaves between two requests: eighty requests a second in all, far from saturation.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// Says when it is over, also where its owner panics.
pub struct Load<'scope> {
    stop: &'scope AtomicBool,
    clients: Vec<ScopedJoinHandle<'scope, Times>>,
}

/// How long answers took, in microseconds.
#[derive(Default)]
pub struct Times(pub Vec<u64>);

impl<'scope> Load<'scope> {
    pub fn start(scope: &'scope Scope<'scope, '_>, target: &'scope Target, stop: &'scope AtomicBool) -> Self {
        let client = |number: usize| {
            move || {
                let mut times = Times::default();
                let mut which = number;
                while !stop.load(Ordering::Relaxed) {
                    times.add(target.check_neighbour(which, "under load"));
                    which += 1;
                    sleep(PAUSE);
                }
                times
            }
        };
        Self { stop, clients: (0..CLIENTS).map(|number| scope.spawn(client(number))).collect() }
    }

    /// Ends it: the times of all its answers, none of which was missing or wrong.
    pub fn finish(mut self) -> Times {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = Times::default();
        for client in self.clients.drain(..) {
            times.0.extend(client.join().unwrap().0);
        }
        times
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Count, median, 99th percentile and maximum, in milliseconds.
    pub fn summary(&self) -> String {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |part: usize| {
            sorted.get((sorted.len() * part / 1000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        let shown = |micros: u64| format!("{}.{:02}", micros / 1000, micros % 1000 / 10);
        format!(
            "{} answers, p50 {} ms, p99 {} ms, max {} ms",
            sorted.len(),
            shown(at(500)),
            shown(at(990)),
            shown(at(1000))
        )
    }
}

/// Mutex of what many threads found wrong; nothing is lost if one of them panics.
#[derive(Default)]
pub struct Misses(Mutex<Vec<String>>);

impl Misses {
    pub fn add(&self, miss: String) {
        eprintln!("  MISS {miss}");
        self.0.lock().unwrap().push(miss);
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    pub fn listed(&self) -> String {
        self.0.lock().unwrap().join("\n  ")
    }
}
