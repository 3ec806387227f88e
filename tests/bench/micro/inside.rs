//! What one review takes inside an isolate: enter, parse, freeze, run, verdict.

use std::time::Duration;

use bylaw::decision::Effect;
use bylaw::isolate::{Evaluated, Spare};
use hdrhistogram::Histogram;

use super::{Setting, row};
use crate::options::Options;
use crate::table::Table;

pub fn run(options: &Options, table: &mut Table, setting: &mut Setting, floor: Duration) -> anyhow::Result<()> {
    let mut cell = setting.cell();
    let to_floor = |table: &mut Table, name: &str, p50: Duration| {
        if !p50.is_zero() && !floor.is_zero() {
            table.ratio(name, "p50 to floor", p50.as_secs_f64() / floor.as_secs_f64());
        }
    };
    for (name, count) in [("inside/1 module policy", 1), ("inside/16 module policies", 16)] {
        let revisions = setting.sixteen.get(..count).unwrap_or_default();
        let p50 = row(options, table, name, || allowed(&cell.validate(&setting.input, revisions), count))?;
        to_floor(table, name, p50);
    }
    let mutation = [std::sync::Arc::clone(&setting.mutation)];
    let p50 = row(options, table, "inside/1 mutation", || allowed(&cell.mutate(&setting.input, &mutation), 1))?;
    to_floor(table, "inside/1 mutation", p50);

    let script = [std::sync::Arc::clone(&setting.script)];
    let p50 = row(options, table, "inside/1 closed script", || {
        let verdicts = cell.validate(&setting.input, &script);
        assert!(verdicts.iter().all(|one| !one.is_open), "{verdicts:?}");
        allowed(&verdicts, 1);
    })?;
    to_floor(table, "inside/1 closed script", p50);

    let name = "inside/1 script, warm shelf";
    if options.wants(name) {
        let mut cell = setting.cell();
        let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
        for _ in 0..options.repeats() / 10 {
            while cell.tend(Spare::Script) {}
            let begun = std::time::Instant::now();
            let one = cell.run_script(&setting.input, &setting.script);
            times.saturating_record(u64::try_from(begun.elapsed().as_nanos())?);
            allowed(&[one], 1);
        }
        table.latencies(name, &times);
        to_floor(table, name, Duration::from_nanos(times.value_at_quantile(0.5)));
    }
    Ok(())
}

fn allowed(verdicts: &[Evaluated], count: usize) {
    let all = verdicts.len() == count && verdicts.iter().all(|one| one.verdict.effect == Effect::Allow);
    assert!(all, "{verdicts:?}");
}
