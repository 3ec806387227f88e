use serde_json::{Value, json};

use super::super::draft::Complete;
use super::super::jspolicy::js_policy_of_cluster;
use super::super::spec::Dialect;
use super::*;

fn object(spec: &Value) -> Value {
    json!({"metadata": {"name": "no-latest", "namespace": "shop", "annotations": {"bylaw.dev/exceptions": "Never"}}, "spec": spec})
}

fn with(changes: &Value) -> Value {
    let mut spec = json!({"typescript": "export default {}", "resources": ["pods"], "operations": ["CREATE"]});
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    object(&spec)
}

fn read(object: &Value) -> Result<JsPolicy, Vec<String>> {
    tenant_policy(object, js_policy_of_cluster).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn complete(changes: &Value) -> Result<Complete, String> {
    let policy = read(&with(changes)).unwrap();
    policy.draft.complete(Dialect::Module, None).map_err(|error| error.to_string())
}

#[test]
fn a_policy_of_a_tenant_is_kept_to_its_namespace_whatever_it_says() {
    let asked = json!({
        "vantage": "both", "scope": "Cluster", "failurePolicy": "Fail", "timeoutSeconds": 30, "matchPolicy": "Exact",
        "tenants": ["bank"], "priority": 9, "reinvocationPolicy": "IfNeeded", "auditPolicy": "Log",
        "permissions": {"read": ["v1/ConfigMap"]},
    });
    let Complete { spec, webhook_failure, is_reinvoked, oversight, .. } = complete(&asked).unwrap();
    assert_eq!(&*spec.name, "no-latest.shop.tenants.bylaw.dev");
    assert_eq!(
        spec.rules.namespace_selector.match_labels,
        BTreeMap::from([(NAME_LABEL.to_owned(), "shop".to_owned())])
    );
    assert_eq!((spec.rules.scope, spec.rules.vantage), (Scope::Namespaced, Some(Vantage::Host)));
    assert_eq!((spec.rules.tenants, spec.rules.match_policy), (None, MatchPolicy::Equivalent));
    assert_eq!((spec.timeout, spec.priority, spec.isolation), (TIMEOUT, 0, Isolation::Process));
    assert_eq!((spec.tenant.as_deref(), spec.permissions.within.as_deref()), (Some("shop"), Some("shop")));
    assert!(spec.rules.exclude_users.contains(&"group:system:masters".to_owned()));
    assert_eq!((webhook_failure, is_reinvoked), (WebhookFailure::Ignore, false));
    assert!(oversight.is_unlogged && oversight.overrides.is_empty() && !oversight.refuses_exceptions);
}

#[test]
fn what_reaches_further_is_refused_by_name() {
    for (changes, told) in [
        (json!({"permissions": {"write": ["v1/Pod"]}}), "permissions.write: is not for tenants"),
        (json!({"permissions": {"net": ["*"]}}), "permissions.net: is not for tenants"),
        (json!({"permissions": {"env": ["HOME"]}}), "permissions.env: is not for tenants"),
        (json!({"permissions": {"files": ["/etc/passwd"]}}), "permissions.files: is not for tenants"),
        (json!({"permissions": {"quota": ["*"]}}), "permissions.quota: is not for tenants"),
        (json!({"permissions": {"codegen": true}}), "permissions.codegen: is not for tenants"),
        (
            json!({"permissions": {"serviceAccount": "kube-system/admin"}}),
            "permissions.serviceAccount: is not for tenants",
        ),
        (json!({"permissions": {"read": ["*"]}}), "permissions.read: `*` covers Secrets"),
        (json!({"permissions": {"read": ["v1/Secret"]}}), "permissions.read: `v1/Secret` covers Secrets"),
        (json!({"resources": ["*"]}), "match.resources: `*` is too wide for a tenant"),
        (json!({"resources": ["*/status"]}), "match.resources: `*/status` is too wide for a tenant"),
        (json!({"resources": ["policyreports"]}), "match.resources: `policyreports` is the platform's"),
        (json!({"resources": ["tenantpolicies/status"]}), "match.resources: `tenantpolicies/status` is the platform's"),
        (
            json!({"apiGroups": ["admissionregistration.k8s.io"]}),
            "match.apiGroups: `admissionregistration.k8s.io` is the platform's",
        ),
    ] {
        let error = complete(&changes).map(|_| ()).unwrap_err();
        assert!(error.contains(told), "{changes}: {error}");
    }
}

#[test]
fn a_handler_that_changes_objects_is_refused() {
    let mut policy = read(&with(&json!({}))).unwrap();
    policy.draft.handlers.mutates = true;
    let error = policy.draft.complete(Dialect::Module, None).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("may have a `validate` handler only"), "{error}");
}

#[test]
fn fields_that_are_the_platforms_are_refused_with_the_mend() {
    for (field, value) in [
        ("type", json!("Mutating")),
        ("package", json!({"name": "a", "version": "1"})),
        ("dependencies", json!({"lodash": "4"})),
        ("bundleRef", json!("sha256:0")),
        ("parametersFrom", json!({"configMap": {"name": "a", "namespace": "kube-system"}})),
        ("enforcement", json!([])),
        ("isolation", json!("Shared")),
        ("background", json!(true)),
        ("namespaceSelector", json!({})),
    ] {
        let faults = read(&with(&json!({field: value}))).unwrap_err();
        assert!(faults.len() == 1 && faults[0].starts_with(&format!("spec.{field}: ")), "{faults:?}");
    }
    assert!(read(&with(&json!({"type": "Validating"}))).is_ok());
}

#[test]
fn a_policy_needs_a_namespace_a_name_and_code_of_some_length() {
    let faults = |object: Value| read(&object).unwrap_err().join("\n");
    assert!(faults(json!({"metadata": {"name": "a"}, "spec": {"typescript": "x"}})).contains("metadata.namespace"));
    let named = |name: &str| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"typescript": "x"}});
    for name in ["", "A", "a..b", &"a".repeat(64)] {
        assert!(faults(named(name)).contains("metadata.name"), "{name}");
    }
    assert!(faults(object(&json!({}))).contains("spec.typescript: is missing"));
    let long = "x".repeat(LONGEST_SOURCE + 1);
    assert!(faults(object(&json!({"typescript": long}))).contains("longer than 128 KiB"));
}

#[test]
fn nobody_else_may_take_a_name_like_theirs() {
    let object = json!({"metadata": {"name": "no-latest.shop.tenants.bylaw.dev"}, "spec": {
        "javascript": "allow()", "resources": ["pods"], "operations": ["CREATE"],
    }});
    let policy = js_policy_of_cluster(&object).unwrap();
    let error = policy.draft.complete(Dialect::Script, None).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ends like the names of tenants' own policies"), "{error}");
}
