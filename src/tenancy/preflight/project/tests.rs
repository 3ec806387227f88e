//! Against what real syncers made of the same objects, and back again by the view.

use std::path::{Path, PathBuf};

use super::*;
use crate::review::JsonText;
use crate::tenancy::{Claims, Synced};

fn folder(version: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vcluster")).join(version)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn vcluster() -> Arc<VirtualCluster> {
    Arc::new(VirtualCluster::new("vc-tenant1", "tenant1", None, "0.36.0").unwrap())
}

fn review(value: &Value) -> Review {
    parse(value.to_string().into(), &Limits::default()).unwrap()
}

fn object(review: &Review) -> Value {
    tree(review.request.object.as_ref().unwrap().as_str()).unwrap()
}

/// The creation of a tenant's object.
fn creation(object: &Value) -> Review {
    let kind = object["kind"].as_str().unwrap();
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", "v1"));
    review(&json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
        "userInfo": {"username": "alice"}, "object": object,
    }}))
}

fn projected(tenants: &Value) -> Value {
    object(&project(&vcluster(), &creation(tenants)).unwrap())
}

/// Without what the syncer or the host alone knows: uids and times, addresses, the labels of the virtual namespace, tokens.
fn known(mut host: Value) -> Value {
    if let Some(all) = host.as_object_mut() {
        all.shift_remove("status");
    }
    let metadata = &mut host["metadata"];
    remove(metadata, &["uid", "creationTimestamp", "generation", "managedFields", "finalizers", "resourceVersion"]);
    each(metadata, "ownerReferences/*/uid", &mut |uid| *uid = "".into());
    if let Some(labels) = metadata["labels"].as_object_mut() {
        let of_name = names::host_namespace_label("kubernetes.io/metadata.name", "tenant1");
        labels.retain(|key, _| !key.contains("/ns-label-") || *key == of_name);
    }
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.retain(|key, _| !key.contains("/token-") && key != "vcluster.loft.sh/block-deletion");
    }
    each(&mut host, "spec/volumes/*/projected/sources/*/downwardAPI/items/*/fieldRef/fieldPath", &mut |path| {
        if path.as_str().is_some_and(|path| path.contains("/token-")) {
            *path = "token".into();
        }
    });
    remove(&mut host["spec"], &["hostAliases"]);
    each(&mut host, "spec/dnsConfig", &mut |config| remove(config, &["nameservers"]));
    each(&mut host, "spec/containers/*/env", &mut |env| {
        let is_of_service =
            |one: &Value| one["name"].as_str().is_some_and(|name| name.contains("_PORT") || name.contains("_SERVICE_"));
        env.as_array_mut().unwrap().retain(|one| !is_of_service(one));
    });
    each(&mut host, "spec/containers/*", &mut |container| {
        if container["env"].as_array().is_some_and(Vec::is_empty) {
            remove(container, &["env"]);
        }
    });
    if host["spec"].is_null() {
        remove(&mut host, &["spec"]);
    }
    host
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[track_caller]
fn assert_same(found: &Value, expected: &Value, what: &str) {
    let pretty = |value: &Value| serde_json::to_string_pretty(&sorted(value)).unwrap();
    assert_eq!(pretty(found), pretty(expected), "{what}");
}

/// Which recorded review of the host is of which of the tenant.
const REVIEWS: [(&str, &str); 8] = [
    ("CREATE.pods.web-579d76775d-wllps.replicaset-controller", "CREATE.pods.web-579d76775d-wllps"),
    ("CREATE.configmaps.app-config.alice", "CREATE.configmaps.app-config"),
    ("CREATE.secrets.app-secret.alice", "CREATE.secrets.app-secret"),
    ("CREATE.secrets.web-tls.alice", "CREATE.secrets.web-tls"),
    ("CREATE.networkpolicies.web.alice", "CREATE.networkpolicies.web"),
    ("CREATE.persistentvolumeclaims.data.alice", "CREATE.persistentvolumeclaims.data"),
    ("CREATE.poddisruptionbudgets.web.alice", "CREATE.poddisruptionbudgets.web"),
    ("UPDATE.configmaps.app-config.alice", "UPDATE.configmaps.app-config"),
];

