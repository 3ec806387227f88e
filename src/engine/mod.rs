//! One review from question to answer: which policies match, what they say, what it comes to.
//!
//! The order is fixed. Mutating policies run by `priority`, then by name, each on what the last one left; validating
//! policies all see the same object, and their verdicts are merged by name.

mod answer;
mod ask;
mod asked;
mod chain;
mod inside;
mod log;
mod namespaces;
mod reconcile;
mod scope;
mod sets;
mod setting;
mod stance;
mod whose;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::decision::{Decision, Judged, Style, Verdict, undecided};
use crate::isolate::{Evaluated, Input, Vantage, now_millis};
use crate::matching::{Index, Matches, NamespaceLabels, Phase};
use crate::policy::{Catalog, Exceptions, OnError, Revision, webhooks};
use crate::pool::Pool;
use crate::reports::Recorder;
use crate::review::{self, Review};
use crate::telemetry::{Metrics, PolicyMetrics};
use crate::tenancy::Tenancy;
use asked::{keep_webhook, position};
pub use inside::{PROBE, PROBED};
use namespaces::NamespaceTexts;
pub use reconcile::Told;
pub use scope::Scope;
use sets::Sets;
pub use setting::Setting;
use stance::{Stance, conclude};
use whose::Whose;

/// What the API server gives a webhook that says nothing of time.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Part of the timeout kept for the way back: a tenth, within these bounds.
const RESERVE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// When the verdicts must be in so that the answer arrives in time.
#[must_use]
pub fn deadline(received: Instant, timeout: Option<Duration>) -> Instant {
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    let reserve = (timeout / 10).clamp(RESERVE.0, RESERVE.1);
    received + timeout.saturating_sub(reserve)
}

/// The decision and how it came about.
#[derive(Debug)]
pub struct Judgement {
    pub decision: Decision,
    pub evaluated: Vec<Evaluated>,
    /// Policies of which it could not be decided whether they match. The decision has them in it.
    pub unasked: Vec<Verdict>,
    /// What stands against the object, and how it was taken: denials and failures, in the order of the decision.
    pub objections: Vec<Judged>,
}

/// A decision that no policy had a part in.
impl From<Decision> for Judgement {
    fn from(decision: Decision) -> Self {
        Self { decision, evaluated: Vec::new(), unasked: Vec::new(), objections: Vec::new() }
    }
}

/// By policy the webhook that the API server is known to call for it.
pub type Registered = HashMap<Arc<str>, String>;

/// The policies in force, with what each request needs of them resolved.
#[derive(Default)]
struct Serving {
    index: Index,
    entries: Vec<Entry>,
    /// Of this catalog, for its places.
    sets: Sets,
    /// Any of them is enforced otherwise in some namespaces.
    has_overrides: bool,
    /// Those beside the policies.
    exceptions: Arc<Exceptions>,
}

struct Entry {
    revision: Arc<Revision>,
    metrics: Arc<PolicyMetrics>,
    webhook: String,
}

/// What validating policies said.
struct Asked {
    judged: Vec<Judged>,
    evaluated: Vec<Evaluated>,
    unasked: Vec<Verdict>,
}

/// Judges reviews by the catalog in force.
pub struct Engine {
    pool: Pool,
    catalog: Arc<ArcSwap<Catalog>>,
    serving: ArcSwap<Serving>,
    registered: ArcSwapOption<Registered>,
    namespaces: Arc<dyn NamespaceLabels>,
    texts: NamespaceTexts,
    metrics: Arc<Metrics>,
    limits: review::Limits,
    /// Those of the cluster.
    exceptions: ArcSwap<Exceptions>,
    recorder: OnceLock<Recorder>,
    tenancy: Arc<Tenancy>,
    /// Match nothing, run nothing (`serve --echo`).
    echo: bool,
}

impl Engine {
    #[must_use]
    pub fn new(
        pool: Pool,
        catalog: Arc<ArcSwap<Catalog>>,
        namespaces: Arc<dyn NamespaceLabels>,
        metrics: Arc<Metrics>,
        echo: bool,
    ) -> Self {
        let serving = ArcSwap::from_pointee(Serving::default());
        let (texts, limits) = (NamespaceTexts::default(), review::Limits::default());
        let (registered, exceptions, recorder) = (ArcSwapOption::empty(), ArcSwap::default(), OnceLock::new());
        let tenancy = Arc::default();
        let engine = Self {
            pool,
            catalog,
            serving,
            registered,
            namespaces,
            texts,
            metrics,
            limits,
            exceptions,
            recorder,
            tenancy,
            echo,
        };
        engine.refresh();
        engine
    }

    /// Puts a new catalog in force. Reviews under way finish with the one they began with.
    pub fn publish(&self, catalog: Arc<Catalog>) {
        self.catalog.store(catalog);
        self.pool.refresh();
        self.refresh();
    }

    /// From now on only these policies are known to have their webhook in the cluster: any other is asked by whatever
    /// webhook is called. So no change of a policy's webhook leaves a moment in which nobody asks for it.
    pub fn register(&self, registered: Arc<Registered>) {
        self.registered.store(Some(registered));
    }

