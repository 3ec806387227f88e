//! Plays all cases, and again only those that a change touched.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::case::Case;
use super::error::{CaseError, Fault};
use super::stage::{Outcome, Stage};
use super::suite::{Suite, Test};

/// Fewer are played on one stage: another would have to load their policies too.
const WORTH_A_STAGE: usize = 32;

/// Outcomes on their way.
const QUEUE: usize = 64;

/// A case that was played.
#[derive(Debug, Clone)]
pub struct Played {
    pub test: Test,
    pub outcome: Outcome,
    /// It was played now; otherwise nothing that it depends on has changed since.
    pub is_new: bool,
}

#[derive(Debug, Clone)]
pub struct SuiteResult {
    pub folder: Arc<str>,
    pub played: Vec<Played>,
}

/// Stages that play at the same time, and what came of the cases that were played on them last.
pub struct Runner {
    stages: Vec<Stage>,
    /// By folder and name, which no two cases share.
    last: HashMap<(Arc<str>, String), Played>,
}

/// How one case went: its place among those that were asked for.
type Told = (usize, Result<Outcome, Fault>);

impl Runner {
    #[must_use]
    pub fn new(stages: Vec<Stage>) -> Self {
        Self { stages, last: HashMap::new() }
    }

    pub fn stages(&mut self) -> &mut [Stage] {
        &mut self.stages
    }

    /// Plays what is new in these suites. `progress` is told of each case.
    ///
    /// # Errors
    /// All cases that cannot be asked.
    pub async fn run(
        &mut self,
        suites: &[Suite],
        filter: Option<&str>,
        mut progress: impl FnMut(),
    ) -> Result<Vec<SuiteResult>, CaseError> {
        let wanted = |case: &Case| filter.is_none_or(|filter| case.name.contains(filter));
        let mut last = std::mem::take(&mut self.last);
        let all = suites.iter().flat_map(|suite| suite.tests.iter().map(move |test| (&suite.folder, test)));
        let all: Vec<(&Arc<str>, &Test)> = all.filter(|(_, test)| wanted(&test.case)).collect();
        let kept = all.iter().map(|(folder, test)| {
            let before = last.remove(&(Arc::clone(folder), test.case.name.clone()));
            before.filter(|before| is_same(&before.test, test)).map(|before| before.outcome)
        });
        let mut outcomes: Vec<Option<Outcome>> = kept.collect();
        let is_new: Vec<bool> = outcomes.iter().map(Option::is_none).collect();
        let open = all.iter().zip(&is_new).enumerate().filter(|(_, (_, is_new))| **is_new);
        let open: Vec<(usize, Test)> = open.map(|(at, ((_, test), _))| (at, (*test).clone())).collect();
        (open.len()..all.len()).for_each(|_| progress());
        let mut faults: Vec<(usize, Fault)> = Vec::new();
        self.play(open, |(at, told)| {
            progress();
            match told {
                Ok(outcome) => {
                    if let Some(open) = outcomes.get_mut(at) {
                        *open = Some(outcome);
                    }
                }
                Err(fault) => faults.push((at, fault)),
            }
        })
        .await?;
        let mut results: Vec<SuiteResult> = Vec::new();
        for (((folder, test), outcome), is_new) in all.into_iter().zip(outcomes).zip(is_new) {
            let Some(outcome) = outcome else { continue };
            let played = Played { test: test.clone(), outcome, is_new };
            self.last.insert((Arc::clone(folder), test.case.name.clone()), played.clone());
            match results.last_mut().filter(|result| result.folder == *folder) {
                Some(result) => result.played.push(played),
                None => results.push(SuiteResult { folder: Arc::clone(folder), played: vec![played] }),
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        let faults: Vec<Fault> = faults.into_iter().map(|(_, fault)| fault).collect();
        if faults.is_empty() { Ok(results) } else { Err(CaseError::Faults(faults)) }
    }

    /// Plays these, each stage a part of them in their order, so that policies change seldom.
    async fn play(&mut self, mut open: Vec<(usize, Test)>, mut tell: impl FnMut(Told)) -> Result<(), CaseError> {
        let most = if open.len() < WORTH_A_STAGE { 1 } else { self.stages.len() };
        let part = open.len().div_ceil(most.max(1)).max(1);
        let (said, mut heard) = mpsc::channel(QUEUE);
        let mut playing: Vec<JoinHandle<Stage>> = Vec::new();
        while !open.is_empty() {
            let stage = self.stages.pop().ok_or(CaseError::Gone)?;
            let rest = open.split_off(part.min(open.len()));
            playing.push(tokio::spawn(play(stage, open, said.clone())));
            open = rest;
        }
        drop(said);
        while let Some(told) = heard.recv().await {
            tell(told);
        }
        for stage in playing {
            self.stages.push(stage.await.map_err(|_| CaseError::Gone)?);
        }
        Ok(())
    }
}

async fn play(mut stage: Stage, tests: Vec<(usize, Test)>, said: mpsc::Sender<Told>) -> Stage {
    for (at, test) in tests {
        let outcome = stage.play(&test).await;
        if said.send((at, outcome)).await.is_err() {
            break;
        }
    }
    stage
}

/// Whether both would be played alike: a file that was read again has other cases, most of which say what they said.
fn is_same(one: &Test, other: &Test) -> bool {
    (Arc::ptr_eq(&one.case, &other.case) || one.case.says_the_same(&other.case))
        && one.policies.len() == other.policies.len()
        && one.policies.iter().zip(other.policies.iter()).all(|(one, other)| Arc::ptr_eq(one, other))
}
