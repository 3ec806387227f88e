//! From the body of a request to the body of its answer.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::asked::position;
use super::{Engine, Judgement, Scope, deadline, log};
use crate::crd;
use crate::http::{Admit, Answer, Answering, Endpoint, StatusCode};
use crate::review::{self, Review};
use crate::telemetry::ReviewOutcome;
use crate::tenancy::{Inside, Told};

impl Engine {
    async fn answer(&self, endpoint: Endpoint, body: Bytes, timeout: Option<Duration>) -> Answer {
        let received = Instant::now();
        let route = endpoint.route();
        let inside = match self.inside(&endpoint) {
            Ok(inside) => inside,
            Err(refused) => return refused,
        };
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
            let inside = inside.or_else(|| self.tenancy.central(&review.request));
            let place = inside.as_ref().map(Inside::place);
            let judgement = if let Some(inside) = inside {
                // What it says of itself is kept by no report: whoever has its token may say what he likes.
                self.judge_inside(&told(inside, &review), &review, &scope, deadline).await
            } else {
                let judgement = self.judge(&review, &scope, deadline, false).await;
                self.record(&review, &judgement);
                judgement
            };
            log::decided(&review, &judgement, place.as_deref());
            (review::reply(&review, &judgement.decision), log::outcome(&judgement))
        } else {
            let decision = crd::judge(&review, deadline).await;
            let outcome = if decision.allowed { ReviewOutcome::Allow } else { ReviewOutcome::Deny };
            (review::reply(&review, &decision), outcome)
        };
        self.metrics.review(route, outcome, received.elapsed());
        Answer { status: StatusCode::OK, body: reply.into_bytes() }
    }

    /// The virtual cluster that an endpoint is of; `None` for those of the host.
    fn inside(&self, endpoint: &Endpoint) -> Result<Option<Inside>, Answer> {
        let Endpoint::VirtualCluster { token, certificate, .. } = endpoint else { return Ok(None) };
        // It may have gone since it was looked for.
        let forbidden = || Answer::error(StatusCode::FORBIDDEN, "forbidden");
        self.tenancy.admit(token, certificate.as_deref()).map(Some).ok_or_else(forbidden)
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

    fn knows_vcluster(&self, token: &str, certificate: Option<&str>) -> bool {
        let is_known = self.tenancy.admit(token, certificate).is_some();
        if !is_known {
            self.tenancy.stranger();
        }
        is_known
    }
}

/// With what central admission says beside, where it sends to the door of a virtual cluster.
fn told(inside: Inside, review: &Review) -> Inside {
    let told = inside.told.or_else(|| Told::of(&review.request));
    Inside { told, ..inside }
}
