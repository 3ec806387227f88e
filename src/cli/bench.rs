//! `bylaw bench`: what each policy that matches one request takes, in the engine that serves, and whether it keeps
//! within its limits.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use super::Verdict;
use super::measured::{Measured, Report};
use super::output::{OutputFormat, print, say};
use super::runtime::Stage;
use super::steps::Steps;
use super::subject::Subject;
use crate::engine::{Engine, Judgement, Setting, deadline};
use crate::review::Review;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw bench -p policies --object pod.yaml\n  bylaw bench -p policy.ts --request review.json --runs 10000 -o json"
)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    subject: Subject,
    /// How often each policy runs, after a tenth as many runs to warm up; fewer where that takes longer than 10 seconds
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// How to write the figures
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Slow policies are known well enough by then.
const LONGEST: Duration = Duration::from_secs(10);

/// Runs that count what is allocated, which costs time: they come before those that are timed.
const COUNTED: u32 = 11;

pub(super) fn run(args: &BenchArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let reviews = args.subject.reviews()?;
    let [review] = reviews.as_slice() else {
        bail!("{} objects are given: measure one at a time", reviews.len());
    };
    let stage = Stage::new()?;
    let engine = args.subject.engine(&stage)?;
    let setting = args.subject.setting();
    let judge = |measure| {
        let until = deadline(Instant::now(), None);
        let setting = Setting { measure, ..setting.clone() };
        stage.block_on(engine.judge_in(&setting, review, until))
    };
    let report = measure(args.runs, &engine, &judge, stage.limits.cpu, review)?;
    match args.output {
        OutputFormat::Text => say(&report.text())?,
        format => print(format, &report)?,
    }
    Ok(if report.is_good() { Verdict::Yes } else { Verdict::No })
}

fn measure(
    runs: u32,
    engine: &Engine,
    judge: &dyn Fn(bool) -> Judgement,
    cpu: Duration,
    review: &Review,
) -> anyhow::Result<Report> {
    let catalog = engine.catalog();
    let mut measured = Measured::new(&catalog, cpu);
    let mut progress = Steps::new("runs", runs as usize);
    // Warming up shows at once whether anything is there to measure, and whether it must be stopped.
    for run in 0..runs.div_ceil(10) + COUNTED {
        let is_counted = run >= runs.div_ceil(10);
        let begun = Instant::now();
        let judgement = judge(is_counted);
        if judgement.evaluated.is_empty() {
            let request = &review.request;
            bail!("no policy matches {} {}: `bylaw review --explain` says on what", request.kind.kind, request.name);
        }
        if !Measured::keeps_within(&judgement) {
            measured.take(&judgement, begun.elapsed());
            return Ok(measured.into_report());
        }
        if is_counted {
            measured.count(&judgement);
        }
        if progress.elapsed() > LONGEST {
            break;
        }
    }
    for _ in 0..runs {
        let begun = Instant::now();
        let judgement = judge(false);
        measured.take(&judgement, begun.elapsed());
        progress.step();
        if progress.elapsed() > LONGEST || !Measured::keeps_within(&judgement) {
            break;
        }
    }
    Ok(measured.into_report())
}
