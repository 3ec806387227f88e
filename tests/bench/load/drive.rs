//! The loop: send what is due, wait, take what came. In an open loop a second thread keeps the time, so that a slow
//! answer never delays the next request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::tls::Tls;
use super::{Answer, Load, Pace, Pending, Plan, Protocol, Question, Shape, Target, http1, http2};
use crate::machine;

/// How long answers are waited for after the last request.
const GRACE: Duration = Duration::from_secs(15);
/// Every so often the loop looks at the time, whatever comes.
const TICK: Duration = Duration::from_millis(5);

/// Loads the target as planned.
pub fn run(target: &Target, plan: &Plan) -> anyhow::Result<Load> {
    let poll = Poll::new()?;
    let fleet = Mutex::new(Fleet::connect(target, plan, &poll)?);
    let begun = Instant::now();
    let times = Times { from: begun + plan.warm_up, until: begun + plan.warm_up + plan.time };
    let is_paced = AtomicBool::new(matches!(plan.pace, Pace::Closed));
    match plan.pace {
        Pace::Closed => receive(poll, &fleet, plan, times, &is_paced)?,
        Pace::Open { per_second } => thread::scope(|scope| {
            let receiving = scope.spawn(|| receive(poll, &fleet, plan, times, &is_paced));
            let sent = machine::with_exact_timers(|| keep_time(&fleet, times, begun, per_second));
            is_paced.store(true, Ordering::Release);
            let received = receiving.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the generator panicked")));
            sent.and(received)
        })?,
    }
    let Fleet { mut load, connections, backlog, .. } = fleet.into_inner().unwrap_or_else(PoisonError::into_inner);
    let waiting = connections.iter().map(|connection| connection.protocol.in_flight()).sum::<usize>() + backlog.len();
    load.lost = waiting as u64;
    load.elapsed = plan.time;
    Ok(load)
}

#[derive(Clone, Copy)]
struct Times {
    from: Instant,
    until: Instant,
}

/// Every connection, and what is known of their answers.
struct Fleet {
    connections: Vec<Connection>,
    prepared: Vec<Prepared>,
    /// When requests were due that found no connection free.
    backlog: VecDeque<Instant>,
    /// The next question to ask, and the next connection to look at.
    question: usize,
    next: usize,
    load: Load,
}

struct Connection {
    tls: Tls,
    protocol: Protocol,
    out: Vec<u8>,
}

/// A question in the forms of both protocols.
struct Prepared {
    http1: Vec<u8>,
    block: Vec<u8>,
    question: Question,
}

impl Fleet {
    fn connect(target: &Target, plan: &Plan, poll: &Poll) -> anyhow::Result<Self> {
        let prepare = |question: &Question| Prepared {
            http1: http1::encode(question),
            block: http2::encode(question),
            question: question.clone(),
        };
        let prepared: Vec<Prepared> = target.questions.iter().map(prepare).collect();
        let mut connections = Vec::new();
        let count = if let Shape::Http1 { connections } = plan.shape { connections } else { 1 };
        for at in 0..count {
            let (name, protocol, out) = match plan.shape {
                Shape::Http1 { .. } => (&b"http/1.1"[..], Protocol::Http1(http1::Http1::default()), Vec::new()),
                Shape::Http2 { streams } => {
                    let (http2, out) = http2::Http2::new(streams);
                    (&b"h2"[..], Protocol::Http2(http2), out)
                }
            };
            let mut tls = Tls::connect(target, name)?;
            poll.registry().register(&mut tls.socket, Token(at), Interest::READABLE | Interest::WRITABLE)?;
            connections.push(Connection { tls, protocol, out });
        }
        Ok(Self { connections, prepared, backlog: VecDeque::new(), question: 0, next: 0, load: Load::new()? })
    }

    /// Sends one request that was due at `intended` on a connection that is free, or puts it off until one is.
    fn send_due(&mut self, intended: Instant) -> anyhow::Result<()> {
        let count = self.connections.len();
        self.backlog.push_back(intended);
        for step in 0..count {
            let at = (self.next + step) % count;
            if self.fill(at, None)? {
                self.next = at + 1;
                break;
            }
        }
        Ok(())
    }

