//! `diff` gives a patch that is right, short and always the same.

use proptest::prelude::*;
use serde_json::json;

use super::super::apply;
use super::*;

fn patch(old: &Value, new: &Value) -> Value {
    let ops = diff(old, new, DiffLimits::default()).unwrap();
    let mut document = old.clone();
    apply(&ops, &mut document).unwrap();
    assert_eq!(&document, new);
    serde_json::to_value(ops).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop::sample::select(vec!["/", "~", "~0", "~1", "a", "b", "ä", "🦀", "-", "0", "name", "\"", "\\", "\u{1}"]),
        0..4,
    )
    .prop_map(|parts| parts.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no other", |number| number.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            2 => proptest::collection::vec((text(), inner.clone()), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            1 => (prop::sample::select(vec!["a", "b", "c"]), inner)
                .prop_map(|(name, value)| json!({"name": name, "value": value})),
        ]
    })
}

/// A document and the same one after a few edits: what policies really do.
fn edited() -> impl Strategy<Value = (Value, Value)> {
    (json(), proptest::collection::vec((any::<u32>(), json()), 1..4)).prop_map(|(old, edits)| {
        let mut new = old.clone();
        for (place, value) in edits {
            edit(&mut new, place as usize, value);
        }
        (old, new)
    })
}

fn edit(target: &mut Value, place: usize, value: Value) {
    match target {
        Value::Array(items) if !items.is_empty() => match place % 4 {
            0 => items.insert(place / 4 % (items.len() + 1), value),
            1 => drop(items.remove(place / 4 % items.len())),
            _ => {
                let at = place / 4 % items.len();
                edit(&mut items[at], place / 16, value);
            }
        },
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(place / 4 % map.len()).unwrap().clone();
            match place % 4 {
                0 => drop(map.insert("added".into(), value)),
                1 => drop(map.shift_remove(&key)),
                _ => edit(&mut map[&key], place / 16, value),
            }
        }
        other => *other = value,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn applying_the_patch_gives_the_new_document((old, new) in prop_oneof![edited(), (json(), json())]) {
        let ops = diff(&old, &new, DiffLimits::default()).unwrap();
        let mut document = old.clone();
        apply(&ops, &mut document).unwrap();
        prop_assert_eq!(&document, &new);

        prop_assert_eq!(diff(&document, &new, DiffLimits::default()).unwrap(), vec![], "nothing is left to do");
        prop_assert_eq!(diff(&old, &new, DiffLimits::default()).unwrap(), ops, "the same again");
    }

    #[test]
    fn equal_documents_need_no_patch(value in json()) {
        prop_assert_eq!(diff(&value, &value.clone(), DiffLimits::default()).unwrap(), vec![]);
    }
}

#[test]
fn a_changed_field_is_one_operation_at_the_leaf() {
    let old = json!({"spec": {"replicas": 1, "template": {"spec": {"hostNetwork": true}}}});
    let mut new = old.clone();
    new["spec"]["template"]["spec"]["hostNetwork"] = json!(false);
    assert_eq!(
        patch(&old, &new),
        json!([{"op": "replace", "path": "/spec/template/spec/hostNetwork", "value": false}])
    );
}

#[test]
fn a_first_label_adds_the_whole_map() {
    assert_eq!(
        patch(&json!({"metadata": {"name": "x"}}), &json!({"metadata": {"name": "x", "labels": {"a/b": "c"}}})),
        json!([{"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}}])
    );
    assert_eq!(
        patch(&json!({"labels": {}}), &json!({"labels": {"example.com/team": "x"}})),
        json!([{"op": "add", "path": "/labels/example.com~1team", "value": "x"}])
    );
}

#[test]
fn a_container_put_in_front_is_one_addition() {
    let app = json!({"name": "app", "image": "app:1", "env": [{"name": "A", "value": "1"}]});
    let sidecar = json!({"name": "proxy", "image": "proxy:1"});
    assert_eq!(
        patch(&json!({"containers": [app]}), &json!({"containers": [sidecar, app]})),
        json!([{"op": "add", "path": "/containers/0", "value": sidecar}])
    );
}

#[test]
fn a_container_changed_behind_one_put_in_front_is_changed_at_the_leaf() {
    let old = json!([{"name": "app", "image": "app:1", "args": ["-v"]}]);
    let new = json!([{"name": "proxy", "image": "p"}, {"name": "app", "image": "app:2", "args": ["-v"]}]);
    assert_eq!(
        patch(&old, &new),
        json!([
            {"op": "add", "path": "/0", "value": {"name": "proxy", "image": "p"}},
            {"op": "replace", "path": "/1/image", "value": "app:2"},
        ])
    );
}

#[test]
fn a_removed_element_is_one_removal() {
    assert_eq!(patch(&json!(["a", "b", "c"]), &json!(["a", "c"])), json!([{"op": "remove", "path": "/1"}]));
}

#[test]
fn a_changed_scalar_in_an_array_is_one_replacement() {
    assert_eq!(
        patch(&json!(["a", "b", "c"]), &json!(["a", "x", "c"])),
        json!([{"op": "replace", "path": "/1", "value": "x"}])
    );
}

#[test]
fn a_renamed_element_keeps_the_rest_and_another_element_is_exchanged() {
    let old = json!([{"name": "a", "image": "a-long-name-of-an-image:1", "ports": [1, 2, 3]}]);
    let renamed = json!([{"name": "b", "image": "a-long-name-of-an-image:1", "ports": [1, 2, 3]}]);
    assert_eq!(patch(&old, &renamed), json!([{"op": "replace", "path": "/0/name", "value": "b"}]));

    let other = json!([{"name": "b", "command": ["x"]}]);
    assert_eq!(patch(&old, &other), json!([{"op": "replace", "path": "/0", "value": other[0]}]));
}

#[test]
fn the_order_of_keys_is_no_change() {
    assert_eq!(patch(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1})), json!([]));
}

#[test]
fn null_is_a_value() {
    assert_eq!(patch(&json!({}), &json!({"a": null})), json!([{"op": "add", "path": "/a", "value": null}]));
    assert_eq!(patch(&json!({"a": null}), &json!({})), json!([{"op": "remove", "path": "/a"}]));
}

#[test]
fn a_patch_beyond_the_limits_is_refused() {
    let old: Value = (0..100).map(|n| json!(n)).collect();
    let new: Value = (0..100).map(|n| json!(n + 1_000)).collect();
    let limits = DiffLimits { ops: 99, bytes: 1 << 20 };
    assert_eq!(diff(&old, &new, limits), Err(PatchError::TooManyOps { limit: 99 }));
    assert!(diff(&old, &new, DiffLimits { ops: 100, ..limits }).is_ok());

    let limits = DiffLimits { ops: 10, bytes: 1_000 };
    assert_eq!(diff(&json!({}), &json!({"a": "x".repeat(1_000)}), limits), Err(PatchError::TooLarge { limit: 1_000 }));
}

#[test]
fn an_element_exchanged_as_a_whole_counts_as_one_operation() {
    let old = json!([{"name": "a", "x": [1, 2, 3, 4]}]);
    let new = json!([{"name": "b", "x": [5, 6, 7, 8]}]);
    let limits = DiffLimits { ops: 1, ..DiffLimits::default() };
    let ops = diff(&old, &new, limits).unwrap();
    assert_eq!(ops, vec![PatchOp::Replace { path: "/0".into(), value: new[0].clone() }]);
}
