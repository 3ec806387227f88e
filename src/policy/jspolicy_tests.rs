// `json!` reads better without `&`.
#![allow(clippy::needless_pass_by_value)]

use std::time::Duration;

use serde_json::json;

use super::super::spec::{Dialect, Isolation, MatchPolicy, OnError, Scope};
use super::*;

/// A valid object with the fields of `spec` changed: `null` removes one.
fn object(changes: Value) -> Value {
    let mut spec = json!({"operations": ["CREATE"], "resources": ["pods"], "javascript": "deny('no')"});
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": "a.b.c"}, "spec": spec})
}

fn read(changes: Value) -> JsPolicy {
    js_policy(&object(changes)).unwrap()
}

fn fault(changes: Value) -> String {
    let faults = js_policy(&object(changes)).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].to_string()
}

#[test]
fn the_defaults_are_jspolicys() {
    let policy = read(json!({}));
    assert_eq!(policy.code, CodeSource::JavaScript("deny('no')".to_owned()));
    let complete = policy.draft.complete(Dialect::Script, None).unwrap();
    let spec = complete.spec;
    assert!(spec.validates && !spec.mutates);
    assert_eq!(
        (spec.timeout, spec.enforcement, spec.on_error),
        (Duration::from_secs(10), Enforcement::Deny, OnError::Deny)
    );
    assert_eq!((spec.rules.scope, spec.rules.match_policy), (Scope::All, MatchPolicy::Equivalent));
    assert!(spec.rules.api_groups.is_empty() && spec.rules.api_versions.is_empty());
    assert_eq!((complete.webhook_failure, spec.isolation), (WebhookFailure::Fail, Isolation::Fresh));
}

#[test]
fn every_field_of_jspolicy_is_read() {
    let policy = read(json!({
        "type": "Mutating", "operations": ["*"], "resources": ["pods", "pods/log"], "apiGroups": ["*"],
        "apiVersions": ["v1"], "scope": "Namespaced", "reinvocationPolicy": "IfNeeded", "failurePolicy": "Ignore",
        "matchPolicy": "Exact", "namespaceSelector": {"matchLabels": {"a": "b"}},
        "objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}, "timeoutSeconds": 4,
        "violationPolicy": "Dry", "auditPolicy": "Skip", "auditLogSize": 40, "dependencies": {"lodash": "^4"},
    }));
    assert!(policy.draft.handlers.mutates && !policy.draft.handlers.validates);
    let spec = policy.draft.complete(Dialect::Script, None).unwrap().spec;
    assert!(spec.rules.operations.is_empty() && spec.rules.api_groups.is_empty());
    assert_eq!((spec.rules.scope, spec.rules.match_policy), (Scope::Namespaced, MatchPolicy::Exact));
    assert_eq!((spec.timeout, spec.enforcement), (Duration::from_secs(4), Enforcement::Dry));
    assert_eq!(spec.on_error, OnError::Deny, "failurePolicy Ignore does not let script errors pass in jsPolicy");
    assert_eq!(spec.rules.object_selector.match_expressions.len(), 1);
}

#[test]
fn the_new_fields_are_optional_and_read() {
    let policy = read(json!({
        "javascript": null, "typescript": "export default 1;", "operations": null, "resources": null,
        "parameters": {"a": 1}, "matchConditions": [{"name": "a", "expression": "true"}], "priority": 3,
        "permissions": {"net": ["example.com"]}, "isolation": "Dedicated", "onError": "Allow", "workloads": true,
        "vantage": "virtual", "limits": {}, "enforcement": [],
    }));
    assert_eq!(policy.code, CodeSource::TypeScript("export default 1;".to_owned()));
    let draft = policy.draft;
    assert_eq!((draft.priority, draft.on_error, draft.workloads), (Some(3), Some(OnError::Allow), Some(true)));
    assert_eq!((draft.isolation, draft.operations), (Some(Isolation::Dedicated), None));
    assert_eq!(draft.notes.len(), 1, "{:?}", draft.notes);
}

#[test]
fn the_checks_are_those_of_the_crds_webhook() {
    assert_eq!(fault(json!({"operations": []})), "spec.operations: must name at least one, such as `CREATE`");
    assert_eq!(fault(json!({"resources": null})), "spec.resources: must name at least one, such as `pods`");
    assert_eq!(fault(json!({"timeoutSeconds": 31})), "spec.timeoutSeconds: must be from 1 to 30, not 31");
    assert_eq!(fault(json!({"auditLogSize": 41})), "spec.auditLogSize: must be from 1 to 40, not 41");
    assert_eq!(fault(json!({"scope": "namespaced"})), "spec.scope: `namespaced` must be one of Cluster, Namespaced, *");
    assert_eq!(fault(json!({"failurePolicy": ""})), "spec.failurePolicy: `` must be one of Fail, Ignore");
    assert_eq!(fault(json!({"matchPolicy": "exact"})), "spec.matchPolicy: `exact` must be one of Exact, Equivalent");
    assert_eq!(
        fault(json!({"reinvocationPolicy": "x"})),
        "spec.reinvocationPolicy: `x` must be one of Never, IfNeeded"
    );
    assert_eq!(
        fault(json!({"type": "validating"})),
        "spec.type: `validating` must be one of Validating, Mutating, Controller"
    );
    assert_eq!(
        fault(json!({"type": "Controller", "operations": ["UPDATE"]})),
        "spec.operations: must be CREATE, DELETE or * for type Controller"
    );
    assert_eq!(
        fault(json!({"dependencies": {"lodash": 4}})),
        "spec.dependencies: must map names of npm packages to ranges of versions, both strings"
    );
}

