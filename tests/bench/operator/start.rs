//! From the start of the process to ready, with the policies of a cluster: never seen before, and bundled before.

use super::{POLICIES, Site, other};
use crate::options::Options;
use crate::table::Table;

const ROWS: [(&str, usize); 2] =
    [("operator/start with 100 policies", 100), ("operator/start with 1,000 policies", 1_000)];

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    for (row, count) in ROWS.into_iter().filter(|(row, _)| options.wants(row)) {
        let site = Site::new()?;
        site.make_all(POLICIES, count, other)?;
        {
            let first = site.serve(&[])?;
            table.millis(row, "to ready, never seen", first.ready_after);
            table.millis(row, "and told of all", site.settled(count)?);
        }
        for _ in 0..options.runs() {
            let again = site.serve(&[])?;
            table.millis(row, "to ready, bundled before", again.ready_after);
            table.mebibytes(row, "RSS", again.resident());
        }
    }
    Ok(())
}
