//! Asks the policies that matched: mutating ones in a chain, validating ones of what came of it.

use std::sync::Arc;

use super::asked::{failed, named};
use super::chain::Chain;
use super::guard::LazyGuard;
use super::preflight::Foreseen;
use super::whose::Whose;
use super::{Asked, Engine, Entry, Judgement, Serving};
use crate::decision::{Document, Judged, Style};
use crate::isolate::{Evaluated, Input};
use crate::matching::{Matches, Phase};
use crate::policy::{Enforcement, Revision};
use crate::pool::Pool;
use crate::review::Review;
use crate::telemetry::{Outcome, PolicyKind};

impl Engine {
    pub(super) async fn both(
        &self,
        serving: &Serving,
        review: &Review,
        mut whose: Whose<'_>,
        mut input: Input,
        style: Style,
        only: Option<&str>,
    ) -> Judgement {
        let asked = match only {
            Some(name) => {
                input.namespace = self.texts.found(&mut whose.here, input.deadline).await;
                named(serving, name, Phase::Mutate)
            }
            None => self.matching(serving, review, &mut whose, Phase::Mutate, &mut input).await,
        };
        whose.show(review, &mut input);
        let mutated = self.mutate(serving, review, &whose, &input, asked, style).await;
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
        if mutated.document.is_some() {
            whose.show(&changed, &mut input);
        }
        let asked = match only {
            Some(name) => named(serving, name, Phase::Validate),
            None => self.matching(serving, &changed, &mut whose, Phase::Validate, &mut input).await,
        };
        let validated = self.ask(serving, &changed, &whose, &input, asked).await;
        let chain = Chain {
            judged: mutated.judged.into_iter().chain(validated.judged).collect(),
            evaluated: mutated.evaluated.into_iter().chain(validated.evaluated).collect(),
            unasked: mutated.unasked.into_iter().chain(validated.unasked).collect(),
            ..mutated
        };
        // Whoever asks for one policy by its name asks for no other.
        if only.is_some() {
            return chain.finish(style);
        }
        self.with_foresight(serving, &changed, &whose, &input, None, chain).await.finish(style)
    }

    /// With what the host would say, where nothing stands against it here.
    pub(super) async fn with_foresight(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &Whose<'_>,
        input: &Input,
        webhook: Option<&str>,
        mut chain: Chain,
    ) -> Chain {
        if whose.resolved.within.is_some() && !chain.judged.iter().any(Judged::ends_request) {
            // Apart, so that no review of the host carries the room for it.
            let foreseen = Box::pin(self.foresee(serving, review, whose, input, webhook)).await;
            let Foreseen { judged, evaluated } = foreseen;
            chain.foreseen = judged;
            chain.evaluated.extend(evaluated);
        }
        chain
    }

    /// Asks validating policies, and puts those whose matching failed where they belong by name.
    pub(super) async fn ask(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &Whose<'_>,
        input: &Input,
        asked: Matches,
    ) -> Asked {
        let stance = self.stance(serving, review, whose, input.now);
        let entries = asked.matched.iter().filter_map(|at| serving.entries.get(*at as usize));
        let evaluated = if asked.matched.is_empty() {
            Vec::new()
        } else {
            self.pool.validate(input, &serving.sets.of(&asked.matched, &serving.entries)).await
        };
        let mut judged = Vec::new();
        for (entry, one) in entries.zip(&evaluated) {
            record(entry, PolicyKind::Validating, one);
            // Who has nothing to say adds nothing to the answer, unless its enforcement alone does.
            if !one.verdict.is_silent() || stance.enforcement(&entry.revision) == Enforcement::Dry {
                let taken = stance.judged(&entry.revision, one.verdict.clone());
                entry.metrics.excepted(taken.exception.is_some());
                judged.push(taken);
            }
        }
        let failed = failed(serving, &stance, asked.failed);
        let unasked = failed.iter().map(|one| one.verdict.clone()).collect();
        if !failed.is_empty() {
            judged.extend(failed);
            judged.sort_by(|a, b| a.verdict.policy.cmp(&b.verdict.policy));
        }
        Asked { judged, evaluated, unasked }
    }

    pub(super) async fn mutate(
        &self,
        serving: &Serving,
        review: &Review,
        whose: &Whose<'_>,
        input: &Input,
        asked: Matches,
        style: Style,
    ) -> Chain {
        let stance = self.stance(serving, review, whose, input.now);
        let failed = failed(serving, &stance, asked.failed);
        let unasked = failed.iter().map(|one| one.verdict.clone()).collect();
        let mut chain = Chain { judged: failed, unasked, ..Chain::default() };
        // A policy whose matching failed ends the request before anything runs, where it is one that must.
        chain.lost = style == Style::Merged && chain.judged.iter().any(Judged::ends_request);
        let entries: Vec<&Entry> = asked.matched.iter().filter_map(|at| serving.entries.get(*at as usize)).collect();
        let revisions: Vec<Arc<Revision>> = entries.iter().map(|entry| Arc::clone(&entry.revision)).collect();
        let guard = LazyGuard::of(review, whose);
        let mut input = input.clone();
        let mut next = 0;
        while let Some(rest) = revisions.get(next..).filter(|rest| !rest.is_empty() && !chain.lost) {
            let together = rest.get(..Pool::one_go(rest).min(alike(rest))).unwrap_or(rest);
            let evaluated = self.pool.mutate(&input, together).await;
            if evaluated.is_empty() {
                break;
            }
            for one in evaluated {
                let Some(entry) = entries.get(next) else { break };
                next += 1;
                record(entry, PolicyKind::Mutating, &one);
                let taken = chain.take(&stance, &guard, &entry.revision, one);
                entry.metrics.changed_copy(taken.class);
                entry.metrics.excepted(chain.judged.last().is_some_and(|last| last.exception.is_some()));
                if chain.lost || taken.again {
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
}

/// How many policies may run in one go: an isolate knows what a policy says for everywhere, not what holds here.
fn alike(rest: &[Arc<Revision>]) -> usize {
    rest.iter().position(|one| !one.oversight.overrides.is_empty()).unwrap_or(rest.len()).max(1)
}

fn record(entry: &Entry, kind: PolicyKind, one: &Evaluated) {
    entry.metrics.record(kind, Outcome::from(&one.verdict), one.time);
}
