//! Judging in another setting than here and now: what a test case says of time, vantage and tenant.

use std::sync::Arc;
use std::time::Instant;

use super::{Engine, Judgement};
use crate::decision::Style;
use crate::isolate::{Input, Vantage, no_tenant};
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
    /// Judges one review as both webhooks would, in this setting.
    pub async fn judge_in(&self, setting: &Setting, review: &Review, deadline: Instant) -> Judgement {
        let serving = self.serving.load_full();
        let present = self.input(review, deadline, false);
        let input = Input {
            now: setting.now.unwrap_or(present.now),
            vantage: setting.vantage,
            tenant: Arc::clone(&setting.tenant),
            ..present
        };
        self.both(&serving, review, input, Style::Merged, None).await
    }
}
