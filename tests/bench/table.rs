//! The one table that everything measured goes into: rows with figures, each of as many values as there were runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Rows in the order in which they were first measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    positions: BTreeMap<String, usize>,
}

pub struct Row {
    pub name: String,
    pub figures: Vec<Figure>,
}

pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    values: Vec<f64>,
}

/// The unit of what is compared with a budget: it means the same on every machine.
pub const RATIO: &str = "x";

impl Table {
    /// Adds one run's value.
    pub fn add(&mut self, row: &str, figure: &'static str, unit: &'static str, value: f64) {
        let at = *self.positions.entry(row.to_owned()).or_insert_with(|| {
            self.rows.push(Row { name: row.to_owned(), figures: Vec::new() });
            self.rows.len() - 1
        });
        let Some(row) = self.rows.get_mut(at) else { return };
        if let Some(found) = row.figures.iter_mut().find(|one| one.name == figure) {
            return found.values.push(value);
        }
        row.figures.push(Figure { name: figure, unit, values: vec![value] });
    }

    pub fn ratio(&mut self, row: &str, figure: &'static str, value: f64) {
        self.add(row, figure, RATIO, value);
    }

    pub fn micros(&mut self, row: &str, figure: &'static str, time: Duration) {
        self.add(row, figure, "us", time.as_secs_f64() * 1e6);
    }

    pub fn millis(&mut self, row: &str, figure: &'static str, time: Duration) {
        self.add(row, figure, "ms", time.as_secs_f64() * 1e3);
    }

    pub fn mebibytes(&mut self, row: &str, figure: &'static str, bytes: u64) {
        #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
        self.add(row, figure, "MiB", bytes as f64 / f64::from(1 << 20));
    }

    /// The quantiles that every latency is told by.
    pub fn latencies(&mut self, row: &str, nanos: &Histogram<u64>) {
        for (figure, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            self.micros(row, figure, Duration::from_nanos(nanos.value_at_quantile(quantile)));
        }
        self.micros(row, "max", Duration::from_nanos(nanos.max()));
    }

    pub fn figure(&self, row: &str, figure: &str) -> Option<&Figure> {
        let row = self.rows.get(*self.positions.get(row)?)?;
        row.figures.iter().find(|one| one.name == figure)
    }

    pub fn text(&self) -> String {
        let wide = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
        let row_width = wide(&mut self.rows.iter().map(|row| row.name.len()));
        let figures = self.rows.iter().flat_map(|row| &row.figures);
        let figure_width = wide(&mut figures.map(|figure| figure.name.len()));
        let mut text = format!(
            "{:<row_width$}  {:<figure_width$} {:>12} {:>12} {:>12}\n",
            "row", "figure", "min", "median", "max"
        );
        for row in &self.rows {
            let mut name = row.name.as_str();
            for figure in &row.figures {
                let [min, median, max] = figure.summary().map(number);
                let Figure { name: figure, unit, .. } = figure;
                let _ = writeln!(
                    text,
                    "{name:<row_width$}  {figure:<figure_width$} {min:>12} {median:>12} {max:>12} {unit}"
                );
                name = "";
            }
        }
        text
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let figures = row.figures.iter().map(|figure| {
                let [min, median, max] = figure.summary();
                let value =
                    json!({ "unit": figure.unit, "min": min, "median": median, "max": max, "runs": figure.values });
                (figure.name.to_owned(), value)
            });
            json!({ "row": row.name, "figures": figures.collect::<Map<_, _>>() })
        });
        rows.collect()
    }
}

impl Figure {
    pub fn median(&self) -> f64 {
        self.summary()[1]
    }

    /// Least, median, most.
    fn summary(&self) -> [f64; 3] {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        [at(0), f64::midpoint(at(last / 2), at(last.div_ceil(2))), at(last)]
    }
}

/// Three digits or more that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
