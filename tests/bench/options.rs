//! What can be asked of the bench.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measure Bylaw: inside the engine, over TLS, as it grows, and for long
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", max_term_width = 110)]
#[command(
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --only 'load/16 policies' --runs 5 --json figures.json\n  \
                        cargo xtask bench --quick --check\n  cargo xtask bench --soak 30\n  cargo xtask bench --operator --runs 1"
)]
pub struct Options {
    /// Measure everything so many times; the table has the least, the median and the most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Seconds of each load [default: 4; with --quick 0.8]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Only rows whose name contains this
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Write the table as JSON too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Compare the ratios with the budget, and fail where one is out of bounds
    #[arg(long)]
    pub check: bool,
    /// The budget to compare with
    #[arg(long, value_name = "FILE", default_value = "tests/bench/budget.json")]
    pub budget: PathBuf,
    /// One short run of the rows that the budget names, in about a minute
    #[arg(long)]
    pub quick: bool,
    /// Instead of everything else: mixed load for so many minutes, watching memory, answers and verdicts
    #[arg(long, value_name = "MINUTES")]
    pub soak: Option<f64>,
    /// Instead of everything else: Bylaw as the operator of a real etcd and kube-apiserver
    #[arg(long, conflicts_with_all = ["soak", "check"])]
    pub operator: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether this row is asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.only.as_deref().is_none_or(|only| row.contains(only))
    }

    pub fn runs(&self) -> u32 {
        if self.quick { 1 } else { self.runs }
    }

    pub fn load_time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 0.8 } else { 4.0 }).max(0.1))
    }

    /// How often something that takes microseconds is done in one run.
    pub fn repeats(&self) -> usize {
        if self.quick { 5_000 } else { 20_000 }
    }
}
