//! Whether one policy wants to see one review.

use std::collections::BTreeMap;

use super::conditions::Conditions;
use super::facts::Facts;
use super::rule::{Rule, RuleMismatch};
use super::tenants::Tenants;
use super::users::UserPatterns;
use super::{Around, MatchError, Selector, Whose, namespaces};
use crate::policy::spec::MatchSpec;
use crate::review::{GroupVersionResource, Operation, Review};

/// A policy's match fields, compiled.
#[derive(Debug)]
pub struct Matcher {
    rule: Rule,
    excluded_users: UserPatterns,
    tenants: Option<Tenants>,
    namespaces: Selector,
    objects: Selector,
    conditions: Conditions,
}

/// The first test that a review did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch<'m> {
    Rule(RuleMismatch),
    /// The pattern that excludes.
    ExcludedUser(&'m str),
    Tenant,
    Namespace,
    Object,
    /// The name of the condition that is false.
    Condition(&'m str),
}

impl Matcher {
    /// # Errors
    /// [`MatchError::Invalid`] naming the field, as it is called in `match` and in a `JsPolicy`.
    pub fn compile(spec: &MatchSpec) -> Result<Self, MatchError> {
        Ok(Self {
            rule: Rule::compile(spec)?,
            excluded_users: UserPatterns::compile(&spec.exclude_users, "excludeUsers")?,
            tenants: spec.tenants.as_ref().map(|tenants| Tenants::compile(tenants, "tenants")).transpose()?,
            namespaces: Selector::compile(&spec.namespace_selector, "namespaceSelector")?,
            objects: Selector::compile(&spec.object_selector, "objectSelector")?,
            conditions: Conditions::compile(&spec.match_conditions)?,
        })
    }

    /// Whether objects of a resource may match at all, whatever they are like and whoever asks.
    #[must_use]
    pub fn may_take(&self, resource: &GroupVersionResource, is_namespaced: bool, operation: Operation) -> bool {
        self.rule.may_take(resource, is_namespaced, operation)
    }

    /// Whether requests of this tenant may match.
    #[must_use]
    pub fn may_be_of(&self, tenant: &dyn Whose) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.has(Some(tenant)).unwrap_or(true))
    }

    /// Whether an object with these labels is selected, as far as its own labels go.
    #[must_use]
    pub fn selects_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.objects.matches(labels)
    }

    /// Whether there is a selector of namespaces.
    #[must_use]
    pub const fn selects_namespaces(&self) -> bool {
        !self.namespaces.is_empty()
    }

    /// Whether a namespace is selected; `None` where that depends on labels that are not known.
    #[must_use]
    pub fn selects_namespace(&self, name: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        namespaces::selects_named(&self.namespaces, name, labels)
    }

    #[must_use]
    pub const fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether all match conditions hold.
    ///
    /// # Errors
    /// Where one of them cannot be decided, and none is false.
    pub fn conditions_hold<'a>(&self, review: &'a Review, around: impl Into<Around<'a>>) -> Result<bool, MatchError> {
        Ok(self.conditions.find_false(&Facts::of(review, around))?.is_none())
    }

    /// The names of the resources that may match; `None` stands for all.
    pub(super) fn resource_names(&self) -> Option<Vec<&str>> {
        self.rule.resource_names()
    }

    /// Tests as the API server does: a failure to find the namespace's labels only counts once everything else that can
    /// rule the policy out has been asked.
    pub(super) fn test(&self, facts: &Facts) -> Result<Result<(), Mismatch<'_>>, MatchError> {
        let request = facts.request();
        if let Err(mismatch) = self.rule.test(request) {
            return Ok(Err(Mismatch::Rule(mismatch)));
        }
        if let Some(pattern) = self.excluded_users.find(&request.user) {
            return Ok(Err(Mismatch::ExcludedUser(pattern)));
        }
        let mut undecided = None;
        match self.tenants.as_ref().map(|tenants| tenants.has(facts.around().tenant)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return Ok(Err(Mismatch::Tenant)),
            Some(Err(error)) => undecided = Some(error),
        }
        if !self.namespaces.is_empty() {
            match namespaces::selects(&self.namespaces, facts) {
                Ok(true) => {}
                Ok(false) => return Ok(Err(Mismatch::Namespace)),
                Err(error) => undecided = Some(error),
            }
        }
        if !self.objects.is_empty() && !self.selects_object(facts)? {
            return Ok(Err(Mismatch::Object));
        }
        if let Some(error) = undecided {
            return Err(error);
        }
        if self.conditions.is_empty() {
            return Ok(Ok(()));
        }
        Ok(self.conditions.find_false(facts)?.map_or(Ok(()), |name| Err(Mismatch::Condition(name))))
    }

    /// By the labels of the object or of the one before, so that taking a label off does not escape a policy.
    fn selects_object(&self, facts: &Facts) -> Result<bool, MatchError> {
        let matches = |labels: Option<&_>| labels.is_some_and(|labels| self.objects.matches(labels));
        Ok(matches(facts.object_labels()?) || matches(facts.old_object_labels()?))
    }
}
