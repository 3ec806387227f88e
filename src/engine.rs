//! One review from question to answer: which policies match, what they say, what it comes to.
//!
//! The order is fixed. Mutating policies run by `priority`, then by name, each on what the last one left; validating
//! policies all see the same object, and their verdicts are merged by name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::decision::{
    Cause, Decision, Document, Effect, Judged, PatchOp, Style, Verdict, merge, undecided,
};
use crate::http::{Admit, Answer, Answering, Endpoint, StatusCode};
use crate::isolate::{Evaluated, Input, Vantage, no_tenant, now_millis};
use crate::matching::{Explanation, Index, MatchError, Matches, NamespaceLabels, Phase};
use crate::policy::{Catalog, Enforcement, OnError, Revision};
use crate::pool::Pool;
use crate::review::{self, JsonText, Review};
use crate::telemetry::{Metrics, Outcome, PolicyKind, PolicyMetrics, ReviewOutcome};

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
}

/// The policies in force, with what each request needs of them resolved.
struct Serving {
    index: Index,
    entries: Vec<Entry>,
}

struct Entry {
    revision: Arc<Revision>,
    metrics: Arc<PolicyMetrics>,
}

/// Judges reviews by the catalog in force.
pub struct Engine {
    pool: Pool,
    catalog: Arc<ArcSwap<Catalog>>,
    serving: ArcSwap<Serving>,
    namespaces: Arc<dyn NamespaceLabels>,
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
        let engine = Self { pool, catalog, serving, namespaces, metrics, limits: review::Limits::default(), echo };
        engine.refresh();
        engine
    }

    /// Puts a new catalog in force. Reviews under way finish with the one they began with.
    pub fn publish(&self, catalog: Arc<Catalog>) {
        self.catalog.store(catalog);
        self.refresh();
    }

    fn refresh(&self) {
        let catalog = self.catalog.load();
        let entries: Vec<Entry> = catalog
            .revisions
            .iter()
            .map(|revision| Entry {
                revision: Arc::clone(revision),
                metrics: self.metrics.policy(&revision.spec.name, &revision.code.hash),
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
        match scope {
            Scope::Validate => {
                let asked = self.matching(&serving, review, Phase::Validate, deadline).await;
                let (judged, evaluated) = self.ask(&serving, &input, asked).await;
                Judgement { decision: merge(judged, Style::Merged, Vec::new()), evaluated }
            }
            Scope::Mutate => {
                let asked = self.matching(&serving, review, Phase::Mutate, deadline).await;
                self.mutate(&serving, review, &input, asked, Style::Merged).await.finish(Style::Merged)
            }
            Scope::Both => self.both(&serving, review, input, Style::Merged, None).await,
            Scope::Only(name) => {
                if position(&serving, name).is_none() {
                    let decision = undecided(OnError::Deny, &format!("there is no policy {name}"));
                    return Judgement { decision, evaluated: Vec::new() };
                }
                self.both(&serving, review, input, Style::JsPolicy, Some(name)).await
            }
        }
    }

    async fn both(&self, serving: &Serving, review: &Review, mut input: Input, style: Style, only: Option<&str>) -> Judgement {
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
        Mutated {
            judged: mutated.judged.into_iter().chain(validated.0).collect(),
            evaluated: mutated.evaluated.into_iter().chain(validated.1).collect(),
            ..mutated
        }
        .finish(style)
    }

    /// Asks validating policies, and puts those whose matching failed where they belong by name.
    async fn ask(&self, serving: &Serving, input: &Input, asked: Matches) -> (Vec<Judged>, Vec<Evaluated>) {
        let entries: Vec<&Entry> = asked.matched.iter().filter_map(|at| serving.entries.get(*at as usize)).collect();
        let revisions: Vec<Arc<Revision>> = entries.iter().map(|entry| Arc::clone(&entry.revision)).collect();
        let evaluated = if revisions.is_empty() { Vec::new() } else { self.pool.validate(input, &revisions).await };
        let mut judged = Vec::with_capacity(evaluated.len() + asked.failed.len());
        for (entry, one) in entries.iter().zip(&evaluated) {
            record(entry, PolicyKind::Validating, one);
            judged.push(Judged::by(&entry.revision.spec, one.verdict.clone()));
        }
        judged.extend(failed(serving, asked.failed));
        judged.sort_by(|a, b| a.verdict.policy.cmp(&b.verdict.policy));
        (judged, evaluated)
    }

    async fn mutate(&self, serving: &Serving, review: &Review, input: &Input, asked: Matches, style: Style) -> Mutated {
        let mut chain = Mutated { judged: failed(serving, asked.failed), ..Mutated::default() };
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
                let again = chain.take(review, entry, one);
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
            namespace: self.namespace(review),
            tenant: no_tenant(),
            vantage: Vantage::Host,
            dry_run: review.request.dry_run,
            now: now_millis(),
            measure,
            deadline,
        }
    }

    /// `{"name": …, "labels": …}`: labels are left out where nothing tells them.
    fn namespace(&self, review: &Review) -> Option<Arc<str>> {
        let name = review.request.namespace.as_str();
        if name.is_empty() {
            return None;
        }
        let known = match self.namespaces.labels(name) {
            Some(labels) => serde_json::json!({ "name": name, "labels": &*labels }),
            None => serde_json::json!({ "name": name }),
        };
        Some(Arc::from(known.to_string()))
    }

    async fn answer(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answer {
        let received = Instant::now();
        let route = endpoint.route();
        let scope = match endpoint {
            Endpoint::Validate => Scope::Validate,
            Endpoint::Mutate => Scope::Mutate,
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
                return Answer::error(StatusCode::BAD_REQUEST, &error.to_string());
            }
        };
        let judgement = self.judge(&review, &scope, deadline(received, timeout), false).await;
        let reply = review::reply(&review, &judgement.decision);
        log(&review, &judgement);
        self.metrics.review(route, outcome(&judgement), received.elapsed());
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

/// How far a chain of mutations came.
#[derive(Default)]
struct Mutated {
    judged: Vec<Judged>,
    evaluated: Vec<Evaluated>,
    /// Absent while nobody has changed anything.
    document: Option<Document>,
    /// A verdict denied the request: nothing after it matters.
    lost: bool,
}

impl Mutated {
    /// Takes in one verdict. Whether the policies after it must run again, for they saw a change that is refused.
    fn take(&mut self, review: &Review, entry: &Entry, mut one: Evaluated) -> bool {
        let spec = &entry.revision.spec;
        let mut again = false;
        let change = one.verdict.mutation.as_ref().filter(|_| spec.enforcement != Enforcement::Dry && one.verdict.effect == Effect::Allow);
        if let Some(mutation) = change
            && let Err(why) = self.change(review, mutation)
        {
            one.verdict = Verdict::error(spec.name.clone(), Cause::BadResult, why);
            again = true;
        }
        let judged = Judged::by(spec, one.verdict.clone());
        self.lost |= ends_request(&judged);
        self.judged.push(judged);
        self.evaluated.push(one);
        again
    }

    fn change(&mut self, review: &Review, mutation: &crate::decision::Mutation) -> Result<(), String> {
        let mut document = match self.document.take() {
            Some(document) => document,
            None => {
                let object: &JsonText = review.request.object.as_ref().ok_or("there is no object to change")?;
                Document::parse(object).map_err(|error| error.to_string())?
            }
        };
        // A refused change leaves the document as it was.
        let result = document.apply(mutation).map_err(|error| error.to_string());
        self.document = Some(document);
        result
    }

    fn finish(self, style: Style) -> Judgement {
        let Self { mut judged, evaluated, document, lost } = self;
        let patch = match document.filter(|_| !lost).map(Document::patch_from_original).transpose() {
            Ok(patch) => patch.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "the patch of a chain of mutations is refused");
                let decision = undecided(OnError::Deny, &error.to_string());
                judged.clear();
                return Judgement { decision, evaluated };
            }
        };
        let patch: Vec<PatchOp> = patch;
        Judgement { decision: merge(judged, style, patch), evaluated }
    }
}

