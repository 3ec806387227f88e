//! What policies cost that do not match: the same sixteen, alone and among thousands; and thousands of which none
//! matches, against echo, which reads the review as well.

use crate::fleet;
use crate::load::{self, Load, Pace, Plan, Shape};
use crate::options::Options;
use crate::policies;
use crate::serving::Serving;
use crate::table::Table;

/// `(row, loaded, matching)`.
const FLEETS: [(&str, usize, usize); 7] = [
    ("policies/1 of 1 match", 1, 1),
    ("policies/16 of 16 match", 16, 16),
    ("policies/16 of 100 match", 100, 16),
    ("policies/16 of 1,000 match", 1_000, 16),
    ("policies/16 of 5,000 match", 5_000, 16),
    ("policies/0 of 1,000 match", 1_000, 0),
    ("policies/0 of 5,000 match", 5_000, 0),
];
const SIXTEEN: &str = "policies/16 of 16 match";
const QUICK: [&str; 2] = ["policies/16 of 1,000 match", "policies/0 of 1,000 match"];

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let asked: Vec<_> = FLEETS
        .into_iter()
        .filter(|(name, ..)| options.wants(name) && (!options.quick || QUICK.contains(name)))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    let echo = Serving::echo()?;
    let sixteen = Serving::of(|dir| fleet::write(dir, 16, 16))?;
    for (name, loaded, matching) in asked {
        let serving =
            if name == SIXTEEN { None } else { Some(Serving::of(|dir| fleet::write(dir, loaded, matching))?) };
        let serving = serving.as_ref().unwrap_or(&sixteen);
        table.add(name, "start to ready", "ms", serving.ready_after.as_secs_f64() * 1e3);
        for _ in 0..options.runs() {
            // What it is compared with is measured before and after it.
            let base = if matching == 0 { &echo } else { &sixteen };
            let first = load(options, base)?.per_second();
            let one = load(options, serving)?;
            let last = load(options, base)?.per_second();
            let to_base = one.per_second() / f64::midpoint(first, last);
            table.add(name, "per second", "/s", one.per_second());
            table.latencies(name, &one.latencies);
            if name != SIXTEEN {
                table.ratio(name, if matching == 0 { "to echo" } else { "to 16 of 16" }, to_base);
            }
        }
        table.mebibytes(name, "RSS", serving.resident());
    }
    Ok(())
}

fn load(options: &Options, serving: &Serving) -> anyhow::Result<Load> {
    let time = options.load_time();
    let server_cpu = || serving.cpu_time();
    let shape = Shape::Http2 { streams: 64 };
    let plan = Plan { shape, pace: Pace::Closed, warm_up: time / 4, time, server_cpu: &server_cpu };
    load::run(&serving.target(vec![policies::to_allow()]), &plan)?.sound()
}
