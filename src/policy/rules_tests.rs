// `json!` reads better without `&`.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;

fn faults<T>(value: Value, read: impl Fn(&Fields<'_, '_>) -> T) -> (T, Vec<String>) {
    let faults = Faults::default();
    let read = read(&Fields::of(&value, "", &faults));
    (read, faults.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect())
}

#[test]
fn operations_are_words_of_the_admission_api() {
    assert_eq!(faults(json!({"operations": ["CREATE", "CONNECT"]}), operations).0.unwrap().len(), 2);
    assert_eq!(faults(json!({"operations": ["*"]}), operations), (Some(Vec::new()), Vec::new()));
    assert_eq!(
        faults(json!({"operations": ["create"]}), operations).1,
        ["operations[0]: `create` must be one of CREATE, UPDATE, DELETE, CONNECT, *"]
    );
    assert_eq!(
        faults(json!({"operations": ["*", "CREATE"]}), operations).1,
        ["operations: `*` means all of them and must stand alone"]
    );
}

#[test]
fn resources_and_sub_resources_may_have_wildcards() {
    for good in [
        json!(["pods"]),
        json!(["pods", "pods/log"]),
        json!(["pods/*"]),
        json!(["*/scale"]),
        json!(["*"]),
        json!(["*/*"]),
        json!(["*", "pods/status"]),
        json!(["pods", "pods/*"]),
    ] {
        assert_eq!(faults(json!({"resources": good}), resources).1, [] as [&str; 0], "{good}");
    }
}

#[test]
fn overlapping_or_malformed_resources_are_refused() {
    for (bad, index) in [
        (json!([""]), 0),
        (json!(["pods/"]), 0),
        (json!(["a/b/c"]), 0),
        (json!(["Pod"]), 0),
        (json!(["*/*", "pods"]), 1),
        (json!(["*/*", "*"]), 1),
        (json!(["pods", "*"]), 0),
        (json!(["pods/*", "pods/log"]), 1),
        (json!(["*/scale", "deployments/scale"]), 1),
    ] {
        let found = faults(json!({"resources": bad}), resources).1;
        assert!(
            found.first().is_some_and(|fault| fault.starts_with(&format!("resources[{index}]"))),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn a_star_for_groups_and_versions_stands_alone() {
    let groups = |fields: &Fields<'_, '_>| groups_or_versions(fields, "apiGroups");
    let versions = |fields: &Fields<'_, '_>| groups_or_versions(fields, "apiVersions");
    assert_eq!(
        faults(json!({"apiGroups": ["", "apps"]}), groups),
        (Some(vec![String::new(), "apps".to_owned()]), vec![])
    );
    assert_eq!(faults(json!({"apiGroups": ["*"]}), groups).0, Some(Vec::new()));
    assert_eq!(faults(json!({"apiGroups": ["*", "apps"]}), groups).1.len(), 1);
    assert_eq!(
        faults(json!({"apiVersions": [""]}), versions).1,
        ["apiVersions: an empty version matches nothing; remove it"]
    );
}

#[test]
fn label_selectors_are_checked_in_full() {
    let read = |fields: &Fields<'_, '_>| selector(fields, "objectSelector");
    let good = json!({"objectSelector": {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "example.com/skip", "operator": "DoesNotExist"},
        ],
    }});
    let (selector, found) = faults(good, read);
    assert_eq!(found, [] as [&str; 0]);
    assert_eq!(selector.unwrap().match_expressions.len(), 2);
    let bad = json!({"objectSelector": {
        "matchLabels": {"app": true, "-x": "y"},
        "matchExpressions": [
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "Exists", "values": ["b"]},
            {"key": "a", "operator": "Equals"},
            {"operator": "Exists"},
            {"key": "a", "operator": "Exists", "value": "b"},
        ],
    }});
    let expected = [
        "objectSelector.matchLabels.app: must be a string; put numbers and booleans in quotes",
        "objectSelector.matchLabels: `-x` is not a label key, such as `app.kubernetes.io/name`",
        "objectSelector.matchExpressions[0].values: must have at least one value for In and NotIn",
        "objectSelector.matchExpressions[1].values: must be left out for Exists and DoesNotExist",
        "objectSelector.matchExpressions[2].operator: `Equals` must be one of In, NotIn, Exists, DoesNotExist",
        "objectSelector.matchExpressions[3].key: must name a label",
        "objectSelector.matchExpressions[4].value: is not a field; did you mean `values`?",
    ];
    assert_eq!(faults(bad, read).1, expected);
}

#[test]
fn match_conditions_have_a_name_and_an_expression() {
    let good = json!({"matchConditions": [{"name": "a", "expression": "true"}]});
    assert_eq!(faults(good, conditions).0.unwrap()[0].expression, "true");
    let bad = json!({"matchConditions": [{"name": "-", "expression": 1}, {"name": "a", "cel": "true"}]});
    let expected = [
        "matchConditions[0].expression: must be a string, not a number",
        "matchConditions[0].name: `-` must be a name such as `not-a-dry-run`",
        "matchConditions[1].cel: is not a field; there are name, expression",
    ];
    assert_eq!(faults(bad, conditions).1, expected);
}
