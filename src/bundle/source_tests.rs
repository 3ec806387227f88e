use super::*;

fn scan(file: &str, text: &str) -> Result<Scan, BundleError> {
    super::scan(file, Path::new(file), text)
}

fn imports_of(text: &str) -> Vec<(String, DefaultUse)> {
    scan("p.ts", text).unwrap().imports.into_iter().map(|import| (import.specifier, import.default_use)).collect()
}

#[test]
fn imports_are_listed_in_order_with_what_they_take() {
    let text = r#"
        import { helper } from "./helper";
        import part from "./part.ts";
        import * as all from "./all";
        import type { Pod } from "./types";
        import { type Node } from "./mixed";
        export { default as again } from "./again";
        export * from "./star";
        import "./effects";
        const lazy = () => import("./lazy");
    "#;
    let expected = [
        ("./helper", DefaultUse::Left),
        ("./part.ts", DefaultUse::Taken),
        ("./all", DefaultUse::Taken),
        ("./mixed", DefaultUse::Left),
        ("./again", DefaultUse::Taken),
        ("./star", DefaultUse::Left),
        ("./effects", DefaultUse::Left),
        ("./lazy", DefaultUse::Taken),
    ];
    assert_eq!(imports_of(text), expected.map(|(name, used)| (name.to_owned(), used)));
}

#[test]
fn names_from_the_sdk_are_listed_where_they_are_values() {
    let text = "import { policy, type Pod, Image, image as parse } from '@bylaw/sdk';\n\
                import * as sdk from '@bylaw/sdk';\n\
                export default policy({ i: null as Image, p: parse('x'), sdk });";
    let names: Vec<String> = scan("p.ts", text).unwrap().sdk_names.into_iter().map(|name| name.name).collect();
    assert_eq!(names, ["policy", "image"]);
}

#[test]
fn every_form_of_a_default_export_is_seen() {
    for text in [
        "export default policy({});",
        "const p = 1; export { p as default };",
        "export { default } from './x';",
        "export default function f() {}",
    ] {
        assert!(scan("p.ts", text).unwrap().has_default_export, "{text}");
    }
    for text in ["export const a = 1;", "export type { default } from './x';", "const a = 1;"] {
        assert!(!scan("p.ts", text).unwrap().has_default_export, "{text}");
    }
}

#[test]
fn a_syntax_error_has_its_place_and_the_source() {
    let error = scan("dir/p.ts", "const a = 1;\nconst b: = 2;\n").unwrap_err().to_string();
    assert!(error.starts_with("dir/p.ts:2:10: "), "{error}");
    assert!(error.contains("2 | const b: = 2;"), "{error}");
}

#[test]
fn early_errors_are_errors() {
    let error = scan("p.ts", "let a = 1;\nlet a = 2;").unwrap_err().to_string();
    assert!(error.contains("`a` has already been declared"), "{error}");
}

#[test]
fn what_the_engine_does_not_run_is_found_but_not_in_functions() {
    let what = |text: &str| scan("p.ts", text).unwrap().unsupported.map(|unsupported| unsupported.what);
    assert_eq!(what("const a = await b;export {}"), Some(TOP_LEVEL_AWAIT.0));
    assert_eq!(what("for await (const a of b) {}export {}"), Some(TOP_LEVEL_AWAIT.0));
    assert_eq!(what("if (a) return;\nexport {}"), Some(TOP_LEVEL_RETURN.0));
    assert_eq!(what("const f = async () => { await b; for await (const a of b) {} };"), None);
    assert_eq!(what("const f = (name: string) => import(`./${name}`);"), Some(COMPUTED_IMPORT.0));
}

#[test]
fn scripts_are_told_from_modules() {
    let script = scan("p.js", "if (request.name) return;\nconst _ = require('lodash');").unwrap();
    assert!(script.uses_commonjs && !script.has_module_syntax);
    let inner = scan("p.js", "function f(require) { return require('x'); }").unwrap();
    assert!(!inner.uses_commonjs);
    assert!(scan("p.js", "import a from 'a'; deny(a)").unwrap().has_module_syntax);
}

#[test]
fn nesting_that_would_exhaust_the_stack_is_refused() {
    for text in ["(".repeat(3_000_000), "!".repeat(3_000_000), "a+".repeat(1_500_000)] {
        let error = scan("p.js", &text).unwrap_err().to_string();
        assert!(error.contains("nested too deeply"), "{error}");
    }
}

#[test]
fn unreadable_files_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.ts");
    assert!(read(&path, "p.ts").unwrap_err().to_string().starts_with("p.ts: No such file"));
    std::fs::write(&path, b"ab\xff").unwrap();
    assert_eq!(read(&path, "p.ts").unwrap_err().to_string(), "p.ts: not UTF-8 at byte 2");
    std::fs::write(&path, "\u{feff}export {}").unwrap();
    assert_eq!(read(&path, "p.ts").unwrap(), "export {}");
    std::fs::write(&path, vec![b' '; (MAX_SOURCE_BYTES + 1).try_into().unwrap()]).unwrap();
    assert!(read(&path, "p.ts").unwrap_err().to_string().contains("larger than 4194304 bytes"));
}
