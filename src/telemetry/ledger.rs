//! What became of the reservations of requests.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::expose::{counter, counters, plain_counter};
use super::metrics::Counter;

/// Each by what this replica did or found.
#[derive(Debug, Default)]
pub struct LedgerMetrics {
    /// `bylaw_ledger_reservations_total{result="allowed"}`: what requests got.
    pub allowed: Counter,
    /// What would have been too much, or is somebody else's.
    pub refused: Counter,
    /// What was given back, for the request was denied.
    pub released: Counter,
    /// What was dropped: it led to no object in its time, or its object has been there for a while.
    pub dropped: Counter,
    /// `bylaw_ledger_conflicts_total`: writes that another replica had been quicker than.
    pub conflicts: Counter,
}

pub(super) fn encode(metrics: &LedgerMetrics, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = counters(encoder, "bylaw_ledger_reservations", "Reservations, by what became of them")?;
    for (result, count) in [
        ("allowed", &metrics.allowed),
        ("refused", &metrics.refused),
        ("released", &metrics.released),
        ("expired", &metrics.dropped),
    ] {
        counter(&mut family, &[("result", result)], count.get())?;
    }
    let help = "Writes of the ledger that another replica had been quicker than";
    let mut family = counters(encoder, "bylaw_ledger_conflicts", help)?;
    plain_counter(&mut family, metrics.conflicts.get())
}
