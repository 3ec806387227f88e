//! Sources that cannot be served: the log and `/readyz?verbose` say where and why, the metric counts, others serve.

use serde_json::json;

use super::folder::{Folder, policy, script};
use super::metrics::value;
use super::reviews::{allowed, config_map, denied};
use super::server::Server;

const GOOD: &str = "validate({ object, deny }) { if (object.data.a === \"bad\") deny(\"no\"); }";

/// Serves the source beside a good policy, which must not suffer.
fn beside(name: &str, source: &str) -> (Folder, Server) {
    let folder = Folder::new(&[("good.ts", &policy("good", GOOD)), (name, source)]);
    let server = folder.serve(&[]);
    assert_eq!(
        denied(server.post("/validate", &config_map(json!({"a": "bad"}))))["message"],
        "[good.policies.example] no"
    );
    allowed(server.post("/validate", &config_map(json!({"a": "fine"}))));
    (folder, server)
}

/// What `/readyz?verbose` says of a broken source; the log must say the same.
#[track_caller]
fn report(name: &str, source: &str) -> String {
    let (folder, server) = beside(name, source);
    let (status, page) = server.get(&format!("{}?verbose", server.health_url()));
    assert_eq!(status, 200, "one broken file must not make the server unready: {page}");
    let start = page.find("good.policies.example serves from").expect("the good policy is listed");
    let end = page.find("[+]pool").unwrap();
    let said: String = page[start..end]
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n")
        .collect();
    let said = said.trim_end().replace(&format!("{}/", folder.path().display()), "");
    let log = server.log().replace(&format!("{}/", folder.path().display()), "");
    assert!(log.contains(&said), "the log does not say\n{said}\nbut\n{log}");
    assert_eq!(log.matches(&said).count(), 1, "it is logged more than once:\n{log}");
    assert_eq!(value(&server, "bylaw_policies{state=\"serving\"}"), 1);
    assert_eq!(value(&server, "bylaw_policies{state=\"broken\"}"), 1);
    said
}

