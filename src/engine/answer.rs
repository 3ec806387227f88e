//! From the body of a request to the body of its answer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::asked::position;
use super::{Engine, Judgement, Scope, deadline, log};
use crate::crd;
use crate::http::{Admit, Answer, Answering, Endpoint, StatusCode};
use crate::review::{self, Review};
use crate::telemetry::ReviewOutcome;

impl Engine {
    async fn answer(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answer {
        let received = Instant::now();
        let route = endpoint.route();
        if matches!(endpoint, Endpoint::VirtualCluster { .. }) {
            return Answer::error(StatusCode::NOT_FOUND, "this endpoint is not served here");
        }
        let scope = Scope::of(endpoint);
        let review = match review::parse(body, &self.limits) {
            Ok(review) => review,
            Err(error) => {
                self.metrics.review(route, ReviewOutcome::Malformed, received.elapsed());
                tracing::debug!(%error, "a body that is no AdmissionReview");
                let status = if error.is_too_large() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
                return Answer::error(status, &error.to_string());
            }
        };
        let deadline = deadline(received, timeout);
        let (reply, outcome) = if let Some(scope) = scope {
            let judgement = self.judge(&review, &scope, deadline, false).await;
            log::decided(&review, &judgement);
            self.record(&review, &judgement);
            (review::reply(&review, &judgement.decision), log::outcome(&judgement))
        } else {
            let decision = crd::judge(&review, deadline).await;
            let outcome = if decision.allowed { ReviewOutcome::Allow } else { ReviewOutcome::Deny };
            (review::reply(&review, &decision), outcome)
        };
        self.metrics.review(route, outcome, received.elapsed());
        Answer { status: StatusCode::OK, body: reply.into_bytes() }
    }

    /// An allowed request that nobody minded ends at the first look.
    fn record(&self, review: &Review, judgement: &Judgement) {
        if judgement.objections.is_empty() {
            return;
        }
        if let Some(recorder) = self.recorder.get() {
            recorder.record(review, &judgement.objections);
        }
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
