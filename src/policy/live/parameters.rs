//! `spec.parametersFrom`: parameters that stand in a `ConfigMap`, so that they can change without the policy.

use serde_json::{Map, Value};

use super::ConfigMapData;
use crate::policy::error::FieldError;

/// A `ConfigMap` that a policy takes parameters from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigMapRef {
    pub namespace: String,
    pub name: String,
}

impl ConfigMapRef {
    /// The one that a spec names; in `namespace` where it names none.
    #[must_use]
    pub fn of(spec: &Value, namespace: &str) -> Option<Self> {
        let config_map = spec.pointer("/parametersFrom/configMap")?;
        let text = |name: &str| config_map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(Self { namespace: text("namespace").unwrap_or(namespace).to_owned(), name: text("name")?.to_owned() })
    }
}

/// The parameters in a `ConfigMap`: the entry that the spec names, in YAML or JSON, or where it names none, each entry one
/// parameter.
pub(super) fn parameters(spec: &Value, of: &ConfigMapRef, data: Option<&ConfigMapData>) -> Result<Value, FieldError> {
    let wrong = |message: String| FieldError { field: "spec.parametersFrom.configMap".to_owned(), message };
    let ConfigMapRef { namespace, name } = of;
    let data = data.ok_or_else(|| wrong(format!("{namespace}/{name} is not there; make it, or correct its name")))?;
    let parsed = |key: &str, text: &str| -> Result<Value, FieldError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_documents: 1, max_anchors: 100, max_aliases: 1_000 },
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let error = error.without_snippet().to_string();
            wrong(format!("{namespace}/{name}: the entry `{key}` is not YAML: {error}"))
        })
    };
    let Some(key) = spec.pointer("/parametersFrom/configMap/key").and_then(Value::as_str) else {
        let each = data.iter().map(|(key, text)| Ok((key.clone(), parsed(key, text)?)));
        return each.collect::<Result<Map<_, _>, _>>().map(Value::Object);
    };
    let text = data.get(key).ok_or_else(|| {
        let known: Vec<&str> = data.keys().map(String::as_str).take(10).collect();
        wrong(format!("{namespace}/{name} has no entry `{key}`; there are {}", known.join(", ")))
    })?;
    let value = parsed(key, text)?;
    if value.is_object() {
        return Ok(value);
    }
    Err(wrong(format!("{namespace}/{name}: the entry `{key}` must be a map of parameters")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(spec: &Value, data: &[(&str, &str)]) -> Result<Value, String> {
        let of = ConfigMapRef::of(spec, "own").unwrap();
        let data = data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        parameters(spec, &of, Some(&data)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_config_map_is_in_the_namespace_named_or_in_bylaws_own() {
        let at = |config_map: Value| ConfigMapRef::of(&json!({"parametersFrom": {"configMap": config_map}}), "own");
        assert_eq!(at(json!({"name": "a"})).unwrap().namespace, "own");
        assert_eq!(at(json!({"name": "a", "namespace": "b"})).unwrap().namespace, "b");
        assert_eq!(at(json!({"namespace": "b"})), None);
    }

    #[test]
    fn one_entry_holds_all_parameters_or_each_entry_one() {
        let one = json!({"parametersFrom": {"configMap": {"name": "a", "key": "all"}}});
        assert_eq!(read(&one, &[("all", "limit: 3\nnames: [a, b]")]), Ok(json!({"limit": 3, "names": ["a", "b"]})));
        let each = json!({"parametersFrom": {"configMap": {"name": "a"}}});
        assert_eq!(read(&each, &[("limit", "3"), ("name", "web")]), Ok(json!({"limit": 3, "name": "web"})));
    }

    #[test]
    fn what_is_missing_or_no_map_is_named_with_its_entry() {
        let one = json!({"parametersFrom": {"configMap": {"name": "a", "key": "all"}}});
        let of = ConfigMapRef::of(&one, "own").unwrap();
        assert!(parameters(&one, &of, None).unwrap_err().to_string().contains("own/a is not there"));
        assert!(read(&one, &[("other", "1")]).unwrap_err().contains("no entry `all`; there are other"));
        assert!(read(&one, &[("all", "[1]")]).unwrap_err().contains("must be a map"));
        assert!(read(&one, &[("all", "a: [")]).unwrap_err().contains("`all` is not YAML"));
    }
}
