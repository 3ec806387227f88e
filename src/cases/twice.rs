//! A case played twice: what its policies did, and what they do to what came of it.

use std::sync::Arc;
use std::time::Instant;

use super::{Setting, Stage, refuse_what_is_not_there};
use crate::cases::case::{Case, Subject};
use crate::cases::error::Fault;
use crate::cases::request::{Made, made};
use crate::cases::suite::Test;
use crate::cluster::Inventory;
use crate::decision::{Effect, apply};
use crate::engine::{Judgement, deadline};
use crate::isolate::no_tenant;

/// What the policies of a case did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twice {
    /// One of them matched.
    pub reached: bool,
    /// One of them denied, warned, noted, changed or wrote something.
    pub acted: bool,
    /// The error that one of them ended with.
    pub error: Option<String>,
    /// The paths (RFC 6901) that the second time changed again.
    pub changed_again: Vec<String>,
}

impl Stage {
    /// Plays a case, and where its object was changed once more with what it was changed to.
    ///
    /// # Errors
    /// Where the case cannot be asked as it is written.
    pub async fn play_twice(&mut self, test: &Test) -> Result<Twice, Fault> {
        refuse_what_is_not_there(test)?;
        let (judgement, made, wrote) = self.asked(test, &test.case).await?;
        let mut twice = Twice { acted: wrote, ..Twice::default() };
        for one in &judgement.evaluated {
            let verdict = &one.verdict;
            twice.reached = true;
            twice.acted |= !verdict.warnings.is_empty() || !verdict.audit.is_empty();
            match &verdict.effect {
                Effect::Deny(_) => twice.acted = true,
                Effect::Error(error) => twice.error = Some(error.message.clone()),
                Effect::Allow => {}
            }
        }
        let patch = &judgement.decision.patch;
        let mut object = made.object;
        if patch.is_empty() || apply(patch, &mut object).is_err() {
            return Ok(twice);
        }
        twice.acted = true;
        let mut again = (*test.case).clone();
        match &mut again.subject {
            Subject::Request(request) => {
                if let Some(fields) = request.as_object_mut() {
                    fields.insert("object".to_owned(), object);
                }
            }
            Subject::Object(asked) => asked.object = Some(object),
        }
        let (second, ..) = self.asked(test, &again).await?;
        let operations = serde_json::to_value(&second.decision.patch).unwrap_or_default();
        let paths = operations.as_array().into_iter().flatten().filter_map(|one| one.get("path")?.as_str());
        twice.changed_again = paths.map(str::to_owned).collect();
        Ok(twice)
    }

    /// The judgement, what was asked, and whether anything was written to the cluster.
    async fn asked(&mut self, test: &Test, case: &Case) -> Result<(Judgement, Made, bool), Fault> {
        let fault = |message: String| Fault { place: case.place.clone(), message };
        let made = made(case).map_err(fault)?;
        let policies = self.policies(test)?;
        self.put_in_force(policies);
        let inventory = Inventory::from_objects(case.inventory.clone()).map_err(|error| fault(error.to_string()))?;
        let inventory = Arc::new(inventory);
        self.namespaces.set(case, &made.review.request.namespace, &inventory);
        self.rehearsal.set(inventory);
        let setting = Setting {
            now: case.now,
            vantage: case.vantage,
            tenant: case.tenant.as_ref().map_or_else(no_tenant, |tenant| tenant.to_string().into()),
        };
        let judgement = self.engine.judge_in(&setting, &made.review, deadline(Instant::now(), None)).await;
        let wrote = !self.rehearsal.take().writes.is_empty();
        Ok((judgement, made, wrote))
    }
}
