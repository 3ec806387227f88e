//! Match conditions: any text is compiled or refused, and what compiles is decided for any object in bounded time and
//! memory, the same each time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bylaw::matching::{Index, Matcher, Phase};
use bylaw::policy::{
    Dialect, Enforcement, HostMutations, Isolation, MatchCondition, MatchSpec, OnError, Permissions, PolicySpec,
};
use bylaw::review::{Limits, Review, parse};
use serde_json::Value;

use crate::json::object;

type Namespaces = BTreeMap<String, Arc<BTreeMap<String, String>>>;

/// Parts of expressions; `_` is a smaller expression.
const FORMS: [&str; 46] = [
    "object",
    "oldObject",
    "request",
    "x",
    "1",
    "1.5",
    "'a'",
    "[]",
    "{}",
    "true",
    "null",
    "object.a",
    "object.list",
    "object.name",
    "_ + _",
    "_ - _",
    "_ * _",
    "_ / _",
    "_ % _",
    "_ == _",
    "_ != _",
    "_ < _",
    "_ in _",
    "_ && _",
    "_ || _",
    "!_",
    "-_",
    "_ ? _ : _",
    "[_, _]",
    "{'a': _}",
    "_[_]",
    "_.a",
    "_.?a.orValue(_)",
    "has(object.a)",
    "_.all(x, _)",
    "_.exists(x, _)",
    "_.map(x, _)",
    "_.filter(x, _)",
    "_.exists_one(x, _)",
    "size(_)",
    "string(_)",
    "_.matches(_)",
    "_.contains(_)",
    "_.replace(_, _)",
    "_.split(_)",
    "_.join(_)",
];

pub fn check(data: &[u8]) {
    if let Some((text, object)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once("\n---\n")) {
        let review = review(object).or_else(|| review("{}"));
        decide(text, &review.unwrap());
    }
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured) -> Result<()> {
    let review = review(&object(u, 0)?.to_string()).unwrap();
    for _ in 0..u.int_in_range(1..=3_u8)? {
        decide(&expression(u, 0)?, &review);
    }
    Ok(())
}

fn expression(u: &mut Unstructured, level: usize) -> Result<String> {
    let form = if level < 5 { *u.choose(&FORMS)? } else { *u.choose(&FORMS[..14])? };
    let mut text = String::new();
    for (at, part) in form.split('_').enumerate() {
        if at > 0 {
            text.extend(["(", &expression(u, level + 1)?, ")"]);
        }
        text += part;
    }
    Ok(text)
}

fn decide(expression: &str, review: &Review) {
    let condition = MatchCondition { name: "c".to_owned(), expression: expression.to_owned() };
    let rules =
        MatchSpec { resources: vec!["pods".to_owned()], match_conditions: vec![condition], ..MatchSpec::default() };
    let matcher = match Matcher::compile(&rules) {
        Ok(matcher) => matcher,
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() < 4_096, "the refusal repeats the expression");
            assert!(!told.contains("parser failed"), "a panic of the parser on {expression:?}");
            return;
        }
    };
    let index = Index::build(vec![(Arc::new(spec(rules)), Arc::new(matcher))]);
    let found = index.candidates(review, Phase::Validate, &Namespaces::new());
    assert_eq!(
        found.matched.len() + found.failed.len(),
        usize::from(!found.matched.is_empty() || !found.failed.is_empty())
    );
    for (_, error) in &found.failed {
        assert!(error.to_string().len() < 1_024, "the failure repeats the object");
    }
    assert_eq!(found, index.candidates(review, Phase::Validate, &Namespaces::new()), "the same again: {expression:?}");
}

fn review(object: &str) -> Option<Review> {
    let body = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
        "kind":{{"version":"v1","kind":"Pod"}},"resource":{{"version":"v1","resource":"pods"}},
        "operation":"CREATE","object":{object},"oldObject":null}}}}"#
    );
    parse(body.into(), &Limits::default()).ok()
}

fn spec(rules: MatchSpec) -> PolicySpec {
    PolicySpec {
        name: "a.b.c".into(),
        dialect: Dialect::Module,
        validates: true,
        mutates: false,
        reconciles: false,
        rules,
        priority: 0,
        enforcement: Enforcement::Deny,
        on_error: OnError::Deny,
        timeout: Duration::from_secs(10),
        parameters: Arc::new(Value::Null),
        permissions: Permissions::default(),
        isolation: Isolation::Shared,
        keeps_state: false,
        host_mutations: HostMutations::default(),
        tenant: None,
    }
}
