//! Both sides of a migration in the engine that serves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use serde_json::Value;

use super::super::runtime::Stage;
use super::pretence::MadeUp;
use crate::cluster::{Inventory, OfflineNamespaces};
use crate::config::Compat;
use crate::decision::{self, Cause};
use crate::engine::{Engine, Judgement, Scope, Setting};
use crate::host::Objects;
use crate::migrate::compare::{Candidate, Court, Effect, Said, Side, World};
use crate::migrate::folder::folder_name;
use crate::policy::Catalog;
use crate::pool::{Pool, PoolSize};
use crate::review::{self, Limits, Review};

/// Long enough for any policy that ends, and short enough to wait for two that do not.
const LONGEST_RUN: Duration = Duration::from_secs(2);

pub(super) struct EngineCourt<'s> {
    stage: &'s Stage,
    scratch: Scratch,
    original: Option<Bench>,
    migrated: Option<Bench>,
}

/// One side, loaded.
struct Bench {
    engine: Engine,
    world: Arc<MadeUp>,
    problems: BTreeMap<String, String>,
}

impl<'s> EngineCourt<'s> {
    pub(super) fn new(stage: &'s Stage) -> anyhow::Result<Self> {
        Ok(Self { stage, scratch: Scratch::create()?, original: None, migrated: None })
    }

    fn bench(&self, side: Side) -> Option<&Bench> {
        match side {
            Side::Original => self.original.as_ref(),
            Side::Migrated => self.migrated.as_ref(),
        }
    }

    fn loaded(&self, side: Side, candidates: &[Candidate]) -> anyhow::Result<Bench> {
        let (part, file_name, compat) = match side {
            Side::Original => ("original", "policy.yaml", Some(Compat::Jspolicy)),
            Side::Migrated => ("migrated", "policy.ts", None),
        };
        let folder = self.scratch.0.join(part);
        fs::create_dir_all(&folder).with_context(|| format!("cannot write {}", folder.display()))?;
        for candidate in candidates {
            let text = if side == Side::Original { &candidate.original } else { &candidate.migrated };
            let inside = folder.join(folder_name(&candidate.name));
            let written = fs::create_dir_all(&inside).and_then(|()| fs::write(inside.join(file_name), text));
            written.with_context(|| format!("cannot write {}", inside.display()))?;
            candidate.packages.install(&inside).map_err(anyhow::Error::msg)?;
        }
        let mut loader = self.stage.loader(std::slice::from_ref(&folder), compat, None)?;
        let catalog = loader.load()?;
        let problems = candidates.iter().filter_map(|one| Some((one.name.clone(), problem(&catalog, one, &folder)?)));
        let problems = problems.collect();
        let namespaces = OfflineNamespaces { given: BTreeMap::new(), inventory: Arc::new(Inventory::default()) };
        let catalog = Arc::new(ArcSwap::new(catalog));
        let pool_size =
            PoolSize { threads: 1, spares: 0, apart_threads: 1, waiting_threads: 1, ..PoolSize::for_cores(1) };
        let world = Arc::new(MadeUp::default());
        let host = self.stage.host(Objects::Pretended(Arc::clone(&world) as _));
        let (limits, metrics) = (Arc::clone(&self.stage.limits), Arc::clone(&self.stage.metrics));
        let pool = Pool::start(pool_size, host, limits, Arc::clone(&catalog), Arc::clone(&metrics))?;
        Ok(Bench { engine: Engine::new(pool, catalog, Arc::new(namespaces), metrics, false), world, problems })
    }
}

/// Why a policy is not in the catalog.
fn problem(catalog: &Catalog, candidate: &Candidate, folder: &Path) -> Option<String> {
    let inside = folder.join(folder_name(&candidate.name));
    let inside = inside.to_string_lossy();
    let found = catalog.problems.iter().find(|problem| {
        problem.subject == candidate.name || problem.subject.contains(&*inside) || problem.message.contains(&*inside)
    });
    match found {
        Some(problem) => Some(problem.to_string().replace(&format!("{inside}/"), "")),
        None => catalog.get(&candidate.name).is_none().then(|| "the engine does not serve it".to_owned()),
    }
}

impl Court for EngineCourt<'_> {
    fn load(&mut self, side: Side, candidates: &[Candidate]) -> Result<(), String> {
        let bench = self.loaded(side, candidates).map_err(|error| format!("{error:#}"))?;
        match side {
            Side::Original => self.original = Some(bench),
            Side::Migrated => self.migrated = Some(bench),
        }
        Ok(())
    }

    fn problem(&self, side: Side, policy: &str) -> Option<String> {
        self.bench(side)?.problems.get(policy).cloned()
    }

    fn ask(&mut self, side: Side, world: &World, policy: &str, review: &Value) -> Said {
        let failed = Said {
            effect: Effect::Error { allowed: false },
            warnings: Vec::new(),
            patched: None,
            writes: Vec::new(),
            error: String::new(),
            was_ended: false,
        };
        let (Some(bench), Some(review)) = (self.bench(side), parsed(review)) else { return failed };
        bench.world.set(world);
        let until = Instant::now() + LONGEST_RUN;
        let scope = Scope::Only(policy.to_owned());
        let judgement = self.stage.block_on(bench.engine.judge(&review, &scope, until, false));
        let mut said = said(&review, &judgement, bench.world.take());
        // Nobody knows the folder that it was loaded from.
        said.error = said.error.replace(&format!("{}/migrated/", self.scratch.0.display()), "");
        said
    }

    fn matches(&self, policy: &str, review: &Value) -> bool {
        let (Some(bench), Some(review)) = (&self.migrated, parsed(review)) else { return false };
        bench
            .engine
            .explain(&Setting::default(), &review)
            .iter()
            .any(|one| *one.policy == *policy && one.outcome.is_ok())
    }
}

fn parsed(review: &Value) -> Option<Review> {
    review::parse(review.to_string().into(), &Limits::default()).ok()
}

fn said(review: &Review, judgement: &Judgement, writes: Vec<Value>) -> Said {
    let decision = &judgement.decision;
    let error = judgement.evaluated.iter().find_map(|one| match &one.verdict.effect {
        decision::Effect::Error(error) => Some(error),
        _ => None,
    });
    let effect = match (&decision.status, error) {
        (_, Some(_)) => Effect::Error { allowed: decision.allowed },
        (Some(status), None) => {
            Effect::Deny { code: status.code, reason: status.reason.clone(), message: status.message.clone() }
        }
        (None, None) => Effect::Allow,
    };
    let was_ended = error.is_some_and(|error| {
        matches!(error.cause, Cause::Timeout | Cause::Cpu | Cause::Memory | Cause::Shunned | Cause::Overload)
    });
    let error = error.map(|error| error.message.clone()).unwrap_or_default();
    let (warnings, patched) = (decision.warnings.clone(), patched(review, judgement));
    Said { effect, warnings, patched, writes, error, was_ended }
}

fn patched(review: &Review, judgement: &Judgement) -> Option<Value> {
    if judgement.decision.patch.is_empty() {
        return None;
    }
    let mut object: Value = serde_json::from_str(review.request.object.as_ref()?.as_str()).ok()?;
    decision::apply(&judgement.decision.patch, &mut object).ok()?;
    Some(object)
}

/// A folder that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> anyhow::Result<Self> {
        let base = std::env::temp_dir();
        for number in 0..100 {
            let path = base.join(format!("bylaw-migrate-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
            }
        }
        anyhow::bail!("{} is full of folders of earlier runs", base.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
