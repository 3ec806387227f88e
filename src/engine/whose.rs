//! Whose request a review is, found once for all that ask.

use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use super::namespaces::Here;
use crate::decision::{Decision, Denial, Status};
use crate::isolate::{Input, Vantage};
use crate::matching::Around;
use crate::review::{Operation, Review};
use crate::tenancy::{Refusal, Resolved, Tenancy};

use super::Judgement;

/// What is known of it.
#[derive(Clone)]
pub(super) struct Whose<'a> {
    pub resolved: Resolved,
    pub vantage: Vantage,
    pub here: Here<'a>,
    /// Whether it can be known now.
    pub is_known: bool,
}

impl Whose<'_> {
    pub fn around(&self) -> Around<'_> {
        let tenant = self.is_known.then_some(&*self.resolved.tenant as _);
        Around { namespaces: &self.here, tenant, is_virtual: self.vantage == Vantage::Virtual }
    }

    /// Gives policies the object as the tenant knows it, where it is one of a tenant's.
    pub fn show(&self, review: &Review, input: &mut Input) {
        let Some(synced) = &self.resolved.synced else { return };
        let request = &review.request;
        let object = match request.operation {
            Operation::Delete => request.old_object.as_ref(),
            _ => request.object.as_ref(),
        };
        input.view = object.and_then(|object| synced.view(object));
    }
}

impl Engine {
    /// From memory, but for a namespace that was made a moment ago.
    pub(super) async fn whose<'a>(&'a self, review: &'a Review, deadline: Instant) -> Whose<'a> {
        let mut here = Here::of(&review.request, &*self.namespaces);
        if self.tenancy.knows() && here.is_unknown() {
            here.look_up(deadline).await;
        }
        self.known(review, here)
    }

    /// From memory.
    pub(super) fn known<'a>(&self, review: &Review, here: Here<'a>) -> Whose<'a> {
        self.of_host(self.tenancy.resolve(review, &here), here)
    }

    /// An object that exists: nobody asks for it, so that it alone can tell whose it is.
    pub(super) fn whose_existing<'a>(&'a self, review: &'a Review) -> Whose<'a> {
        let here = Here::of(&review.request, &*self.namespaces);
        self.of_host(self.tenancy.resolve_existing(review, &here), here)
    }

    fn of_host<'a>(&self, resolved: Resolved, here: Here<'a>) -> Whose<'a> {
        let is_known = self.tenancy.knows() || !self.tenancy.is_awaited();
        Whose { resolved, vantage: Vantage::Host, here, is_known }
    }

    /// What keeps a request from being judged by any policy.
    pub(super) fn refused(&self, review: &Review, whose: &Whose<'_>) -> Option<Judgement> {
        if self.echo || whose.vantage == Vantage::Virtual {
            return None;
        }
        self.tenancy.refusal(review, &whose.resolved).map(refused)
    }

    /// Who tells whose requests are.
    #[must_use]
    pub fn with_tenancy(self, tenancy: Arc<Tenancy>) -> Self {
        Self { tenancy, ..self }
    }

    #[must_use]
    pub fn tenancy(&self) -> &Arc<Tenancy> {
        &self.tenancy
    }
}

fn refused(refusal: Refusal) -> Judgement {
    let Refusal { policy, reason, message, field } = refusal;
    let cause = Denial {
        message: message.clone(),
        field: field.map(str::to_owned),
        reason: Some(reason.to_owned()),
        code: None,
    };
    let status = Status {
        code: 403,
        reason: Some(reason.to_owned()),
        message: format!("[{policy}] {message}"),
        causes: vec![cause],
    };
    Decision { status: Some(status), ..Decision::default() }.into()
}
