//! What every small measurement stands on: loaded policies, one review, an isolate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bylaw::host::{Host, HostLimits, Objects};
use bylaw::isolate::{Cell, Input, Inspector, Limits, Slot, Vantage, no_tenant, now_millis, set_sdk};
use bylaw::policy::{LoadOptions, Loader, Revision};
use bylaw::review::{self, Review};
use tokio::runtime::Runtime;

use crate::policies;

pub struct Setting {
    pub body: String,
    pub review: Review,
    pub input: Input,
    pub sixteen: Vec<Arc<Revision>>,
    pub script: Arc<Revision>,
    pub mutation: Arc<Revision>,
    pub pod_security: Arc<Revision>,
    pub host: Host,
    pub limits: Arc<Limits>,
    pub runtime: Runtime,
}

impl Setting {
    pub fn new() -> anyhow::Result<Self> {
        set_sdk(bylaw::bundle::link_sdk()?.script.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let host = Host::new(runtime.handle().clone(), Objects::Nowhere, HostLimits::default());
        let limits = Arc::new(Limits::default());
        let inspector = Arc::new(Inspector::start(host.clone(), Arc::clone(&limits))?);
        let one = |write: fn(&std::path::Path) -> std::io::Result<()>| -> anyhow::Result<Arc<Revision>> {
            let dir = tempfile::tempdir()?;
            write(dir.path())?;
            load(dir.path().to_owned(), &inspector)?.pop().ok_or_else(|| anyhow::anyhow!("no policy was loaded"))
        };
        let dir = tempfile::tempdir()?;
        policies::write(dir.path(), 16)?;
        let body = policies::review();
        let review = review::parse(body.clone().into(), &review::Limits::default())?;
        Ok(Self {
            input: input(&review),
            sixteen: load(dir.path().to_owned(), &inspector)?,
            script: one(policies::write_script)?,
            mutation: one(policies::write_mutation)?,
            pod_security: one(policies::write_pod_security)?,
            body,
            review,
            host,
            limits,
            runtime,
        })
    }

    /// An isolate on this thread.
    pub fn cell(&self) -> Cell {
        Cell::new(self.host.clone(), Slot::register(|_| {}), Arc::clone(&self.limits))
    }
}

fn load(dir: PathBuf, inspector: &Arc<Inspector>) -> anyhow::Result<Vec<Arc<Revision>>> {
    let catalog = Loader::new(vec![dir], Arc::clone(inspector) as _, LoadOptions::default()).load()?;
    anyhow::ensure!(catalog.problems.is_empty(), "{:?}", catalog.problems);
    Ok(catalog.revisions.clone())
}

/// What an isolate is given of a review.
pub fn input(review: &Review) -> Input {
    Input {
        request: review.text.clone(),
        namespace: None,
        tenant: no_tenant(),
        vantage: Vantage::Host,
        view: None,
        dry_run: false,
        now: now_millis(),
        measure: false,
        reserving: None,
        deadline: Instant::now() + Duration::from_hours(1),
    }
}
