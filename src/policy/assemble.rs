//! A catalog out of what each file gave, in which what broke is replaced by what it was before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bundle::shown_path;

use super::catalog::{Catalog, Note, Problem, Revision};
use super::confined;
use super::error::PolicyError;
use super::exceptions::{Exception, Exceptions};
use super::files::BuildResult;

/// What one file, or one policy of it, came to.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Served(Arc<Revision>),
    /// One policy that cannot be served as it stands now.
    Broken {
        policy: String,
        error: Arc<PolicyError>,
    },
    /// A file of which nothing can be known.
    FileBroken {
        error: Arc<PolicyError>,
    },
}

impl Outcome {
    /// A JsPolicy without source of its own, and no bundle of its name.
    pub(super) fn without_code(policy: &str) -> Self {
        let reason =
            "has neither spec.javascript nor spec.typescript, and there is no JsPolicyBundle of its name".to_owned();
        let error = Arc::new(PolicyError::NoCode { policy: policy.to_owned(), reason });
        Self::Broken { policy: policy.to_owned(), error }
    }
}

/// The outcomes of a load, by file in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub outcomes: Vec<(Arc<PathBuf>, Outcome)>,
    pub problems: Vec<Problem>,
    pub notes: Vec<Note>,
    /// By name what is served where a policy is broken and no revision of it was served before.
    pub fallbacks: BTreeMap<String, Arc<Revision>>,
    pub exceptions: Vec<Arc<Exception>>,
}

impl Harvest {
    pub(super) fn add(&mut self, file: &Arc<PathBuf>, outcome: Outcome) {
        self.outcomes.push((Arc::clone(file), outcome));
    }

    /// `policy` is the one that an error is about; `None`: the whole file.
    pub(super) fn add_built(&mut self, file: &Arc<PathBuf>, policy: Option<&str>, built: &BuildResult) {
        match (built, policy) {
            (Ok(built), _) => {
                for revision in &built.revisions {
                    self.add(&revision.source, Outcome::Served(Arc::clone(revision)));
                }
                for (subject, message) in &built.notes {
                    self.note(subject, message);
                }
            }
            (Err(error), Some(policy)) => {
                self.add(file, Outcome::Broken { policy: policy.to_owned(), error: Arc::clone(error) });
            }
            (Err(error), None) => self.add(file, Outcome::FileBroken { error: Arc::clone(error) }),
        }
    }

    pub(super) fn note(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.notes.push(Note { subject: subject.into(), message: message.into() });
    }

    /// Of two policies with one name the first by path is served; a broken one is served as it last was.
    pub(super) fn into_catalog(mut self, previous: &Catalog) -> Catalog {
        self.outcomes.sort_by(|(left, _), (right, _)| left.cmp(right));
        let mut served: BTreeMap<Arc<str>, Arc<Revision>> = BTreeMap::new();
        let mut problems = self.problems;
        let mut serve = |revision: &Arc<Revision>, problems: &mut Vec<Problem>| {
            let name = &revision.spec.name;
            match served.get(name) {
                Some(first) => problems.push(twice(first, revision)),
                None => drop(served.insert(Arc::clone(name), Arc::clone(revision))),
            }
        };
        for (file, outcome) in &self.outcomes {
            let (subject, error, last_good): (String, _, Vec<&Arc<Revision>>) = match outcome {
                Outcome::Served(revision) => {
                    serve(revision, &mut problems);
                    continue;
                }
                Outcome::Broken { policy, error } => {
                    let last_good = previous.find(policy).filter(|revision| revision.source == *file);
                    let last_good = last_good.or_else(|| self.fallbacks.get(policy));
                    (policy.clone(), error, last_good.into_iter().collect())
                }
                Outcome::FileBroken { error } => {
                    let last_good = previous.all().filter(|revision| revision.source == *file);
                    (shown_path(file), error, last_good.collect())
                }
            };
            if error.is_pending() {
                self.notes.push(Note { subject, message: error.to_string() });
            } else {
                problems.push(Problem {
                    subject,
                    message: error.to_string(),
                    serving_last_good: !last_good.is_empty(),
                    source: Some(Arc::clone(file)),
                    error: Some(Arc::clone(error)),
                });
            }
            for revision in last_good {
                serve(revision, &mut problems);
            }
        }
        leave_out_surplus(&mut served, &mut problems);
        let (controllers, revisions) = served.into_values().partition(|revision| revision.spec.reconciles);
        let exceptions = Arc::new(Exceptions::of_folder(self.exceptions));
        Catalog { revisions, controllers, generation: previous.generation + 1, problems, notes: self.notes, exceptions }
    }
}

/// A tenant's policies are counted: whoever may make them must not be able to take the memory of all.
fn leave_out_surplus(served: &mut BTreeMap<Arc<str>, Arc<Revision>>, problems: &mut Vec<Problem>) {
    let mut counts = BTreeMap::<Arc<str>, usize>::new();
    served.retain(|name, revision| {
        let Some(tenant) = &revision.spec.tenant else { return true };
        let count = counts.entry(Arc::clone(tenant)).or_default();
        *count += 1;
        if *count > confined::MOST {
            let message = format!(
                "is not in force: the namespace {tenant} has more than {} policies of its own; delete some",
                confined::MOST
            );
            let source = Some(Arc::clone(&revision.source));
            problems.push(Problem {
                subject: name.to_string(),
                message,
                serving_last_good: false,
                source,
                error: None,
            });
        }
        *count <= confined::MOST
    });
}

fn twice(first: &Revision, second: &Revision) -> Problem {
    let (kept, left) = (shown_path(&first.source), shown_path(&second.source));
    let message = if kept == left {
        format!("is declared twice in {kept}; the first is served. Rename one of them")
    } else {
        format!("is declared by {kept} and by {left}; the one of {kept} is served. Rename one of them")
    };
    let source = Some(Arc::clone(&second.source));
    Problem { subject: first.spec.name.to_string(), message, serving_last_good: false, source, error: None }
}
