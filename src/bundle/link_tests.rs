use std::fs;

use super::super::map::locate;
use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn link(&self, name: &str) -> Result<Linked, BundleError> {
        link_file(&self.path(name))
    }

    /// The error of linking, with the folder's own path taken out of it.
    fn error(&self, name: &str) -> String {
        let root = format!("{}/", self.0.path().display());
        self.link(name).unwrap_err().to_string().replace(&root, "")
    }
}

const POLICY: &str = r#"
import { policy, image } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";
import { limit } from "./lib/limit.js";

type Parameters = { max: number };
enum Mode { Soft = 1 }

export default policy<Pod, Parameters>({
  name: "p.example.com",
  validate({ object }) {
    if ((object as Pod).spec!.containers.length > limit) image(`too many ${Mode.Soft}`);
  },
});
"#;

#[test]
fn a_typescript_policy_becomes_one_strict_script_that_yields_its_namespace() {
    let folder = Folder::with(&[("p.ts", POLICY), ("lib/limit.ts", "export const limit: number = 3;\n")]);
    let linked = folder.link("p.ts").unwrap();
    assert!(linked.script.starts_with("\"use strict\";\n(function(exports, "), "{}", linked.script);
    assert!(linked.script.trim_end().ends_with("})({}, __bylaw_sdk);"), "{}", linked.script);
    assert!(!linked.script.contains("Parameters") && !linked.script.contains("as Pod"), "{}", linked.script);
    assert_eq!(linked.exports, ["default"]);
    assert_eq!(linked.inputs, [folder.path("p.ts"), folder.path("lib/limit.ts")]);
}

#[test]
fn the_same_sources_give_the_same_bytes_wherever_they_are() {
    let files = [("p.ts", POLICY), ("lib/limit.ts", "export const limit = 3;\n")];
    let (one, other) = (Folder::with(&files), Folder::with(&files));
    let (first, second) = (one.link("p.ts").unwrap(), other.link("p.ts").unwrap());
    assert_eq!(first.script, second.script);
    assert_eq!(first.hash, content_hash(&second.script));
    assert_eq!(one.link("p.ts").unwrap().source_map, first.source_map);
}

#[test]
fn a_place_in_the_script_leads_back_to_the_typescript() {
    let folder = Folder::with(&[("p.ts", POLICY), ("lib/limit.ts", "export const limit = 3;\n")]);
    let linked = folder.link("p.ts").unwrap();
    let line = linked.script.lines().position(|line| line.contains("too many")).unwrap();
    let column = linked.script.lines().nth(line).unwrap().find("`too many").unwrap();
    let at = |number: usize| u32::try_from(number).unwrap();
    let (place, text) = locate(linked.source_map.as_ref().unwrap(), at(line) + 1, at(column)).unwrap();
    assert!(place.file.ends_with("/p.ts"), "{place}");
    assert_eq!((place.line, place.column), (12, 64), "{place}");
    assert_eq!(text.as_deref(), Some(POLICY));
}

#[test]
fn a_syntax_error_in_an_imported_file_is_shown_where_it_is() {
    let folder = Folder::with(&[("p.ts", "import './lib/a';\nexport default 1;"), ("lib/a.ts", "\nlet x = ;\n")]);
    let error = folder.error("p.ts");
    assert!(error.starts_with("lib/a.ts:2:9: Unexpected token\n"), "{error}");
    assert!(error.contains("2 | let x = ;\n    |         ^"), "{error}");
}

#[test]
fn an_import_that_leads_nowhere_names_file_and_line() {
    let folder = Folder::with(&[("p.ts", "\nimport { a } from \"./nope\";\nexport default a;")]);
    let error = folder.error("p.ts");
    assert!(error.starts_with("p.ts:2:19: cannot find `./nope`\n"), "{error}");
    assert!(error.contains("^^^^^^^^"), "{error}");
}

#[test]
fn a_missing_export_names_the_import() {
    let files = [("p.ts", "import { nope } from \"./a\";\nexport default nope;"), ("a.ts", "export const a = 1;")];
    let error = Folder::with(&files).error("p.ts");
    assert!(error.starts_with("p.ts:1:10: "), "{error}");
    assert!(error.contains("nope"), "{error}");
}