    fn refresh(&self) {
        let catalog = self.catalog.load();
        let entries: Vec<Entry> = catalog
            .revisions
            .iter()
            .zip(webhooks(&catalog.revisions).names)
            .map(|(revision, webhook)| Entry {
                revision: Arc::clone(revision),
                metrics: self.metrics.policy(&revision.spec.name, &revision.code.hash),
                webhook,
            })
            .collect();
        let rules = entries.iter().map(|entry| (Arc::clone(&entry.revision.spec), Arc::clone(&entry.revision.matcher)));
        let index = Index::build(rules.collect());
        self.metrics.retain_policies(|name| catalog.find(name).is_some());
        let has_overrides = entries.iter().any(|entry| !entry.revision.oversight.overrides.is_empty());
        let exceptions = Arc::clone(&catalog.exceptions);
        self.serving.store(Arc::new(Serving { index, entries, sets: Sets::default(), has_overrides, exceptions }));
    }

    /// The exceptions of the cluster from now on.
    pub fn set_exceptions(&self, exceptions: Exceptions) {
        self.exceptions.store(Arc::new(exceptions));
    }

    /// What requests are denied for is told here from now on; only the first call counts.
    pub fn report_to(&self, recorder: Recorder) {
        drop(self.recorder.set(recorder));
    }

    fn stance<'a>(&'a self, serving: &'a Serving, review: &'a Review, whose: &'a Whose<'_>, now: f64) -> Stance<'a> {
        let (of_folder, of_cluster) = (&*serving.exceptions, &self.exceptions);
        Stance { review, around: whose.around(), of_folder, of_cluster, now }
    }

    /// The policies in force.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Who runs them.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Judges one review. `measure` also counts what each policy allocates.
    pub async fn judge(&self, review: &Review, scope: &Scope, deadline: Instant, measure: bool) -> Judgement {
        let serving = self.serving.load_full();
        let whose = self.whose(review, deadline).await;
        if let Some(refused) = self.refused(review, &whose) {
            return refused;
        }
        let input = Self::input(review, &whose, deadline, measure);
        self.judged(&serving, review, scope, whose, input).await
    }

    /// The same where it is known whose it is.
    async fn judged(
        &self,
        serving: &Serving,
        review: &Review,
        scope: &Scope,
        mut whose: Whose<'_>,
        mut input: Input,
    ) -> Judgement {
        let (phase, webhook) = match scope {
            Scope::Validate => (Phase::Validate, None),
            Scope::Mutate => (Phase::Mutate, None),
            Scope::Webhook { name, phase } => (*phase, Some(name)),
            Scope::Both => return self.both(serving, review, whose, input, Style::Merged, None).await,
            Scope::Only(name) if position(serving, name).is_none() => {
                return undecided(OnError::Deny, &format!("there is no policy {name}")).into();
            }
            Scope::Only(name) => return self.both(serving, review, whose, input, Style::JsPolicy, Some(name)).await,
        };
        let mut asked = self.matching(serving, review, &mut whose, phase, &mut input).await;
        if let Some(name) = webhook {
            // What the host's configurations are known to ask says nothing of those in virtual clusters.
            let registered = self.registered.load().clone().filter(|_| whose.vantage == Vantage::Host);
            keep_webhook(serving, registered.as_deref(), name, &mut asked);
        }
        if !asked.matched.is_empty() {
            whose.show(review, &mut input);
        }
        match phase {
            Phase::Validate => {
                let Asked { judged, evaluated, unasked } = self.ask(serving, review, &whose, &input, asked).await;
                let (decision, objections) = conclude(judged, Style::Merged, Vec::new());
                Judgement { decision, evaluated, unasked, objections }
            }
            Phase::Mutate => {
                self.mutate(serving, review, &whose, &input, asked, Style::Merged).await.finish(Style::Merged)
            }
        }
    }

    /// The policies that match, each to be told of the namespace that it was matched by.
    async fn matching(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &mut Whose<'_>,
        phase: Phase,
        input: &mut Input,
    ) -> Matches {
        if self.echo {
            return Matches::default();
        }
        let mut matches = serving.index.candidates(review, phase, whose.around());
        let is_asked_for = serving.has_overrides || !matches.matched.is_empty() || !matches.failed.is_empty();
        if is_asked_for && whose.here.is_unknown() {
            whose.here.look_up(input.deadline).await;
            matches = serving.index.candidates(review, phase, whose.around());
        }
        input.namespace = self.texts.of(&whose.here);
        matches
    }

    /// What policies are to know, but for the namespace: that is told when it is known who matches.
    fn input(review: &Review, whose: &Whose<'_>, deadline: Instant, measure: bool) -> Input {
        Input {
            request: review.text.clone(),
            namespace: None,
            tenant: Arc::clone(&whose.resolved.tenant.text),
            vantage: whose.vantage,
            view: None,
            dry_run: review.request.dry_run,
            now: now_millis(),
            measure,
            deadline,
        }
    }
}

#[cfg(test)]
mod tests;
