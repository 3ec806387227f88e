//! All policies that are served at one moment: immutable, replaced as a whole.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::matching::{MatchError, Matcher};

use super::about::About;
use super::code::Code;
use super::conduct::Conduct;
use super::draft::Complete;
use super::error::{FieldError, PolicyError};
use super::exceptions::Exceptions;
use super::oversight::Oversight;
use super::parameters;
use super::spec::{Dialect, Domain, Permissions, PolicySpec};

/// `failurePolicy`: what the API server does when it gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WebhookFailure {
    #[default]
    Fail,
    Ignore,
}

/// One policy with its code.
#[derive(Debug, Clone)]
pub struct Revision {
    pub spec: Arc<PolicySpec>,
    pub code: Arc<Code>,
    pub about: About,
    pub webhook_failure: WebhookFailure,
    /// Mutating policies are asked again when a later webhook changed the object.
    pub is_reinvoked: bool,
    /// How its verdicts are taken and kept.
    pub oversight: Arc<Oversight>,
    /// The match fields, compiled.
    pub matcher: Arc<Matcher>,
    /// The file that declares it.
    pub source: Arc<PathBuf>,
    /// JSON Schema of the parameters.
    pub schema: Option<Arc<Value>>,
    /// Whether a run may hold its thread for long: block on something outside of memory, or compute for seconds.
    pub may_wait: bool,
    /// Whose heap its code may live in.
    pub domain: Domain,
    /// How its runs went lately.
    pub conduct: Arc<Conduct>,
}

impl Revision {
    /// # Errors
    /// Where the match fields cannot be compiled: a condition that is no CEL, a label that cannot be.
    pub(super) fn new(complete: Complete, code: Arc<Code>, source: Arc<PathBuf>) -> Result<Self, PolicyError> {
        let Complete { spec, about, schema, webhook_failure, is_reinvoked, oversight } = complete;
        let refused = |error| {
            let wrong = match error {
                MatchError::Invalid { field, message } => FieldError { field, message },
                other => FieldError { field: "match".to_owned(), message: other.to_string() },
            };
            PolicyError::Invalid { subject: format!("policy {}", spec.name), errors: vec![wrong] }
        };
        let matcher = Arc::new(Matcher::compile(&spec.rules).map_err(refused)?);
        let oversight = Arc::new(oversight.compile().map_err(refused)?);
        let may_wait = spec.reconciles || may_wait(&spec.permissions, &code);
        let domain = spec.domain();
        let conduct = Arc::default();
        Ok(Self {
            spec: Arc::new(spec),
            code,
            about,
            webhook_failure,
            is_reinvoked,
            oversight,
            matcher,
            source,
            schema,
            may_wait,
            domain,
            conduct,
        })
    }

    /// The same policy with other parameters over its own.
    ///
    /// # Errors
    /// Where they do not satisfy the policy's schema.
    pub fn with_parameters(&self, given: &Value) -> Result<Self, PolicyError> {
        let own = &*self.spec.parameters;
        let parameters = parameters::complete(self.schema.as_deref(), Some(own), Some(given), "parameters")
            .map_err(|errors| PolicyError::Invalid { subject: format!("policy {}", self.spec.name), errors })?;
        let spec = PolicySpec { parameters: Arc::new(parameters), ..(*self.spec).clone() };
        Ok(Self { spec: Arc::new(spec), ..self.clone() })
    }
}

/// Reads without a store behind them are counted in. So are scripts: any of them may `sleep`, which needs no
/// permission, and may compute until its timeout, where a module policy has a limit of its own. One that was proved
/// closed does neither where it shares a realm.
fn may_wait(permissions: &Permissions, code: &Code) -> bool {
    if let Some(proof) = code.proof() {
        return proof.reads;
    }
    let Permissions { read, write, net, files, quota, env: _, codegen: _, service_account: _, within: _ } = permissions;
    code.dialect == Dialect::Script || [read, write, net, files, quota].into_iter().any(|grants| !grants.is_empty())
}

/// Something that is wrong and needs a mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The policy, or the file where no policy is known.
    pub subject: String,
    /// Several lines, with the place and the source.
    pub message: String,
    /// What was there before it broke is still enforced.
    pub serving_last_good: bool,
    /// The file that it is in, where it is in one.
    pub source: Option<Arc<PathBuf>>,
    /// What the message tells, where it tells of an error: `None` for two policies of one name.
    pub error: Option<Arc<PolicyError>>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages with a place begin with the file already.
        if self.message.starts_with(&self.subject) {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.subject, self.message)
        }
    }
}

/// Something worth knowing that is not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub subject: String,
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

/// What is served.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Those that requests are judged by. Sorted by name; no name is here twice, or among the controllers too.
    pub revisions: Vec<Arc<Revision>>,
    /// Those that reconcile, sorted likewise.
    pub controllers: Vec<Arc<Revision>>,
    /// Counts the catalogs of this process from 1; 0 is the empty one before the first load.
    pub generation: u64,
    pub problems: Vec<Problem>,
    pub notes: Vec<Note>,
    /// Those beside the policies.
    pub exceptions: Arc<Exceptions>,
}

impl Catalog {
    pub(super) fn add_note(&mut self, subject: &str, message: &str) {
        self.notes.push(Note { subject: subject.to_owned(), message: message.to_owned() });
    }

    /// The policy of that name, of those that requests are judged by.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Revision>> {
        named(&self.revisions, name)
    }

    /// The policy of that name, whatever it does.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Revision>> {
        self.get(name).or_else(|| named(&self.controllers, name))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Revision>> {
        self.revisions.iter().chain(&self.controllers)
    }
}

fn named<'r>(revisions: &'r [Arc<Revision>], name: &str) -> Option<&'r Arc<Revision>> {
    let found = revisions.binary_search_by(|revision| (*revision.spec.name).cmp(name)).ok()?;
    revisions.get(found)
}
