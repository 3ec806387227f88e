use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::vcluster::VirtualCluster;
use super::super::{FORGED, GUARDED, Kind, TenantObject};
use super::*;
use crate::review::{Limits, parse};

type Namespaces = BTreeMap<String, Labels>;

const SYNCER: &str = "system:serviceaccount:vc-tenant1:vc-tenant1";
const OTHER: &str = "system:serviceaccount:vc-tenant2:vc-tenant2";

fn tenancy() -> Tenancy {
    let one = |namespace: &str, name: &str| Arc::new(VirtualCluster::new(namespace, name, None, "0.36.0").unwrap());
    let acme =
        json!({"metadata": {"name": "acme"}, "spec": {"vclusters": [{"namespace": "vc-tenant2", "name": "tenant2"}]}});
    let acme = Arc::new(TenantObject::read(&acme).unwrap());
    let tenancy = Tenancy::default();
    tenancy.publish(Registry::new([one("vc-tenant1", "tenant1"), one("vc-tenant2", "tenant2")], [], [acme]));
    tenancy
}

fn namespaces() -> Namespaces {
    let labels = |pairs: &[(&str, &str)]| -> Labels {
        Arc::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    BTreeMap::from([
        ("vc-tenant1".to_owned(), labels(&[("loft.sh/project", "shop")])),
        ("vc-tenant2".to_owned(), labels(&[])),
        ("mapped".to_owned(), labels(&[(VCLUSTER_NAME, "tenant1"), (VCLUSTER_NAMESPACE, "vc-tenant1")])),
        ("plain".to_owned(), labels(&[])),
        ("oil-wells".to_owned(), labels(&[("capsule.clastix.io/tenant", "oil")])),
    ])
}

/// A pod as the syncer of `tenant1` makes it.
fn synced() -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {
        "name": "web-x-team-a-x-tenant1", "namespace": "vc-tenant1",
        "labels": {"app": "web", "vcluster.loft.sh/managed-by": "tenant1", "vcluster.loft.sh/namespace": "team-a"},
        "annotations": {
            "vcluster.loft.sh/object-name": "web", "vcluster.loft.sh/object-namespace": "team-a",
            "vcluster.loft.sh/object-uid": "1", "vcluster.loft.sh/object-kind": "/v1, Kind=Pod",
            "vcluster.loft.sh/object-host-name": "web-x-team-a-x-tenant1",
            "vcluster.loft.sh/object-host-namespace": "vc-tenant1",
        },
    }})
}

fn plain() -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web", "labels": {"app": "web"}}})
}

struct Asked<'a> {
    user: &'a str,
    groups: &'a [&'a str],
    operation: &'a str,
    namespace: &'a str,
    resource: &'a str,
    object: Value,
    before: Value,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        let (object, before) = (synced(), Value::Null);
        Self {
            user: SYNCER,
            groups: &[],
            operation: "CREATE",
            namespace: "vc-tenant1",
            resource: "pods",
            object,
            before,
        }
    }
}

impl Asked<'_> {
    fn review(&self) -> Review {
        let request = json!({
            "uid": "1", "operation": self.operation, "namespace": self.namespace, "name": "web",
            "kind": {"group": "", "version": "v1", "kind": "X"},
            "resource": {"group": "", "version": "v1", "resource": self.resource},
            "userInfo": {"username": self.user, "groups": self.groups}, "object": self.object, "oldObject": self.before,
        });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        parse(review.to_string().into(), &Limits::default()).unwrap()
    }

    fn resolved(&self) -> Resolved {
        tenancy().resolve(&self.review(), &namespaces())
    }

    fn tenant(&self) -> Value {
        let resolved = self.resolved();
        assert_eq!(resolved.forged, None);
        serde_json::from_str(&resolved.tenant.text).unwrap()
    }

    fn forged(&self) -> Option<String> {
        let (tenancy, review) = (tenancy(), self.review());
        let refusal = tenancy.refusal(&review, &tenancy.resolve(&review, &namespaces()))?;
        assert_eq!(refusal.reason, FORGED);
        Some(refusal.message)
    }
}

#[test]
fn a_syncer_is_believed_whose_object_it_is() {
    let resolved = Asked::default().resolved();
    let synced = resolved.synced.unwrap();
    assert_eq!((synced.claims.object_name(), synced.claims.object_namespace()), ("web", "team-a"));
    assert_eq!(
        Asked::default().tenant(),
        json!({
            "kind": "vcluster", "trusted": true, "name": "tenant1", "namespace": "team-a",
            "vcluster": {"name": "tenant1", "namespace": "vc-tenant1", "version": "0.36.0"}, "owner": "shop",
            "labels": {"loft.sh/project": "shop"}, "parameters": {},
        })
    );
}

