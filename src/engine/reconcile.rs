//! Asking a controller about an object: the same pool, the same limits, no request behind it.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::namespaces::Here;
use super::stance::Stance;
use crate::decision::{Cause, Verdict};
use crate::isolate::{Evaluated, Input, Vantage, no_tenant, now_millis};
use crate::matching::NamespaceLabels;
use crate::policy::{Enforcement, Revision};
use crate::pool::Policies;
use crate::review::{JsonText, Review};

/// What a controller is told.
#[derive(Debug, Clone)]
pub struct Told {
    /// In the form of an AdmissionRequest.
    pub request: JsonText,
    /// Of the object; empty for one of the cluster.
    pub namespace: Arc<str>,
    /// Its writes are judged by the API server and not kept.
    pub dry_run: bool,
    pub deadline: Instant,
}

impl Engine {
    /// Lets a controller see an object.
    pub async fn reconcile(&self, revision: &Arc<Revision>, told: Told) -> Evaluated {
        let Told { request, namespace, dry_run, deadline } = told;
        let mut here = Here::named(&namespace, &*self.namespaces);
        let namespace = self.texts.found(&mut here, deadline).await;
        let input = Input {
            request,
            namespace,
            tenant: no_tenant(),
            vantage: Vantage::Host,
            view: None,
            dry_run,
            now: now_millis(),
            measure: false,
            reserving: None,
            deadline,
        };
        let policies: Policies = [Arc::clone(revision)].into();
        let evaluated = self.pool.validate(&input, &policies).await.pop();
        evaluated.unwrap_or_else(|| {
            Verdict::error(revision.spec.name.clone(), Cause::Internal, "no isolate answered").into()
        })
    }

    /// How a policy is enforced for the object of this review.
    #[must_use]
    pub fn enforcement(&self, revision: &Revision, review: &Review) -> Enforcement {
        let serving = self.serving.load_full();
        let whose = self.whose_existing(review);
        let stance: Stance<'_> = self.stance(&serving, review, &whose, now_millis());
        stance.enforcement(revision)
    }

    #[must_use]
    pub fn namespaces(&self) -> &dyn NamespaceLabels {
        &*self.namespaces
    }
}
