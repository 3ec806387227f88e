//! `spec.enforcement`: in some namespaces, for some tenants, or for some time, a policy's denials are taken otherwise than elsewhere.

use super::facts::Facts;
use super::selector::Selector;
use super::tenants::Tenants;
use super::{Around, MatchError, namespaces};
use crate::policy::OverrideSpec;
use crate::policy::spec::Enforcement;
use crate::review::Review;

/// The entries of one policy, compiled. The first that holds counts.
#[derive(Debug, Default)]
pub struct Overrides(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// `None` for every object.
    namespaces: Option<Selector>,
    tenants: Option<Tenants>,
    action: Enforcement,
    until: Option<i64>,
}

impl Overrides {
    /// # Errors
    /// [`MatchError::Invalid`] naming the selector that cannot be compiled.
    pub fn compile(entries: &[OverrideSpec]) -> Result<Self, MatchError> {
        let compile = |(index, entry): (usize, &OverrideSpec)| {
            let field = format!("enforcement[{index}].namespaceSelector");
            let selector = entry.namespace_selector.as_ref();
            let namespaces = selector.map(|selector| Selector::compile(selector, &field)).transpose()?;
            let tenants = entry.tenants.as_ref();
            let tenants = tenants
                .map(|tenants| Tenants::compile(tenants, &format!("enforcement[{index}].tenants")))
                .transpose()?;
            Ok(Entry { namespaces, tenants, action: entry.action, until: entry.until })
        };
        entries.iter().enumerate().map(compile).collect::<Result<_, _>>().map(Self)
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What holds for `review` at `now`, in milliseconds since 1970; `own` is what the policy says for everywhere.
    #[must_use]
    pub fn of<'a>(&self, own: Enforcement, review: &'a Review, around: impl Into<Around<'a>>, now: i64) -> Enforcement {
        let facts = Facts::of(review, around);
        for entry in self.0.iter().filter(|entry| entry.until.is_none_or(|until| now < until)) {
            match entry.holds(&facts) {
                Ok(true) => return entry.action,
                Ok(false) => {}
                // What cannot be decided must not let anything pass that another answer would have stopped.
                Err(_) => return self.strictest(own),
            }
        }
        own
    }

    fn strictest(&self, own: Enforcement) -> Enforcement {
        let strictness = |enforcement: &Enforcement| match enforcement {
            Enforcement::Dry => 0,
            Enforcement::Warn => 1,
            Enforcement::Deny => 2,
        };
        self.0
            .iter()
            .map(|entry| entry.action)
            .max_by_key(strictness)
            .into_iter()
            .chain([own])
            .max_by_key(strictness)
            .unwrap_or(own)
    }
}

impl Entry {
    fn holds(&self, facts: &Facts) -> Result<bool, MatchError> {
        if let Some(tenants) = &self.tenants
            && !tenants.has(facts.around().tenant)?
        {
            return Ok(false);
        }
        let Some(selector) = &self.namespaces else { return Ok(true) };
        let request = facts.request();
        // A webhook's selector takes whatever is cluster-scoped. An entry for some namespaces is not for the whole cluster.
        if request.namespace.is_empty() && request.resource.resource != "namespaces" {
            return Ok(false);
        }
        namespaces::selects(selector, facts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::policy::LabelSelector;
    use crate::review::{Limits, parse};

    fn review(namespace: &str, resource: &str, object: &Value) -> Review {
        let request = json!({
            "uid": "1", "operation": "CREATE", "namespace": namespace, "name": "x", "userInfo": {}, "object": object,
            "kind": {"group": "", "version": "v1", "kind": "X"},
            "resource": {"group": "", "version": "v1", "resource": resource},
        });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        parse(review.to_string().into(), &Limits::default()).unwrap()
    }

    fn entry(stage: &str, action: Enforcement, until: Option<i64>) -> OverrideSpec {
        let match_labels = BTreeMap::from([("stage".to_owned(), stage.to_owned())]);
        let namespace_selector =
            (!stage.is_empty()).then(|| LabelSelector { match_labels, ..LabelSelector::default() });
        OverrideSpec { namespace_selector, tenants: None, action, until }
    }

    fn namespaces() -> BTreeMap<String, Arc<BTreeMap<String, String>>> {
        let labelled = |stage: &str| Arc::new(BTreeMap::from([("stage".to_owned(), stage.to_owned())]));
        [("d", "dev"), ("t", "test"), ("p", "prod")].map(|(name, stage)| (name.to_owned(), labelled(stage))).into()
    }

    fn taken(entries: &[OverrideSpec], review: &Review, now: i64) -> Enforcement {
        Overrides::compile(entries).unwrap().of(Enforcement::Deny, review, &namespaces(), now)
    }

    #[test]
    fn the_first_entry_that_selects_the_namespace_counts() {
        let entries = [
            entry("dev", Enforcement::Dry, None),
            entry("test", Enforcement::Warn, None),
            entry("dev", Enforcement::Warn, None),
        ];
        for (namespace, expected) in [("d", Enforcement::Dry), ("t", Enforcement::Warn), ("p", Enforcement::Deny)] {
            assert_eq!(taken(&entries, &review(namespace, "pods", &json!({})), 0), expected, "{namespace}");
        }
    }

    #[test]
    fn an_entry_counts_until_its_time_and_not_a_moment_longer() {
        let entries = [entry("dev", Enforcement::Warn, Some(1_000)), entry("", Enforcement::Dry, Some(2_000))];
        let review = review("d", "pods", &json!({}));
        let over_time = [999, 1_000, 1_999, 2_000].map(|now| taken(&entries, &review, now));
        assert_eq!(over_time, [Enforcement::Warn, Enforcement::Dry, Enforcement::Dry, Enforcement::Deny]);
    }

    #[test]
    fn an_entry_for_namespaces_says_nothing_of_the_rest_of_the_cluster() {
        let entries = [entry("dev", Enforcement::Dry, None)];
        assert_eq!(taken(&entries, &review("", "nodes", &json!({})), 0), Enforcement::Deny);
        let namespace = json!({"metadata": {"name": "x", "labels": {"stage": "dev"}}});
        assert_eq!(taken(&entries, &review("x", "namespaces", &namespace), 0), Enforcement::Dry);
    }

    #[test]
    fn a_namespace_that_is_not_known_gets_the_strictest() {
        let review = review("new", "pods", &json!({}));
        assert_eq!(taken(&[entry("dev", Enforcement::Dry, None)], &review, 0), Enforcement::Deny);
        let lax = Overrides::compile(&[entry("dev", Enforcement::Dry, None), entry("prod", Enforcement::Deny, None)])
            .unwrap();
        assert_eq!(lax.of(Enforcement::Warn, &review, &namespaces(), 0), Enforcement::Deny);
    }
}
