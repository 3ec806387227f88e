//! `match.tenants`: names of tenants, or a selector on their labels.

use std::collections::BTreeMap;

use super::selector::Selector;
use super::{MatchError, NamespaceLabels};
use crate::policy::TenantsSpec;

/// Whose request it is, as far as matching asks.
pub trait Whose: Send + Sync {
    /// Whether a policy that names tenants may mean this one by `name`.
    fn is_called(&self, name: &str) -> bool;

    /// `None` for a request that is nobody's: no selector selects it.
    fn labels(&self) -> Option<&BTreeMap<String, String>>;
}

/// The tenant of a request that belongs to none.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Whose for Nobody {
    fn is_called(&self, _name: &str) -> bool {
        false
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }
}

/// What is known around a review.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub namespaces: &'a dyn NamespaceLabels,
    /// `None` where it cannot be known now whose it is.
    pub tenant: Option<&'a dyn Whose>,
    /// A virtual cluster's API server asks.
    pub is_virtual: bool,
}

/// The host asks, and it is nobody's.
impl<'a, N: NamespaceLabels> From<&'a N> for Around<'a> {
    fn from(namespaces: &'a N) -> Self {
        Self { namespaces, tenant: Some(&Nobody), is_virtual: false }
    }
}

impl<'a> From<&'a dyn NamespaceLabels> for Around<'a> {
    fn from(namespaces: &'a dyn NamespaceLabels) -> Self {
        Self { namespaces, tenant: Some(&Nobody), is_virtual: false }
    }
}

/// The tenants that a policy, or an entry of its enforcement, is for.
#[derive(Debug)]
pub(super) enum Tenants {
    Named(Vec<String>),
    Labelled(Selector),
}

impl Tenants {
    /// # Errors
    /// [`MatchError::Invalid`] for a selector that cannot be compiled.
    pub(super) fn compile(spec: &TenantsSpec, field: &str) -> Result<Self, MatchError> {
        match spec {
            TenantsSpec::Names(names) => Ok(Self::Named(names.clone())),
            TenantsSpec::Selector(selector) => Selector::compile(selector, field).map(Self::Labelled),
        }
    }

    pub(super) fn has(&self, tenant: Option<&dyn Whose>) -> Result<bool, MatchError> {
        let tenant = tenant.ok_or(MatchError::UnknownTenant)?;
        Ok(match self {
            Self::Named(names) => names.iter().any(|name| tenant.is_called(name)),
            Self::Labelled(selector) => tenant.labels().is_some_and(|labels| selector.matches(labels)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::LabelSelector;

    struct Acme(BTreeMap<String, String>);

    impl Whose for Acme {
        fn is_called(&self, name: &str) -> bool {
            name == "acme"
        }

        fn labels(&self) -> Option<&BTreeMap<String, String>> {
            Some(&self.0)
        }
    }

    fn acme() -> Acme {
        Acme(BTreeMap::from([("tier".to_owned(), "gold".to_owned())]))
    }

    fn named(names: &[&str]) -> Tenants {
        Tenants::compile(&TenantsSpec::Names(names.iter().map(ToString::to_string).collect()), "tenants").unwrap()
    }

    fn labelled(tier: Option<&str>) -> Tenants {
        let match_labels = tier.map(|tier| ("tier".to_owned(), tier.to_owned())).into_iter().collect();
        let selector = LabelSelector { match_labels, ..LabelSelector::default() };
        Tenants::compile(&TenantsSpec::Selector(selector), "tenants").unwrap()
    }

    #[test]
    fn a_tenant_is_found_by_name_or_by_label() {
        let has = |tenants: Tenants| tenants.has(Some(&acme())).unwrap();
        assert!(has(named(&["other", "acme"])) && has(labelled(Some("gold"))) && has(labelled(None)));
        assert!(!has(named(&["other"])) && !has(named(&[])) && !has(labelled(Some("silver"))));
    }

    #[test]
    fn what_is_nobodys_is_no_tenants() {
        for tenants in [named(&["acme", ""]), labelled(Some("gold")), labelled(None)] {
            assert_eq!(tenants.has(Some(&Nobody)), Ok(false));
        }
    }

    #[test]
    fn where_tenants_are_not_known_nothing_is_decided() {
        assert_eq!(named(&["acme"]).has(None), Err(MatchError::UnknownTenant));
    }
}
