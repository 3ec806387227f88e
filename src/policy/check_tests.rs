// `json!` reads better without `&`.
#![allow(clippy::needless_pass_by_value)]

use serde_json::json;

use super::*;

fn policy(spec: Value) -> Vec<String> {
    let mut object = json!({"metadata": {"name": "a.b.c"}, "spec": {"operations": ["CREATE"], "resources": ["pods"]}});
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    check_policy(&object).iter().map(ToString::to_string).collect()
}

fn one(spec: Value) -> String {
    let faults = policy(spec);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

fn bundle(script: &[u8]) -> Vec<String> {
    use std::io::Write as _;

    use base64::Engine as _;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(script).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap());
    check_bundle(&json!({"spec": {"bundle": encoded}})).iter().map(ToString::to_string).collect()
}

#[test]
fn policies_that_can_be_served_are_let_through() {
    let none: [&str; 0] = [];
    assert_eq!(policy(json!({"javascript": "if (!request.object) { return; }\ndeny('no')"})), none);
    assert_eq!(policy(json!({"typescript": "const a: string = '';\nexport default { validate() { a; } };"})), none);
    assert_eq!(policy(json!({})), none, "its code is in a bundle");
    let lodash = json!({
        "javascript": "import { chunk } from 'lodash/fp'; import x from '@s/x/y'; deny(chunk, x);",
        "dependencies": {"lodash": "^4", "@s/x": "1"},
    });
    assert_eq!(policy(lodash), none);
    let package = json!({"package": {"name": "@s/p", "version": "^1"}, "operations": null, "resources": null});
    assert_eq!(policy(package), none);
}

#[test]
fn a_syntax_error_is_told_with_line_and_column() {
    let script = one(json!({"javascript": "const a = 1;\ndeny(;\n"}));
    assert!(script.starts_with("spec.javascript: line 2, column 6: "), "{script}");
    assert!(script.contains("2 | deny(;"), "{script}");
    let module = one(json!({"typescript": "export default policy({\n  name: ,\n});"}));
    assert!(module.starts_with("spec.typescript: line 2, column 9: "), "{module}");
}

#[test]
fn an_early_error_of_the_language_is_one_too() {
    let twice = one(json!({"javascript": "let a;\nlet a;"}));
    assert!(twice.starts_with("spec.javascript: line "), "{twice}");
}

#[test]
fn a_module_needs_a_default_export() {
    let fault = one(json!({"typescript": "export const a = 1;"}));
    assert_eq!(fault, "spec.typescript: has no default export; write `export default policy({ … })`");
}

#[test]
fn what_cannot_be_imported_is_told_where_it_is() {
    let fault = one(json!({"javascript": "deny('x');\nimport _ from 'lodash/fp';"}));
    assert!(
        fault.starts_with("spec.javascript: line 2, column 15: `lodash` is not among spec.dependencies"),
        "{fault}"
    );
    let fault = one(json!({"typescript": "import { a } from './a';\nexport default { validate() { a(); } };"}));
    assert!(fault.starts_with("spec.typescript: line 1, column 19: a file cannot be imported"), "{fault}");
    let fault = one(json!({"package": {"file": "p.tgz"}}));
    assert!(fault.starts_with("spec.package.file: is for manifests in a folder"), "{fault}");
}

#[test]
fn match_conditions_are_compiled() {
    let fault = one(json!({"javascript": "1", "matchConditions": [{"name": "a", "expression": "object.spec. >"}]}));
    assert!(fault.starts_with("spec.matchConditions[0].expression: "), "{fault}");
}

#[test]
fn what_fields_come_to_together_is_checked() {
    let fault =
        one(json!({"typescript": "export default {}", "isolation": "Shared", "permissions": {"codegen": true}}));
    assert!(fault.starts_with("spec.permissions.codegen: is never given in a shared realm"), "{fault}");
}

#[test]
fn nesting_that_would_overflow_a_parser_is_refused() {
    for text in ["[".repeat(200_000), "a".to_owned() + &"?.a".repeat(200_000), "!".repeat(200_000)] {
        let fault = one(json!({"javascript": text}));
        assert!(fault.starts_with("spec.javascript: line 1, column "), "{fault}");
    }
}

#[test]
fn a_bundle_must_be_a_gzipped_script() {
    let none: [&str; 0] = [];
    assert_eq!(bundle(b"(() => { exports.a = 1; })();"), none);
    assert!(bundle(b"deny(;")[0].starts_with("spec.bundle: line 1, column 6: "));
    assert!(bundle(&vec![b' '; 1 << 20])[0].contains("as decompression bombs do"));
    assert!(bundle(b"\xff\xfe")[0].contains("is not UTF-8"));
    let told = |encoded: &str| check_bundle(&json!({"spec": {"bundle": encoded}}))[0].to_string();
    assert!(told("!").contains("is not base64") && told("aGk=").contains("not of a gzip stream"));
    assert!(check_bundle(&json!({}))[0].to_string().contains("is empty"));
}

mod schema {
    use std::collections::BTreeSet;

    use super::super::super::fields::ASKED;
    use super::*;
    use crate::crd::definitions;

    /// Read from manifests in folders alone.
    const ELSEWHERE: [&str; 1] = ["spec.package.file"];

    fn in_schema(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            in_schema(property, &path, paths);
            in_schema(&property["items"], &format!("{path}[]"), paths);
            paths.insert(path);
        }
    }

    fn asked() -> BTreeSet<String> {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]});
        let everything = json!({"metadata": {"name": "a.b.c"}, "spec": {
            "namespaceSelector": selector, "objectSelector": selector, "permissions": {}, "package": {},
            "matchConditions": [{}], "enforcement": [{"namespaceSelector": selector}],
        }});
        ASKED.take();
        drop(js_policy_of_cluster(&everything));
        let asked = ASKED.take().into_iter().map(|path| path.replace("[0]", "[]"));
        asked.filter(|path| path.starts_with("spec.")).collect()
    }

    #[test]
    fn every_field_that_is_read_is_in_the_schema_and_the_other_way_round() {
        let definition = &definitions()[0];
        let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut known = BTreeSet::new();
        in_schema(spec, "spec", &mut known);
        let asked = asked();
        let dropped: Vec<&String> =
            asked.difference(&known).filter(|path| !ELSEWHERE.contains(&path.as_str())).collect();
        assert!(dropped.is_empty(), "an API server would drop {dropped:?}");
        let parent = |path: &str| path.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("{parent}."));
        // A field that is passed on whole is taken apart elsewhere.
        let is_taken_apart = |path: &&String| asked.iter().any(|asked| asked.starts_with(&parent(path)));
        let unread: Vec<&String> = known.difference(&asked).filter(is_taken_apart).collect();
        assert!(unread.is_empty(), "nobody reads {unread:?}");
    }
}

#[test]
fn every_policy_that_was_written_for_jspolicy_may_still_be_stored() {
    fn manifests(folder: &Path, texts: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                manifests(&path, texts);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                texts.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut texts = Vec::new();
    manifests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jspolicy/manifests"), &mut texts);
    let mut checked = 0;
    for object in texts.iter().flat_map(|text| serde_saphyr::from_multiple::<Value>(text).unwrap()) {
        let faults = if object["kind"] == "JsPolicy" { check_policy(&object) } else { check_bundle(&object) };
        assert!(faults.is_empty(), "{}: {faults:?}", object["metadata"]["name"]);
        checked += 1;
    }
    assert!(checked > 70, "there are more: {checked}");
}
