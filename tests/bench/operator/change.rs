//! From the edit of a policy to the first request that the API server refuses by it; and the same for a new policy.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::{POLICIES, Site, config_map, js_policy, other};
use crate::options::Options;
use crate::table::Table;

/// With so many other policies.
const ROWS: [(&str, usize); 2] =
    [("operator/change among 10 policies", 10), ("operator/change among 1,100 policies", 1_100)];

const ASKED: &str = "/api/v1/namespaces/default/configmaps?dryRun=All";

/// An edit that is not enforced by then never will be.
const ENFORCED_WITHIN: Duration = Duration::from_secs(30);

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let edits = if options.quick { 20 } else { 100 };
    for (row, others) in ROWS.into_iter().filter(|(row, _)| options.wants(row)) {
        let site = Site::new()?;
        site.make_all(POLICIES, others - 1, other)?;
        let _serving = site.serve(&[])?;
        edit(&site, "edited", 0)?;
        site.settled(others)?;
        for _ in 0..options.runs() {
            let changed = measured(edits, |number| edit(&site, "edited", number))?;
            tell(table, row, &EDIT, &changed);
            let made = measured(edits / 5, |number| {
                let name = format!("new-{number}");
                let took = edit(&site, &name, number)?;
                site.api.delete(&format!("{POLICIES}/{name}.bench.bylaw.dev"));
                Ok(took)
            })?;
            tell(table, row, &NEW, &made);
        }
    }
    Ok(())
}

/// What the figures of an edit are called: p50, p99, most.
const EDIT: [&str; 3] = ["edit enforced, p50", "edit enforced, p99", "edit enforced, max"];
const NEW: [&str; 3] = ["new one enforced, p50", "new one enforced, p99", "new one enforced, max"];

fn tell(table: &mut Table, row: &str, figures: &[&'static str; 3], micros: &Histogram<u64>) {
    let at = |quantile| Duration::from_micros(micros.value_at_quantile(quantile));
    for (figure, quantile) in figures.iter().zip([0.5, 0.99, 1.0]) {
        table.millis(row, figure, at(quantile));
    }
}

fn measured(count: u64, one: impl Fn(u64) -> anyhow::Result<Duration>) -> anyhow::Result<Histogram<u64>> {
    let mut micros = Histogram::new(3)?;
    for number in 1..=count {
        // What follows from the change before has mostly been written by then; not always, as in life.
        thread::sleep(Duration::from_millis(150 + number * 37 % 200));
        micros.record(u64::try_from(one(number)?.as_micros())?)?;
    }
    Ok(micros)
}

/// The time from the edit to the first answer that follows it.
fn edit(site: &Site, name: &str, number: u64) -> anyhow::Result<Duration> {
    let message = format!("{name}: edit {number}, {:?}", Instant::now());
    let code = json!({"javascript": format!("if (request.object.data?.bad) deny({message:?});")});
    let policy = js_policy(name, "configmaps", code);
    let begun = Instant::now();
    site.put(&policy)?;
    while begun.elapsed() < ENFORCED_WITHIN {
        if site.api.post(ASKED, &config_map("asked")).message().contains(&message) {
            return Ok(begun.elapsed());
        }
    }
    anyhow::bail!("an edit was not enforced within {ENFORCED_WITHIN:?}")
}