#[test]
fn a_name_that_the_sdk_does_not_have_is_refused() {
    let text = "import { policy, imagee } from '@bylaw/sdk';\nexport default policy(imagee);";
    let error = Folder::with(&[("p.ts", text)]).error("p.ts");
    assert!(error.starts_with("p.ts:1:18: `@bylaw/sdk` does not export `imagee`\n"), "{error}");
    assert!(error.contains("help: it exports ") && error.contains("containers"), "{error}");
}

#[test]
fn modules_of_node_are_refused_by_the_file_that_imports_them() {
    let files = [
        ("p.ts", "import { a } from './a';\nexport default a;"),
        ("a.ts", "import fs from 'node:fs';\nexport const a = fs;"),
        ("q.ts", "import { b } from 'b';\nexport default b;"),
        ("node_modules/b/package.json", "{\"name\": \"b\", \"version\": \"1.0.0\"}"),
        ("node_modules/b/index.js", "\nexports.b = require('./c');"),
        ("node_modules/b/c.js", "var path = require( \"path\");"),
    ];
    let folder = Folder::with(&files);
    assert!(folder.error("p.ts").starts_with("a.ts:1:16: `node:fs` is a module of Node.js"));
    let told = folder.error("q.ts");
    assert!(told.starts_with("node_modules/b/c.js:1:21: `path` is a module of Node.js"), "{told}");
}

#[test]
fn top_level_await_is_refused_with_the_mend() {
    let error = Folder::with(&[("p.ts", "const a = await fetch('x');\nexport default a;")]).error("p.ts");
    assert!(error.starts_with("p.ts:1:11: top-level await"), "{error}");
    assert!(error.contains("help: move the await into the handler"), "{error}");
}

#[test]
fn types_json_javascript_and_commonjs_link_too() {
    let files = [
        (
            "p.ts",
            "import type { T } from './types';\nimport { U } from './types';\nimport data from './data.json';\nimport c from './c.cjs';\nimport { m } from './m.mjs';\nconst t: T | U = data.a;\nexport default [t, c, m];",
        ),
        ("types.d.ts", "export type T = number; export type U = string;"),
        ("data.json", "{\"a\": 41}"),
        ("c.cjs", "module.exports = 42;"),
        ("m.mjs", "export const m = 43;"),
    ];
    let linked = Folder::with(&files).link("p.ts").unwrap();
    for value in ["41", "42", "43"] {
        assert!(linked.script.contains(value), "{}", linked.script);
    }
}

#[test]
fn declarations_used_as_values_are_refused() {
    let files =
        [("p.ts", "import { T } from './types';\nexport default T;"), ("types.d.ts", "export const T: number;")];
    let error = Folder::with(&files).error("p.ts");
    assert!(error.starts_with("p.ts:1:10: "), "{error}");
}

#[test]
fn a_package_json_and_a_tsconfig_beside_it_change_nothing() {
    let policy = [("p.ts", "export default 1;")];
    let noisy = [
        ("p.ts", "export default 1;"),
        ("tsconfig.json", "{ broken"),
        ("package.json", "{\"type\": \"commonjs\", \"sideEffects\": false}"),
    ];
    assert_eq!(Folder::with(&policy).link("p.ts").unwrap().script, Folder::with(&noisy).link("p.ts").unwrap().script);
}

#[test]
fn linking_works_from_inside_an_async_runtime() {
    let folder = Folder::with(&[("p.ts", "export default 1;")]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(async { folder.link("p.ts") }).is_ok());
}

#[test]
fn inline_modules_show_the_name_of_their_manifest() {
    let error =
        link_inline("p.yaml (JsPolicy a.b.c)", "export default ;", Language::TypeScript).unwrap_err().to_string();
    assert!(error.starts_with("p.yaml (JsPolicy a.b.c):1:16: "), "{error}");
    let linked = link_inline("p.yaml", "const a: number = 1;\nexport default a;", Language::TypeScript).unwrap();
    assert!(linked.inputs.is_empty());
    assert!(locate(linked.source_map.as_ref().unwrap(), 4, 0).is_none_or(|(place, _)| place.file == "p.yaml"));
}

