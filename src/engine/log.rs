//! What is said of a decision: its metric label, and one line.

use super::Judgement;
use crate::decision::Effect;
use crate::review::Review;
use crate::telemetry::ReviewOutcome;

pub(super) fn outcome(judgement: &Judgement) -> ReviewOutcome {
    if judgement.decision.allowed {
        return ReviewOutcome::Allow;
    }
    let denied = judgement.evaluated.iter().any(|one| matches!(one.verdict.effect, Effect::Deny(_)));
    // Before any policy was asked: that is a denial of Bylaw's own, or one that was given a moment ago.
    let is_asked = !judgement.evaluated.is_empty() || !judgement.unasked.is_empty();
    let is_refused = !is_asked && judgement.decision.status.as_ref().is_some_and(|status| status.code != 500);
    if denied || is_refused { ReviewOutcome::Deny } else { ReviewOutcome::Error }
}

/// One line a decision at debug, denials at info; names and reasons, never a body.
/// `vcluster` is the virtual cluster that asked, where it was one.
pub(super) fn decided(review: &Review, judgement: &Judgement, vcluster: Option<&str>) {
    let request = &review.request;
    let Judgement { decision, evaluated, .. } = judgement;
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                vcluster,
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
