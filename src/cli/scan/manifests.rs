//! Manifests: read once for what policies may ask about, and once to be judged.

use std::sync::Arc;

use anyhow::bail;
use arc_swap::ArcSwap;

use super::ScanArgs;
use super::judge::Judge;
use super::progress::Progress;
use super::work::{Intake, Work, process};
use super::world::{World, gather};
use crate::cli::inputs::labels;
use crate::cli::runtime::Stage;
use crate::cluster::{Inventory, OfflineNamespaces};
use crate::engine::Engine;
use crate::host::Objects;
use crate::matching::NamespaceLabels;
use crate::policy::Catalog;
use crate::pool::{Pool, PoolSize};
use crate::scan::report::Report;
use crate::scan::{Chunks, Source, Unreadable, find};

pub(super) fn scan(
    args: &ScanArgs,
    stage: &Stage,
    catalog: &Arc<Catalog>,
    progress: &Arc<Progress>,
) -> anyhow::Result<Report> {
    let (sources, unreadable) = find(&args.paths)?;
    let given = args.inventory.as_ref().map_or_else(|| Inventory::from_objects([]), |path| Inventory::load(&[path]))?;
    let World { inventory, defined } = gather(&sources, catalog, given)?;
    let inventory = Arc::new(inventory);
    let namespaces = OfflineNamespaces { given: labels(&args.namespace_labels), inventory: Arc::clone(&inventory) };
    let engine = engine(stage, catalog, Arc::new(namespaces), Objects::Inventory(inventory))?;
    let judge = Judge { engine, catalog: Arc::clone(catalog), asking: args.asking(), defined };
    let mut report = Report::on(catalog);
    for one in unreadable {
        report.pass_over(one);
    }
    progress.expect(sources.iter().map(Source::bytes).sum());
    let reading = Arc::clone(progress);
    let report =
        stage.block_on(process(judge, report, progress, args.fail_fast, |intake| feed(sources, intake, reading)))?;
    if report.counts.objects + report.counts.unreadable == 0 {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        bail!("there is nothing to judge in {}: no document of a .yaml, .yml or .json file", paths.join(", "));
    }
    Ok(report)
}

/// An engine for as many cores as there are.
pub(super) fn engine(
    stage: &Stage,
    catalog: &Arc<Catalog>,
    namespaces: Arc<dyn NamespaceLabels>,
    objects: Objects,
) -> anyhow::Result<Engine> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Nobody waits for the answer to one object: what holds a thread up holds up the scan, and that is all.
    let size = PoolSize { spares: 0, apart_threads: cores, waiting_threads: cores, ..PoolSize::for_cores(cores) };
    let catalog = Arc::new(ArcSwap::new(Arc::clone(catalog)));
    let host = stage.host(objects);
    let pool = Pool::start(size, host, Arc::clone(&stage.limits), Arc::clone(&catalog), Arc::clone(&stage.metrics))?;
    Ok(Engine::new(pool, catalog, namespaces, Arc::clone(&stage.metrics), false))
}

/// Reads the sources one after another, on a thread that may block.
async fn feed(sources: Vec<Source>, intake: Intake, progress: Arc<Progress>) {
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        for source in sources {
            let name: Arc<str> = source.name().into();
            let works: Box<dyn Iterator<Item = Work>> = match source.open() {
                Ok(reader) => {
                    Box::new(Chunks::new(name, reader).map(|one| one.map_or_else(Work::Unreadable, Work::Chunk)))
                }
                Err(error) => {
                    let (file, cause) = (name.to_string(), format!("cannot be read: {error}"));
                    Box::new(std::iter::once(Work::Unreadable(Unreadable { file, line: 0, column: 0, cause })))
                }
            };
            for work in works {
                progress.read(if let Work::Chunk(chunk) = &work { chunk.text.len() as u64 } else { 0 });
                if !runtime.block_on(intake.put(work)) {
                    return;
                }
            }
        }
    });
    drop(reading.await);
}
