//! One thread, no network: each stage of a review by itself, and what an isolate takes in all.

mod inside;
mod setting;
mod stages;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::options::Options;
use crate::table::Table;
pub use setting::Setting;

/// What the rows here are compared with.
const FLOOR: &str = "stage/floor: V8 JSON.parse";

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    if !["stage/", "inside/"].iter().any(|group| options.only.as_deref().is_none_or(|only| only.starts_with(group))) {
        return Ok(());
    }
    let mut setting = Setting::new()?;
    for _ in 0..options.runs() {
        let floor = stages::floor(options, table, &setting)?;
        stages::run(options, table, &mut setting)?;
        inside::run(options, table, &mut setting, floor)?;
    }
    Ok(())
}

/// Does it many times; how long each took.
fn time(repeats: usize, mut one: impl FnMut()) -> anyhow::Result<Histogram<u64>> {
    for _ in 0..repeats / 10 {
        one();
    }
    let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    for _ in 0..repeats {
        let begun = Instant::now();
        one();
        times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(times)
}

/// The same as a row of the table. The median.
fn row<R>(options: &Options, table: &mut Table, name: &str, mut one: impl FnMut() -> R) -> anyhow::Result<Duration> {
    if name != FLOOR && !options.wants(name) {
        return Ok(Duration::ZERO);
    }
    let times = time(options.repeats(), || drop(black_box(one())))?;
    table.latencies(name, &times);
    Ok(Duration::from_nanos(times.value_at_quantile(0.5)))
}