#[test]
fn the_host_is_asked_what_its_syncer_asked_it_a_moment_later() {
    for (tenants, host) in REVIEWS {
        let reviews = folder("v0.36.0").join("reviews");
        let tenants = review(&read(&reviews.join(format!("virtual.validate.{tenants}.json"))));
        let host = review(&read(&reviews.join(format!("host.validate.{host}-x-team-a-x-tenant1.syncer.json"))));
        let copy = project(&vcluster(), &tenants).unwrap();
        assert_same(&known(object(&copy)), &known(object(&host)), &host.request.name);
        let (found, expected) = (&copy.request, &host.request);
        assert_eq!((&found.name, &found.namespace), (&expected.name, &expected.namespace));
        assert_eq!((&found.kind, &found.resource), (&expected.kind, &expected.resource));
        assert_eq!((&found.user, found.operation), (&expected.user, expected.operation));
        assert!(found.dry_run, "nothing is to come of it");
        let old = |review: &Review| review.request.old_object.as_ref().map(|old| known(tree(old.as_str()).unwrap()));
        assert_eq!(old(&copy).is_some(), old(&host).is_some());
        if let (Some(found), Some(expected)) = (old(&copy), old(&host)) {
            assert_same(&found, &expected, "the object before");
        }
    }
}

/// What the recorded host had its own way in, by a webhook there; and notes that a syncer corrects later.
fn differing(name: &str) -> &'static [&'static str] {
    match name {
        "muttol" => &["/spec/tolerations"],
        "mutsel" => &["/spec/nodeSelector"],
        // It was made before its labels came back.
        "mutlabel" => &[
            "/metadata/annotations/vcluster.loft.sh~1managed-annotations",
            "/metadata/annotations/vcluster.loft.sh~1labels",
        ],
        "pod-forged" => &[
            "/metadata/annotations/vcluster.loft.sh~1labels",
            "/metadata/annotations/vcluster.loft.sh~1owner-set-kind",
        ],
        _ => &[],
    }
}

fn without(mut object: Value, pointers: &[&str]) -> Value {
    for pointer in pointers {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        if let Some(parent) = object.pointer_mut(parent) {
            remove(parent, &[&key.replace("~1", "/")]);
        }
    }
    object
}

/// Names of the recorded pairs of one version.
fn pairs(version: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(version)).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // That virtual cluster also copied ServiceAccounts, and tokens as Secrets: which its configuration alone says.
    let names = names.filter_map(|file| Some(file.strip_suffix(".virtual.json")?.to_owned()));
    names.filter(|name| name != "pod-sasync-secrettoken").collect()
}

#[test]
fn a_projected_object_is_the_recorded_copy() {
    for version in ["v0.30.0", "v0.36.0"] {
        for name in pairs(version) {
            let side = |side: &str| read(&folder(version).join(format!("{name}.{side}.json")));
            let found = without(known(projected(&side("virtual"))), differing(&name));
            assert_same(&found, &without(known(side("host")), differing(&name)), &format!("{version} {name}"));
        }
    }
}

#[test]
fn the_view_of_a_projected_object_is_the_tenants() {
    for version in ["v0.30.0", "v0.36.0"] {
        for name in
            pairs(version).into_iter().chain((version == "v0.36.0").then(|| "pod-sasync-secrettoken".to_owned()))
        {
            let tenants = read(&folder(version).join(format!("{name}.virtual.json")));
            let host = JsonText::of(&projected(&tenants));
            let claims = Claims::of(Some(&host)).unwrap();
            assert!(claims.fits(&vcluster()), "{name}");
            let view = Synced { vcluster: vcluster(), claims: Arc::new(claims) }.view(&host).unwrap();
            let (mut found, mut expected) = (tree(view.as_str()).unwrap(), tenants);
            for one in [&mut found, &mut expected] {
                remove(one, &["status"]);
                remove(
                    &mut one["metadata"],
                    &["creationTimestamp", "finalizers", "generateName", "generation", "resourceVersion"],
                );
                if one["kind"] == "Pod" {
                    remove(&mut one["spec"], &["automountServiceAccountToken", "enableServiceLinks"]);
                }
                each(one, "spec/volumes/*/projected/sources/*/serviceAccountToken", &mut |token| {
                    remove(token, &["expirationSeconds"]);
                });
            }
            let differing: &[&str] = match &*name {
                // Of a label of the tenant's namespace only the hash is left.
                "networkpolicy" => &["/spec/ingress/0/from/1/namespaceSelector/matchLabels"],
                "pod-forged" => {
                    &["/metadata/annotations", "/metadata/labels", "/spec/serviceAccount", "/spec/serviceAccountName"]
                }
                _ => &[],
            };
            assert_same(&without(found, differing), &without(expected, differing), &format!("{version} {name}"));
        }
    }
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "team-a"}, "spec": spec})
}

