//! The built-in policy that keeps labels by which ownership is decided to those who may decide it: a namespace that could
//! label itself would choose its owner, and with him the rules it is judged by.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::owner;
use super::registry::Registry;
use crate::matching::{MatchError, UserPatterns};
use crate::review::clip::quoted;
use crate::review::only_object::OnlyObject;
use crate::review::{AdmissionRequest, JsonText, Operation};

/// Who may where nobody is named: cluster admins, Kubernetes itself, and the systems whose labels they are.
const TRUSTED: [&str; 10] = [
    "group:system:masters",
    "system:kube-controller-manager",
    "system:serviceaccount:kube-system:*",
    "system:serviceaccount:loft:*",
    "system:serviceaccount:vcluster-platform:*",
    "system:serviceaccount:capsule-system:*",
    "system:serviceaccount:cattle-system:*",
    "system:serviceaccount:cattle-fleet-system:*",
    "system:serviceaccount:kiosk:*",
    "system:serviceaccount:hnc-system:*",
];

/// Where `--tenant-admins` stands in messages.
const FIELD: &str = "tenantAdmins";

pub(super) struct Guard(UserPatterns);

impl Default for Guard {
    fn default() -> Self {
        Self(UserPatterns::compile(&TRUSTED.map(str::to_owned), FIELD).unwrap_or_default())
    }
}

impl Guard {
    /// `admins` may label namespaces too: users, or `group:NAME`, each with `*` at its end for any.
    pub(super) fn with(admins: &[String]) -> Result<Self, MatchError> {
        let all: Vec<String> = TRUSTED.iter().map(ToString::to_string).chain(admins.iter().cloned()).collect();
        UserPatterns::compile(&all, FIELD).map(Self)
    }

    /// Why a namespace must not get these labels of this user.
    pub(super) fn minds(&self, request: &AdmissionRequest, registry: &Registry) -> Option<String> {
        let is_write = matches!(request.operation, Operation::Create | Operation::Update);
        if request.resource.resource != "namespaces" || !request.resource.group.is_empty() || !is_write {
            return None;
        }
        if self.0.find(&request.user).is_some() {
            return None;
        }
        let (now, before) = (labels(request.object.as_ref()), labels(request.old_object.as_ref()));
        let own = owner::of_user(&request.user, registry.tenants()).map(|owner| owner.name);
        let syncer = registry.by_account(&request.user.username);
        let is_own = |key: &str, value: &str| match key {
            "vcluster.loft.sh/vcluster-name" => syncer.is_some_and(|vcluster| *vcluster.name == *value),
            "vcluster.loft.sh/vcluster-namespace" => syncer.is_some_and(|vcluster| *vcluster.namespace == *value),
            _ => own.as_deref() == Some(value),
        };
        let keys: BTreeSet<&String> = now.keys().chain(before.keys()).filter(|key| owner::decides(key)).collect();
        for key in keys {
            let (is, was) = (now.get(key), before.get(key));
            if is == was || is.is_none_or(|value| is_own(key, value)) && was.is_none_or(|value| is_own(key, value)) {
                continue;
            }
            let user = quoted(&request.user.username);
            let what = if is.is_some() { "set" } else { "take off" };
            return Some(format!(
                "the label {key} decides who owns the namespace, and {user} may not {what} it; ask an admin, or name the \
                 user in --tenant-admins"
            ));
        }
        let owned_by = |labels: &BTreeMap<String, String>| {
            registry.tenants().iter().find(|tenant| tenant.has_namespace(labels)).map(|tenant| tenant.name.clone())
        };
        let (is, was) = (owned_by(&now), owned_by(&before));
        let may_move = |tenant: &Option<std::sync::Arc<str>>| tenant.is_none() || *tenant == own;
        if is == was || may_move(&is) && may_move(&was) {
            return None;
        }
        let tenant = is.or(was).unwrap_or_default();
        let user = quoted(&request.user.username);
        Some(format!(
            "these labels decide that the tenant {tenant} owns the namespace, and {user} does not speak for it; ask an admin, \
             or name the user in --tenant-admins"
        ))
    }
}

