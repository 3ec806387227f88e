//! A policy's parameters: its schema's defaults filled in, then checked against the schema, all before the first
//! request. What a policy gets is complete and right, or it is not loaded.

use std::fmt::Write as _;

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

use super::error::FieldError;
use super::fields::clip;

/// Faults shown of one set of parameters.
const MAX_FAULTS: usize = 10;

/// Levels of a schema that defaults are looked for in.
const MAX_DEPTH: usize = 32;

/// A schema that is no JSON Schema, refers to another document, or has a pattern that cannot be compiled.
pub(super) fn check_schema(schema: &Value, path: &str) -> Result<(), FieldError> {
    compile(schema).map(drop).map_err(|reason| FieldError { field: path.to_owned(), message: reason })
}

fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    // Patterns without backtracking; nothing is fetched.
    let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| format!("is not a JSON Schema: {}", clip(&error.to_string())))
}

/// The parameters a policy runs with: `given` over `base`, top-level field by field, then the schema's defaults.
/// `path` is where `given` stands.
pub(super) fn complete(
    schema: Option<&Value>,
    base: Option<&Value>,
    given: Option<&Value>,
    path: &str,
) -> Result<Value, Vec<FieldError>> {
    let mut parameters = Value::Object(Map::new());
    for layer in [base, given].into_iter().flatten() {
        match (parameters.as_object_mut(), layer.as_object()) {
            (Some(parameters), Some(layer)) => parameters.extend(layer.clone()),
            _ => return Err(vec![FieldError { field: path.to_owned(), message: "must be an object".to_owned() }]),
        }
    }
    let Some(schema) = schema else { return Ok(parameters) };
    fill_defaults(schema, &mut parameters, 0);
    let validator = compile(schema).map_err(|message| vec![FieldError { field: path.to_owned(), message }])?;
    let faults: Vec<FieldError> = validator
        .iter_errors(&parameters)
        .take(MAX_FAULTS)
        .map(|error| FieldError {
            field: field_of(path, error.instance_path().as_str()),
            message: clip(&error.to_string()),
        })
        .collect();
    if faults.is_empty() { Ok(parameters) } else { Err(faults) }
}

/// `parameters.registries[0]` of the JSON pointer `/registries/0`.
fn field_of(path: &str, pointer: &str) -> String {
    // Writing to a String cannot fail.
    let mut field = path.to_owned();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.parse::<usize>().is_ok() {
            let _ = write!(field, "[{part}]");
        } else {
            let _ = write!(field, ".{}", clip(&part));
        }
    }
    field
}

/// As the API server does for custom resources: a default stands in for an absent field, inside objects that are there.
fn fill_defaults(schema: &Value, value: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for (name, property) in properties {
                if let Some(default) = property.get("default").filter(|_| !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(field) = fields.get_mut(name) {
                    fill_defaults(property, field, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for item in items {
                fill_defaults(schema, item, depth + 1);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["registries"],
            "additionalProperties": false,
            "properties": {
                "registries": {"type": "array", "items": {"type": "string", "pattern": "^[a-z.]+$"}},
                "limit": {"type": "integer", "default": 3},
                "window": {"type": "object", "properties": {"hours": {"type": "integer", "default": 8}}},
                "rules": {"type": "array", "items": {"type": "object", "properties": {"mode": {"default": "soft"}}}},
            },
        })
    }

    fn faults(given: &Value) -> Vec<String> {
        let result = complete(Some(&schema()), None, Some(given), "spec.parameters");
        result.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_filled_in_where_the_object_is_there() {
        let given = json!({"registries": ["a.b"], "window": {}, "rules": [{}, {"mode": "hard"}]});
        let complete = complete(Some(&schema()), None, Some(&given), "parameters").unwrap();
        let expected = json!({
            "registries": ["a.b"], "window": {"hours": 8}, "rules": [{"mode": "soft"}, {"mode": "hard"}], "limit": 3,
        });
        assert_eq!(complete, expected);
    }

    #[test]
    fn what_is_given_stands_over_the_modules_own() {
        let base = json!({"registries": ["a.b"], "limit": 1});
        let complete = complete(Some(&schema()), Some(&base), Some(&json!({"limit": 2})), "parameters").unwrap();
        assert_eq!(complete, json!({"registries": ["a.b"], "limit": 2}));
    }

    #[test]
    fn every_fault_names_its_field() {
        assert_eq!(faults(&json!({})), ["spec.parameters: \"registries\" is a required property"]);
        let found = faults(&json!({"registries": ["a.b", "A!"], "limit": "x", "extra": 1}));
        assert!(found.iter().any(|fault| fault.starts_with("spec.parameters.registries[1]: ")), "{found:?}");
        assert!(found.iter().any(|fault| fault.starts_with("spec.parameters.limit: ")), "{found:?}");
        assert!(found.iter().any(|fault| fault.contains("extra")), "{found:?}");
        assert_eq!(faults(&json!([])), ["spec.parameters: must be an object"]);
    }

    #[test]
    fn without_a_schema_anything_goes() {
        assert_eq!(complete(None, None, Some(&json!({"a": 1})), "p").unwrap(), json!({"a": 1}));
        assert_eq!(complete(None, None, None, "p").unwrap(), json!({}));
    }

    #[test]
    fn a_broken_or_reaching_schema_is_refused() {
        for schema in [
            json!({"type": "strnig"}),
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"properties": {"a": {"pattern": "("}}}),
        ] {
            assert!(check_schema(&schema, "parameters.schema").is_err(), "{schema}");
        }
        assert!(check_schema(&schema(), "parameters.schema").is_ok());
    }

    #[test]
    fn a_hundred_faults_are_not_all_told() {
        let many: Vec<Value> = (0..100).map(|number| json!(number)).collect();
        assert_eq!(faults(&json!({"registries": many})).len(), MAX_FAULTS);
    }
}