#[test]
fn what_no_pair_shows_goes_by_the_rules_of_the_syncer() {
    let host = |spec: &Value| projected(&pod(spec))["spec"].clone();
    let long = "n".repeat(70);
    let mut named = pod(&json!({"subdomain": "db", "priorityClassName": "high"}));
    named["metadata"]["name"] = format!("{long}.a").into();
    let found = projected(&named)["spec"].clone();
    assert_eq!(found["hostname"], "n".repeat(63));
    assert!(found.get("subdomain").is_none() && found.get("priorityClassName").is_none(), "{found}");
    assert_eq!(host(&json!({"hostname": "own"}))["hostname"], "own");

    let found = host(&json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true}));
    assert_eq!((&found["dnsPolicy"], found.get("dnsConfig")), (&json!("ClusterFirst"), None));
    assert_eq!(host(&json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true}))["dnsPolicy"], "None");
    let own = json!({"dnsPolicy": "ClusterFirst", "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["a.b", "cluster.local"]}});
    let found = host(&own);
    assert_eq!(
        found["dnsConfig"],
        json!({
            "searches": ["team-a.svc.cluster.local", "svc.cluster.local", "cluster.local", "a.b"],
            "options": [{"name": "ndots", "value": "5"}], "nameservers": ["10.0.0.1"],
        })
    );

    let found = host(&json!({"volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}]}));
    assert_eq!(
        found["volumes"],
        json!([{"name": "scratch", "persistentVolumeClaim": {"claimName": "web-scratch-x-team-a-x-tenant1"}}])
    );
}

#[test]
fn affinity_is_to_this_tenants_pods_alone() {
    let projected_term = |term: Value| {
        let spec = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
        projected(&pod(&spec))["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
            .clone()
    };
    let (own, marked) = ("vcluster.loft.sh/managed-by", "vcluster.loft.sh/namespace");
    assert_eq!(
        projected_term(json!({"labelSelector": {}, "topologyKey": "zone", "namespaces": ["team-b"]})),
        json!({"topologyKey": "zone", "labelSelector": {
            "matchLabels": {own: "tenant1"}, "matchExpressions": [{"key": marked, "operator": "In", "values": ["team-b"]}],
        }})
    );
    assert_eq!(
        projected_term(
            json!({"labelSelector": {"matchLabels": {"a": "b"}}, "namespaces": ["team-b"], "namespaceSelector": {}})
        ),
        json!({"labelSelector": {"matchLabels": {"a": "b", own: "tenant1"}}})
    );
    let team = names::host_namespace_label("team", "tenant1");
    assert_eq!(
        projected_term(
            json!({"labelSelector": {}, "namespaceSelector": {"matchLabels": {"team": "b"}}, "matchLabelKeys": ["x"]})
        ),
        json!({"labelSelector": {"matchLabels": {team: "b", own: "tenant1"}}})
    );
    assert_eq!(projected_term(json!({"topologyKey": "zone", "namespaces": ["x"]})), json!({"topologyKey": "zone"}));
}

#[test]
fn what_is_in_no_namespace_or_no_object_is_not_projected() {
    let none = |change: fn(&mut Value)| {
        let mut body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "namespace": "team-a", "name": "web",
            "kind": {"version": "v1", "kind": "Pod"}, "resource": {"version": "v1", "resource": "pods"}, "object": {},
        }});
        change(&mut body["request"]);
        project(&vcluster(), &review(&body))
    };
    assert!(none(|request| request["namespace"] = "".into()).is_none());
    assert!(none(|request| request["operation"] = "DELETE".into()).is_none());
    assert!(none(|request| drop(request["object"].take())).is_none());
    // Nonsense is projected as far as it goes.
    for object in [json!({}), json!({"metadata": 7, "spec": []}), json!({"metadata": {"labels": [], "annotations": 1}})]
    {
        let mut body = serde_json::to_value(creation(&pod(&json!({}))).text.as_str()).unwrap();
        body = serde_json::from_str(body.as_str().unwrap()).unwrap();
        body["object"] = object;
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": body});
        assert_eq!(project(&vcluster(), &review(&body)).unwrap().request.namespace, "vc-tenant1");
    }
}
