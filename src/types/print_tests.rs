use oxc::allocator::Allocator;
use oxc::parser::Parser;
use oxc::span::SourceType;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn definition(kind: &str, schema: Value) -> Definition {
    let [group, version] = ["example.com", "v1"].map(str::to_owned);
    Definition { group, version, kind: kind.to_owned(), list_kind: format!("{kind}List"), schema }
}

fn printed(schema: Value) -> String {
    modules(vec![definition("Widget", schema)]).unwrap().swap_remove(0).text
}

/// The lines of the type `name`.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let opens = format!("export interface {name} ");
    let inside = text.lines().skip_while(|line| !line.starts_with(&opens)).skip(1);
    inside.take_while(|line| *line != "}").map(str::trim).collect()
}

#[test]
fn a_kind_knows_what_it_is_and_its_list() {
    let text = printed(json!({"type": "object", "description": "A widget.", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}));
    assert!(text.contains("/** A widget. */\nexport interface Widget {"), "{text}");
    assert_eq!(
        lines(&text, "Widget"),
        ["apiVersion?: \"example.com/v1\";", "kind?: \"Widget\";", "metadata?: ObjectMeta;", "spec?: WidgetSpec;"]
    );
    assert_eq!(lines(&text, "WidgetSpec"), ["size?: number;"]);
    assert_eq!(lines(&text, "WidgetList")[3], "items: Widget[];");
}

#[test]
fn each_form_of_schema_has_its_type() {
    let text = printed(
        json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "description": "Its name."},
            "mode": {"type": "string", "enum": ["On", "Off", "On"], "nullable": true},
            "level": {"type": "integer", "enum": [1, 2]},
            "port": {"x-kubernetes-int-or-string": true},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "boolean"}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "nullable": true}},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "rules": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "raw": {"type": "array"},
            "odd": {"type": "array", "items": "nonsense"},
        }}}}),
    );
    assert_eq!(
        lines(&text, "WidgetSpec"),
        [
            "/** Its name. */",
            "name: string;",
            "mode?: \"On\" | \"Off\" | null;",
            "level?: 1 | 2;",
            "port?: number | string;",
            "any?: unknown;",
            "free?: Record<string, unknown>;",
            "open?: WidgetSpecOpen;",
            "labels?: Record<string, string | null>;",
            "tags?: (\"a\" | \"b\")[];",
            "rules?: WidgetSpecRulesItem[];",
            "pod?: WidgetSpecPod;",
            "raw?: unknown[];",
            "odd?: unknown[];",
        ]
    );
    assert_eq!(lines(&text, "WidgetSpecOpen"), ["a?: boolean;", "[field: string]: unknown;"]);
    assert!(text.contains("export interface WidgetSpecPod extends KubernetesObject {"), "{text}");
}

#[test]
fn kinds_keep_their_names_and_fields_get_others() {
    let schema = json!({"properties": {"spec": {"properties": {"a": {"type": "string"}}}}});
    let both = vec![definition("Widget", schema.clone()), definition("WidgetSpec", schema)];
    let module = modules(both).unwrap().swap_remove(0);
    assert_eq!(module.kinds, ["Widget", "WidgetSpec"]);
    assert!(module.text.contains("  spec?: WidgetSpec2;"), "{}", module.text);
}

#[test]
fn a_schema_without_end_is_cut() {
    let mut schema = json!({"type": "string"});
    for _ in 0..120 {
        schema = json!({"type": "object", "properties": {"deeper": schema}});
    }
    let text = printed(schema);
    assert!(text.contains("deeper?: unknown;"));
    assert!(text.lines().all(|line| line.len() < 400));
}

#[test]
fn too_many_fields_are_refused() {
    let fields: serde_json::Map<String, Value> = (0..=MOST_FIELDS).map(|at| (format!("f{at}"), json!({}))).collect();
    let error = modules(vec![definition("Widget", json!({"properties": fields}))]).unwrap_err();
    assert!(error.to_string().starts_with("example.com/v1 has more than"), "{error}");
}

#[test]
fn a_definition_without_a_schema_is_open() {
    assert_eq!(lines(&printed(Value::Null), "Widget")[3], "[field: string]: unknown;");
}

#[test]
fn the_same_name_many_times_takes_no_time_to_tell_apart() {
    let field = |at: usize| ("!".repeat(at % 60 + 1) + &"?".repeat(at / 60), json!({"properties": {"a": {}}}));
    let fields: serde_json::Map<String, Value> = (0..3_000).map(field).collect();
    assert!(printed(json!({"properties": fields})).contains("interface Widget3000 "));
}

fn keyword() -> impl Strategy<Value = String> {
    let known = [
        "type",
        "properties",
        "items",
        "additionalProperties",
        "enum",
        "required",
        "description",
        "nullable",
        "format",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "spec",
        "metadata",
        "__proto__",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn json_value() -> impl Strategy<Value = Value> {
    let words = ["object", "array", "string", "integer", "boolean", "int-or-string", "*/", "\u{2028}", "\\"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 96, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keyword(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_schema_holds_is_printed_as_typescript(spec in json_value(), kind in any::<String>()) {
        let schema = json!({"type": "object", "description": kind, "properties": {"spec": spec, "status": {"properties": spec}}});
        let text = modules(vec![definition(&kind, schema)]).unwrap().swap_remove(0).text;
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, &text, SourceType::ts()).parse();
        prop_assert!(!parsed.panicked && parsed.diagnostics.errors().next().is_none(), "{text}");
    }
}