fn labels(object: Option<&JsonText>) -> BTreeMap<String, String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        metadata: Option<OnlyObject<Metadata>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        labels: Option<BTreeMap<String, String>>,
    }
    let object = object.and_then(|object| serde_json::from_str::<Object>(object.as_str()).ok());
    let metadata = object.and_then(|object| object.metadata);
    metadata.and_then(|OnlyObject(metadata)| metadata.labels).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::owner::TenantObject;
    use super::super::vcluster::VirtualCluster;
    use super::*;
    use crate::review::{Limits, parse};

    fn registry() -> Registry {
        let ours = json!({"metadata": {"name": "ours"}, "spec": {
            "owners": [{"kind": "User", "name": "olga"}],
            "members": {"namespaceSelector": {"matchLabels": {"stage": "prod"}}},
        }});
        let vcluster = Arc::new(VirtualCluster::new("vc-a", "a", None, "").unwrap());
        Registry::new([vcluster], [], [Arc::new(TenantObject::read(&ours).unwrap())])
    }

    fn minds(user: &str, groups: &[&str], before: Option<Value>, now: Value) -> Option<String> {
        let object = |labels: Value| json!({"kind": "Namespace", "metadata": {"name": "n", "labels": labels}});
        let operation = if before.is_some() { "UPDATE" } else { "CREATE" };
        let request = json!({
            "uid": "1", "operation": operation, "namespace": "n", "name": "n",
            "kind": {"group": "", "version": "v1", "kind": "Namespace"},
            "resource": {"group": "", "version": "v1", "resource": "namespaces"},
            "userInfo": {"username": user, "groups": groups}, "object": object(now), "oldObject": before.map(object),
        });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        let review = parse(review.to_string().into(), &Limits::default()).unwrap();
        Guard::with(&["gitops".to_owned()]).unwrap().minds(&review.request, &registry())
    }

    #[test]
    fn a_label_that_names_someone_else_is_refused() {
        let of_bob = json!({"loft.sh/user": "bob"});
        let told = minds("alice", &["loft:user:alice"], None, of_bob.clone()).unwrap();
        assert!(told.contains("the label loft.sh/user decides") && told.contains("\"alice\""), "{told}");
        assert!(minds("alice", &["loft:user:alice"], Some(of_bob.clone()), json!({"loft.sh/user": "alice"})).is_some());
        assert!(minds("alice", &["loft:user:alice"], Some(of_bob.clone()), json!({})).is_some());
        assert!(minds("alice", &[], None, json!({"x.tree.hnc.x-k8s.io/depth": "1"})).is_some());
        assert!(minds("alice", &["loft:user:alice"], None, json!({"loft.sh/user": "alice"})).is_none());
        assert!(minds("alice", &[], Some(of_bob.clone()), json!({"loft.sh/user": "bob", "team": "a"})).is_none());
    }

    #[test]
    fn admins_and_the_systems_whose_labels_they_are_may_set_them() {
        for (user, groups) in [
            ("admin", &["system:masters"][..]),
            ("gitops", &[]),
            ("system:serviceaccount:capsule-system:capsule", &[]),
            ("system:serviceaccount:kube-system:namespace-controller", &[]),
        ] {
            assert_eq!(minds(user, groups, None, json!({"capsule.clastix.io/tenant": "oil"})), None, "{user}");
        }
        assert!(
            minds("system:serviceaccount:shop:default", &[], None, json!({"capsule.clastix.io/tenant": "oil"}))
                .is_some()
        );
    }

    #[test]
    fn labels_that_a_tenant_selects_by_are_for_its_owners() {
        let prod = json!({"stage": "prod"});
        assert!(minds("alice", &[], None, prod.clone()).unwrap().contains("the tenant ours"));
        assert!(minds("alice", &[], Some(prod.clone()), json!({})).is_some(), "nor may one escape");
        assert_eq!(minds("olga", &[], None, prod.clone()), None);
        assert_eq!(minds("alice", &[], None, json!({"stage": "dev"})), None);
        assert_eq!(minds("alice", &[], Some(prod.clone()), json!({"stage": "prod", "a": "b"})), None);
    }

    #[test]
    fn a_syncer_marks_its_own_namespaces_alone() {
        let marks =
            |name: &str| json!({"vcluster.loft.sh/vcluster-name": name, "vcluster.loft.sh/vcluster-namespace": "vc-a"});
        assert_eq!(minds("system:serviceaccount:vc-a:vc-a", &[], None, marks("a")), None);
        assert!(minds("system:serviceaccount:vc-a:vc-a", &[], None, marks("b")).is_some());
        assert!(minds("system:serviceaccount:vc-b:vc-b", &[], None, marks("a")).is_some());
    }
}
