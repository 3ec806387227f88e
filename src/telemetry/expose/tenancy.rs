//! What virtual clusters and their host have to do with each other.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::DescriptorEncoder;

use super::{counter, counters};
use crate::telemetry::labels::Foretold;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::policy::PolicyMetrics;

pub(super) fn tenancy(
    metrics: &Metrics,
    policies: &[Arc<PolicyMetrics>],
    encoder: &mut DescriptorEncoder,
) -> fmt::Result {
    let help =
        "Changes that a policy made or wanted to make to what a syncer copied to the host, by what becomes of them";
    let mut family = counters(encoder, "bylaw_host_mutations", help)?;
    for policy in policies {
        for (class, count) in policy.changed_copies().filter(|(_, count)| *count > 0) {
            counter(&mut family, &[("policy", policy.name()), ("class", class)], count)?;
        }
    }
    let help = "What the host was foretold to say of objects in virtual clusters";
    let mut family = counters(encoder, "bylaw_preflight", help)?;
    for (foretold, count) in Foretold::ALL.into_iter().zip(&metrics.foretold) {
        counter(&mut family, &[("verdict", foretold.as_str())], count.get())?;
    }
    let help = "Denials given again to syncers that sent the same object again";
    let mut family = counters(encoder, "bylaw_denials_repeated", help)?;
    for (why, count) in [("known", &metrics.denials_repeated), ("limited", &metrics.denials_limited)] {
        counter(&mut family, &[("why", why)], count.get())?;
    }
    Ok(())
}
