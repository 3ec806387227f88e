//! Mutations of what a syncer copied to the host: those that would not hold there are left to the virtual cluster, refused,
//! or made with a warning.
//!
//! A change that breaks the syncing is an error of its policy, and so decided by the policy's own failure mode. It cannot
//! simply be dropped: whoever made it relies on it, and an object that went through without it would have got past him. And
//! it cannot be made: the tenant would have an object that is never synced again, and nobody would say why.

use std::cell::OnceCell;

use serde_json::Value;

use super::whose::Whose;
use crate::decision::Step;
use crate::policy::{HostMutations, PolicySpec, Vantage};
use crate::review::{GroupVersionResource, JsonText, Operation, Review, tree};
use crate::tenancy::mutations::{Class, MEND, Mutated, Syncer, known_name};

/// What is known of the copy that is being changed.
pub(super) struct Guard {
    syncer: Syncer,
    sent: Value,
    stored: Option<Value>,
}

/// The guard of one review, made when somebody changes something.
pub(super) struct LazyGuard<'a> {
    review: &'a Review,
    whose: &'a Whose<'a>,
    made: OnceCell<Option<Guard>>,
}

impl<'a> LazyGuard<'a> {
    pub const fn of(review: &'a Review, whose: &'a Whose<'a>) -> Self {
        Self { review, whose, made: OnceCell::new() }
    }

    /// `None` for what is no copy of a tenant's object.
    pub fn get(&self) -> Option<&Guard> {
        self.made.get_or_init(|| Guard::of(self.review, self.whose)).as_ref()
    }
}

/// What is to become of one policy's change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is made. The author hears what becomes of it.
    Make { warnings: Vec<String> },
    /// It is not made here: the same policy makes it in the virtual cluster, where it holds.
    Leave { warning: String },
    /// The policy fails.
    Refuse { why: String },
}

impl Guard {
    fn of(review: &Review, whose: &Whose<'_>) -> Option<Self> {
        let synced = whose.resolved.synced.as_ref()?;
        let read = |text: &Option<JsonText>| text.as_ref().and_then(|text| tree(text.as_str()).ok());
        let request = &review.request;
        let stored = if request.operation == Operation::Update { read(&request.old_object) } else { None };
        Some(Self { syncer: Syncer::of(&synced.vcluster.version), sent: read(&request.object)?, stored })
    }

    /// What becomes of a change, and what is to be done about it.
    pub fn rule(&self, review: &Review, spec: &PolicySpec, step: &Step) -> Option<(Class, Ruling)> {
        let (patch, after) = step.change()?;
        let request = &review.request;
        let GroupVersionResource { group, resource, .. } = &request.resource;
        let operations = &spec.rules.operations;
        let judged = Mutated {
            resource: known_name(group, resource),
            sub_resource: &request.sub_resource,
            operation: request.operation,
            syncer: self.syncer,
            is_repeated: operations.is_empty() || operations.contains(&Operation::Update),
            sent: &self.sent,
            after,
            stored: self.stored.as_ref(),
        }
        .judge(patch);
        let class = judged.class;
        let ruling = if spec.host_mutations == HostMutations::Allow || class == Class::Safe {
            Ruling::Make { warnings: Vec::new() }
        } else if spec.rules.vantage == Some(Vantage::Both) && !class.holds() {
            // Only who says `both` says that the virtual cluster asks it too.
            let field = judged.findings.first().map(|worst| format!("{} {class}", worst.field)).unwrap_or_default();
            Ruling::Leave { warning: format!("left to the virtual cluster: on the host {field}") }
        } else if class == Class::BreaksSync {
            Ruling::Refuse { why: judged.refusal() }
        } else {
            let mend = (!class.holds()).then(|| MEND.to_owned());
            Ruling::Make { warnings: judged.lines().chain(mend).collect() }
        };
        Some((class, ruling))
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
