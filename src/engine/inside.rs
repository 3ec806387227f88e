//! Judging what a virtual cluster asks itself: its own user, its own names, and namespaces that are its own too.

use std::time::Instant;

use super::namespaces::Here;
use super::whose::Whose;
use super::{Engine, Judgement, Scope};
use crate::decision::{Decision, Status};
use crate::isolate::{Input, Vantage};
use crate::review::{AdmissionRequest, Review};
use crate::tenancy::{Inside, InsideNamespaces, Tenancy};

/// The webhook by which it is seen whether an API server reaches Bylaw. What it asks about is refused, so that the answer
/// shows; no policy is asked, and no group of policies has this name.
pub const PROBE: &str = "bylaw-answers";

/// The name of what is asked for then, in a dry run.
pub const PROBED: &str = "bylaw-probe";

impl Engine {
    /// Judges what comes from inside of a virtual cluster.
    pub async fn judge_inside(&self, inside: &Inside, review: &Review, scope: &Scope, deadline: Instant) -> Judgement {
        if matches!(scope, Scope::Webhook { name, .. } if name == PROBE) {
            return answers().into();
        }
        if Tenancy::is_upkeep(&review.request) || is_probe(&review.request) {
            return Decision::allow().into();
        }
        let serving = self.serving.load_full();
        let namespaces =
            InsideNamespaces { inside, namespace: &review.request.namespace, labels: self.tenancy.inside_labels() };
        let here = match &inside.told {
            Some(told) => Here::named(&told.namespace, &namespaces),
            None => Here::of(&review.request, &namespaces),
        };
        // Where the virtual cluster is and who owns it is known by the host.
        let resolved = self.tenancy.resolve_inside(inside, review, &*self.namespaces);
        let whose = Whose { resolved, vantage: Vantage::Virtual, here, is_known: true };
        let input = Self::input(&serving, review, &whose, deadline, false);
        let input = Input { dry_run: input.dry_run || inside.is_advisory(), ..input };
        self.weigh(&serving, review, scope, whose, input).await
    }
}

/// The object of the probe: no policy is in the way of it, and nobody can keep one.
fn is_probe(request: &AdmissionRequest) -> bool {
    request.dry_run && request.resource.resource == "configmaps" && request.name == PROBED
}

fn answers() -> Decision {
    let message = "Bylaw answers".to_owned();
    let status = Status { code: 403, reason: Some("BylawAnswers".to_owned()), message, causes: Vec::new() };
    Decision { status: Some(status), ..Decision::default() }
}
