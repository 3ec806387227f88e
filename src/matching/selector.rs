//! Label selectors, compiled once and matched against labels of any kind.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::MatchError;
use super::syntax::{label_key, label_value};
use crate::policy::spec::{LabelOperator, LabelRequirement, LabelSelector};

/// A set of labels.
pub trait Labels {
    fn get(&self, key: &str) -> Option<&str>;
}

impl Labels for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// `metadata.labels` of an object as a tree.
impl Labels for Map<String, Value> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

/// Requirements that all have to hold (`labels.Selector` of `k8s.io/apimachinery`). The empty selector selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) key: Box<str>,
    pub(super) test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    In(Vec<Box<str>>),
    /// Holds for an absent label too.
    NotIn(Vec<Box<str>>),
    Exists,
    DoesNotExist,
    GreaterThan(i64),
    LessThan(i64),
}

impl Selector {
    /// Compiles `metav1.LabelSelector`, checking what the API server checks. `field` leads the error messages.
    ///
    /// # Errors
    /// [`MatchError::Invalid`] for a key or value that is no label's, and for values that do not go with the operator.
    pub fn compile(selector: &LabelSelector, field: &str) -> Result<Self, MatchError> {
        let labels = selector.match_labels.iter().map(|(key, value)| {
            let requirement = Requirement { key: (&**key).into(), test: Test::In(vec![(&**value).into()]) };
            requirement.checked(&format!("{field}.matchLabels"))
        });
        let expressions = selector.match_expressions.iter().enumerate().map(|(index, expression)| {
            let field = format!("{field}.matchExpressions[{index}]");
            Requirement::compile(expression, &field)?.checked(&field)
        });
        Ok(Self { requirements: labels.chain(expressions).collect::<Result<_, _>>()? })
    }

    pub(super) const fn of(requirements: Vec<Requirement>) -> Self {
        Self { requirements }
    }

    /// Whether it selects everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    #[must_use]
    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }

    /// Whether it asks for no other label than `key`.
    pub(super) fn looks_only_at(&self, key: &str) -> bool {
        self.requirements.iter().all(|requirement| &*requirement.key == key)
    }
}

impl Requirement {
    fn compile(expression: &LabelRequirement, field: &str) -> Result<Self, MatchError> {
        let values = || expression.values.iter().map(|value| (&**value).into()).collect();
        let (wants_values, test) = match expression.operator {
            LabelOperator::In => (true, Test::In(values())),
            LabelOperator::NotIn => (true, Test::NotIn(values())),
            LabelOperator::Exists => (false, Test::Exists),
            LabelOperator::DoesNotExist => (false, Test::DoesNotExist),
        };
        let operator = expression.operator;
        match (wants_values, expression.values.is_empty()) {
            (true, true) => Err(format!("operator {operator:?} needs at least one value")),
            (false, false) => Err(format!("operator {operator:?} takes no values")),
            _ => Ok(Self { key: (&*expression.key).into(), test }),
        }
        .map_err(|message| MatchError::invalid(format!("{field}.values"), message))
    }

    pub(super) fn checked(self, field: &str) -> Result<Self, MatchError> {
        label_key(&self.key).map_err(|message| MatchError::invalid(field, message))?;
        if let Test::In(values) | Test::NotIn(values) = &self.test {
            for value in values {
                label_value(value).map_err(|message| MatchError::invalid(field, message))?;
            }
        }
        Ok(self)
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let integer = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|wanted| **wanted == *value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|unwanted| **unwanted != *value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::GreaterThan(bound) => integer().is_some_and(|value| value > *bound),
            Test::LessThan(bound) => integer().is_some_and(|value| value < *bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compile(selector: Value) -> Result<Selector, String> {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        Selector::compile(&selector, "objectSelector").map_err(|error| error.to_string())
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn expression(operator: &str, values: &[&str]) -> Selector {
        compile(json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]})).unwrap()
    }

    #[test]
    fn the_empty_selector_selects_everything() {
        let everything = compile(json!({})).unwrap();
        assert!(
            everything.is_empty() && everything.matches(&labels(&[])) && everything.matches(&labels(&[("a", "b")]))
        );
    }

    #[test]
    fn each_operator_tells_absent_from_other_values() {
        for (selector, wanted, other, absent) in [
            (expression("In", &["x", "y"]), true, false, false),
            (expression("NotIn", &["x", "y"]), false, true, true),
            (expression("Exists", &[]), true, true, false),
            (expression("DoesNotExist", &[]), false, false, true),
        ] {
            assert_eq!(selector.matches(&labels(&[("k", "x")])), wanted, "{selector:?}");
            assert_eq!(selector.matches(&labels(&[("k", "z")])), other, "{selector:?}");
            assert_eq!(selector.matches(&labels(&[("l", "x")])), absent, "{selector:?}");
        }
    }

    #[test]
    fn every_requirement_has_to_hold() {
        let both = compile(json!({
            "matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]
        }))
        .unwrap();
        assert!(both.matches(&labels(&[("a", "1"), ("b", "")])));
        assert!(!both.matches(&labels(&[("a", "1")])));
        assert!(!both.matches(&labels(&[("a", "2"), ("b", "")])));
    }

    #[test]
    fn labels_of_a_json_object_match_too() {
        let Value::Object(map) = json!({"k": "x", "number": 7}) else { unreachable!() };
        assert!(expression("In", &["x"]).matches(&map));
        assert!(
            compile(json!({"matchExpressions": [{"key": "number", "operator": "DoesNotExist"}]}))
                .unwrap()
                .matches(&map)
        );
    }

    #[test]
    fn what_the_api_server_refuses_is_refused_by_its_field() {
        for (selector, message) in [
            (
                json!({"matchExpressions": [{"key": "k", "operator": "In"}]}),
                "objectSelector.matchExpressions[0].values: operator In needs at least one value",
            ),
            (
                json!({"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["a"]}]}),
                "objectSelector.matchExpressions[0].values: operator Exists takes no values",
            ),
            (json!({"matchLabels": {"-k": "a"}}), "objectSelector.matchLabels: \"-k\" is not a label key"),
            (json!({"matchLabels": {"k": "a b"}}), "objectSelector.matchLabels: \"a b\" is not a label value"),
            (
                json!({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["ok", "no!"]}]}),
                "objectSelector.matchExpressions[0]: \"no!\" is not a label value",
            ),
        ] {
            let error = compile(selector).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