#[test]
fn a_syncer_is_its_virtual_cluster_whatever_it_asks_for() {
    let exec = json!({"kind": "PodExecOptions", "command": ["sh"]});
    for (operation, object, before) in
        [("CREATE", plain(), Value::Null), ("DELETE", Value::Null, synced()), ("CONNECT", exec, Value::Null)]
    {
        let asked = Asked { operation, object, before, ..Asked::default() };
        assert_eq!(asked.tenant()["vcluster"]["name"], "tenant1", "{operation}");
        assert_eq!(asked.resolved().synced.is_some(), operation == "DELETE", "{operation}");
    }
    let mapped = Asked { namespace: "mapped", object: plain(), ..Asked::default() };
    assert_eq!(mapped.tenant()["vcluster"]["name"], "tenant1");
    let class = Asked { namespace: "", resource: "storageclasses", object: plain(), ..Asked::default() };
    assert_eq!(class.tenant()["vcluster"]["name"], "tenant1");
}

#[test]
fn a_syncer_has_no_say_in_another_place() {
    for namespace in ["plain", "vc-tenant2", "unheard-of"] {
        let forged = Asked { namespace, ..Asked::default() }.forged().unwrap();
        assert!(forged.contains("managed-by"), "{forged}");
        let asked = Asked { namespace, object: plain(), ..Asked::default() };
        assert_eq!(asked.tenant()["kind"], "none", "{namespace}");
    }
}

#[test]
fn marks_of_a_syncer_by_anybody_else_are_forged() {
    for user in [
        "jane",
        OTHER,
        "system:serviceaccount:vc-tenant1:vc-workload-tenant1",
        "system:serviceaccount:plain:vc-tenant1",
    ] {
        let told = Asked { user, ..Asked::default() }.forged().unwrap();
        assert!(told.contains("virtual cluster \"tenant1\"") && told.contains(SYNCER), "{told}");
    }
    let elsewhere = Asked { user: "jane", namespace: "plain", ..Asked::default() }.forged().unwrap();
    assert!(elsewhere.contains("none is known in this place"), "{elsewhere}");
    let admin = Asked { user: "admin", groups: &["system:masters"], ..Asked::default() };
    assert!(admin.forged().is_some(), "an admin is no syncer");
    let mut label = plain();
    label["metadata"]["labels"]["vcluster.loft.sh/managed-by"] = "tenant1".into();
    assert!(Asked { user: "jane", object: label, ..Asked::default() }.forged().is_some());
    let mut annotation = plain();
    annotation["metadata"]["annotations"] = json!({"vcluster.loft.sh/object-name": "x"});
    assert!(Asked { user: "jane", object: annotation, ..Asked::default() }.forged().is_some());
}

#[test]
fn an_object_that_was_synced_vouches_for_whoever_changes_it() {
    let mut changed = synced();
    changed["status"] = json!({"phase": "Running"});
    for user in [
        "system:node:n1",
        "system:kube-scheduler",
        "admin",
        "system:serviceaccount:kube-system:generic-garbage-collector",
    ] {
        let asked = Asked { user, operation: "UPDATE", object: changed.clone(), before: synced(), ..Asked::default() };
        assert_eq!(asked.forged(), None, "{user}");
        assert_eq!(asked.tenant()["trusted"], true, "{user}");
        assert_eq!(asked.tenant()["namespace"], "team-a", "{user}");
        let deleted = Asked { user, operation: "DELETE", object: Value::Null, before: synced(), ..Asked::default() };
        assert_eq!(deleted.tenant()["vcluster"]["name"], "tenant1", "{user}");
    }
}

#[test]
fn marks_may_be_taken_off_but_not_changed() {
    let update = |change: &dyn Fn(&mut Value)| {
        let mut object = synced();
        change(&mut object["metadata"]);
        Asked { user: "admin", operation: "UPDATE", object, before: synced(), ..Asked::default() }.forged()
    };
    assert_eq!(update(&|metadata| metadata["labels"] = json!({})), None);
    assert_eq!(update(&|metadata| metadata["annotations"] = json!({})), None);
    assert!(update(&|metadata| metadata["annotations"]["vcluster.loft.sh/object-uid"] = "2".into()).is_some());
    assert!(update(&|metadata| metadata["labels"]["vcluster.loft.sh/managed-by"] = "tenant2".into()).is_some());
    let fresh = Asked { user: "admin", operation: "UPDATE", before: plain(), ..Asked::default() };
    assert!(fresh.forged().is_some(), "an object becomes none of a tenant's by an update");
}