    /// Uses the room of one connection: for what is put off, or for one request after another where it is `now`.
    /// Whether anything was sent.
    fn fill(&mut self, at: usize, now: Option<Instant>) -> anyhow::Result<bool> {
        let Self { connections, prepared, backlog, question, .. } = self;
        let Some(connection) = connections.get_mut(at) else { return Ok(false) };
        let mut has_sent = false;
        while let Some(one) = prepared.get(*question % prepared.len())
            && connection.protocol.has_room(one.question.body.len())
            && let Some(intended) = now.or_else(|| backlog.pop_front())
        {
            let pending = Pending { intended, question: *question % prepared.len() };
            *question += 1;
            has_sent = true;
            match &mut connection.protocol {
                Protocol::Http1(http1) => http1.submit(pending, &one.http1, &mut connection.out),
                Protocol::Http2(http2) => {
                    http2.submit(pending, &one.block, &one.question.body, &mut connection.out)?;
                }
            }
        }
        connection.flush()?;
        Ok(has_sent)
    }

    /// Takes what came on one connection.
    fn take(&mut self, at: usize, scratch: &mut [u8], times: Times) -> anyhow::Result<()> {
        let Self { connections, prepared, load, .. } = self;
        let Some(Connection { tls, protocol, out }) = connections.get_mut(at) else { return Ok(()) };
        let mut done = |pending: Pending, answer: &Answer| {
            let now = Instant::now();
            if (times.from..times.until).contains(&pending.intended) {
                let latency = now.saturating_duration_since(pending.intended);
                load.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
            }
            if !prepared.get(pending.question).is_some_and(|one| answer.is_as(&one.question)) {
                load.wrong += 1;
                load.first_wrong.get_or_insert_with(|| String::from_utf8_lossy(answer.body).into_owned());
            }
        };
        tls.receive(scratch, |plain| protocol.receive(plain, out, &mut done))
    }

    fn is_done(&self) -> bool {
        self.backlog.is_empty() && self.connections.iter().all(|connection| connection.protocol.in_flight() == 0)
    }
}

impl Connection {
    fn flush(&mut self) -> std::io::Result<()> {
        if self.out.is_empty() {
            return self.tls.flush();
        }
        self.tls.send(&self.out)?;
        self.out.clear();
        Ok(())
    }
}

/// Sends at the rate, each request as near to its time as the system lets a thread wake.
fn keep_time(fleet: &Mutex<Fleet>, times: Times, begun: Instant, per_second: f64) -> anyhow::Result<()> {
    let interval = Duration::from_secs_f64(1.0 / per_second);
    let mut due = begun;
    while due < times.until {
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        let mut fleet = lock(fleet);
        let now = Instant::now();
        while due <= now && due < times.until {
            fleet.send_due(due)?;
            due += interval;
        }
    }
    Ok(())
}

/// Takes answers until the last has come; in a closed loop it also sends the next request for each.
fn receive(
    mut poll: Poll,
    fleet: &Mutex<Fleet>,
    plan: &Plan,
    times: Times,
    is_paced: &AtomicBool,
) -> anyhow::Result<()> {
    let mut events = Events::with_capacity(64);
    let mut scratch = vec![0; 64 << 10];
    let is_closed = matches!(plan.pace, Pace::Closed);
    let next = |now: Instant| Some(now).filter(|now| is_closed && *now < times.until);
    let mut meters = Meters::default();
    let count = lock(fleet).connections.len();
    for at in 0..count {
        lock(fleet).fill(at, next(Instant::now()))?;
    }
    loop {
        let now = Instant::now();
        meters.read(plan, times, now);
        let is_over = now >= times.until && is_paced.load(Ordering::Acquire);
        if is_over && (lock(fleet).is_done() || now > times.until + GRACE) {
            meters.into_load(&mut lock(fleet).load);
            return Ok(());
        }
        match poll.poll(&mut events, Some(TICK)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let mut fleet = lock(fleet);
            let Token(at) = event.token();
            if event.is_readable() {
                fleet.take(at, &mut scratch, times)?;
            }
            fleet.fill(at, next(Instant::now()))?;
        }
    }
}

/// Processor time of both sides at both ends of the measured time.
#[derive(Default)]
struct Meters {
    begin: Option<(Duration, Duration)>,
    end: Option<(Duration, Duration)>,
}

impl Meters {
    fn read(&mut self, plan: &Plan, times: Times, now: Instant) {
        let both = || ((plan.server_cpu)(), machine::processor_time(std::process::id()));
        if now >= times.from && self.begin.is_none() {
            self.begin = Some(both());
        }
        if now >= times.until && self.end.is_none() {
            self.end = Some(both());
        }
    }

    fn into_load(self, load: &mut Load) {
        let (begin, end) = (self.begin.unwrap_or_default(), self.end.unwrap_or_default());
        load.server_cpu = end.0.saturating_sub(begin.0);
        load.own_cpu = end.1.saturating_sub(begin.1);
    }
}

fn lock(fleet: &Mutex<Fleet>) -> MutexGuard<'_, Fleet> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner)
}
