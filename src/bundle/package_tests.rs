//! Policies that import what is installed above them.

use super::*;

fn package(name: &str, more: &str) -> (String, String) {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    let text = format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"{more}}}");
    (format!("node_modules/{name}/package.json"), text)
}

fn folder(policy: &str, packages: &[(&str, &str)], files: &[(&str, &str)]) -> Folder {
    let packages: Vec<(String, String)> = packages.iter().map(|(name, more)| package(name, more)).collect();
    let mut all = vec![("dir/p.ts", policy)];
    all.extend(packages.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    all.extend(files);
    Folder::with(&all)
}

/// What a policy's script holds when it imports one package of these files.
#[track_caller]
fn script(policy: &str, packages: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    folder(policy, packages, files).link("dir/p.ts").unwrap().script
}

#[track_caller]
fn error(policy: &str, packages: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    folder(policy, packages, files).error("dir/p.ts")
}

const TAKES_A: &str = "import { a } from 'a';\nexport default a;";

#[test]
fn a_package_is_found_in_the_folders_above() {
    let files = [("node_modules/a/lib/a.js", "exports.a = 'found';")];
    let folder = folder(TAKES_A, &[("a", r#""main": "lib/a""#)], &files);
    let linked = folder.link("dir/p.ts").unwrap();
    assert!(linked.script.contains("'found'") || linked.script.contains("\"found\""), "{}", linked.script);
    assert_eq!(linked.inputs, [folder.path("dir/p.ts"), folder.path("node_modules/a/package.json")]);
    assert_eq!(linked.installed, [folder.path("node_modules/a/lib/a.js")]);
    assert!(!linked.script.contains(&folder.path("").display().to_string()), "{}", linked.script);
}

#[test]
fn conditions_choose_ours_then_import_then_default() {
    let files = [
        ("node_modules/a/bylaw.js", "export const a = 'ours';"),
        ("node_modules/a/import.mjs", "export const a = 'esm';"),
        ("node_modules/a/require.cjs", "exports.a = 'cjs';"),
        ("node_modules/a/node.js", "export const a = 'node';"),
    ];
    for (exports, expected) in [
        (r#"{"node": "./node.js", "bylaw": "./bylaw.js", "import": "./import.mjs"}"#, "ours"),
        (r#"{"node": "./node.js", "require": "./require.cjs", "import": "./import.mjs"}"#, "esm"),
        (r#"{"node": "./node.js", "require": "./require.cjs", "default": "./import.mjs"}"#, "esm"),
    ] {
        let exports = format!("\"exports\": {exports}");
        let script = script(TAKES_A, &[("a", &exports)], &files);
        assert!(script.contains(&format!("\"{expected}\"")), "{exports}: {script}");
    }
    let exports = r#""exports": {"require": "./require.cjs", "import": "./import.mjs"}"#;
    let policy = "import b from './b.cjs';\nexport default b;";
    let files = [&files[..], &[("dir/b.cjs", "module.exports = require('a').a;")]].concat();
    let script = script(policy, &[("a", exports)], &files);
    assert!(script.contains("'cjs'") || script.contains("\"cjs\""), "{script}");
}

#[test]
fn only_what_is_used_of_a_package_without_effects_is_taken() {
    let files = [
        ("node_modules/a/index.js", "export { a } from './a.js';\nexport { b } from './b.js';"),
        ("node_modules/a/a.js", "export const a = 'taken';"),
        ("node_modules/a/b.js", "globalThis.loaded = 'dropped';\nexport const b = 1;"),
    ];
    let free = script(TAKES_A, &[("a", r#""type": "module", "sideEffects": false"#)], &files);
    assert!(free.contains("taken") && !free.contains("dropped"), "{free}");
    let all = script(TAKES_A, &[("a", r#""type": "module""#)], &files);
    assert!(all.contains("taken") && all.contains("dropped"), "{all}");
}

#[test]
fn what_a_module_of_a_package_takes_of_commonjs_is_as_in_node() {
    let files = [
        ("node_modules/a/index.js", "import b from 'b';\nexport const a = b.default;"),
        ("node_modules/b/index.js", "exports.__esModule = true;\nexports.default = 'inner';"),
    ];
    let script = script(TAKES_A, &[("a", r#""type": "module""#), ("b", "")], &files);
    assert!(script.contains(", 1)"), "the helper is not told that this is Node's way: {script}");
}

#[test]
fn what_a_package_leaves_out_without_node_is_empty() {
    let files = [
        (
            "node_modules/a/index.js",
            "const fs = require('fs');\nconst own = require('./node.js');\nexports.a = [fs, own];",
        ),
        ("node_modules/a/node.js", "module.exports = require('path');"),
        ("node_modules/a/browser.js", "module.exports = 'without node';"),
    ];
    let browser = r#""browser": {"fs": false, "./node.js": "./browser.js"}"#;
    let script = script(TAKES_A, &[("a", browser)], &files);
    assert!(script.contains("without node") && !script.contains("require("), "{script}");
}

#[test]
fn a_package_may_have_the_name_of_a_module_of_node() {
    let files = [("node_modules/events/index.js", "exports.a = 'a package';")];
    let script = script("import { a } from 'events';\nexport default a;", &[("events", "")], &files);
    assert!(script.contains("a package"), "{script}");
    let told = error("import { a } from 'events';\nexport default a;", &[], &[]);
    assert!(told.starts_with("dir/p.ts:1:19: `events` is a module of Node.js"), "{told}");
}

#[test]
fn a_name_with_a_slip_is_told_with_the_one_that_was_meant() {
    let told = error("import { a } from 'loadsh';\nexport default a;", &[("lodash", ""), ("@s/lodash", "")], &[]);
    let expected = "dir/p.ts:1:19: cannot find the npm package `loadsh`\n";
    assert!(told.starts_with(expected) && told.ends_with("help: did you mean `lodash`?"), "{told}");
    let told = error("import a from '@s/lodahs';\nexport default a;", &[("@s/lodash", "")], &[]);
    assert!(told.ends_with("help: did you mean `@s/lodash`?"), "{told}");
    let told = error("import a from 'express';\nexport default a;", &[("lodash", "")], &[]);
    assert!(told.ends_with("help: install it beside the policy: `npm install express`"), "{told}");
    let told = error("import a from './halper';\nexport default a;", &[], &[("dir/helper.ts", "export default 1;")]);
    assert!(told.ends_with("help: did you mean `helper`?"), "{told}");
}

#[test]
fn a_part_that_is_not_exported_is_told_with_those_that_are() {
    let exports = r#""exports": {".": "./index.js", "./array": "./array.js", "./object": "./object.js"}"#;
    let files = [("node_modules/a/index.js", ""), ("node_modules/a/secret.js", "exports.a = 1")];
    let told = error("import { a } from 'a/arary';\nexport default a;", &[("a", exports)], &files);
    assert!(told.starts_with("dir/p.ts:1:19: npm package `a` does not export `arary`\n"), "{told}");
    assert!(told.ends_with("help: did you mean `a/array`?"), "{told}");
    let told = error("import { a } from 'a/secret';\nexport default a;", &[("a", exports)], &files);
    assert!(told.ends_with("help: it exports `a/array`, `a/object`"), "{told}");
    let told = error("import { a } from 'b/nope.js';\nexport default a;", &[("b", "")], &[("node_modules/b/x.js", "")]);
    assert!(told.starts_with("dir/p.ts:1:19: npm package `b` has no file `nope.js`\n"), "{told}");
    let told = error("import { a } from 'b';\nexport default a;", &[("b", "")], &[("node_modules/b/x.js", "")]);
    assert!(told.starts_with("dir/p.ts:1:19: npm package `b` has no module"), "{told}");
}

#[test]
fn a_package_of_declarations_only_leaves_nothing_behind() {
    let files = [("node_modules/a/index.d.ts", "export type A = string;\nexport declare const a: string;")];
    let uses_types =
        "import { A } from 'a';\nimport type { A as B } from 'a';\nconst x: A | B = 'kept';\nexport default x;";
    for more in [r#""types": "./index.d.ts""#, r#""exports": {".": {"types": "./index.d.ts"}}"#] {
        assert!(script(uses_types, &[("a", more)], &files).contains("kept"));
        let told = error(TAKES_A, &[("a", more)], &files);
        assert!(told.starts_with("dir/p.ts:1:10: ") && told.contains('a'), "{told}");
    }
}

#[test]
fn json_of_a_package_and_imports_of_its_own_names_are_found() {
    let files = [
        (
            "node_modules/a/index.js",
            "import { inner } from '#inner';\nimport data from './data.json';\nexport const a = [inner, data.text];",
        ),
        ("node_modules/a/inner.js", "export const inner = 'inner';"),
        ("node_modules/a/data.json", "{\"text\": \"from json\"}"),
    ];
    let script = script(TAKES_A, &[("a", r##""type": "module", "imports": {"#inner": "./inner.js"}"##)], &files);
    assert!(script.contains("inner") && script.contains("from json"), "{script}");
}

#[test]
fn each_package_finds_the_version_that_is_installed_for_it() {
    let files = [
        ("node_modules/a/index.js", "exports.a = require('b').b;"),
        ("node_modules/b/index.js", "exports.b = 'outer';"),
        ("node_modules/a/node_modules/b/package.json", "{\"name\": \"b\", \"version\": \"2.0.0\"}"),
        ("node_modules/a/node_modules/b/index.js", "exports.b = 'inner';"),
    ];
    let policy = "import { a } from 'a';\nimport { b } from 'b';\nexport default [a, b];";
    let script = script(policy, &[("a", ""), ("b", "")], &files);
    assert!(script.contains("inner") && script.contains("outer"), "{script}");
}

#[cfg(unix)]
#[test]
fn a_package_that_is_a_link_is_one_of_the_authors_own_files() {
    let folder = folder(TAKES_A, &[], &[("shared/index.ts", "export const a: string = 'linked';")]);
    std::fs::write(folder.path("shared/package.json"), r#"{"name": "a", "version": "1.0.0", "main": "index.ts"}"#)
        .unwrap();
    std::fs::create_dir(folder.path("node_modules")).unwrap();
    std::os::unix::fs::symlink("../shared", folder.path("node_modules/a")).unwrap();
    let linked = folder.link("dir/p.ts").unwrap();
    assert!(linked.script.contains("linked") && linked.installed.is_empty());
    assert!(linked.inputs.iter().any(|input| input.ends_with("shared/index.ts")), "{:?}", linked.inputs);
}

#[test]
fn the_same_packages_give_the_same_bytes_wherever_they_are() {
    let files =
        [("node_modules/a/index.js", "exports.a = require('./b.js');"), ("node_modules/a/b.js", "module.exports = 1;")];
    assert_eq!(script(TAKES_A, &[("a", "")], &files), script(TAKES_A, &[("a", "")], &files));
}

#[test]
fn the_sdk_is_the_engines_whatever_is_installed() {
    let files = [("node_modules/@bylaw/sdk/index.js", "exports.policy = 'another';")];
    let policy = "import { policy } from '@bylaw/sdk';\nexport default policy({ name: 'a.b.c' });";
    assert!(!script(policy, &[("@bylaw/sdk", "")], &files).contains("another"));
}

#[test]
fn a_policy_may_stand_in_an_installed_package_itself() {
    let files = [
        (
            "node_modules/@s/p/index.js",
            "import { a } from 'a';\nimport { own } from './own.js';\nexport default [a, own];",
        ),
        ("node_modules/@s/p/own.js", "export const own = 1;"),
        ("node_modules/a/index.js", "exports.a = 2;"),
    ];
    let folder = folder("", &[("a", ""), ("@s/p", r#""type": "module""#)], &files);
    let linked = folder.link("node_modules/@s/p/index.js").unwrap();
    let inputs = ["node_modules/@s/p/index.js", "node_modules/@s/p/own.js", "node_modules/a/package.json"];
    assert_eq!(linked.inputs, inputs.map(|name| folder.path(name)));
    assert_eq!(linked.installed, [folder.path("node_modules/a/index.js")]);
}
