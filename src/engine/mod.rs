//! One review from question to answer: which policies match, what they say, what it comes to.
//!
//! The order is fixed. Mutating policies run by `priority`, then by name, each on what the last one left; validating
//! policies all see the same object, and their verdicts are merged by name.

mod answer;
mod ask;
mod asked;
mod chain;
mod guard;
mod inside;
mod log;
mod namespaces;
mod preflight;
mod reconcile;
mod retries;
mod scope;
mod sets;
mod setting;
mod stance;
mod whose;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::decision::{Decision, Judged, Style, Verdict, undecided};
use crate::isolate::{Evaluated, Input, Vantage, now_millis};
use crate::ledger::Reserving;
use crate::matching::{Index, Matches, NamespaceLabels, Phase};
use crate::policy::{Catalog, Exceptions, OnError, Revision, webhooks};
use crate::pool::Pool;
use crate::reports::Recorder;
use crate::review::{self, Review};
use crate::telemetry::{Metrics, PolicyMetrics};
use crate::tenancy::{Copies, Denials, Tenancy};
use asked::{keep_webhook, position};
use chain::Chain;
pub use inside::{PROBE, PROBED};
use namespaces::NamespaceTexts;
pub use reconcile::Told;
pub use scope::{Scope, TENANCY_WEBHOOK};
use sets::Sets;
pub use setting::Setting;
use stance::Stance;
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
    /// Any of them may reserve.
    reserves: bool,
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
    copies: Copies,
    denials: Denials,
    /// Which of all that was ever in force this is: policies, exceptions, webhooks.
    epoch: AtomicU64,
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
        let (copies, denials, epoch) = (Copies::default(), Denials::default(), AtomicU64::new(0));
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
            copies,
            denials,
            epoch,
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
        self.is_other_now();
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
        let reserves = entries.iter().any(|entry| !entry.revision.spec.permissions.quota.is_empty());
        let (exceptions, sets) = (Arc::clone(&catalog.exceptions), Sets::default());
        self.serving.store(Arc::new(Serving { index, entries, sets, has_overrides, reserves, exceptions }));
        self.is_other_now();
    }

    /// The exceptions of the cluster from now on.
    pub fn set_exceptions(&self, exceptions: Exceptions) {
        self.exceptions.store(Arc::new(exceptions));
        self.is_other_now();
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
        let input = Self::input(&serving, review, &whose, deadline, measure);
        self.weigh(&serving, review, scope, whose, input).await
    }

    /// The same where it is known whose it is: what was reserved meanwhile stays or goes with what comes of it.
    async fn weigh(
        &self,
        serving: &Serving,
        review: &Review,
        scope: &Scope,
        whose: Whose<'_>,
        input: Input,
    ) -> Judgement {
        let reserving = input.reserving.clone();
        let judgement = self.judge_by(serving, review, scope, whose, input).await;
        conclude_reserving(reserving, &judgement);
        judgement
    }

    /// What a syncer sends again may be known already.
    async fn judge_by(
        &self,
        serving: &Serving,
        review: &Review,
        scope: &Scope,
        whose: Whose<'_>,
        input: Input,
    ) -> Judgement {
        let Some(mut retry) = self.retry(review, scope, &whose) else {
            return self.judged(serving, review, scope, whose, input).await;
        };
        if let Some(known) = self.known_denial(review, &whose, &mut retry) {
            return known;
        }
        let told = whose.clone();
        let judgement = self.judged(serving, review, scope, whose, input).await;
        self.remember(serving, review, &told, retry, &judgement);
        judgement
    }

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
            Scope::Tenancy => return Decision::allow().into(),
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
                let chain = Chain { judged, evaluated, unasked, ..Chain::default() };
                let webhook = webhook.map(String::as_str);
                self.with_foresight(serving, review, &whose, &input, webhook, chain).await.finish(Style::Merged)
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
    fn input(serving: &Serving, review: &Review, whose: &Whose<'_>, deadline: Instant, measure: bool) -> Input {
        // What a virtual cluster's API server is told of itself is for its admins to say: nothing is taken from others by it.
        let is_advisory = whose.vantage == Vantage::Virtual;
        let reserving = serving.reserves.then(|| Reserving::of(&review.request.uid, is_advisory));
        Input {
            request: review.text.clone(),
            namespace: None,
            tenant: Arc::clone(&whose.resolved.tenant.text),
            vantage: whose.vantage,
            view: None,
            dry_run: review.request.dry_run,
            now: now_millis(),
            measure,
            reserving,
            deadline,
        }
    }
}

/// What was reserved for a request that is denied is for others.
fn conclude_reserving(reserving: Option<Arc<Reserving>>, judgement: &Judgement) {
    if let Some(reserving) = reserving {
        reserving.conclude(judgement.decision.allowed);
    }
}

#[cfg(test)]
mod tests;