#[test]
fn a_bundle_has_a_global_object_of_its_own() {
    let files = [
        (
            "p.ts",
            "import { root } from './root.cjs';\n(globalThis as any).settings ??= root === globalThis;\nexport default (globalThis as any).settings;",
        ),
        (
            "root.cjs",
            "var root = typeof global == 'object' && global || Function('return this')();\nexports.root = root;",
        ),
    ];
    let linked = Folder::with(&files).link("p.ts").unwrap();
    let body = linked.script.split_once("const $realm = {}").unwrap().1;
    assert!(!body.contains("Function(") && !body.contains("global ="), "{body}");
    assert!(body.contains("$realm.settings ??= "), "{body}");
    let plain = Folder::with(&[("p.ts", "export default 1;")]).link("p.ts").unwrap();
    assert!(!plain.script.contains("$realm"), "{}", plain.script);
}

#[test]
fn an_error_beside_the_global_object_shows_what_the_author_wrote() {
    let text = "export default () => { globalThis.foo(); throw new Error('x'); };";
    let linked = Folder::with(&[("p.js", text)]).link("p.js").unwrap();
    let map = linked.source_map.unwrap();
    assert!(map.contains("globalThis.foo()") && !map.contains("$realm"), "{map}");
    let at = linked.script.lines().position(|line| line.contains("throw new Error")).unwrap();
    let column = linked.script.lines().nth(at).unwrap().find("throw").unwrap();
    let (place, _) = locate(&map, u32::try_from(at + 1).unwrap(), u32::try_from(column).unwrap()).unwrap();
    assert_eq!((place.line, place.column as usize), (1, text.find("throw").unwrap() + 1));
}

#[test]
fn packages_are_told_that_they_are_in_production() {
    let text = "export default process.env.NODE_ENV !== 'production' ? 'slow' : 'fast';";
    let linked = Folder::with(&[("p.js", text)]).link("p.js").unwrap();
    assert!(!linked.script.contains("process"), "{}", linked.script);
}

#[test]
fn a_cycle_of_imports_links() {
    let files = [
        ("p.ts", "import { b } from './b';\nexport const a = () => 1;\nexport default () => b() + 1;"),
        ("b.ts", "import { a } from './p';\nexport const b = () => a() + 1;"),
    ];
    assert!(Folder::with(&files).link("p.ts").is_ok());
}

#[test]
fn unicode_and_windows_line_ends_change_nothing() {
    let unix = "import { größe } from './größe';\nconst 名 = '\u{1f600}é';\nexport default [名, größe, `a\nb`];\n";
    let windows = format!("\u{feff}{}", unix.replace('\n', "\r\n"));
    let helper = ("größe.ts", "export const größe = 1;\r\n");
    let (one, other) = (Folder::with(&[("p.ts", unix), helper]), Folder::with(&[("p.ts", &windows), helper]));
    assert_eq!(one.link("p.ts").unwrap().script, other.link("p.ts").unwrap().script);
    assert!(one.link("p.ts").unwrap().script.contains("\u{1f600}é"));
    let wrong = "const 名 = '\u{1f600}';\r\nimport { a } from './größen';\r\nexport default a;";
    let told = Folder::with(&[("p.ts", wrong), helper]).error("p.ts");
    assert!(told.starts_with("p.ts:2:19: cannot find `./größen`\n"), "{told}");
    assert!(told.contains("2 | import { a } from './größen';\n    |                   ^^^^^^^^^^\n"), "{told}");
    assert!(told.ends_with("help: did you mean `größe`?"), "{told}");
}

#[test]
fn the_deepest_source_that_is_let_in_links() {
    for tower in super::super::nesting::tests::towers(1_450) {
        let text = format!("export default 1;\nlet x: any, a: any, b: any, c: any, f: any, A: any;\n{tower}\n");
        match link_inline("p.ts", &text, Language::TypeScript) {
            Ok(_) | Err(BundleError::Syntax(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[path = "package_tests.rs"]
mod packages;