#[test]
fn names_follow_jspolicys_rule() {
    let mut capital = object(json!({}));
    capital["metadata"]["name"] = json!("Add-PSA-Labels.example.com");
    let faults = js_policy(&capital).unwrap_err();
    assert!(faults[0].to_string().starts_with("metadata.name: `Add-PSA-Labels.example.com` must be a DNS name"));
    capital["metadata"] = json!({});
    assert!(js_policy(&capital).unwrap_err()[0].to_string().starts_with("metadata.name: is missing"));
}

#[test]
fn a_violation_policy_in_lower_case_is_taken_and_said() {
    let policy = read(json!({"violationPolicy": "warn"}));
    assert_eq!(policy.draft.enforcement, Some(Enforcement::Warn));
    assert!(policy.draft.notes[0].contains("`warn` is taken for `Warn`"), "{:?}", policy.draft.notes);
    assert_eq!(
        fault(json!({"violationPolicy": "audit"})),
        "spec.violationPolicy: `audit` must be one of Deny, Warn, Dry"
    );
}

#[test]
fn unknown_fields_are_ignored_aloud_as_an_api_server_does() {
    let policy = read(json!({"mutating": true}));
    assert_eq!(policy.draft.notes, ["spec.mutating: is not a field, and is ignored"]);
}

#[test]
fn without_source_the_code_is_in_a_bundle() {
    assert_eq!(read(json!({"javascript": null})).code, CodeSource::Bundle);
    assert_eq!(read(json!({"javascript": "  "})).code, CodeSource::Bundle);
    let not_yet = fault(json!({"javascript": null, "bundleRef": "x"}));
    assert!(not_yet.starts_with("spec.bundleRef: refers to a bundle of a cluster"), "{not_yet}");
    assert!(
        fault(json!({"typescript": "export default 1"})).starts_with("spec.typescript: stands beside `javascript`")
    );
}

#[test]
fn code_may_be_in_a_package() {
    let package = json!({"name": "@s/p", "version": "^1", "policy": "a.b.c"});
    let read = |package: Value| read(json!({"javascript": null, "operations": null, "package": package})).code;
    let CodeSource::Package(found) = read(package) else { panic!("it is no package") };
    assert_eq!(found.policy.as_deref(), Some("a.b.c"));
    assert_eq!(found.from, PackageFrom::Registry { name: "@s/p".to_owned(), version: "^1".to_owned() });
    let CodeSource::Package(found) = read(json!({"file": "p.tgz"})) else { panic!("it is no package") };
    assert_eq!(found.from, PackageFrom::File("p.tgz".to_owned()));
    for (package, told) in [
        (json!({"name": "x"}), "spec.package.name: and `version` must both be there"),
        (json!({"name": "x", "version": "1", "file": "p.tgz"}), "spec.package.name: and `version`"),
        (json!({"name": "../x", "version": "1"}), "spec.package.name: npm package `../x`: is no name"),
        (json!({"name": "x", "version": "git+https://h/x"}), "spec.package.name: npm package `x`: `git+https://h/x`"),
        (json!({"name": "x", "version": "1", "integrity": "sha512-no"}), "spec.package.integrity: must be `sha512-…`"),
        (json!({"name": "x", "version": "1", "entry": "y"}), "spec.package.entry: "),
    ] {
        let fault = fault(json!({"javascript": null, "package": package}));
        assert!(fault.starts_with(told), "{fault}");
    }
    let beside = fault(json!({"package": {"name": "x", "version": "1"}}));
    assert!(beside.starts_with("spec.package: stands beside `javascript`"), "{beside}");
}

#[test]
fn dependencies_are_names_and_ranges() {
    let read = read(json!({"dependencies": {"lodash": "^4.17.0"}}));
    assert_eq!(read.dependencies, BTreeMap::from([("lodash".to_owned(), "^4.17.0".to_owned())]));
    let fault = fault(json!({"dependencies": {"lodash": "file:../lodash"}}));
    assert!(fault.starts_with("spec.dependencies: npm package `lodash`: `file:../lodash` is no version"), "{fault}");
}

#[test]
fn annotations_describe_it() {
    let mut annotated = object(json!({}));
    annotated["metadata"]["annotations"] =
        json!({"policy.jspolicy.com/severity": "urgent", "policy.jspolicy.com/category": "Pods", "x": 1});
    let about = js_policy(&annotated).unwrap().draft.about;
    assert_eq!((about.severity, about.category.as_deref()), (Some(Severity::High), Some("Pods")));
}
