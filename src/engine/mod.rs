//! One review from question to answer: which policies match, what they say, what it comes to.
//!
//! The order is fixed. Mutating policies run by `priority`, then by name, each on what the last one left; validating
//! policies all see the same object, and their verdicts are merged by name.

mod asked;
mod chain;
mod log;
mod namespaces;
mod setting;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;

use crate::decision::{Decision, Document, Judged, Style, Verdict, merge, undecided};
use crate::http::{Admit, Answer, Answering, Endpoint, StatusCode};
use crate::isolate::{Evaluated, Input, Vantage, no_tenant, now_millis};
use crate::matching::{Explanation, Index, MatchError, Matches, NamespaceLabels, Phase};
use crate::policy::{Catalog, OnError, Revision, webhooks};
use crate::pool::Pool;
use crate::review::{self, Review};
use crate::telemetry::{Metrics, Outcome, PolicyKind, PolicyMetrics, ReviewOutcome};
use asked::{failed, keep_webhook, named, position};
use chain::{Chain, ends_request};
use namespaces::NamespaceTexts;
pub use setting::Setting;

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

/// Which policies are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every validating policy that matches.
    Validate,
    /// Every mutating policy that matches.
    Mutate,
    /// Those of one webhook, as `bylaw webhook` registers it. A name that no policy in force has stands for all that match:
    /// an outdated registration must not take enforcement away.
    Webhook { name: String, phase: Phase },
    /// First all that mutate, then all that validate what came of it: what the API server does with both webhooks.
    Both,
    /// One policy, whatever it matches: who calls it by name has matched already (jsPolicy's semantics).
    Only(String),
}

/// The decision and how it came about.
#[derive(Debug)]
pub struct Judgement {
    pub decision: Decision,
    pub evaluated: Vec<Evaluated>,
    /// Policies of which it could not be decided whether they match. The decision has them in it.
    pub unasked: Vec<Verdict>,
}

/// By policy the webhook that the API server is known to call for it.
pub type Registered = HashMap<Arc<str>, String>;

