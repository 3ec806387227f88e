//! The `CustomResourceDefinition`s, as the chart installs them.

use std::sync::LazyLock;

use serde_json::Value;

/// The groups that are ours.
pub const GROUPS: [&str; 2] = ["policy.jspolicy.com", "bylaw.dev"];

const SOURCES: [&str; 8] = [
    include_str!("../../charts/bylaw/crds/jspolicies.yaml"),
    include_str!("../../charts/bylaw/crds/jspolicybundles.yaml"),
    include_str!("../../charts/bylaw/crds/jspolicyviolations.yaml"),
    include_str!("../../charts/bylaw/crds/policyexceptions.yaml"),
    include_str!("../../charts/bylaw/crds/quotaledgers.yaml"),
    include_str!("../../charts/bylaw/crds/tenants.yaml"),
    include_str!("../../charts/bylaw/crds/tenantpolicies.yaml"),
    include_str!("../../charts/bylaw/crds/virtualclusters.yaml"),
];

static DEFINITIONS: LazyLock<Vec<Value>> =
    LazyLock::new(|| SOURCES.iter().filter_map(|source| serde_saphyr::from_str(source).ok()).collect());

/// All of them, jsPolicy's kinds first.
#[must_use]
pub fn definitions() -> &'static [Value] {
    &DEFINITIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> Vec<std::path::PathBuf> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/bylaw/crds");
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn every_definition_of_the_chart_is_built_in() {
        assert_eq!(definitions().len(), SOURCES.len(), "one is no YAML");
        assert_eq!(folder().len(), SOURCES.len());
        for path in folder() {
            let plural = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let is_it = |definition: &&Value| definition["spec"]["names"]["plural"] == plural.as_str();
            let definition = definitions().iter().find(is_it).unwrap_or_else(|| panic!("{plural} is not built in"));
            let group = definition["spec"]["group"].as_str().unwrap();
            assert!(GROUPS.contains(&group), "{group}");
            assert_eq!(definition["metadata"]["name"], format!("{plural}.{group}"));
        }
    }

    /// Calls `seen` with each schema under `schema` and its path.
    fn walk(schema: &Value, path: &str, seen: &mut impl FnMut(&str, &Value)) {
        seen(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), seen);
        }
        if !schema["items"].is_null() {
            walk(&schema["items"], &format!("{path}[]"), seen);
        }
    }

    fn schemas(mut seen: impl FnMut(&str, &Value)) {
        for definition in definitions() {
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
            for version in definition["spec"]["versions"].as_array().unwrap() {
                walk(&version["schema"]["openAPIV3Schema"], kind, &mut seen);
            }
        }
    }

    #[test]
    fn every_list_says_how_two_appliers_share_it() {
        schemas(|path, schema| {
            if schema["type"] == "array" {
                assert!(schema["x-kubernetes-list-type"].is_string(), "{path}");
            }
            if path.ends_with(".conditions") {
                assert_eq!(schema["x-kubernetes-list-map-keys"], serde_json::json!(["type"]), "{path}");
            }
        });
    }

    #[test]
    fn every_rule_says_what_to_do() {
        schemas(|path, schema| {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(rule["message"].as_str().is_some_and(|message| !message.is_empty()), "{path}: {rule}");
            }
        });
    }

    #[test]
    fn every_kind_can_be_found_and_has_a_status() {
        for definition in definitions() {
            let names = &definition["spec"]["names"];
            assert_eq!(names["categories"], serde_json::json!(["bylaw"]), "{names}");
            assert!(names["shortNames"].as_array().is_some_and(|names| names.len() == 1), "{names}");
            for version in definition["spec"]["versions"].as_array().unwrap() {
                assert!(version["subresources"]["status"].is_object(), "{names}");
                assert!(version["additionalPrinterColumns"].as_array().is_some_and(|columns| columns.len() > 1));
            }
        }
    }

    /// In the object it would stand over what the module says.
    #[test]
    fn nothing_has_a_default_that_a_module_may_say_itself() {
        let mut found = Vec::new();
        schemas(|path, schema| {
            if !schema["default"].is_null() {
                found.push(path.to_owned());
            }
        });
        assert_eq!(found, ["JsPolicy.spec.auditPolicy", "JsPolicy.spec.auditLogSize"]);
    }
}
