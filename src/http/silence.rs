//! When a connection has been silent for too long, and how to end it without losing a request.
//!
//! Each request bumps a counter; a timer of the connection looks at it now and then. A timer for each request would
//! cost more than the rest of the loop.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::drain::Phase;

/// How long an HTTP/1.1 connection must be silent before it is closed during a drain. A client may have sent a
/// request that is still on its way: closing at once would lose it, and nothing in the protocol would tell.
const LINGER: Duration = Duration::from_millis(500);

/// How long a connection that was told to close may take over it.
const GOODBYE: Duration = Duration::from_secs(1);

/// The same for HTTP/2 when the server stops. Until its client has heard the goodbye it may send requests, and a client
/// without a processor to run on hears late; all others take milliseconds.
const LAST_GOODBYE: Duration = Duration::from_secs(5);

/// Counts the requests of a connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    started: AtomicU64,
    finished: AtomicU64,
}

impl Requests {
    /// Counts one request as in flight until the guard is dropped.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.started.fetch_add(1, Relaxed);
        InFlight(self)
    }

    fn finished(&self) -> u64 {
        self.finished.load(Relaxed)
    }

    fn none_in_flight(&self) -> bool {
        self.finished() >= self.started.load(Relaxed)
    }
}

/// See [`Requests::enter`].
pub(super) struct InFlight<'a>(&'a Requests);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.finished.fetch_add(1, Relaxed);
    }
}

/// What to do with the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The timer is set already.
    Wait,
    LookAfter(Duration),
    /// Let requests in flight finish, take no new ones, look again after [`Silence::patience`].
    SayGoodbye,
    CutOff,
}

/// The judgement over one connection. The caller sets the first timer, to the longest time without a request.
pub(super) struct Silence {
    is_http2: bool,
    idle_time: Duration,
    /// The phase of the last judgement.
    phase: Phase,
    /// The requests that were finished at the last look.
    seen: u64,
    said_goodbye: bool,
}

impl Silence {
    pub(super) fn new(is_http2: bool, idle_time: Duration) -> Self {
        Self { is_http2, idle_time, phase: Phase::Serving, seen: 0, said_goodbye: false }
    }

    /// Call it when the phase changed or, with `looking`, when the timer went off.
    pub(super) fn judge(&mut self, phase: Phase, looking: bool, requests: &Requests) -> Next {
        let entered = phase != self.phase;
        self.phase = phase;
        if phase == Phase::Aborting {
            return Next::CutOff;
        }
        if self.said_goodbye {
            return match looking {
                true if requests.none_in_flight() => Next::CutOff,
                true => Next::LookAfter(self.patience()),
                false => Next::Wait,
            };
        }
        match phase {
            // HTTP/2 has a goodbye that tells the client which of its requests were taken.
            Phase::Stopping if self.is_http2 => self.goodbye(),
            Phase::Stopping if entered => {
                self.seen = requests.finished();
                Next::LookAfter(LINGER)
            }
            _ if !looking => Next::Wait,
            _ if self.is_silent(requests) => self.goodbye(),
            Phase::Stopping => Next::LookAfter(LINGER),
            _ => Next::LookAfter(self.idle_time),
        }
    }

    /// How long the connection may take over its end.
    pub(super) fn patience(&self) -> Duration {
        if self.is_http2 && self.phase >= Phase::Stopping { LAST_GOODBYE } else { GOODBYE }
    }

    /// Nothing in flight, and nothing finished since the last look.
    fn is_silent(&mut self, requests: &Requests) -> bool {
        let finished = requests.finished();
        let before = std::mem::replace(&mut self.seen, finished);
        finished == before && requests.none_in_flight()
    }

    fn goodbye(&mut self) -> Next {
        self.said_goodbye = true;
        Next::SayGoodbye
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(2);

    fn look(silence: &mut Silence, phase: Phase, requests: &Requests) -> Next {
        silence.judge(phase, true, requests)
    }

    #[test]
    fn a_connection_without_a_first_request_is_closed_at_the_first_look() {
        let requests = Requests::default();
        let mut silence = Silence::new(false, IDLE);
        assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::SayGoodbye);
        assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::CutOff, "half a head is not worth waiting for");
    }

    #[test]
    fn a_connection_lives_as_long_as_requests_come() {
        let requests = Requests::default();
        let mut silence = Silence::new(false, IDLE);
        for _ in 0..3 {
            drop(requests.enter());
            assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::LookAfter(IDLE));
        }
        let slow = requests.enter();
        look(&mut silence, Phase::Serving, &requests);
        assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::LookAfter(IDLE));
        drop(slow);
        assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::LookAfter(IDLE), "it may just have finished");
        assert_eq!(look(&mut silence, Phase::Serving, &requests), Next::SayGoodbye);
    }

    #[test]
    fn http1_lingers_for_a_request_that_may_be_on_its_way() {
        let requests = Requests::default();
        drop(requests.enter());
        let mut silence = Silence::new(false, IDLE);
        assert_eq!(silence.judge(Phase::Draining, false, &requests), Next::Wait);
        assert_eq!(silence.judge(Phase::Stopping, false, &requests), Next::LookAfter(LINGER));
        drop(requests.enter());
        assert_eq!(look(&mut silence, Phase::Stopping, &requests), Next::LookAfter(LINGER));
        assert_eq!(look(&mut silence, Phase::Stopping, &requests), Next::SayGoodbye);
    }

    #[test]
    fn http2_says_goodbye_at_once_and_waits_for_what_it_took() {
        let requests = Requests::default();
        let slow = requests.enter();
        let mut silence = Silence::new(true, IDLE);
        assert_eq!(silence.judge(Phase::Stopping, false, &requests), Next::SayGoodbye);
        assert_eq!(look(&mut silence, Phase::Stopping, &requests), Next::LookAfter(LAST_GOODBYE));
        drop(slow);
        assert_eq!(look(&mut silence, Phase::Stopping, &requests), Next::CutOff);
    }

    #[test]
    fn out_of_time_is_out_of_time() {
        let requests = Requests::default();
        let _slow = requests.enter();
        assert_eq!(Silence::new(false, IDLE).judge(Phase::Aborting, false, &requests), Next::CutOff);
    }
}