/// The policies in force, with what each request needs of them resolved.
struct Serving {
    index: Index,
    entries: Vec<Entry>,
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
        let serving = ArcSwap::from_pointee(Serving { index: Index::default(), entries: Vec::new() });
        let texts = NamespaceTexts::default();
        let (registered, limits) = (ArcSwapOption::empty(), review::Limits::default());
        let engine = Self { pool, catalog, serving, registered, namespaces, texts, metrics, limits, echo };
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
        self.metrics.retain_policies(|name| entries.iter().any(|entry| &*entry.revision.spec.name == name));
        self.serving.store(Arc::new(Serving { index, entries }));
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
        let input = self.input(review, deadline, measure);
        let (phase, webhook) = match scope {
            Scope::Validate => (Phase::Validate, None),
            Scope::Mutate => (Phase::Mutate, None),
            Scope::Webhook { name, phase } => (*phase, Some(name)),
            Scope::Both => return self.both(&serving, review, input, Style::Merged, None).await,
            Scope::Only(name) if position(&serving, name).is_none() => {
                let decision = undecided(OnError::Deny, &format!("there is no policy {name}"));
                return Judgement { decision, evaluated: Vec::new(), unasked: Vec::new() };
            }
            Scope::Only(name) => return self.both(&serving, review, input, Style::JsPolicy, Some(name)).await,
        };
        let mut asked = self.matching(&serving, review, phase, deadline).await;
        if let Some(name) = webhook {
            keep_webhook(&serving, self.registered.load().as_deref(), name, &mut asked);
        }
        match phase {
            Phase::Validate => {
                let Asked { judged, evaluated, unasked } = self.ask(&serving, &input, asked).await;
                Judgement { decision: merge(judged, Style::Merged, Vec::new()), evaluated, unasked }
            }
            Phase::Mutate => self.mutate(&serving, review, &input, asked, Style::Merged).await.finish(Style::Merged),
        }
    }

    async fn both(
        &self,
        serving: &Serving,
        review: &Review,
        mut input: Input,
        style: Style,
        only: Option<&str>,
    ) -> Judgement {
        let asked = match only {
            Some(name) => named(serving, name, Phase::Mutate),
            None => self.matching(serving, review, Phase::Mutate, input.deadline).await,
        };
        let mutated = self.mutate(serving, review, &input, asked, style).await;
        if mutated.lost {
            return mutated.finish(style);
        }
        let changed = match &mutated.document {
            Some(document) => match review.with_object(&document.text()) {
                Ok(changed) => changed,
                Err(error) => {
                    tracing::error!(%error, "a mutated object does not fit its review");
                    return mutated.finish(style);
                }
            },
            None => review.clone(),
        };
        input.request = changed.text.clone();
        let asked = match only {
            Some(name) => named(serving, name, Phase::Validate),
            None => self.matching(serving, &changed, Phase::Validate, input.deadline).await,
        };
        let validated = self.ask(serving, &input, asked).await;
        Chain {
            judged: mutated.judged.into_iter().chain(validated.judged).collect(),
            evaluated: mutated.evaluated.into_iter().chain(validated.evaluated).collect(),
            unasked: mutated.unasked.into_iter().chain(validated.unasked).collect(),
            ..mutated
        }
        .finish(style)
    }

    /// Asks validating policies, and puts those whose matching failed where they belong by name.
    async fn ask(&self, serving: &Serving, input: &Input, asked: Matches) -> Asked {
        let entries: Vec<&Entry> = asked.matched.iter().filter_map(|at| serving.entries.get(*at as usize)).collect();
        let revisions: Vec<Arc<Revision>> = entries.iter().map(|entry| Arc::clone(&entry.revision)).collect();
        let evaluated = if revisions.is_empty() { Vec::new() } else { self.pool.validate(input, &revisions).await };
        let mut judged = Vec::with_capacity(evaluated.len() + asked.failed.len());
        for (entry, one) in entries.iter().zip(&evaluated) {
            record(entry, PolicyKind::Validating, one);
            judged.push(Judged::by(&entry.revision.spec, one.verdict.clone()));
        }
        let failed = failed(serving, asked.failed);
        let unasked = failed.iter().map(|one| one.verdict.clone()).collect();
        if !failed.is_empty() {
            judged.extend(failed);
            judged.sort_by(|a, b| a.verdict.policy.cmp(&b.verdict.policy));
        }
        Asked { judged, evaluated, unasked }
    }

    async fn mutate(&self, serving: &Serving, review: &Review, input: &Input, asked: Matches, style: Style) -> Chain {
        let failed = failed(serving, asked.failed);
        let unasked = failed.iter().map(|one| one.verdict.clone()).collect();
        let mut chain = Chain { judged: failed, unasked, ..Chain::default() };
        // A policy whose matching failed ends the request before anything runs, where it is one that must.
        chain.lost = style == Style::Merged && chain.judged.iter().any(ends_request);
        let entries: Vec<&Entry> = asked.matched.iter().filter_map(|at| serving.entries.get(*at as usize)).collect();
        let revisions: Vec<Arc<Revision>> = entries.iter().map(|entry| Arc::clone(&entry.revision)).collect();
        let mut input = input.clone();
        let mut next = 0;
        while let Some(rest) = revisions.get(next..).filter(|rest| !rest.is_empty() && !chain.lost) {
            let together = rest.get(..Pool::one_go(rest)).unwrap_or(rest);
            let evaluated = self.pool.mutate(&input, together).await;
            if evaluated.is_empty() {
                break;
            }
            for one in evaluated {
                let Some(entry) = entries.get(next) else { break };
                next += 1;
                record(entry, PolicyKind::Mutating, &one);
                let again = chain.take(review, &entry.revision.spec, one);
                if chain.lost || again {
                    break;
                }
            }
            let text = chain.document.as_ref().map(Document::text);
            match text.map(|text| review.with_object(&text)).transpose() {
                Ok(Some(changed)) => input.request = changed.text,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "a mutated object does not fit its review");
                    break;
                }
            }
        }
        chain
    }

    async fn matching(&self, serving: &Serving, review: &Review, phase: Phase, deadline: Instant) -> Matches {
        if self.echo {
            return Matches::default();
        }
        let matches = serving.index.candidates(review, phase, &*self.namespaces);
        let unknown = |(_, error): &(u32, MatchError)| matches!(error, MatchError::UnknownNamespace { .. });
        if !matches.failed.iter().any(unknown) {
            return matches;
        }
        // A namespace made a moment ago may not have come down the watch yet.
        self.namespaces.learn(&review.request.namespace, deadline).await;
        serving.index.candidates(review, phase, &*self.namespaces)
    }

    /// For every policy whether it matches, or the first reason why not.
    #[must_use]
    pub fn explain(&self, review: &Review) -> Vec<Explanation> {
        self.serving.load().index.explain(review, &*self.namespaces)
    }

    fn input(&self, review: &Review, deadline: Instant, measure: bool) -> Input {
        Input {
            request: review.text.clone(),
            namespace: self.texts.of(&review.request.namespace, &*self.namespaces),
            tenant: no_tenant(),
            vantage: Vantage::Host,
            dry_run: review.request.dry_run,
            now: now_millis(),
            measure,
            deadline,
        }
    }

    async fn answer(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answer {
        let received = Instant::now();
        let route = endpoint.route();
        let scope = match endpoint {
            Endpoint::Validate => Scope::Validate,
            Endpoint::Mutate => Scope::Mutate,
            Endpoint::Webhook { name, mutate } => {
                Scope::Webhook { name, phase: if mutate { Phase::Mutate } else { Phase::Validate } }
            }
            Endpoint::Policy(name) => Scope::Only(name),
            Endpoint::Crds | Endpoint::VirtualCluster { .. } => {
                return Answer::error(StatusCode::NOT_FOUND, "this endpoint is not served here");
            }
        };
        let review = match review::parse(body, &self.limits) {
            Ok(review) => review,
            Err(error) => {
                self.metrics.review(route, ReviewOutcome::Malformed, received.elapsed());
                tracing::debug!(%error, "a body that is no AdmissionReview");
                let status = if error.is_too_large() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
                return Answer::error(status, &error.to_string());
            }
        };
        let judgement = self.judge(&review, &scope, deadline(received, timeout), false).await;
        let reply = review::reply(&review, &judgement.decision);
        log::decided(&review, &judgement);
        self.metrics.review(route, log::outcome(&judgement), received.elapsed());
        Answer { status: StatusCode::OK, body: reply.into_bytes() }
    }
}

impl Admit for Engine {
    fn admit(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answering<'_> {
        Box::pin(self.answer(endpoint, body, timeout))
    }

    fn knows_policy(&self, name: &str) -> bool {
        position(&self.serving.load(), name).is_some()
    }
}

fn record(entry: &Entry, kind: PolicyKind, one: &Evaluated) {
    entry.metrics.record(kind, Outcome::from(&one.verdict), one.time);
}
