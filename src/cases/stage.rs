//! Where cases are played: the engine that serves, on a thread and in a world of its own.

#[path = "twice.rs"]
mod twice;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Handle;

use super::case::Case;
use super::check::{Answer, Miss, check};
use super::error::{CaseError, Fault};
use super::request::{Made, made};
use super::suite::Test;
use crate::cluster::Inventory;
use crate::engine::{Engine, Judgement, Setting, deadline};
use crate::host::{Host, HostLimits, Objects, Recorded, Rehearsal};
use crate::isolate::{Limits, Tools};
use crate::ledger::Ledger;
use crate::matching::NamespaceLabels;
use crate::policy::{Catalog, PolicySpec, Revision};
use crate::pool::Pool;
use crate::telemetry::Metrics;
use crate::tenancy::registry_of;

pub use twice::Twice;

/// Sets of parameters whose policies stay loaded: each is a copy of the module in one heap.
const PARAMETER_SETS: usize = 16;

/// What a run may take while a debugger looks at it.
const UNHURRIED: Duration = Duration::from_hours(24);

/// What became of the request of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Came {
    Allowed,
    Warned,
    Changed,
    Denied,
    /// A policy ended with an error.
    Failed,
}

/// How a case went.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub came: Came,
    /// None where it holds.
    pub misses: Vec<Miss>,
    /// What its policies printed.
    pub lines: Vec<String>,
    pub time: Duration,
    /// The object as it came out, where the case is about that.
    pub patched: Option<Value>,
}

impl Outcome {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.misses.is_empty()
    }
}

/// Plays cases one after another.
pub struct Stage {
    engine: Engine,
    rehearsal: Arc<Rehearsal>,
    namespaces: Arc<Namespaces>,
    generation: u64,
    in_force: Vec<Arc<Revision>>,
    variants: HashMap<(usize, String), Variant>,
    is_debugged: bool,
}

/// What came of asking.
struct Asked {
    judgement: Judgement,
    made: Made,
    recorded: Recorded,
    time: Duration,
}

/// A policy with the parameters of a case. The policy itself is kept so that no other gets its address.
struct Variant {
    _of: Arc<Revision>,
    revision: Arc<Revision>,
}

impl Stage {
    /// # Errors
    /// Where the system gives no thread.
    pub fn new(runtime: Handle, limits: &Limits, tools: Tools) -> Result<Self, CaseError> {
        let is_debugged = matches!(tools, Tools::Debugger(_));
        let limits =
            if is_debugged { Limits { cpu: UNHURRIED, startup: UNHURRIED, ..limits.clone() } } else { limits.clone() };
        let rehearsal = Arc::new(Rehearsal::default());
        let host = Host::new(runtime, Objects::Rehearsal(Arc::clone(&rehearsal)), HostLimits::default());
        let pool = Pool::alone(host, Arc::new(limits), tools)?;
        let namespaces = Arc::new(Namespaces::default());
        let known: Arc<dyn NamespaceLabels> = Arc::clone(&namespaces) as Arc<dyn NamespaceLabels>;
        let catalog = Arc::new(ArcSwap::from_pointee(Catalog::default()));
        let engine = Engine::new(pool, catalog, known, Arc::new(Metrics::default()), false);
        Ok(Self {
            engine,
            rehearsal,
            namespaces,
            generation: 0,
            in_force: Vec::new(),
            variants: HashMap::new(),
            is_debugged,
        })
    }

    /// Plays one case.
    ///
    /// # Errors
    /// Where the case cannot be asked as it is written.
    pub async fn play(&mut self, test: &Test) -> Result<Outcome, Fault> {
        let case = &*test.case;
        let Asked { judgement, made, recorded, time } = self.ask(test, case).await?;
        let answer = Answer::of(&judgement, &made, recorded.writes);
        let misses = check(case, &answer);
        let patched = case.expect.patched.as_ref().and_then(|_| answer.patched.clone());
        Ok(Outcome { came: answer.came(), misses, lines: recorded.lines, time, patched })
    }

