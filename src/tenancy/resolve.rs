//! Whose request it is. Whoever asks as the `ServiceAccount` of a syncer is believed what he says of the objects in his
//! virtual cluster's place; an object before that was truly synced vouches for whoever changes it; and nobody else is
//! believed a word.

use std::sync::Arc;

use serde_json::Value;

use super::claims::Claims;
use super::inside::{Inside, Proof};
use super::owner;
use super::registry::Registry;
use super::tenant::Tenant;
use super::vcluster::{ACCOUNT, VirtualCluster};
use super::{Labels, Tenancy};
use crate::isolate::Vantage;
use crate::matching::NamespaceLabels;
use crate::review::{AdmissionRequest, Operation, Review};

/// Where a namespace that a syncer made says whose it is.
const VCLUSTER_NAME: &str = "vcluster.loft.sh/vcluster-name";
const VCLUSTER_NAMESPACE: &str = "vcluster.loft.sh/vcluster-namespace";

/// Users that are the control plane of Kubernetes itself: what they make of an object carries its marks along, as the
/// `EndpointSlices` of a Service.
pub(super) const CONTROL_PLANE: [&str; 4] =
    ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver", "system:cloud-controller-manager"];
pub(super) const CONTROLLERS: &str = "system:serviceaccount:kube-system:";

/// What is known of whose request it is.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub tenant: Arc<Tenant>,
    /// The object is one of a tenant's, and truly so.
    pub synced: Option<Synced>,
    /// Why the object must not be what it says it is.
    pub forged: Option<String>,
    /// The virtual cluster whose API server asks, where one does.
    pub within: Option<Arc<VirtualCluster>>,
}

/// An object that a syncer copied.
#[derive(Debug, Clone)]
pub struct Synced {
    pub vcluster: Arc<VirtualCluster>,
    pub claims: Arc<Claims>,
}

impl Resolved {
    pub(super) const fn of(tenant: Arc<Tenant>) -> Self {
        Self { tenant, synced: None, forged: None, within: None }
    }

    /// A request that belongs to no tenant.
    #[must_use]
    pub fn nobodys() -> Self {
        Self::of(Tenant::none())
    }

    /// A request of a tenant that somebody describes in the form of contract §3. On the host it is believed of the object
    /// what its syncer would be believed.
    #[must_use]
    pub fn given(tenant: &Value, review: &Review, vantage: Vantage) -> Self {
        let request = &review.request;
        let of = Tenant::of_value(tenant);
        let text = |pointer: &str| tenant.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let vcluster =
            VirtualCluster::new(text("/vcluster/namespace"), text("/vcluster/name"), None, text("/vcluster/version"))
                .ok();
        let is_believed = of.trusted && vantage == Vantage::Host;
        let claims = Claims::of(request.object.as_ref()).or_else(|| Claims::of(request.old_object.as_ref()));
        let synced = vcluster
            .zip(claims.filter(|_| is_believed))
            .filter(|(vcluster, claims)| named(claims, request).fits(vcluster));
        let synced = synced.map(|(vcluster, claims)| Synced { vcluster: Arc::new(vcluster), claims: Arc::new(claims) });
        Self { synced, ..Self::of(Arc::new(of)) }
    }
}

impl Tenancy {
    /// Whose request this is, from memory alone.
    #[must_use]
    pub fn resolve(&self, review: &Review, namespaces: &dyn NamespaceLabels) -> Resolved {
        if !self.knows() {
            return Resolved::of(Tenant::none());
        }
        let request = &review.request;
        let registry = self.registry.load();
        let labels = |namespace: &str| if namespace.is_empty() { None } else { namespaces.labels(namespace) };
        let account = request.user.username.starts_with(ACCOUNT);
        let asking = if account { registry.by_account(&request.user.username) } else { None };
        if let Some(vcluster) = asking.filter(|vcluster| is_place_of(vcluster, request, labels)) {
            let claims = Claims::of(request.object.as_ref()).or_else(|| Claims::of(request.old_object.as_ref()));
            let synced = claims.filter(|claims| named(claims, request).fits(vcluster));
            return Self::of_vcluster(&registry, vcluster, synced, namespaces);
        }
        let claims = Claims::of(request.object.as_ref());
        let before = Claims::of(request.old_object.as_ref());
        if claims.is_none() && before.is_none() {
            return Resolved::of(self.of_place(&registry, request, labels));
        }
        if let Some(claims) = &claims
            && !is_vouched(claims, before.as_ref(), request)
        {
            let forged = Some(reason(claims, request, &registry));
            return Resolved { forged, ..Resolved::of(self.of_place(&registry, request, labels)) };
        }
        self.vouched(&registry, before, request, labels, namespaces)
    }

