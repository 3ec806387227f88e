//! The policies and the cases of one run of the command, brought up to date as files change.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use super::{Report, TestArgs};
use crate::bundle::normalise;
use crate::cases::{CaseError, Collection, FileCoverage, Runner, Stage, SuiteResult, Test, coverage};
use crate::cli::runtime;
use crate::cli::steps::Steps;
use crate::isolate::Tools;
use crate::policy::{Catalog, Code, Loader};

/// Cases that are played at the same time: each takes a heap and a thread.
const MOST_STAGES: usize = 4;

pub(super) struct Session {
    loader: Loader,
    catalog: Arc<Catalog>,
    collection: Collection,
    /// Folders of which only some policies were asked for.
    partial: BTreeSet<PathBuf>,
    runner: Runner,
    filter: Option<String>,
}

impl Session {
    /// See `Loader::wake_with`.
    pub(super) fn wake_with(&self, wake: impl Fn(PathBuf) + Send + Clone + 'static) {
        self.loader.wake_with(wake);
    }

    pub(super) fn open(args: &TestArgs, runtime: &runtime::Stage, tools: &Tools) -> anyhow::Result<Self> {
        // Closed scripts are rewritten before they run, so that tools would not see the author's.
        let is_seen = !matches!(tools, Tools::None);
        let mut loader = runtime.loader_for(&args.policies, args.compat, None, is_seen)?;
        let catalog = loader.load()?;
        // Tools look at one heap.
        let count = if is_seen { 1 } else { available_parallelism().map_or(1, NonZero::get).min(MOST_STAGES) };
        let stage = || Stage::new(runtime.handle().clone(), &runtime.limits, tools.clone());
        let stages = (0..count).map(|_| stage()).collect::<Result<_, _>>()?;
        let mut session = Self {
            loader,
            catalog,
            collection: Collection::default(),
            partial: partial(&args.policies),
            runner: Runner::new(stages),
            filter: args.filter.clone(),
        };
        session.collection.refresh(&session.loader.folders());
        Ok(session)
    }

    /// Reads what changed; whether anything did. `touched` names files that certainly did.
    pub(super) fn refresh(&mut self, touched: &BTreeSet<PathBuf>) -> bool {
        let reloaded = self.loader.reload(touched);
        let is_changed = reloaded.is_some();
        if let Some(catalog) = reloaded {
            self.catalog = catalog;
        }
        self.collection.refresh(&self.loader.folders()) || is_changed
    }

    /// Folders in which a change matters.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders = self.loader.folders();
        folders.extend(self.collection.folders());
        folders
    }

    /// Loads the policies that cases ask, so that a debugger finds their sources.
    pub(super) async fn load(&mut self) -> Result<(), CaseError> {
        let wanted = |test: &&Test| self.filter.as_ref().is_none_or(|filter| test.case.name.contains(filter.as_str()));
        let suites = self.collection.suites(&self.catalog, &self.partial)?;
        let tests: Vec<Test> = suites.iter().flat_map(|suite| &suite.tests).filter(wanted).cloned().collect();
        for stage in self.runner.stages() {
            stage.load(&tests).await;
        }
        Ok(())
    }

    /// Plays what is new.
    pub(super) async fn run(&mut self) -> Result<Report, CaseError> {
        let begun = Instant::now();
        let problems: Vec<String> = self.catalog.problems.iter().map(ToString::to_string).collect();
        if !problems.is_empty() {
            return Err(CaseError::Policies(problems.join("\n")));
        }
        let suites = self.collection.suites(&self.catalog, &self.partial)?;
        let count = suites.iter().map(|suite| suite.tests.len()).sum();
        if count == 0 && self.catalog.revisions.is_empty() {
            let notes = self.catalog.notes.iter().map(ToString::to_string);
            let controllers = self.catalog.controllers.iter().map(|one| {
                let name = &one.spec.name;
                format!("{name}: reconciles objects; test it with `reconcile` of @bylaw/sdk/testing")
            });
            let notes: Vec<String> = notes.chain(controllers).map(|note| format!("\n  {note}")).collect();
            return Err(CaseError::NothingAsked { notes: notes.concat() });
        }
        if count == 0 {
            return Err(CaseError::NoCases { paths: self.paths() });
        }
        let mut progress = Steps::new("cases", count);
        let results = self.runner.run(&suites, self.filter.as_deref(), || progress.step()).await?;
        drop(progress);
        if let (true, Some(filter)) = (results.is_empty(), &self.filter) {
            return Err(CaseError::NothingLeft { filter: filter.clone() });
        }
        let untested = if self.filter.is_none() { self.untested(&results) } else { Vec::new() };
        Ok(Report { untested, results, updated: Vec::new(), coverage: None, time: begun.elapsed() })
    }

    /// The lines that were run so far.
    pub(super) async fn coverage(&mut self) -> Vec<FileCoverage> {
        let mut answers = Vec::new();
        for stage in self.runner.stages() {
            answers.extend(stage.coverage().await);
        }
        let mut codes: BTreeMap<&str, &Code> = BTreeMap::new();
        for revision in &self.catalog.revisions {
            codes.insert(&revision.code.origin, &revision.code);
        }
        coverage(&answers, codes.into_values())
    }

    fn untested(&self, results: &[SuiteResult]) -> Vec<String> {
        let tests = results.iter().flat_map(|result| &result.played);
        let asked: BTreeSet<&str> =
            tests.flat_map(|played| played.test.policies.iter()).map(|revision| &*revision.spec.name).collect();
        let names = self.catalog.revisions.iter().map(|revision| revision.spec.name.to_string());
        names.filter(|name| !asked.contains(name.as_str())).collect()
    }

    fn paths(&self) -> String {
        let folders: BTreeSet<String> =
            self.catalog.revisions.iter().filter_map(|revision| shown_folder(&revision.source)).collect();
        folders.into_iter().collect::<Vec<_>>().join(", ")
    }
}

fn shown_folder(source: &Path) -> Option<String> {
    source.parent().map(crate::bundle::shown_path)
}

/// The folders of files that were named one by one.
fn partial(paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let files = paths.iter().filter(|path| path.is_file());
    let absolute = files.filter_map(|path| std::path::absolute(path).ok());
    absolute.filter_map(|path| normalise(&path).parent().map(Path::to_owned)).collect()
}
