//! Inside an isolate, on this thread: parse, freeze, run, verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bylaw::host::{Host, HostLimits, Objects};
use bylaw::isolate::{Cell, Input, Inspector, Limits, Slot, Vantage, no_tenant, now_millis, set_sdk};
use bylaw::policy::{LoadOptions, Loader, Revision};
use bylaw::review;

const RUNS: usize = 20_000;

pub fn run(body: &str) -> anyhow::Result<()> {
    set_sdk(bylaw::bundle::link_sdk()?.script.clone());
    let runtime = tokio::runtime::Runtime::new()?;
    let host = Host::new(runtime.handle().clone(), Objects::Nowhere, HostLimits::default());
    let limits = Arc::new(Limits::default());
    let inspector = Arc::new(Inspector::start(host.clone(), Arc::clone(&limits))?);
    let slot = Slot::register(|_| {});
    let mut cell = Cell::new(host.clone(), Arc::clone(&slot), Arc::clone(&limits));

    let input = input(body)?;
    println!("\n{:<34} {:>9} {:>9} {:>9}", "inside an isolate", "p50", "p99", "max");
    for count in [1, 16] {
        let dir = tempfile::tempdir()?;
        crate::policies::write(dir.path(), count)?;
        let revisions = load(dir.path().to_owned(), &inspector)?;
        let one = || {
            let verdicts = cell.validate(&input, &revisions);
            assert!(verdicts.iter().all(|one| one.verdict.effect == bylaw::decision::Effect::Allow), "{verdicts:?}");
        };
        report(&format!("{count} warm module policies"), one);
    }

    let dir = tempfile::tempdir()?;
    crate::policies::write_script(dir.path())?;
    let revisions = load(dir.path().to_owned(), &inspector)?;
    let script = revisions.first().expect("the script loads");
    anyhow::ensure!(script.code.proof().is_some(), "the script is closed");
    report("1 closed script", || {
        let verdicts = cell.validate(&input, &revisions);
        assert!(verdicts.iter().all(|one| !one.is_open), "{verdicts:?}");
    });
    let mut cell = Cell::new(host, slot, limits);
    let mut times = Vec::new();
    for _ in 0..RUNS / 10 {
        while cell.tend(bylaw::isolate::Spare::Script) {}
        let begun = Instant::now();
        let one = cell.run_script(&input, script);
        times.push(begun.elapsed());
        assert_eq!(one.verdict.effect, bylaw::decision::Effect::Allow);
    }
    print("1 script, warm shelf", times);
    Ok(())
}

fn load(dir: PathBuf, inspector: &Arc<Inspector>) -> anyhow::Result<Vec<Arc<Revision>>> {
    let catalog = Loader::new(vec![dir], Arc::clone(inspector) as _, LoadOptions::default()).load()?;
    anyhow::ensure!(catalog.problems.is_empty(), "{:?}", catalog.problems);
    Ok(catalog.revisions.clone())
}

fn input(body: &str) -> anyhow::Result<Input> {
    let review = review::parse(body.to_owned().into(), &review::Limits::default())?;
    Ok(Input {
        request: review.text,
        namespace: None,
        tenant: no_tenant(),
        vantage: Vantage::Host,
        dry_run: false,
        now: now_millis(),
        measure: false,
        deadline: Instant::now() + Duration::from_mins(10),
    })
}

fn report(name: &str, mut one: impl FnMut()) {
    for _ in 0..RUNS / 10 {
        one();
    }
    let times = (0..RUNS).map(|_| {
        let begun = Instant::now();
        one();
        begun.elapsed()
    });
    print(name, times.collect());
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
    println!("{name:<34} {:>9.1?} {:>9.1?} {:>9.1?}", at(50), at(99), at(100));
}