    /// Whose an object is that exists: its marks count as those of an object before.
    #[must_use]
    pub fn resolve_existing(&self, review: &Review, namespaces: &dyn NamespaceLabels) -> Resolved {
        if !self.knows() {
            return Resolved::nobodys();
        }
        let request = &review.request;
        let registry = self.registry.load();
        let labels = |namespace: &str| if namespace.is_empty() { None } else { namespaces.labels(namespace) };
        let claims = Claims::of(request.object.as_ref());
        self.vouched(&registry, claims, request, labels, namespaces)
    }

    /// A request to the API server of a virtual cluster: there everything is the tenant's, by its own name.
    #[must_use]
    pub fn resolve_inside(&self, inside: &Inside, review: &Review, namespaces: &dyn NamespaceLabels) -> Resolved {
        let Some(vcluster) = &inside.vcluster else { return Resolved::nobodys() };
        let is_trusted = inside.proof > Proof::None;
        let tenant = Arc::new(self.tenant_of(vcluster, inside.namespace(review), is_trusted, namespaces));
        // What the host would say of a copy is for those alone whose it would be.
        Resolved { within: is_trusted.then(|| Arc::clone(vcluster)), ..Resolved::of(tenant) }
    }

    /// The tenant that a virtual cluster is, in a namespace of its own. `namespaces` are the host's.
    #[must_use]
    pub fn tenant_of(
        &self,
        vcluster: &VirtualCluster,
        namespace: &str,
        is_trusted: bool,
        namespaces: &dyn NamespaceLabels,
    ) -> Tenant {
        let registry = self.registry.load();
        let (labels, owner) = owned(&registry, vcluster, namespaces);
        Tenant::of_vcluster(vcluster, namespace, labels, owner.as_ref(), is_trusted)
    }

    /// A request as the syncer of this virtual cluster would make it.
    #[must_use]
    pub fn resolve_copy(
        &self,
        vcluster: &Arc<VirtualCluster>,
        review: &Review,
        namespaces: &dyn NamespaceLabels,
    ) -> Resolved {
        Self::of_vcluster(&self.registry.load(), vcluster, Claims::of(review.request.object.as_ref()), namespaces)
    }

    /// By the marks of an object that was there before.
    fn vouched(
        &self,
        registry: &Registry,
        claims: Option<Claims>,
        request: &AdmissionRequest,
        labels: impl Fn(&str) -> Option<Labels> + Copy,
        namespaces: &dyn NamespaceLabels,
    ) -> Resolved {
        let of = claims.and_then(|claims| Some((home(&claims, request, registry, labels)?, claims)));
        match of.filter(|(vcluster, claims)| named(claims, request).fits(vcluster)) {
            Some((vcluster, claims)) => Self::of_vcluster(registry, &vcluster, Some(claims), namespaces),
            None => Resolved::of(self.of_place(registry, request, labels)),
        }
    }

    fn of_vcluster(
        registry: &Registry,
        vcluster: &Arc<VirtualCluster>,
        claims: Option<Claims>,
        namespaces: &dyn NamespaceLabels,
    ) -> Resolved {
        let (labels, owner) = owned(registry, vcluster, namespaces);
        let namespace = claims.as_ref().map(Claims::object_namespace).unwrap_or_default();
        let tenant = Arc::new(Tenant::of_vcluster(vcluster, namespace, labels, owner.as_ref(), true));
        let synced = claims.map(|claims| Synced { vcluster: Arc::clone(vcluster), claims: Arc::new(claims) });
        Resolved { synced, ..Resolved::of(tenant) }
    }

    /// By the namespace that the request is about, or the user where it is about none.
    fn of_place(
        &self,
        registry: &Registry,
        request: &AdmissionRequest,
        labels: impl Fn(&str) -> Option<Labels>,
    ) -> Arc<Tenant> {
        if request.namespace.is_empty()
            || request.resource.resource == "namespaces" && request.operation == Operation::Create
        {
            let owner = owner::of_user(&request.user, registry.tenants());
            return owner
                .map_or_else(Tenant::none, |owner| Arc::new(Tenant::of_namespaces(&owner, &request.namespace, None)));
        }
        let namespace = &*request.namespace;
        let labels = labels(namespace);
        self.places.of(namespace, labels.as_ref(), registry.generation, || {
            let owner = labels.as_ref().and_then(|labels| owner::of_labels(labels, registry.tenants()));
            let of = |owner: owner::Owner| Arc::new(Tenant::of_namespaces(&owner, namespace, labels.clone()));
            owner.map_or_else(Tenant::none, of)
        })
    }
}