    /// Asks the policies of a test about a case, which may be another than the test's own.
    async fn ask(&mut self, test: &Test, case: &Case) -> Result<Asked, Fault> {
        let fault = |message: String| Fault { place: case.place.clone(), message };
        let made = made(case).map_err(fault)?;
        let policies = self.policies(test)?;
        self.put_in_force(policies);
        let inventory = Inventory::from_objects(case.inventory.clone()).map_err(|error| fault(error.to_string()))?;
        let inventory = Arc::new(inventory);
        self.namespaces.set(case, &made.review.request.namespace, &inventory);
        self.rehearsal.set(Arc::clone(&inventory), Ledger::holding(&case.ledger));
        let setting =
            Setting { now: case.now, vantage: case.vantage, tenant: case.tenant.clone(), ..Setting::default() };
        match registry_of(&inventory, None) {
            Some(registry) => self.engine.tenancy().publish(registry),
            None => self.engine.tenancy().forget(),
        }
        let begun = Instant::now();
        let until = if self.is_debugged { begun + UNHURRIED } else { deadline(begun, None) };
        let judgement = self.engine.judge_in(&setting, &made.review, until).await;
        Ok(Asked { judgement, made, time: begun.elapsed(), recorded: self.rehearsal.take() })
    }

    /// Loads policies without running them, so that a debugger knows their sources.
    pub async fn load(&mut self, tests: &[Test]) {
        let mut policies: Vec<Arc<Revision>> = Vec::new();
        for test in tests {
            // What is wrong with its parameters is told when it is played.
            for revision in self.policies(test).unwrap_or_default() {
                if !policies.iter().any(|known| Arc::ptr_eq(known, &revision)) {
                    policies.push(revision);
                }
            }
        }
        self.engine.pool().load(&policies, Instant::now() + UNHURRIED).await;
    }

    /// What V8 counted since the stage was made: one JSON text a heap.
    pub async fn coverage(&self) -> Vec<String> {
        self.engine.pool().coverage(Instant::now() + Duration::from_secs(30)).await
    }

    /// The policies of a test, with its parameters.
    fn policies(&mut self, test: &Test) -> Result<Vec<Arc<Revision>>, Fault> {
        if self.variants.len() > PARAMETER_SETS {
            self.variants.clear();
        }
        let is_only = test.policies.len() == 1;
        let mut policies = Vec::with_capacity(test.policies.len());
        for revision in test.policies.iter() {
            let given = test.case.parameters.as_ref().filter(|_| is_only || revision.schema.is_some());
            if given.is_none() && !self.is_debugged {
                policies.push(Arc::clone(revision));
                continue;
            }
            let parameters = given.map(|(value, _)| value.to_string()).unwrap_or_default();
            let key = (Arc::as_ptr(revision).addr(), parameters);
            if let Some(known) = self.variants.get(&key) {
                policies.push(Arc::clone(&known.revision));
                continue;
            }
            let mut variant = match given {
                None => (**revision).clone(),
                Some((value, place)) => revision.with_parameters(value).map_err(|error| {
                    let message = error.to_string();
                    Fault { place: place.clone(), message }
                })?,
            };
            if self.is_debugged {
                variant.spec = Arc::new(PolicySpec { timeout: UNHURRIED, ..(*variant.spec).clone() });
            }
            let variant = Arc::new(variant);
            let kept = Variant { _of: Arc::clone(revision), revision: Arc::clone(&variant) };
            self.variants.insert(key, kept);
            policies.push(variant);
        }
        Ok(policies)
    }

    fn put_in_force(&mut self, revisions: Vec<Arc<Revision>>) {
        let is_same = revisions.len() == self.in_force.len()
            && revisions.iter().zip(&self.in_force).all(|(one, other)| Arc::ptr_eq(one, other));
        if !is_same {
            self.in_force.clone_from(&revisions);
            self.generation += 1;
            self.engine.publish(Arc::new(Catalog { revisions, generation: self.generation, ..Catalog::default() }));
        }
    }
}

/// The namespaces of the case that is played: all of them are there, those that nobody tells of without labels.
#[derive(Default)]
struct Namespaces(Mutex<World>);

#[derive(Default)]
struct World {
    name: String,
    labels: Arc<BTreeMap<String, String>>,
    inventory: Arc<Inventory>,
}

impl Namespaces {
    fn set(&self, case: &Case, name: &str, inventory: &Arc<Inventory>) {
        let listed = inventory.namespace_labels(name).map(|labels| (*labels).clone()).unwrap_or_default();
        let labels = named(name, listed.into_iter().chain(case.namespace.labels.clone()).collect());
        let world = World { name: name.to_owned(), labels: Arc::new(labels), inventory: Arc::clone(inventory) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = world;
    }
}

impl NamespaceLabels for Namespaces {
    fn labels(&self, namespace: &str) -> Option<Arc<BTreeMap<String, String>>> {
        let world = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if namespace == world.name {
            return Some(Arc::clone(&world.labels));
        }
        let listed = world.inventory.namespace_labels(namespace);
        listed.or_else(|| Some(Arc::new(named(namespace, BTreeMap::new()))))
    }
}

/// The API server labels every namespace with its name.
fn named(name: &str, mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.to_owned());
    labels
}
