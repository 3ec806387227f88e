//! `bylaw test`: the cases beside policies, played in the engine that serves.

mod debugger;
mod json;
mod session;
mod text;
mod update;
mod watch;
mod xml;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Verdict;
use super::output::say;
use crate::cases::{FileCoverage, Played, SuiteResult, lcov};
use crate::config::Compat;
use crate::isolate::Tools;
use debugger::Debugger;
use session::Session;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw test -p policies\n  bylaw test -p policies --filter registry --watch\n  bylaw test -p policies --coverage --lcov lcov.info -o junit"
)]
pub(super) struct TestArgs {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// Only the cases with this text in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run again what a change touches, until interrupted
    #[arg(long, conflicts_with_all = ["coverage", "lcov", "update"])]
    watch: bool,
    /// Write what comes out into the `patched` of cases that expect another object
    #[arg(long)]
    update: bool,
    /// Say which lines of the policies no case runs
    #[arg(long)]
    coverage: bool,
    /// Write the coverage to this file for other tools
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Wait for a debugger, such as Chrome or VS Code, to stop in the policies
    #[arg(
        long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:9229",
        value_parser = debugger::address, conflicts_with_all = ["watch", "coverage", "lcov"]
    )]
    inspect: Option<SocketAddr>,
    /// Give policies the rights that another engine gave them
    #[arg(long, value_enum)]
    compat: Option<Compat>,
    /// How to write the results
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Text,
    Json,
    Junit,
}

/// What a run came to.
struct Report {
    results: Vec<SuiteResult>,
    /// Policies that no case asks.
    untested: Vec<String>,
    /// Files that `--update` wrote.
    updated: Vec<String>,
    coverage: Option<Vec<FileCoverage>>,
    time: std::time::Duration,
}

impl Report {
    fn played(&self) -> impl Iterator<Item = &Played> {
        self.results.iter().flat_map(|result| &result.played)
    }

    fn failed(&self) -> usize {
        self.played().filter(|played| !played.outcome.is_good()).count()
    }
}

pub(super) fn run(args: TestArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    let runtime = super::runtime::Stage::new()?;
    if args.watch {
        return watch::run(args, &runtime);
    }
    if let Some(address) = args.inspect {
        return inspect(&args, address, &runtime);
    }
    let is_covered = args.coverage || args.lcov.is_some();
    let mut session = Session::open(&args, &runtime, if is_covered { &Tools::Coverage } else { &Tools::None })?;
    let mut report = runtime.block_on(session.run())?;
    if args.update && update::update(&mut report)? {
        let updated = report.updated;
        session.refresh(&BTreeSet::new());
        report = Report { updated, ..runtime.block_on(session.run())? };
    }
    if is_covered {
        report.coverage = Some(runtime.block_on(session.coverage()));
    }
    if let (Some(file), Some(coverage)) = (&args.lcov, &report.coverage) {
        std::fs::write(file, lcov(coverage)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    args.show(&report)?;
    Ok(if report.failed() == 0 { Verdict::Yes } else { Verdict::No })
}

fn inspect(args: &TestArgs, address: SocketAddr, runtime: &super::runtime::Stage) -> anyhow::Result<Verdict> {
    let debugger = runtime.block_on(Debugger::listen(address))?;
    let mut session = Session::open(args, runtime, &debugger.tools)?;
    let report = runtime.block_on(async {
        session.load().await?;
        debugger.wait().await;
        let report = session.run().await;
        debugger.close().await;
        report
    })?;
    args.show(&report)?;
    Ok(if report.failed() == 0 { Verdict::Yes } else { Verdict::No })
}

impl TestArgs {
    fn show(&self, report: &Report) -> anyhow::Result<()> {
        match self.output {
            Output::Text => say(&text::text(report)),
            Output::Json => say(&json::json(report)?),
            Output::Junit => say(&xml::xml(report)?),
        }
    }
}
