//! One request at a time, for who waits until an answer changes.

use std::thread;
use std::time::{Duration, Instant};

use super::http1::{self, Http1};
use super::tls::Tls;
use super::{Pending, Question, Target};

const PATIENCE: Duration = Duration::from_secs(15);

pub struct Asker {
    tls: Tls,
    http1: Http1,
}

impl Asker {
    pub fn connect(target: &Target) -> anyhow::Result<Self> {
        Ok(Self { tls: Tls::connect(target, b"http/1.1")?, http1: Http1::default() })
    }

    /// Whether the answer is as the question expects.
    pub fn ask(&mut self, question: &Question) -> anyhow::Result<bool> {
        let mut out = Vec::new();
        let intended = Instant::now();
        self.http1.submit(Pending { intended, question: 0 }, &http1::encode(question), &mut out);
        self.tls.send(&out)?;
        let mut scratch = [0; 4096];
        let mut answered = None;
        while answered.is_none() {
            anyhow::ensure!(intended.elapsed() < PATIENCE, "no answer within {PATIENCE:?}");
            self.tls.flush()?;
            self.tls.receive(&mut scratch, |plain| {
                self.http1.receive(plain, &mut |_, answer| answered = Some(answer.is_as(question)))
            })?;
            thread::sleep(Duration::from_micros(100));
        }
        Ok(answered.unwrap_or(false))
    }
}
