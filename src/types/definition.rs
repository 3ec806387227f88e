//! `CustomResourceDefinition`s: of a file, or of a cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use super::TypesError;

/// Definitions asked for at once: one may have a MiB.
const PAGE: u32 = 20;
/// Far above any cluster.
const MOST: usize = 5_000;

/// One version of one custom resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub group: String,
    pub version: String,
    pub kind: String,
    /// The kind of a list of them.
    pub list_kind: String,
    /// The structural schema; an empty one where the version has none.
    pub schema: Value,
}

/// The versions that a document defines; none where it is something else. `place` is where it stands.
pub fn definitions(document: &Value, place: &str) -> Result<Vec<Definition>, TypesError> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    match (text("/kind"), text("/apiVersion")) {
        (Some(kind), _) if kind.ends_with("List") => {
            let items = document.get("items").and_then(Value::as_array);
            let of_items = items.into_iter().flatten().map(|item| definitions(item, place));
            Ok(of_items.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        (Some("CustomResourceDefinition"), Some(version)) if version.starts_with("apiextensions.k8s.io/") => {
            read(document, place)
        }
        _ => Ok(Vec::new()),
    }
}

fn read(document: &Value, place: &str) -> Result<Vec<Definition>, TypesError> {
    let fault = |message: &str| TypesError::Definition { place: place.to_owned(), message: message.to_owned() };
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let group =
        text("/spec/group").filter(|group| is_group(group)).ok_or_else(|| fault("spec.group is no DNS name"))?;
    let kind =
        text("/spec/names/kind").filter(|kind| !kind.is_empty()).ok_or_else(|| fault("spec.names.kind is missing"))?;
    let list_kind = text("/spec/names/listKind").map_or_else(|| format!("{kind}List"), str::to_owned);
    // Those of v1beta1 may share one schema, and may have one version alone.
    let shared = document.pointer("/spec/validation/openAPIV3Schema");
    let mut found = Vec::new();
    let listed = document.pointer("/spec/versions").and_then(Value::as_array);
    for version in listed.into_iter().flatten().filter(|version| version.get("served") != Some(&Value::Bool(false))) {
        let name = version.get("name").and_then(Value::as_str).filter(|name| is_label(name));
        let name = name.ok_or_else(|| fault("spec.versions has a version whose name is no DNS label"))?;
        let schema = version.pointer("/schema/openAPIV3Schema").or(shared);
        found.push((name, schema));
    }
    if let Some(name) = text("/spec/version").filter(|name| listed.is_none() && is_label(name)) {
        found.push((name, shared));
    }
    if found.is_empty() {
        return Err(fault("spec.versions has no version that is served"));
    }
    let definition = |(version, schema): (&str, Option<&Value>)| Definition {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        list_kind: list_kind.clone(),
        schema: schema.cloned().unwrap_or_default(),
    };
    Ok(found.into_iter().map(definition).collect())
}

/// Both become names of files.
fn is_group(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// All that a cluster has, page by page.
pub async fn from_cluster(client: Client) -> Result<Vec<Definition>, TypesError> {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let mut parameters = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list(&parameters).await.map_err(|error| TypesError::Cluster(error.to_string()))?;
        for item in &page.items {
            let mut document = serde_json::to_value(item).map_err(|error| TypesError::Cluster(error.to_string()))?;
            // What it is goes without saying in a list.
            if let Some(fields) = document.as_object_mut() {
                fields.insert("apiVersion".to_owned(), "apiextensions.k8s.io/v1".into());
                fields.insert("kind".to_owned(), "CustomResourceDefinition".into());
            }
            let name = item.metadata.name.as_deref().unwrap_or("a CustomResourceDefinition");
            found.extend(definitions(&document, name)?);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) if found.len() < MOST => parameters = parameters.continue_token(&token),
            Some(_) => {
                return Err(TypesError::Cluster(format!(
                    "there are more than {MOST}: give those that you need with --crd"
                )));
            }
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(spec: &Value) -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec})
    }

    fn names(found: &[Definition]) -> Vec<(&str, &str, &str)> {
        found.iter().map(|one| (&*one.group, &*one.version, &*one.list_kind)).collect()
    }

    #[test]
    fn each_served_version_is_one() {
        let versions = json!([{"name": "v1", "served": true}, {"name": "v1beta1", "served": false}, {"name": "v2"}]);
        let spec =
            json!({"group": "example.com", "names": {"kind": "Widget", "listKind": "Widgets"}, "versions": versions});
        let found = definitions(&document(&spec), "w.yaml").unwrap();
        assert_eq!(names(&found), [("example.com", "v1", "Widgets"), ("example.com", "v2", "Widgets")]);
    }

    #[test]
    fn an_old_definition_shares_its_schema() {
        let spec = json!({"group": "example.com", "version": "v1", "names": {"kind": "Widget"},
            "validation": {"openAPIV3Schema": {"type": "object"}}});
        let found = definitions(&document(&spec), "w.yaml").unwrap();
        assert_eq!(names(&found), [("example.com", "v1", "WidgetList")]);
        assert_eq!(found[0].schema, json!({"type": "object"}));
    }

    #[test]
    fn what_defines_nothing_is_passed_over() {
        assert_eq!(definitions(&json!({"kind": "Pod", "apiVersion": "v1"}), "w.yaml"), Ok(vec![]));
        assert_eq!(definitions(&json!([1]), "w.yaml"), Ok(vec![]));
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for (group, version) in
            [("../../etc", "v1"), ("example.com", "../v1"), ("", "v1"), ("a/b", "v1"), ("a..b", "v1")]
        {
            let spec = json!({"group": group, "names": {"kind": "W"}, "versions": [{"name": version}]});
            let error = definitions(&document(&spec), "w.yaml").unwrap_err().to_string();
            assert!(error.starts_with("w.yaml: spec."), "{error}");
        }
    }
}