/// The labels of the namespace that a virtual cluster is in, and who owns it: whose object names it, or whose namespace
/// that is.
fn owned(
    registry: &Registry,
    vcluster: &VirtualCluster,
    namespaces: &dyn NamespaceLabels,
) -> (Option<Labels>, Option<owner::Owner>) {
    let labels = namespaces.labels(&vcluster.namespace);
    let of_object = registry.tenants().iter().find(|tenant| tenant.has_vcluster(&vcluster.namespace, &vcluster.name));
    let owner = match of_object {
        Some(tenant) => Some(owner::Owner { name: Arc::clone(&tenant.name), object: Some(Arc::clone(tenant)) }),
        None => labels.as_ref().and_then(|labels| owner::of_labels(labels, registry.tenants())),
    };
    (labels, owner)
}

/// Whether a request is about what is in this virtual cluster's hands: its own namespace, one that it made, or no
/// namespace at all.
fn is_place_of(vcluster: &VirtualCluster, request: &AdmissionRequest, labels: impl Fn(&str) -> Option<Labels>) -> bool {
    let namespace = &*request.namespace;
    if namespace.is_empty() || namespace == &*vcluster.namespace {
        return true;
    }
    // A namespace that does not exist yet is being made: its marks say whose it is to be.
    if request.resource.resource == "namespaces" {
        return request.operation == Operation::Create || is_home_of(vcluster, labels(namespace).as_ref());
    }
    is_home_of(vcluster, labels(namespace).as_ref())
}

fn is_home_of(vcluster: &VirtualCluster, labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| {
        let label = |key: &str| labels.get(key).map(String::as_str);
        label(VCLUSTER_NAME) == Some(&*vcluster.name) && label(VCLUSTER_NAMESPACE) == Some(&*vcluster.namespace)
    })
}

/// The virtual cluster that claims speak of, where it is one of this place.
fn home(
    claims: &Claims,
    request: &AdmissionRequest,
    registry: &Registry,
    labels: impl Fn(&str) -> Option<Labels>,
) -> Option<Arc<VirtualCluster>> {
    let namespace = &*request.namespace;
    if namespace.is_empty() {
        // Who manages it is its home and its name, in one.
        let manager = claims.managed_by()?;
        return registry.managed_by(manager).cloned();
    }
    let here = claims.managed_by().and_then(|name| registry.at(namespace, name));
    here.cloned().or_else(|| {
        let labels = labels(namespace)?;
        registry.at(labels.get(VCLUSTER_NAMESPACE)?, labels.get(VCLUSTER_NAME)?).cloned()
    })
}

fn is_vouched(claims: &Claims, before: Option<&Claims>, request: &AdmissionRequest) -> bool {
    let user = &*request.user.username;
    before.is_some_and(|before| claims.is_within(before))
        || CONTROL_PLANE.contains(&user)
        || user.starts_with(CONTROLLERS)
}

/// The claims as they count: with the name of the request where the object has none yet.
fn named(claims: &Claims, request: &AdmissionRequest) -> Claims {
    let mut claims = claims.clone();
    if claims.name.is_empty() {
        claims.name.clone_from(&request.name);
    }
    if claims.namespace.is_empty() {
        claims.namespace.clone_from(&request.namespace);
    }
    claims
}

fn reason(claims: &Claims, request: &AdmissionRequest, registry: &Registry) -> String {
    use crate::review::clip::quoted;
    let of = match claims.managed_by() {
        Some(name) => format!("of the virtual cluster {}", quoted(name)),
        None => "of a virtual cluster".to_owned(),
    };
    let user = quoted(&request.user.username);
    let known = claims.managed_by().and_then(|name| registry.at(&request.namespace, name));
    let who = match known {
        Some(vcluster) => format!("only {} may say so, and {user} is not it", vcluster.account),
        None => format!("{user} is not its syncer, and none is known in this place"),
    };
    format!(
        "the object claims to be synced out {of}, but {who}; leave out the label vcluster.loft.sh/managed-by and the \
         annotations vcluster.loft.sh/object-*"
    )
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
