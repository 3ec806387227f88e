//! Readiness of the pool of isolates while it serves, and the orderly end where it has lost too much memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::http::{Checks, Gate, Shutdown};
use crate::telemetry::Metrics;

/// How often the pool is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Threads lost to policies beyond this many make the server unready: something is attacking it.
const MAX_LOST_THREADS: usize = 64;

/// Keeps the readiness of the pool up to date, and starts the drain where only a new process helps. Returns then, with
/// the reason.
pub(super) async fn watch_pool(
    engine: Arc<Engine>,
    checks: Arc<Checks>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) -> String {
    let mut interval = tokio::time::interval(POLL);
    let mut shown = None;
    loop {
        interval.tick().await;
        let state = state(&engine);
        if shown.as_ref() != Some(&state) {
            checks.set("pool", Gate::Ready, state.clone());
            shown = Some(state);
        }
        metrics.lost_threads.set(i64::try_from(engine.pool().lost_threads()).unwrap_or(i64::MAX));
        let shunned = shunned(&engine);
        metrics.shunned_policies.set(i64::try_from(shunned.len()).unwrap_or(i64::MAX));
        checks.set_details("pool", shunned);
        let (lost, budget) = (engine.pool().lost_bytes(), engine.pool().memory_budget());
        // As much again as the budget: whoever set the memory of the process has reckoned with both.
        if lost > budget {
            let why = format!(
                "isolates that ran out of memory hold up to {} MiB for ever, and all isolates may take {} MiB: only a \
                 new process gets them back",
                lost >> 20,
                budget >> 20
            );
            tracing::error!("stopping in order: {why}");
            checks.set("pool", Gate::Ready, Err(why.clone()));
            shutdown.start();
            return why;
        }
    }
}

fn state(engine: &Engine) -> Result<(), String> {
    let lost = engine.pool().lost_threads();
    match (engine.pool().ready(), lost > MAX_LOST_THREADS) {
        (_, true) => {
            Err(format!("{lost} isolate threads were lost to policies that do not stop; restart to get them back"))
        }
        (true, false) => Ok(()),
        (false, false) => Err("isolates are being made".to_owned()),
    }
}

/// A line for each policy that is not asked for a while.
fn shunned(engine: &Engine) -> Vec<String> {
    let now = Instant::now();
    let catalog = engine.catalog();
    let paused = catalog.all().filter_map(|revision| Some((revision, revision.conduct.shunned_for(now)?)));
    paused
        .map(|(revision, pause)| {
            let name = &revision.spec.name;
            format!("{name} is not asked for {} s: all of its last runs had to be ended", pause.as_secs() + 1)
        })
        .collect()
}
