//! `--soak`: every kind of question at once for a long time. No answer may be lost, no verdict wrong, and memory must
//! come to rest.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{self, Pace, Plan, Question, Shape};
use crate::policies;
use crate::serving::Serving;
use crate::table::Table;

const ROW: &str = "soak/mixed";

/// One piece of the load: connections are made anew for each.
const PIECE: Duration = Duration::from_secs(20);

/// Of the measured saturation.
const SHARE: f64 = 0.5;

pub fn run(minutes: f64, table: &mut Table) -> anyhow::Result<()> {
    let serving = Serving::of(|dir| {
        policies::write(dir, 16)?;
        policies::write_script(dir)?;
        policies::write_mutation(dir)
    })?;
    let target = serving.target(questions());
    let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let server_cpu = || serving.cpu_time();
    let one = |shape, pace, time| {
        load::run(&target, &Plan { shape, pace, warm_up: Duration::ZERO, time, server_cpu: &server_cpu })
    };
    let rate = one(Shape::Http2 { streams: 64 }, Pace::Closed, Duration::from_secs(3))?.sound()?.per_second() * SHARE;
    let samples = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let (mut answered, mut lost, mut wrong, mut first_wrong) = (0, 0, 0, None);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let sample = (begun.elapsed().as_secs_f64() / 60.0, serving.resident());
                samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                thread::sleep(Duration::from_millis(500));
            }
        });
        let mut result = Ok(());
        for shape in Shape::BOTH.into_iter().cycle() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match one(shape, Pace::Open { per_second: rate }, left.min(PIECE)) {
                Ok(load) => {
                    answered += load.latencies.len();
                    lost += load.lost;
                    wrong += load.wrong;
                    first_wrong = first_wrong.take().or(load.first_wrong);
                    table.latencies(&format!("{ROW}/{}", shape.name()), &load.latencies);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        is_over.store(true, Ordering::Release);
        result
    })?;
    let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
    // The first half is for caches to fill.
    let settled = samples.get(samples.len() / 2..).unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a count for people")]
    for (figure, count) in [("answered", answered), ("lost", lost), ("wrong verdicts", wrong)] {
        table.add(ROW, figure, "", count as f64);
    }
    table.add(ROW, "RSS slope, second half", "MiB/min", slope(settled));
    table.mebibytes(ROW, "RSS at the end", samples.last().map_or(0, |(_, bytes)| *bytes));
    anyhow::ensure!(lost == 0 && wrong == 0, "{lost} answers lost, {wrong} wrong, such as {first_wrong:?}");
    Ok(())
}

/// Pods that all policies allow, that one denies, that are changed, and what concerns no policy.
fn questions() -> Vec<Question> {
    let denied =
        policies::review().replacen(r#""readOnlyRootFilesystem":true"#, r#""readOnlyRootFilesystem":false"#, 1);
    let elsewhere = policies::review().replace(r#""resource":"pods""#, r#""resource":"podtemplates""#);
    let question = |body: String, expected| Question { path: "/validate?timeout=10s", body: body.into(), expected };
    vec![
        policies::to_allow(),
        question(denied, "web has a writable root"),
        policies::to_mutate(),
        question(elsewhere, r#""allowed":true}}"#),
    ]
}

/// Mebibytes a minute, by least squares over `(minute, bytes)`.
#[allow(clippy::cast_precision_loss, reason = "a slope for people")]
fn slope(samples: &[(f64, u64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (x, y) = samples.iter().fold((0.0, 0.0), |(x, y), (at, bytes)| (x + at / count, y + mebibytes(*bytes) / count));
    let (above, below) = samples.iter().fold((0.0, 0.0), |(above, below), (at, bytes)| {
        (above + (at - x) * (mebibytes(*bytes) - y), below + (at - x).powi(2))
    });
    if below > 0.0 { above / below } else { 0.0 }
}
