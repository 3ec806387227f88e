//! A load generator that is cheap enough to share two cores with what it loads: one thread, its own framing over
//! `rustls`, no runtime. [`drive`] sends; [`http1`] and [`http2`] know how a request looks on the wire.

mod ask;
mod drive;
mod http1;
mod http2;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

pub use ask::Asker;
pub use drive::run;

/// How the requests travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// This many HTTP/1.1 connections, one request at a time on each.
    Http1 { connections: usize },
    /// One HTTP/2 connection with this many streams: what an API server does.
    Http2 { streams: usize },
}

impl Shape {
    pub const BOTH: [Self; 2] = [Self::Http1 { connections: 16 }, Self::Http2 { streams: 64 }];

    pub fn name(self) -> String {
        match self {
            Self::Http1 { connections } => format!("h1 x {connections}"),
            Self::Http2 { streams } => format!("h2 x 1 x {streams}"),
        }
    }
}

/// When the next request is sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as an answer has come: how much can it do?
    Closed,
    /// So many a second, whatever has come back: how long does a client wait who does not wait for others? Latency
    /// counts from when the request should have been sent, so that a stall is felt by all that it held up.
    Open { per_second: f64 },
}

/// One request and what must be in its answer.
#[derive(Debug, Clone)]
pub struct Question {
    pub path: &'static str,
    pub body: Vec<u8>,
    pub expected: &'static str,
}

/// Who is asked, and what, in turn.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub authority: PathBuf,
    pub questions: Vec<Question>,
}

/// How long, and what else to read at both ends of the measured time.
pub struct Plan<'a> {
    pub shape: Shape,
    pub pace: Pace,
    pub warm_up: Duration,
    pub time: Duration,
    /// Processor time of the server.
    pub server_cpu: &'a (dyn Fn() -> Duration + Sync),
}

/// What came of it. Only requests of the measured time are counted, except for `lost` and `wrong`.
pub struct Load {
    /// Nanoseconds.
    pub latencies: Histogram<u64>,
    pub elapsed: Duration,
    pub server_cpu: Duration,
    /// Processor time of the generator itself.
    pub own_cpu: Duration,
    /// Sent and never answered.
    pub lost: u64,
    /// Answered, but not as expected.
    pub wrong: u64,
    pub first_wrong: Option<String>,
}

impl Load {
    fn new() -> anyhow::Result<Self> {
        let latencies = Histogram::new_with_bounds(100, 60_000_000_000, 3)?;
        let zero = Duration::ZERO;
        Ok(Self { latencies, elapsed: zero, server_cpu: zero, own_cpu: zero, lost: 0, wrong: 0, first_wrong: None })
    }

    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.latencies.value_at_quantile(quantile))
    }

    /// A figure that rests on lost or wrong answers is none.
    pub fn sound(self) -> anyhow::Result<Self> {
        anyhow::ensure!(self.lost == 0, "{} requests were never answered", self.lost);
        anyhow::ensure!(self.wrong == 0, "{} wrong answers, such as {:?}", self.wrong, self.first_wrong);
        anyhow::ensure!(!self.latencies.is_empty(), "no request was answered in the measured time");
        Ok(self)
    }
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// When it was sent, or should have been.
    intended: Instant,
    question: usize,
}

/// An answer, borrowed from where it was read.
struct Answer<'a> {
    is_ok: bool,
    body: &'a [u8],
}

impl Answer<'_> {
    fn is_as(&self, question: &Question) -> bool {
        let expected = question.expected.as_bytes();
        self.is_ok && self.body.windows(expected.len()).any(|part| part == expected)
    }
}

/// Both protocols as the driver sees them.
enum Protocol {
    Http1(http1::Http1),
    Http2(http2::Http2),
}

impl Protocol {
    fn has_room(&self, bytes: usize) -> bool {
        match self {
            Self::Http1(http1) => http1.has_room(),
            Self::Http2(http2) => http2.has_room(bytes),
        }
    }

    fn in_flight(&self) -> usize {
        match self {
            Self::Http1(http1) => usize::from(!http1.has_room()),
            Self::Http2(http2) => http2.in_flight(),
        }
    }

    /// Takes what came, tells of every answer in it, and appends to `out` what the protocol has to say to that.
    fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Pending, &Answer),
    ) -> anyhow::Result<()> {
        match self {
            Self::Http1(http1) => http1.receive(bytes, done),
            Self::Http2(http2) => http2.receive(bytes, out, done),
        }
    }
}
