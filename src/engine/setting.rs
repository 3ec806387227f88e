//! Judging in another setting than here and now: what a test case says of time, vantage and tenant.

use std::sync::Arc;
use std::time::Instant;

use super::namespaces::Here;
use super::stance::conclude;
use super::{Asked, Engine, Judgement};
use crate::decision::Style;
use crate::isolate::{Input, Vantage, no_tenant};
use crate::matching::Phase;
use crate::review::Review;

/// Where and when a review is judged.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Milliseconds since 1970; the present where absent.
    pub now: Option<f64>,
    pub vantage: Vantage,
    /// Contract §3's `tenant`, as JSON.
    pub tenant: Arc<str>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { now: None, vantage: Vantage::Host, tenant: no_tenant() }
    }
}

impl Engine {
    /// Asks those validating policies about an object that exists which want to be asked about such.
    pub async fn judge_existing(&self, review: &Review, deadline: Instant) -> Judgement {
        let serving = self.serving.load_full();
        let mut here = Here::of(&review.request, &*self.namespaces);
        let mut input = Self::input(review, deadline, false);
        let mut asked = self.matching(&serving, review, Phase::Validate, &mut here, &mut input).await;
        let entry = |at: u32| serving.entries.get(at as usize);
        let wants = |at: u32| entry(at).is_some_and(|entry| entry.revision.oversight.background);
        asked.matched.retain(|at| wants(*at));
        asked.failed.retain(|(at, _)| wants(*at));
        let Asked { judged, evaluated, unasked } = self.ask(&serving, review, &here, &input, asked).await;
        let (decision, objections) = conclude(judged, Style::Merged, Vec::new());
        Judgement { decision, evaluated, unasked, objections }
    }

    /// Judges one review as both webhooks would, in this setting.
    pub async fn judge_in(&self, setting: &Setting, review: &Review, deadline: Instant) -> Judgement {
        let serving = self.serving.load_full();
        let present = Self::input(review, deadline, false);
        let input = Input {
            now: setting.now.unwrap_or(present.now),
            vantage: setting.vantage,
            tenant: Arc::clone(&setting.tenant),
            ..present
        };
        let here = Here::of(&review.request, &*self.namespaces);
        self.both(&serving, review, here, input, Style::Merged, None).await
    }
}
