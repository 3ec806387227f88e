//! Many tenants with three policies each, in the pool of this process, without a network: what the others cost one
//! tenant, how long the first answer of a sleeping one takes, and what all of them hold in memory.

use std::ops::Range;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bylaw::decision::Effect;
use bylaw::isolate::Input;
use bylaw::policy::{Catalog, PolicySpec, Revision};
use bylaw::pool::{Pool, PoolSize};
use bylaw::telemetry::Metrics;
use hdrhistogram::Histogram;

use crate::machine;
use crate::micro::Setting;
use crate::options::Options;
use crate::table::Table;

/// `(row, tenants)`.
const COUNTS: [(&str, usize); 3] = [("tenants/1", 1), ("tenants/100", 100), ("tenants/1,000", 1_000)];

/// Tenants that keep asking.
const ACTIVE: usize = 32;

/// Policies of each.
const POLICIES: usize = 3;

/// Tenants that wake one at a time, with a pause between them; the others all in a row.
const AT_TIMES: usize = 500;
const WAKE_EVERY: Duration = Duration::from_millis(20);

/// Reviews under way at once.
const CLIENTS: usize = 2;

/// The API server's.
const TIMEOUT: Duration = Duration::from_secs(10);

pub fn run(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    if options.quick || !COUNTS.iter().any(|(name, _)| options.wants(name)) {
        return Ok(());
    }
    let setting = Setting::new()?;
    for _ in 0..options.runs() {
        let mut alone = None;
        for (row, count) in COUNTS {
            // The first is what the others are compared with.
            if count > 1 && !options.wants(row) {
                continue;
            }
            let before = machine::resident(std::process::id());
            let tenants = Tenants::start(&setting, count)?;
            let middle = count.min(AT_TIMES);
            let cold = setting.runtime.block_on(tenants.wake(0..middle, WAKE_EVERY))?;
            let in_a_row = setting.runtime.block_on(tenants.wake(middle..count, Duration::ZERO))?;
            let warm = setting.runtime.block_on(tenants.ask(options.load_time()))?;
            table.latencies(row, &warm);
            #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
            table.add(row, "per second", "/s", warm.len() as f64 / options.load_time().as_secs_f64());
            let p99 = warm.value_at_quantile(0.99);
            #[allow(clippy::cast_precision_loss, reason = "nanoseconds of one answer")]
            table.ratio(row, "p99 to 1 tenant", p99 as f64 / *alone.get_or_insert(p99) as f64);
            for (figure, cold, quantile) in [
                ("first answer p50", &cold, 0.5),
                ("first answer p99", &cold, 0.99),
                ("in a row p50", &in_a_row, 0.5),
                ("in a row p99", &in_a_row, 0.99),
            ] {
                if !cold.is_empty() {
                    table.micros(row, figure, Duration::from_nanos(cold.value_at_quantile(quantile)));
                }
            }
            table.mebibytes(row, "heaps", tenants.metrics.isolate_heap_bytes.get().try_into().unwrap_or(0));
            #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
            table.add(row, "isolates", "", tenants.metrics.isolates.get() as f64);
            table.mebibytes(row, "RSS of it", machine::resident(std::process::id()).saturating_sub(before));
        }
    }
    Ok(())
}

struct Tenants {
    pool: Pool,
    metrics: Arc<Metrics>,
    input: Input,
    policies: Vec<Vec<Arc<Revision>>>,
}

impl Tenants {
    fn start(setting: &Setting, count: usize) -> anyhow::Result<Self> {
        let policies: Vec<Vec<Arc<Revision>>> = (0..count)
            .map(|tenant| setting.sixteen.iter().take(POLICIES).map(|policy| owned(policy, tenant)).collect())
            .collect();
        let mut revisions: Vec<Arc<Revision>> = policies.iter().flatten().cloned().collect();
        revisions.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let catalog = Catalog { revisions, generation: 1, ..Catalog::default() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let metrics = Arc::new(Metrics::default());
        let pool = Pool::start(
            PoolSize::for_cores(cores),
            setting.host.clone(),
            Arc::clone(&setting.limits),
            Arc::new(ArcSwap::from_pointee(catalog)),
            Arc::clone(&metrics),
        )?;
        let begun = Instant::now();
        while !pool.ready() {
            anyhow::ensure!(begun.elapsed() < Duration::from_mins(2), "the pool is not ready");
            sleep(Duration::from_millis(5));
        }
        Ok(Self { pool, metrics, input: setting.input.clone(), policies })
    }

    /// The first answer of some tenants, one after another.
    async fn wake(&self, tenants: Range<usize>, pause: Duration) -> anyhow::Result<Histogram<u64>> {
        let mut times = histogram()?;
        for at in tenants {
            self.ask_one(at, &mut times).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(times)
    }

    /// Steady questions of those that are active.
    async fn ask(&self, time: Duration) -> anyhow::Result<Histogram<u64>> {
        let until = Instant::now() + time;
        let client = async |client: usize| -> anyhow::Result<Histogram<u64>> {
            let active = self.policies.len().min(ACTIVE);
            let mut times = histogram()?;
            // Once round to warm up.
            for at in 0..active {
                self.ask_one(at, &mut histogram()?).await?;
            }
            for turn in (client..).step_by(CLIENTS) {
                if Instant::now() >= until {
                    break;
                }
                self.ask_one(turn % active, &mut times).await?;
            }
            Ok(times)
        };
        let mut all = histogram()?;
        for times in futures::future::join_all((0..CLIENTS).map(client)).await {
            all.add(times?)?;
        }
        Ok(all)
    }

    async fn ask_one(&self, at: usize, times: &mut Histogram<u64>) -> anyhow::Result<()> {
        let Some(policies) = self.policies.get(at) else { return Ok(()) };
        let begun = Instant::now();
        let input = Input { deadline: begun + TIMEOUT, ..self.input.clone() };
        let verdicts = self.pool.validate(&input, policies).await;
        times.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let allowed = verdicts.iter().filter(|one| one.verdict.effect == Effect::Allow).count();
        anyhow::ensure!(allowed == POLICIES, "{verdicts:?}");
        Ok(())
    }
}

/// The policy as this tenant's own.
fn owned(policy: &Revision, tenant: usize) -> Arc<Revision> {
    let name = Arc::from(format!("tenant-{tenant}.{}", policy.spec.name));
    let spec = PolicySpec { name, tenant: Some(format!("tenant-{tenant}").into()), ..(*policy.spec).clone() };
    let domain = spec.domain();
    Arc::new(Revision { spec: Arc::new(spec), domain, conduct: Arc::default(), ..policy.clone() })
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}
