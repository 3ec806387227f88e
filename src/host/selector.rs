//! The label selector of a `list`: compiled for objects in memory, and as text for the API server.

use std::sync::Arc;

use crate::cluster::Labels;
use crate::matching::Selector;
use crate::policy::spec::{LabelOperator, LabelRequirement, LabelSelector};

use super::HostError;
use super::arguments::SelectorArgument;

pub struct Selection {
    /// `None` where everything is selected.
    pub label_selector: Option<String>,
    pub fits: Arc<dyn Fn(&Labels) -> bool + Send + Sync>,
}

impl Selection {
    pub fn of(given: Option<SelectorArgument>) -> Result<Self, HostError> {
        let (text, selector) = match given {
            None => return Ok(Self { label_selector: None, fits: Arc::new(|_| true) }),
            Some(SelectorArgument::Text(text)) => {
                let selector = Selector::parse(&text).map_err(|e| HostError::wrong_arguments("list", e))?;
                (text, selector)
            }
            Some(SelectorArgument::Object(object)) => {
                let selector = Selector::compile(&object, "labelSelector");
                let selector = selector.map_err(|e| HostError::wrong_arguments("list", e))?;
                (to_text(&object), selector)
            }
        };
        let label_selector = Some(text).filter(|text| !text.trim().is_empty());
        Ok(Self { label_selector, fits: Arc::new(move |labels| selector.matches(labels.as_ref())) })
    }
}

/// A selector as `metav1.FormatLabelSelector` writes it.
fn to_text(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
    let expressions =
        selector.match_expressions.iter().map(|LabelRequirement { key, operator, values }| match operator {
            LabelOperator::In => format!("{key} in ({})", values.join(",")),
            LabelOperator::NotIn => format!("{key} notin ({})", values.join(",")),
            LabelOperator::Exists => key.clone(),
            LabelOperator::DoesNotExist => format!("!{key}"),
        });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn selection(json: &str) -> Result<Selection, HostError> {
        Selection::of(Some(serde_json::from_str(json).unwrap()))
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Arc::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn memory_and_server_are_asked_the_same() {
        let object = selection(
            r#"{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"NotIn","values":["a","b"]},
                {"key":"x","operator":"Exists"},{"key":"y","operator":"DoesNotExist"},{"key":"z","operator":"In","values":["1"]}]}"#,
        )
        .unwrap();
        let text = object.label_selector.clone().unwrap();
        assert_eq!(text, "app=web,tier notin (a,b),x,!y,z in (1)");
        let parsed = selection(&format!("{text:?}")).unwrap();
        let fitting = labels(&[("app", "web"), ("x", ""), ("z", "1")]);
        let unfitting = labels(&[("app", "web"), ("tier", "a"), ("x", ""), ("z", "1")]);
        for selection in [object, parsed] {
            assert!((selection.fits)(&fitting));
            assert!(!(selection.fits)(&unfitting));
        }
    }

    #[test]
    fn an_empty_selector_takes_everything() {
        for empty in ["\"\"", "{}"] {
            let selection = selection(empty).unwrap();
            assert_eq!(selection.label_selector, None);
            assert!((selection.fits)(&labels(&[("a", "b")])));
        }
    }

    #[test]
    fn a_bad_selector_is_named() {
        for (given, place) in [
            ("\"a in (\"", "list: label selector: "),
            (r#"{"matchLabels":{"-":""}}"#, "list: labelSelector.matchLabels: "),
        ] {
            let error = selection(given).err().unwrap();
            assert_eq!(error.reason, "WrongArguments");
            assert!(error.message.starts_with(place), "{error}");
        }
    }
}
