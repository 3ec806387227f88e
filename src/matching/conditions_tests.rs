//! Match conditions as KEP-3716 has them.

use serde_json::{Value, json};

use super::*;
use crate::matching::NamespaceLabels;
use crate::review::{Limits, Review, parse};

struct None_;

impl NamespaceLabels for None_ {
    fn labels(&self, _: &str) -> Option<std::sync::Arc<std::collections::BTreeMap<String, String>>> {
        None
    }
}

fn review(object: &Value, old_object: &Value) -> Review {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "ns", "operation": "UPDATE", "dryRun": false,
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters"], "extra": {"a": ["b"]}},
            "object": object, "oldObject": old_object, "options": null
        }
    });
    parse(body.to_string().into(), &Limits::default()).unwrap()
}

fn conditions(expressions: &[&str]) -> Result<Conditions, MatchError> {
    let conditions: Vec<MatchCondition> = (0..)
        .zip(expressions)
        .map(|(n, expression)| MatchCondition { name: format!("c{n}"), expression: (*expression).to_owned() })
        .collect();
    Conditions::compile(&conditions)
}

fn evaluate(expressions: &[&str], review: &Review) -> Result<Option<String>, String> {
    let conditions = conditions(expressions).unwrap();
    let result = conditions.find_false(&Facts::of(review, &None_)).map(|name| name.map(str::to_owned));
    result.map_err(|error| error.to_string())
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "x", "labels": {"team": "a"}},
        "spec": {"hostNetwork": true, "priority": 5, "ratio": 0.5, "containers": [{"name": "a", "image": "r/a:1"}]}
    })
}

#[test]
fn expressions_see_object_old_object_and_request() {
    let review = review(&pod(), &Value::Null);
    for holds in [
        "true",
        "object.metadata.name == 'x'",
        "object.spec.priority == 5 && object.spec.ratio < 1.0 && object.spec.hostNetwork",
        "oldObject == null",
        "has(object.metadata.labels) && !has(object.metadata.annotations)",
        "'team' in object.metadata.labels && object.metadata.labels['team'] == 'a'",
        "object.spec.containers.all(c, c.image.startsWith('r/'))",
        "object.spec.containers.exists(c, c.image.matches('^r/.*:[0-9]+$'))",
        "object.spec.containers.map(c, c.name) == ['a'] && size(object.spec.containers) == 1",
        "request.userInfo.username == 'kubernetes-admin'",
        "!('system:nodes' in request.userInfo.groups)",
        "request.operation == 'UPDATE' && request.resource.resource == 'pods' && request.kind.kind == 'Pod'",
        "request.userInfo.extra['a'][0] == 'b'",
        "!has(request.name) && !has(request.object)",
        "object.metadata.name.upperAscii() == 'X'",
        "object.?metadata.?missing.orValue('none') == 'none'",
        "type(object.spec.priority) == int",
    ] {
        assert_eq!(evaluate(&[holds], &review), Ok(None), "{holds}");
    }
}

#[test]
fn a_false_condition_is_named() {
    let review = review(&pod(), &Value::Null);
    assert_eq!(evaluate(&["true", "object.spec.priority > 5", "true"], &review), Ok(Some("c1".into())));
}

#[test]
fn a_false_condition_settles_the_matter_though_another_failed() {
    let review = review(&pod(), &Value::Null);
    let failing = "object.spec.missing == 1";
    assert_eq!(evaluate(&[failing, "false"], &review), Ok(Some("c1".into())));
    assert_eq!(
        evaluate(&["true", failing], &review),
        Err("match condition \"c1\" could not be evaluated: No such key: missing".into())
    );
}

#[test]
fn an_error_never_shows_values_of_the_object() {
    let review = review(&json!({"data": {"password": "hunter2"}, "list": ["hunter2"]}), &Value::Null);
    for failing in [
        "object.data.password + 1 == 2",
        "object.data > 5",
        "object.data.password.missing()",
        "object.list[7] == 'x'",
        "object.data.password",
        "int(object.data.password) == 1",
        "object.data[object.list] == 1",
        "{object.data: 1} == {}",
        "timestamp(object.data.password) == timestamp(object.data.password)",
        "object.data.password.matches('(')",
        "object.data.password < 5",
    ] {
        let error = evaluate(&[failing], &review).unwrap_err();
        assert!(!error.contains("hunter2"), "{failing}: {error}");
    }
}

#[test]
fn mistakes_are_found_when_the_policy_is_loaded() {
    for (expression, message) in [
        ("object.", "matchConditions[0].expression: "),
        ("", "matchConditions[0].expression: "),
        ("authorizer.group('x').check('y').allowed()", "there is no variable authorizer: match conditions see object"),
        ("objekt.metadata.name == 'x'", "there is no variable objekt"),
        ("[1].all(x, y == x)", "there is no variable y"),
        ("[1].all(x, true) && x == 1", "there is no variable x"),
    ] {
        let error = conditions(&[expression]).unwrap_err().to_string();
        assert!(error.contains(message), "{expression}: {error}");
    }
    let twice = ["a", "a"].map(|name| MatchCondition { name: name.into(), expression: "true".into() });
    let error = Conditions::compile(&twice).unwrap_err().to_string();
    assert_eq!(error, "matchConditions[1].name: must not be empty, nor the same as another's");
    assert!(conditions(&["true"; 65]).unwrap_err().to_string().contains("at most 64"));
}