/// Whether this verdict alone denies the request.
fn ends_request(judged: &Judged) -> bool {
    judged.enforcement == Enforcement::Deny
        && match &judged.verdict.effect {
            Effect::Allow => false,
            Effect::Deny(_) => true,
            Effect::Error(_) => judged.on_error == OnError::Deny,
        }
}

fn failed(serving: &Serving, failed: Vec<(u32, MatchError)>) -> Vec<Judged> {
    let of = |at: u32| serving.entries.get(at as usize).map(|entry| &entry.revision.spec);
    let failed = failed.into_iter().filter_map(|(at, error)| Some((of(at)?, error)));
    failed.map(|(spec, error)| Judged::unasked(spec, Cause::Matching, error.to_string())).collect()
}

fn position(serving: &Serving, name: &str) -> Option<usize> {
    serving.entries.binary_search_by(|entry| (*entry.revision.spec.name).cmp(name)).ok()
}

/// The named policy alone, where it has a handler for this phase.
fn named(serving: &Serving, name: &str, phase: Phase) -> Matches {
    let found = position(serving, name).filter(|at| {
        serving.entries.get(*at).is_some_and(|entry| match phase {
            Phase::Validate => entry.revision.spec.validates,
            Phase::Mutate => entry.revision.spec.mutates,
        })
    });
    Matches { matched: found.and_then(|at| u32::try_from(at).ok()).into_iter().collect(), failed: Vec::new() }
}

fn record(entry: &Entry, kind: PolicyKind, one: &Evaluated) {
    entry.metrics.record(kind, Outcome::from(&one.verdict), one.time);
}

fn outcome(judgement: &Judgement) -> ReviewOutcome {
    if judgement.decision.allowed {
        return ReviewOutcome::Allow;
    }
    let denied = judgement.evaluated.iter().any(|one| matches!(one.verdict.effect, Effect::Deny(_)));
    if denied { ReviewOutcome::Deny } else { ReviewOutcome::Error }
}

/// One line a decision at debug, denials at info; names and reasons, never a body.
fn log(review: &Review, judgement: &Judgement) {
    let request = &review.request;
    let Judgement { decision, evaluated } = judgement;
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                uid = %request.uid,
                operation = request.operation.as_str(),
                kind = %request.kind.kind,
                namespace = %request.namespace,
                name = %request.name,
                user = %request.user.username,
                policies = evaluated.len(),
                status = decision.status.as_ref().map(|status| status.code),
                reason = decision.status.as_ref().map(|status| status.message.as_str()),
                $message
            )
        };
    }
    if decision.allowed {
        line!(debug, "allowed");
    } else {
        line!(info, "denied");
    }
}
