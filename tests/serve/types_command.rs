//! `bylaw types`: TypeScript that the real compiler takes, whatever a definition holds.

use std::path::Path;

use serde_json::{Value, json};

use super::command::{Ended, bylaw, bylaw_with};
use super::folder::Folder;
use super::npm::{run, tools};

/// A definition of the kind `Widget` with this schema.
fn definition(kind: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": kind, "plural": "widgets", "listKind": format!("{kind}List")},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
    })
}

fn types(folder: &Folder, definition: &Value) -> Ended {
    bylaw_with(&["types", "--crd", "-", "--out", &folder.argument("types")], &[], &definition.to_string())
}

/// Compiles `use.ts` beside the types, strictly.
fn compile(folder: &Folder, text: &str) -> Option<super::npm::Said> {
    let tools = tools()?;
    let sdk = bylaw(&["types", "--sdk", "--out", &folder.argument("node_modules/@bylaw/sdk")]);
    assert_eq!(sdk.code, Some(0), "{sdk:?}");
    folder.write("use.ts", text);
    folder.write("package.json", "{\"type\": \"module\"}");
    let options = [
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--noUncheckedIndexedAccess",
        "--target",
        "es2023",
        "--lib",
        "es2023",
        "--module",
        "nodenext",
        "--allowImportingTsExtensions",
        "use.ts",
        "types/example.com/v1.ts",
    ];
    Some(run(folder.path(), &tools.join(".bin/tsc"), &options))
}

#[track_caller]
fn compiles(folder: &Folder, text: &str) {
    if let Some(said) = compile(folder, text) {
        assert!(said.is_good, "{}", said.text);
    }
}

#[test]
fn a_policy_gets_the_types_of_a_custom_resource() {
    let folder = Folder::new(&[]);
    let schema = json!({"type": "object", "description": "A widget.", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer"}, "mode": {"type": "string", "enum": ["On", "Off"]},
            "port": {"x-kubernetes-int-or-string": true}, "note": {"type": "string", "nullable": true},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "rules": {"type": "array", "items": {"type": "object", "properties": {"host": {"type": "string"}}}}}}}});
    let made = types(&folder, &definition("Widget", &schema));
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:?}");
    assert_eq!(made.out, format!("example.com/v1/Widget: 1 of 1 files written to {}\n", folder.argument("types")));
    insta::assert_snapshot!("types-widget", std::fs::read_to_string(folder.file("types/example.com/v1.ts")).unwrap());
    compiles(
        &folder,
        "import { policy } from \"@bylaw/sdk\";\nimport type { Widget, WidgetList } from \"./types/example.com/v1.ts\";\n\
         export const widget: Widget = { spec: { size: 1, mode: \"On\", port: \"http\", note: null, free: { a: 1 }, rules: [{ host: \"a\" }] } };\n\
         export const list: WidgetList = { items: [widget] };\n\
         // @ts-expect-error: it is a number\nexport const wrong: Widget = { spec: { size: \"1\" } };\n\
         // @ts-expect-error: it is not one of them\nexport const other: Widget = { spec: { size: 1, mode: \"on\" } };\n\
         export default policy<Widget>({ name: \"a.b.example.com\", match: { resources: [\"widgets\"] }, \
         validate({ object, deny }) { for (const rule of object.spec.rules ?? []) if (rule.host === undefined) deny(\"no\"); } });\n",
    );
}

/// A schema that is written to break what is made of it.
fn hostile() -> Value {
    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"type": "object", "properties": {"deep": deep}});
    }
    let mut arrays = json!({"type": "string"});
    for _ in 0..40 {
        arrays = json!({"type": "array", "items": arrays});
    }
    json!({"type": "object", "description": "*/ evil(); /* \u{2028} */ export const x = 1;", "properties": {"spec": {"type": "object", "properties": {
        "class": {"type": "string"}, "constructor": {"type": "string"}, "__proto__": {"type": "object", "properties": {"a": {"type": "string"}}},
        "hasOwnProperty": {"type": "boolean"}, "toString": {"type": "number"}, "a-b": {"type": "object", "properties": {"c": {"type": "string"}}},
        "a_b": {"type": "object", "properties": {"d": {"type": "string"}}}, "": {"type": "string"}, "\"; evil(); \"": {"type": "string"},
        "new\nline": {"type": "string", "description": "a\n*/\nb"}, "\u{2028}": {"enum": ["\u{2029}", "\\", "\"", "*/"]},
        "numbers": {"enum": [1, -2.5, 1e300, 0]}, "mixed": {"enum": [1, "1", true, null]}, "objects": {"enum": [{"a": 1}]},
        "none": {"enum": []}, "typeless": {}, "wrong": {"type": "strnig"}, "worse": {"type": ["string", "null"]}, "not": "a schema",
        "record": {"type": "object", "additionalProperties": {"type": "object", "properties": {"x": {"type": "string"}}}},
        "Record": {"type": "object", "properties": {"x": {"type": "string"}}},
        "embedded": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"kind": {"type": "integer"}, "data": {"type": "string"}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}},
        "deep": deep, "arrays": arrays,
    }}}})
}

#[test]
fn hostile_schemas_become_types_all_the_same() {
    for kind in ["Widget", "Record", "ObjectMeta", "string", "class", "WidgetSpec", "My-Kind", "default"] {
        let folder = Folder::new(&[]);
        let made = types(&folder, &definition(kind, &hostile()));
        assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{kind}: {made:?}");
        let text = std::fs::read_to_string(folder.file("types/example.com/v1.ts")).unwrap();
        assert!(!text.contains('\u{2028}'), "{text}");
        if kind == "Widget" || kind == "Record" {
            compiles(
                &folder,
                "import type * as T from \"./types/example.com/v1.ts\";\nexport type All = T.Widget | undefined;\n"
                    .replace("T.Widget", if kind == "Widget" { "T.Widget" } else { "T.Record2" })
                    .as_str(),
            );
        }
    }
}

#[test]
fn what_is_the_same_is_left_alone() {
    let folder = Folder::new(&[]);
    let widget = definition("Widget", &json!({"type": "object"}));
    types(&folder, &widget);
    let again = types(&folder, &widget);
    assert!(again.out.contains("0 of 1 files written"), "{}", again.out);
}

#[test]
fn what_cannot_be_read_is_2_with_its_place() {
    let folder = Folder::new(&[
        ("pod.yaml", "apiVersion: v1\nkind: Pod\n"),
        ("broken.yaml", "a: [\n"),
        (
            "evil.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {group: ../../etc, names: {kind: A}, versions: [{name: v1}]}\n",
        ),
    ]);
    let out = folder.argument("types");
    for (arguments, told) in [
        (vec!["--crd", "pod.yaml"], "there is no CustomResourceDefinition in it"),
        (vec!["--crd", "broken.yaml"], "broken.yaml:"),
        (vec!["--crd", "evil.yaml"], "spec.group is no DNS name"),
        (vec!["--crd", "nope.yaml"], "nope.yaml"),
        (vec!["--kubeconfig", "nope.yaml"], "nope.yaml"),
        (vec![], "give --crd FILE, --kubeconfig FILE or --sdk"),
        (vec!["--sdk", "--crd", "pod.yaml"], "give it alone"),
    ] {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|word| if Path::new(word).extension().is_some() { folder.argument(word) } else { (*word).to_owned() })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ended = bylaw(&[&["types", "--out", &out], arguments.as_slice()].concat());
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(told), "{arguments:?}: {}", ended.err);
        assert!(!folder.file("types").exists());
    }
}
