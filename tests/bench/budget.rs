//! `--check`: the ratios in the table against those in `budget.json`. Only ratios: what a machine does in a second says
//! more about the machine.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::options::Options;
use crate::table::{RATIO, Table};

/// The bounds of one figure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    row: String,
    figure: String,
    min: Option<f64>,
    max: Option<f64>,
    /// Not part of `--quick`.
    #[serde(default)]
    slow: bool,
}

pub fn read(file: &Path) -> anyhow::Result<Vec<Bound>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// # Errors
/// Names every row that is out of its bounds, or was to be measured and is not there.
pub fn check(budget: &[Bound], table: &Table, options: &Options) -> anyhow::Result<String> {
    let asked: Vec<&Bound> =
        budget.iter().filter(|bound| options.wants(&bound.row) && !(bound.slow && options.quick)).collect();
    let faults: Vec<String> = asked.iter().filter_map(|bound| bound.fault(table)).collect();
    anyhow::ensure!(faults.is_empty(), "out of budget ({}):\n  {}", options.budget.display(), faults.join("\n  "));
    Ok(format!("{} ratios are within {}", asked.len(), options.budget.display()))
}

impl Bound {
    fn fault(&self, table: &Table) -> Option<String> {
        let Self { row, figure, min, max, .. } = self;
        let Some(found) = table.figure(row, figure) else {
            return Some(format!("{row}: {figure} was not measured"));
        };
        if found.unit != RATIO {
            return Some(format!("{row}: {figure} is in {}, and only ratios have budgets", found.unit));
        }
        let median = found.median();
        let least = min.unwrap_or(f64::NEG_INFINITY);
        let most = max.unwrap_or(f64::INFINITY);
        let is_within = least <= median && median <= most;
        (!is_within).then(|| format!("{row}: {figure} is {median:.3}x, must be within {least}..{most}"))
    }
}