#[test]
fn an_expression_that_could_run_for_minutes_is_refused() {
    let long: Vec<u32> = (0..5_000).collect();
    let review = review(&json!({"list": long}), &Value::Null);
    assert_eq!(evaluate(&["object.list.all(a, a >= 0)"], &review), Ok(None));
    let error = evaluate(&["object.list.all(a, object.list.all(b, a + b >= 0))"], &review).unwrap_err();
    assert!(error.contains("too many steps"), "{error}");
}

#[test]
fn a_look_into_a_list_for_each_element_of_another_is_a_loop_in_a_loop() {
    let names = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let kept = "object.list.all(x, x in oldObject.list)";
    let few = json!({"list": names(2_000)});
    assert_eq!(evaluate(&[kept], &review(&few, &few)), Ok(None));
    let many = json!({"list": names(200_000)});
    for expression in [
        kept,
        "object.list.exists(x, x != object.list[0] && object.list == oldObject.list && x == '')",
        "object.list.all(x, x.matches('^[0-9]+$'))",
        "object.list.map(x, object.list.map(y, y)).size() > 0",
        "object.list.all(x, !x.matches(x + 'a'))",
    ] {
        let error = evaluate(&[expression], &review(&many, &many)).unwrap_err();
        assert!(error.contains("too many steps") || error.contains("too much memory"), "{expression}: {error}");
    }
}

#[test]
fn a_list_made_of_a_long_one_is_no_loop_in_a_loop() {
    let long: Vec<u32> = (0..40_000).collect();
    let review = review(&json!({"list": long}), &Value::Null);
    assert_eq!(evaluate(&["object.list.map(x, x).size() == 40000"], &review), Ok(None));
    assert_eq!(evaluate(&["object.list.filter(x, x >= 0).size() == 40000"], &review), Ok(None));
}

#[test]
fn an_expression_that_could_fill_the_memory_is_refused() {
    let doubled = |part: &str| format!("{part}{}.size() > 0", ".map(x, x + x)".repeat(40));
    let small = review(&json!({"a": "x".repeat(5_000), "list": ["a", "b"]}), &Value::Null);
    for expression in [
        doubled("['a']"),
        doubled("[[1]]"),
        doubled("[object.a]"),
        "object.a.replace('x', object.a).replace('x', object.a) == ''".to_owned(),
        "object.a.split('').join(object.a).replace('', object.a) == ''".to_owned(),
        "object.a.split('').all(x, object.a.split('').all(y, x == y))".to_owned(),
        "[1,2,3,4,5,6,7,8].all(x, [1,2,3,4,5,6,7,8].all(y, [1,2,3,4,5,6,7,8].all(z, [1,2,3,4,5,6,7,8].all(a, \
         [1,2,3,4,5,6,7,8].all(b, [1,2,3,4,5,6,7,8].all(c, [1,2,3,4,5,6,7,8].all(d, x + y > 0)))))))"
            .to_owned(),
    ] {
        let error = evaluate(&[&expression], &small).unwrap_err();
        assert!(error.contains("too much memory") || error.contains("too many steps"), "{expression}: {error}");
    }
    for fine in ["object.list.map(x, x + '-' + object.a).size() == 2", "object.a.replace('x', 'yy').size() == 10000"] {
        assert_eq!(evaluate(&[fine], &small), Ok(None), "{fine}");
    }
}

#[test]
fn hostile_expressions_end_without_a_crash() {
    let levels = "1".to_owned() + &"+1".repeat(44) + " > 0";
    assert_eq!(evaluate(&[&levels], &review(&pod(), &Value::Null)), Ok(None));
    for expression in [
        "1".to_owned() + &"+1".repeat(60) + " > 0",
        "(".repeat(4_000),
        "!".repeat(4_000) + "true",
        "-".repeat(4_000) + "1 == 1",
        format!("{}true{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("{}1{} == 1", "[".repeat(2_000), "]".repeat(2_000)),
        "1".to_owned() + &"+1".repeat(2_000) + " > 0",
        "object".to_owned() + &".a".repeat(2_000) + " == 1",
        "true".to_owned() + &"&&true".repeat(600),
        "true".to_owned() + &"?true:true".repeat(400),
        "object".to_owned() + &"[0]".repeat(1_300) + " == 1",
        "x".repeat(5_000),
        "'\\u{0}".to_owned(),
        "\u{0}\u{7f}é🦀".to_owned(),
    ] {
        if let Ok(conditions) = conditions(&[&expression]) {
            let review = review(&pod(), &Value::Null);
            let _ = conditions.find_false(&Facts::of(&review, &None_));
        }
    }
}