#[test]
fn a_syntax_error_has_its_place_and_a_code_frame() {
    let source = policy("broken", "validate({ deny }) {\n    deny(\"a\"\n  },");
    insta::assert_snapshot!(report("broken.ts", &source), @r#"
    broken.ts:7:3: Expected `,` or `)` but found `}`
      5 | validate({ deny }) {
      6 |     deny("a"
      7 |   },
        |   ^
    "#);
}

#[test]
fn a_misspelt_field_is_named_with_those_there_are() {
    let source = policy("broken", "enforcment: \"Warn\",\n  validate() {},");
    let said = report("broken.ts", &source);
    assert!(
        said.starts_with("broken.ts:2:16: TypeError: policy(): `enforcment` is not known: expected one of "),
        "{said}"
    );
    assert!(said.contains("enforcement, ") && said.contains("\n  2 | export default policy({\n"), "{said}");
}

#[test]
fn a_module_that_throws_as_it_loads_has_its_place() {
    let source = format!("const table = JSON.parse(\"{{nope\");\n{}", policy("broken", "validate() { table; },"));
    insta::assert_snapshot!(report("broken.ts", &source), @r#"
    broken.ts:1:20: SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2)
      1 | const table = JSON.parse("{nope");
        |                    ^
    "#);
}

#[test]
fn a_module_that_never_ends_loading_is_given_up() {
    let source = format!("{}\nfor (;;);\n", policy("broken", "validate() {},"));
    let said = report("broken.ts", &source);
    assert!(said.starts_with("broken.ts: took more than 1s to load"), "{said}");
}

#[test]
fn an_import_that_cannot_be_resolved_says_so() {
    let source =
        format!("import {{ helper }} from \"./helper.ts\";\n{}", policy("broken", "validate() { helper(); },"));
    insta::assert_snapshot!(report("broken.ts", &source), @r#"
    broken.ts:1:24: cannot find `./helper.ts`
      1 | import { helper } from "./helper.ts";
        |                        ^^^^^^^^^^^^^
      help: check the spelling; the path is relative to this file
    "#);
}

#[test]
fn an_npm_import_says_what_to_do_instead() {
    let source = format!("import lodash from \"lodash\";\n{}", policy("broken", "validate() { lodash; },"));
    let said = report("broken.ts", &source);
    assert!(said.starts_with("broken.ts:1:20: cannot find the npm package `lodash`\n  1 | import lodash"), "{said}");
    assert!(said.contains("help: install it beside the policy: `npm install lodash`"), "{said}");
}

#[test]
fn what_is_not_linked_when_a_policy_is_loaded_is_refused_then() {
    for (import, told) in [
        ("import use from \"node:fs\";", "`node:fs` is a module of Node.js, which the engine does not have"),
        ("const use = () => import(\"node:fs\");", "`node:fs` is a module of Node.js"),
        ("const use = await import(\"node:fs\");", "top-level await"),
        (
            "const use = () => import(\"data:text/javascript,export default 1\");",
            "policies import neither URLs nor absolute paths",
        ),
        ("const use = () => import([\"node\", \"fs\"].join(\":\"));", "import() of a computed name"),
    ] {
        let said =
            report("broken.ts", &format!("{import}\n{}", policy("broken", "async validate() { await use(); },")));
        assert!(said.starts_with("broken.ts:1:") && said.contains(told) && said.contains("help: "), "{import}: {said}");
    }
}

#[test]
fn a_default_export_that_is_no_policy_says_what_one_is() {
    insta::assert_snapshot!(report("broken.ts", "export default 42;\n"), @"broken.ts: TypeError: default export: expects policy({…}), not number");
}

#[test]
fn a_condition_that_is_no_cel_is_named() {
    let fields = "validate() {},";
    let source = policy("broken", fields).replace(
        "resources: [\"configmaps\"]",
        "resources: [\"configmaps\"], matchConditions: [{ name: \"a\", expression: \"object.(\" }]",
    );
    let said = report("broken.ts", &source);
    assert!(said.contains("matchConditions[0].expression: ") && said.contains("Syntax error"), "{said}");
}

#[test]
fn a_manifest_that_is_no_yaml_has_its_place() {
    let said = report("broken.yaml", "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {name: [\n");
    assert!(said.starts_with("broken.yaml:"), "{said}");
}

#[test]
fn a_script_with_a_syntax_error_has_its_place_in_the_manifest() {
    let manifest = script("broken", "", "const a = 1;\nif (a { deny(); }");
    insta::assert_snapshot!(report("broken.yaml", &manifest), @r#"
    broken.policies.example: broken.yaml:10:11: Expected `)` but found `{`
       8 |   javascript: |
       9 |     const a = 1;
      10 |     if (a { deny(); }
         |           ^
    "#);
}

#[test]
fn of_two_policies_with_one_name_the_first_is_served_and_both_files_are_named() {
    let second = policy("good", "validate({ deny }) { deny(\"the second\"); }");
    assert_eq!(
        report("later.ts", &second),
        "good.policies.example: is declared by good.ts and by later.ts; the one of good.ts is served. Rename one of them"
    );
}

#[test]
fn other_kinds_in_a_manifest_are_skipped_with_a_note() {
    let second = script("second", "", "if (request.object.data.a === 'worse') deny('worse');");
    let manifest = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n{second}");
    let (_folder, server) = beside("many.yaml", &manifest);
    assert_eq!(
        denied(server.post("/validate", &config_map(json!({"a": "worse"}))))["message"],
        "[second.policies.example] worse"
    );
    let log = server.log();
    assert!(log.contains("Namespace") && log.contains("many.yaml"), "{log}");
}

#[test]
fn every_extension_of_a_module_is_taken() {
    let typed =
        |name: &str| policy(name, "validate({ deny }) { const text: string = \"x\"; deny(text satisfies string); }");
    let plain = |name: &str| policy(name, "validate({ deny }) { deny(\"x\"); }");
    let folder = Folder::new(&[
        ("a.ts", &typed("a")),
        ("b.mts", &typed("b")),
        ("c.js", &plain("c")),
        ("sub/deep/d.mjs", &plain("d")),
    ]);
    let text =
        denied(folder.serve(&[]).post("/validate", &config_map(json!({}))))["message"].as_str().unwrap().to_owned();
    assert_eq!(text.matches("policies.example] x").count(), 4, "{text}");
}

#[test]
fn a_module_may_export_an_array_of_policies() {
    let source = r#"
import { policy } from "@bylaw/sdk";
const one = (name: string) =>
  policy({
    name: `${name}.policies.example`,
    match: { resources: ["configmaps"] },
    validate({ deny }) { deny(name); },
  });
export default [one("left"), one("right")];
"#;
    let folder = Folder::new(&[("both.ts", source)]);
    let server = folder.serve(&[]);
    let text = denied(server.post("/validate", &config_map(json!({}))))["message"].clone();
    assert_eq!(text, "[left.policies.example] left; [right.policies.example] right");
    assert_eq!(denied(server.post("/policy/right.policies.example", &config_map(json!({}))))["message"], "right");
}
