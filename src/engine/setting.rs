//! Judging in another setting than here and now: what a test case or a flag says of time, vantage and tenant.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::namespaces::Here;
use super::stance::conclude;
use super::whose::Whose;
use super::{Asked, Engine, Judgement, conclude_reserving};
use crate::decision::{Decision, Style};
use crate::isolate::{Input, Vantage};
use crate::ledger::Reserving;
use crate::matching::{Explanation, Phase};
use crate::review::Review;
use crate::tenancy::{Inside, Proof, Resolved, Tenancy, Told, VirtualCluster};

/// Where and when a review is judged.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Milliseconds since 1970; the present where absent.
    pub now: Option<f64>,
    pub vantage: Vantage,
    /// Contract §3's `tenant`; found as ever where absent.
    pub tenant: Option<Value>,
    /// The virtual cluster that asks, or that the request is one of.
    pub vcluster: Option<Arc<VirtualCluster>>,
    /// Also count what each policy allocates.
    pub measure: bool,
}

impl Engine {
    /// Asks those validating policies about an object that exists which want to be asked about such.
    pub async fn judge_existing(&self, review: &Review, deadline: Instant) -> Judgement {
        let serving = self.serving.load_full();
        let mut whose = self.whose_existing(review);
        let mut input = Self::input(&serving, review, &whose, deadline, false);
        // It exists: there is nothing to reserve for it.
        input.reserving = input.reserving.map(|_| Reserving::of(&review.request.uid, true));
        let mut asked = self.matching(&serving, review, &mut whose, Phase::Validate, &mut input).await;
        let entry = |at: u32| serving.entries.get(at as usize);
        let wants = |at: u32| entry(at).is_some_and(|entry| entry.revision.oversight.background);
        asked.matched.retain(|at| wants(*at));
        asked.failed.retain(|(at, _)| wants(*at));
        whose.show(review, &mut input);
        let Asked { judged, evaluated, unasked } = self.ask(&serving, review, &whose, &input, asked).await;
        let (decision, objections) = conclude(judged, Style::Merged, Vec::new());
        Judgement { decision, evaluated, unasked, objections }
    }

    /// Judges one review as both webhooks would, in this setting.
    pub async fn judge_in(&self, setting: &Setting, review: &Review, deadline: Instant) -> Judgement {
        let serving = self.serving.load_full();
        let whose = self.whose_in(setting, review, deadline).await;
        if setting.tenant.is_none()
            && let Some(refused) = self.refused(review, &whose)
        {
            return refused;
        }
        if setting.vantage == Vantage::Virtual && Tenancy::is_upkeep(&review.request) {
            return Decision::allow().into();
        }
        let present = Self::input(&serving, review, &whose, deadline, setting.measure);
        let reserving = present.reserving.clone();
        let input = Input { now: setting.now.unwrap_or(present.now), ..present };
        let judgement = self.both(&serving, review, whose, input, Style::Merged, None).await;
        conclude_reserving(reserving, &judgement);
        judgement
    }

    /// For every policy whether it matches, or the first reason why not.
    #[must_use]
    pub fn explain(&self, setting: &Setting, review: &Review) -> Vec<Explanation> {
        let whose = self.given(setting, review);
        let whose = whose.unwrap_or_else(|| self.known(review, Here::of(&review.request, &*self.namespaces)));
        self.serving.load().index.explain(review, whose.around())
    }

    async fn whose_in<'a>(&'a self, setting: &Setting, review: &'a Review, deadline: Instant) -> Whose<'a> {
        match self.given(setting, review) {
            Some(given) => given,
            None => self.whose(review, deadline).await,
        }
    }

    /// What the setting itself says; nothing where it is found as ever.
    fn given<'a>(&'a self, setting: &Setting, review: &'a Review) -> Option<Whose<'a>> {
        let vantage = setting.vantage;
        let resolved = match (&setting.tenant, &setting.vcluster) {
            (Some(tenant), _) => Resolved::given(tenant, review, vantage),
            (None, _) if vantage == Vantage::Host => return None,
            (None, Some(vcluster)) => {
                let told = Told::of(&review.request);
                let inside = Inside { vcluster: Some(Arc::clone(vcluster)), proof: Proof::Token, told };
                self.tenancy.resolve_inside(&inside, review, &*self.namespaces)
            }
            (None, None) => Resolved::nobodys(),
        };
        let here = Here::of(&review.request, &*self.namespaces);
        Some(Whose { resolved, vantage, here, is_known: true })
    }
}
