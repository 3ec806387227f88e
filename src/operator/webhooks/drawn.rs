//! What follows from the policies alone. It is made once for each catalog: the keeper looks at a configuration many times, and
//! at a thousand policies each time would take it longer than to write.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::render::{Desired, Registration, Shape, configurations};
use crate::bundle::content_hash;
use crate::engine::Registered;
use crate::policy::live::{Live, PolicyObject};
use crate::policy::{Catalog, webhooks};

/// By policy how it is to be asked for.
pub(in crate::operator) type Asked = Arc<BTreeMap<Arc<str>, String>>;

pub(in crate::operator) struct Drawn {
    of: Of,
    pub desired: Vec<Desired>,
    pub asked: Asked,
    /// By policy its webhook.
    pub registered: Arc<Registered>,
    /// What is wanted, as a hash.
    pub wanted: String,
}

/// What it was drawn from.
struct Of {
    catalog: Arc<Catalog>,
    authority: Arc<[u8]>,
    narrows: bool,
    tenants: bool,
    /// Where the configurations belong to objects: their state.
    objects: Option<u64>,
}

impl Of {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.catalog, &other.catalog)
            && (&self.authority, self.narrows, self.tenants) == (&other.authority, other.narrows, other.tenants)
            && self.objects == other.objects
    }
}

impl Drawn {
    /// `known` where it still holds; `registration` shows the authority.
    pub(super) fn of(
        known: Option<Arc<Self>>,
        catalog: &Arc<Catalog>,
        authority: &Arc<[u8]>,
        (registration, live): (&Registration, &Live),
        with_authority: impl Fn(&Registration) -> Registration,
    ) -> Arc<Self> {
        let objects = matches!(registration.shape, Shape::PerPolicy).then(|| *live.changes().borrow());
        let Registration { narrows, tenants, .. } = *registration;
        let of = Of { catalog: Arc::clone(catalog), authority: Arc::clone(authority), narrows, tenants, objects };
        if let Some(known) = known.filter(|known| known.of.is(&of)) {
            return known;
        }
        let owner_of_name =
            |name: &str| live.policy(name).filter(|object| object.home.is_none()).map(|object| owner_of(&object));
        let desired = configurations(&with_authority(registration), catalog, owner_of_name);
        let names = webhooks(&catalog.revisions).names;
        let members = || catalog.revisions.iter().map(|one| &one.spec).zip(&names);
        let how = |(spec, webhook): (&Arc<crate::policy::PolicySpec>, &String)| {
            let how = format!("{webhook} {} {} {:?}", spec.validates, spec.mutates, spec.rules);
            (Arc::clone(&spec.name), content_hash(&how))
        };
        let asked: BTreeMap<Arc<str>, String> = members().map(how).collect();
        let registered: Registered =
            members().map(|(spec, webhook)| (Arc::clone(&spec.name), webhook.clone())).collect();
        let pairs: Vec<(&str, &String)> = members().map(|(spec, webhook)| (&*spec.name, webhook)).collect();
        let wanted = content_hash(&format!("{desired:?}{pairs:?}"));
        Arc::new(Self { of, desired, asked: Arc::new(asked), registered: Arc::new(registered), wanted })
    }
}

/// Name and uid of the JsPolicy, for an owner reference.
fn owner_of(object: &PolicyObject) -> (String, String) {
    (object.name.to_string(), object.uid.clone())
}
