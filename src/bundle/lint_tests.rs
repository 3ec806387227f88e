use super::super::link::{Language, link_inline};
use super::*;

/// The lines and names that the lint gives for a module.
fn state(text: &str) -> Vec<String> {
    let linked = link_inline("p.ts", text, Language::TypeScript).unwrap();
    module_state(&linked).unwrap().into_iter().map(|state| format!("{}:{}", state.place.line, state.name)).collect()
}

fn handler(before: &str, body: &str) -> String {
    format!(
        "import {{ policy }} from \"@bylaw/sdk\";\n{before}\nexport default policy({{ validate({{ object, deny }}) {{ {body} }} }});"
    )
}

#[track_caller]
pub(super) fn keeps(before: &str, body: &str, name: &str) {
    let found = state(&handler(before, body));
    assert!(found.iter().any(|found| found.ends_with(&format!(":{name}"))), "{before} | {body}: {found:?}");
}

#[track_caller]
pub(super) fn keeps_nothing(before: &str, body: &str) {
    let found = state(&handler(before, body));
    assert!(found.is_empty(), "{before} | {body}: {found:?}");
}

#[test]
fn assigned_variables_are_state_and_the_line_is_named() {
    let text = handler("let count = 0;", "\n count += 1; if (count > 3) deny('no');");
    assert_eq!(state(&text), ["4:count"]);
    keeps("let last;", "deny(last); last = object;", "last");
    keeps("let n = 0;", "if (n++ > 3) deny(n);", "n");
    keeps("let a, b;", "deny(a, b); [a, b] = object;", "a");
    keeps("var seen;", "deny(seen); ({ seen } = object);", "seen");
}

#[test]
fn containers_changed_by_a_handler_are_state() {
    keeps("const cache = new Map();", "cache.set(object.name, 1);", "cache");
    keeps("const seen = new Set(['a']);", "seen.add(object.name);", "seen");
    keeps("const list = [1];", "list.push(object.name);", "list");
    keeps("const table: any = { a: 1 };", "table[object.name] = 2;", "table");
    keeps("const table: any = { a: { b: 1 } };", "table.a.b++;", "table");
    keeps("const table: any = { a: 1 };", "delete table.a;", "table");
    keeps("const table: any = { a: 1 };", "Object.assign(table, object);", "table");
    keeps("const f: any = () => 1;", "f.cache = object; deny(f());", "f");
    keeps("const table: any = { a: 1 };", "({ name: table.a } = object);", "table");
}

#[test]
fn empty_containers_that_a_handler_hands_on_are_state() {
    keeps("const cache = new Map();\nfunction put(map, key) { map.set(key, 1); }", "put(cache, object.name);", "cache");
    keeps("const memo = {};", "const m: any = memo; m[object.name] = 1;", "memo");
}

#[test]
fn regular_expressions_that_remember_are_state() {
    keeps("const name = /a/g;", "if (name.test(object.name)) deny('no');", "name");
    keeps("const name = /a/y;", "deny(name.exec(object.name));", "name");
    keeps_nothing("const name = /a/;", "if (name.test(object.name)) deny('no');");
    keeps_nothing("const name = /a/g;", "deny(object.name.replace(name, 'b'));");
}

#[test]
fn closures_and_objects_made_at_load_are_state() {
    keeps("const next = (() => { let n = 0; return () => ++n; })();", "deny(next());", "n");
    keeps("function counter() { let n = 0; return () => ++n; }\nconst next = counter();", "deny(next());", "n");
    keeps(
        "const memo = (f) => { const seen = new Map(); return (k) => { if (!seen.has(k)) seen.set(k, f(k)); return seen.get(k); }; };\nconst slow = memo((k) => k);",
        "deny(slow(object.name));",
        "seen",
    );
    keeps("class Cache { n = 0; bump() { this.n++; } }\nconst cache = new Cache();", "cache.bump();", "this");
    keeps(
        "class Cache { #m = new Map(); put(k) { this.#m.set(k, 1); } }\nconst cache = new Cache();",
        "cache.put(1);",
        "this",
    );
    keeps("const hits = { n: 0, bump() { this.n++; } };", "hits.bump();", "this");
    keeps("function* ids() { let n = 0; while (true) yield n++; }\nconst id = ids();", "deny(id.next());", "id");
    keeps(
        "const rules = ['a'].map((r) => { const seen = new Set(); return (o) => seen.add(o); });",
        "rules[0](object);",
        "seen",
    );
}

#[test]
fn what_lives_in_one_run_is_not_state() {
    keeps_nothing(
        "",
        "const errors = []; object.list.forEach((c) => errors.push(c)); let n = 0; n++; deny(errors.join());",
    );
    keeps_nothing(
        "function all(o) { const out = []; o.list.forEach((c) => out.push(c)); return out; }",
        "deny(all(object));",
    );
    keeps_nothing(
        "class Errors { list = []; add(e) { this.list.push(e); } }",
        "const e = new Errors(); e.add(1); deny(e.list);",
    );
    keeps_nothing("", "object.spec.replicas = 1; const copy = { ...object }; copy.a = 1; deny(copy);");
}

#[test]
fn what_is_filled_at_load_and_then_only_read_is_not_state() {
    keeps_nothing("const names = new Set(['a', 'b']);", "if (!names.has(object.name)) deny('no');");
    keeps_nothing(
        "const list = ['a'];\nconst has = (l, v) => l.includes(v);",
        "if (!has(list, object.name)) deny('no');",
    );
    keeps_nothing(
        "const by = {};\nfor (const k of ['a', 'b']) by[k] = 1;",
        "if (object.name in by || by[object.name]) deny('no');",
    );
    keeps_nothing("let total = 0;\nfor (let i = 0; i < 3; i++) total += i;", "deny(total);");
    keeps_nothing(
        "import { quantity } from \"@bylaw/sdk\";\nconst limit = quantity('1Gi');",
        "deny(limit.add(quantity('1')).toString());",
    );
    keeps_nothing("enum Mode { Soft, Hard }", "deny(Mode.Soft);");
    keeps_nothing(
        "class Bad extends Error { constructor(m) { super(m); this.name = 'Bad'; } }\nconst bad = new Bad('x');",
        "deny(bad.message);",
    );
}

#[test]
fn state_in_a_renamed_or_imported_part_keeps_its_own_name_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.ts", "const cache = new Map();\nexport const a = (k) => cache.get(k);");
    write("b.ts", "\nconst cache = new Map();\nexport const b = (k) => cache.set(k, 1);");
    write(
        "p.ts",
        "import { a } from './a';\nimport { b } from './b';\nexport default { validate: (c) => { a(c); b(c); } };",
    );
    let linked = super::super::link::link_file(&folder.path().join("p.ts")).unwrap();
    let found = module_state(&linked).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].name.as_str(), found[0].place.line), ("cache", 3));
    assert!(found[0].place.file.ends_with("b.ts"), "{}", found[0]);
}

#[test]
fn cyclic_and_commonjs_modules_are_not_blamed_for_the_linkers_wrappers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("c.cjs", "let n = 1; n = 2; exports.c = () => n;");
    write("b.ts", "import { a } from './p';\nexport const b = () => a;");
    write(
        "p.ts",
        "import { b } from './b';\nimport { c } from './c.cjs';\nexport const a = 1;\nexport default { validate: () => b() + c() };",
    );
    let linked = super::super::link::link_file(&folder.path().join("p.ts")).unwrap();
    assert_eq!(module_state(&linked).unwrap(), []);
}
