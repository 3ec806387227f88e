//! Plays all cases, and again only those that a change touched.

use std::collections::HashMap;
use std::sync::Arc;

use super::case::Case;
use super::error::{CaseError, Fault};
use super::stage::{Outcome, Stage};
use super::suite::{Suite, Test};

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

/// A stage, and what came of the cases that were played on it last.
pub struct Runner {
    stage: Stage,
    /// By the address of the case, which is kept for as long.
    last: HashMap<usize, Played>,
}

impl Runner {
    #[must_use]
    pub fn new(stage: Stage) -> Self {
        Self { stage, last: HashMap::new() }
    }

    pub fn stage(&mut self) -> &mut Stage {
        &mut self.stage
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
        let mut faults: Vec<Fault> = Vec::new();
        let mut results: Vec<SuiteResult> = Vec::new();
        let mut last = std::mem::take(&mut self.last);
        for suite in suites {
            let mut played = Vec::with_capacity(suite.tests.len());
            for test in suite.tests.iter().filter(|test| wanted(&test.case)) {
                progress();
                let before = last.remove(&address(test));
                if let Some(before) = before.filter(|before| is_same(&before.test, test)) {
                    played.push(Played { is_new: false, ..before });
                    continue;
                }
                match self.stage.play(test).await {
                    Ok(outcome) => played.push(Played { test: test.clone(), outcome, is_new: true }),
                    Err(fault) => faults.push(fault),
                }
            }
            if !played.is_empty() {
                results.push(SuiteResult { folder: Arc::clone(&suite.folder), played });
            }
        }
        let all = results.iter().flat_map(|result| result.played.iter());
        self.last = all.map(|played| (address(&played.test), played.clone())).collect();
        if faults.is_empty() { Ok(results) } else { Err(CaseError::Faults(faults)) }
    }
}

fn address(test: &Test) -> usize {
    Arc::as_ptr(&test.case).addr()
}

fn is_same(one: &Test, other: &Test) -> bool {
    Arc::ptr_eq(&one.case, &other.case)
        && one.policies.len() == other.policies.len()
        && one.policies.iter().zip(other.policies.iter()).all(|(one, other)| Arc::ptr_eq(one, other))
}