#[test]
fn an_object_that_never_was_synced_vouches_for_nothing() {
    let mut lost = synced();
    lost["metadata"]["labels"]["vcluster.loft.sh/managed-by"] = "gone".into();
    let asked =
        Asked { user: "system:node:n1", operation: "UPDATE", object: lost.clone(), before: lost, ..Asked::default() };
    assert_eq!(asked.forged(), None, "a leftover can still be updated");
    assert_eq!(asked.tenant()["kind"], "namespaces");
    assert!(asked.resolved().synced.is_none());
}

#[test]
fn what_kubernetes_makes_of_a_synced_object_carries_its_marks_along() {
    let mut slice = synced();
    slice["metadata"]["name"] = "web-x-team-a-x-tenant1-h7x2k".into();
    let user = "system:serviceaccount:kube-system:endpointslicemirroring-controller";
    let asked = Asked { user, object: slice, resource: "endpointslices", ..Asked::default() };
    assert_eq!(asked.forged(), None);
    assert!(asked.resolved().synced.is_none(), "and is no copy of the tenant's");
}

#[test]
fn a_namespace_tells_its_owner_and_a_user_his() {
    let tenant = |user: &str, groups: &[&str], namespace: &str, resource: &str| {
        Asked { user, groups, namespace, resource, object: plain(), ..Asked::default() }.tenant()
    };
    let oil = tenant("jane", &[], "oil-wells", "pods");
    assert_eq!(
        (&oil["kind"], &oil["name"], &oil["namespace"]),
        (&json!("namespaces"), &json!("oil"), &json!("oil-wells"))
    );
    assert_eq!(tenant("jane", &[], "plain", "pods")["kind"], "none");
    assert_eq!(tenant("jane", &[], "unheard-of", "pods")["kind"], "none");
    assert_eq!(tenant("jane", &["loft:user:jane"], "new", "namespaces")["owner"], "jane");
    assert_eq!(tenant("jane", &["loft:team:a"], "", "nodes")["owner"], "a");
    let second = Asked { user: OTHER, namespace: "vc-tenant2", object: plain(), ..Asked::default() };
    assert_eq!(second.tenant()["owner"], "acme", "by an object of its own");
}

#[test]
fn a_tenant_is_made_anew_when_labels_or_the_registry_change() {
    let tenancy = tenancy();
    let review = Asked { user: "jane", namespace: "oil-wells", object: plain(), ..Asked::default() }.review();
    let (known, mut later) = (namespaces(), namespaces());
    let first = tenancy.resolve(&review, &known).tenant;
    assert!(Arc::ptr_eq(&first, &tenancy.resolve(&review, &known).tenant));
    later
        .insert("oil-wells".to_owned(), Arc::new(BTreeMap::from([("kiosk.sh/account".to_owned(), "jane".to_owned())])));
    assert_eq!(&*tenancy.resolve(&review, &later).tenant.name, "jane");
    tenancy.publish(Registry::default());
    assert!(!Arc::ptr_eq(&first, &tenancy.resolve(&review, &known).tenant));
}

#[test]
fn where_nothing_is_known_of_virtual_clusters_nothing_is_refused() {
    let tenancy = Tenancy::default();
    let review = Asked { user: "jane", ..Asked::default() }.review();
    let resolved = tenancy.resolve(&review, &namespaces());
    assert_eq!((resolved.tenant.kind, tenancy.refusal(&review, &resolved)), (Kind::None, None));
    tenancy.publish(Registry::default());
    assert!(tenancy.refusal(&review, &tenancy.resolve(&review, &namespaces())).is_some());
}

#[test]
fn a_label_that_decides_ownership_is_guarded() {
    let mut namespace = plain();
    namespace["metadata"]["labels"]["loft.sh/user"] = "bob".into();
    let asked = Asked { user: "jane", resource: "namespaces", namespace: "web", object: namespace, ..Asked::default() };
    let (tenancy, review) = (tenancy(), asked.review());
    let refusal = tenancy.refusal(&review, &tenancy.resolve(&review, &namespaces())).unwrap();
    assert_eq!(refusal.reason, GUARDED);
}
