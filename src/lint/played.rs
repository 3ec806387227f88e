//! The cases of the policies, each played twice in the engine that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::LintError;
use super::finding::Finding;
use super::rule::Rule;
use crate::bundle::{Diagnostic, Place, normalise, read};
use crate::cases::{CaseError, Collection, Fault, Stage, Test};
use crate::policy::Catalog;

/// What the cases show of each policy, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Played {
    pub(super) policies: BTreeMap<String, OfPolicy>,
    pub(super) findings: Vec<Finding>,
    /// The cases could not be played, so that nothing is known of any policy.
    pub(super) is_unknown: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct OfPolicy {
    pub is_reached: bool,
    pub has_acted: bool,
    /// The case in which its own result was changed again, and the first path that was.
    pub again: Option<(String, String)>,
}

/// Plays the cases beside the policies. `folders` are those of the policies, `roots` what the user named.
///
/// # Errors
/// Where they cannot be played at all.
pub async fn play(
    catalog: &Catalog,
    folders: &BTreeSet<PathBuf>,
    roots: &[PathBuf],
    stage: &mut Stage,
) -> Result<Played, LintError> {
    let mut collection = Collection::default();
    collection.refresh(folders);
    let mut played = Played::default();
    let suites = match collection.suites(catalog, &partial(roots)) {
        Ok(suites) => suites,
        Err(CaseError::Faults(faults)) => {
            // A policy that cannot be loaded is told already, and its cases are about nothing else.
            let is_orphan = |fault: &&Fault| {
                let message = &fault.message;
                message.ends_with("that this case is about") || message.starts_with("policy: ")
            };
            let told = faults.iter().filter(|fault| catalog.problems.is_empty() || !is_orphan(fault));
            played.findings.extend(told.map(of_fault));
            played.is_unknown = true;
            return Ok(played);
        }
        Err(error) => return Err(LintError::Cases(error)),
    };
    for test in suites.iter().flat_map(|suite| &suite.tests) {
        for revision in test.policies.iter() {
            // Each policy alone: what one changes is not what another must answer for.
            let alone = Test { case: test.case.clone(), policies: [revision.clone()].into() };
            let name = revision.spec.name.to_string();
            match stage.play_twice(&alone).await {
                Ok(twice) => {
                    let of_policy = played.policies.entry(name.clone()).or_default();
                    of_policy.is_reached |= twice.reached;
                    of_policy.has_acted |= twice.acted || twice.error.is_some();
                    if let (Some(path), None) = (twice.changed_again.first(), &of_policy.again) {
                        of_policy.again = Some((test.case.name.clone(), path.clone()));
                    }
                    if let (Some(error), None) = (twice.error, &test.case.expect.error) {
                        let message = format!("{name} fails: {error}");
                        played.findings.push(of_fault(&Fault { place: test.case.place.clone(), message }));
                    }
                }
                Err(fault) => played.findings.push(of_fault(&fault)),
            }
        }
    }
    Ok(played)
}

fn of_fault(fault: &Fault) -> Finding {
    let Fault { place, message } = fault;
    let number = |number: u64| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
    let at = Place { file: place.shown.to_string(), line: number(place.line), column: number(place.column) };
    let text = read(&place.file, &place.shown).unwrap_or_default();
    Finding::new(Rule::FailingCase, Diagnostic::at_place(at, &text, message.clone()))
}

/// The folders of files that were named one by one: their other policies' cases are not looked at.
fn partial(roots: &[PathBuf]) -> BTreeSet<PathBuf> {
    let files = roots.iter().filter(|path| path.is_file());
    let absolute = files.filter_map(|path| std::path::absolute(path).ok());
    absolute.filter_map(|path| normalise(&path).parent().map(Path::to_owned)).collect()
}
