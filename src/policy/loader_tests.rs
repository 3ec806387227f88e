use std::sync::atomic::Ordering;

use serde_json::json;

use super::super::spec::{Dialect, Domain, Isolation, Permissions};
use super::super::testing::{FakeEngine, Folder, declares, engine, manifest, plain, policy};
use super::*;

fn loader(folder: &Folder) -> Loader {
    Loader::new(vec![folder.root().to_owned()], engine(), LoadOptions::default())
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.revisions.iter().map(|revision| &*revision.spec.name).collect()
}

fn load(folder: &Folder) -> Arc<Catalog> {
    loader(folder).load().unwrap()
}

/// The problems, each on one line, without the folder's path.
fn problems(folder: &Folder, catalog: &Catalog) -> Vec<String> {
    let told = catalog.problems.iter().map(|problem| {
        let first = problem.message.lines().next().unwrap_or_default();
        format!("{}: {first}{}", problem.subject, if problem.serving_last_good { " [last good]" } else { "" })
    });
    told.map(|told| folder.relative(&told)).collect()
}

fn touched(folder: &Folder, names: &[&str]) -> BTreeSet<PathBuf> {
    names.iter().map(|name| folder.path(name)).collect()
}

#[test]
fn modules_and_manifests_of_a_folder_are_served_sorted_by_name() {
    let folder = Folder::with(&[
        ("z.ts", &policy("c.b.a")),
        ("y/array.ts", &format!("export default [{}, {}];", declares(&plain("a.b.d")), declares(&plain("a.b.c")))),
        ("x.yaml", &manifest("b.b.b", "  javascript: deny('no')")),
        ("y/helper.ts", "export const a = 1;"),
    ]);
    let catalog = load(&folder);
    assert_eq!(names(&catalog), ["a.b.c", "a.b.d", "b.b.b", "c.b.a"]);
    assert_eq!((catalog.problems.len(), catalog.generation), (0, 1), "{:?}", catalog.problems);
    let entry = |name: &str| catalog.get(name).unwrap().code.entry;
    assert_eq!((entry("a.b.d"), entry("a.b.c")), (0, 1));
    assert_eq!(catalog.get("a.b.c").unwrap().code.script, catalog.get("a.b.d").unwrap().code.script);
    assert_eq!(catalog.get("b.b.b").unwrap().code.dialect, Dialect::Script);
    assert!(catalog.get("nope").is_none());
    assert!(catalog.notes[0].message.starts_with("is passed over: it has no default export"), "{:?}", catalog.notes);
}

#[test]
fn an_empty_folder_serves_and_says_so() {
    let catalog = load(&Folder::with(&[]));
    assert!(catalog.revisions.is_empty() && catalog.problems.is_empty());
    assert!(catalog.notes[0].message.contains("every request is allowed"), "{:?}", catalog.notes);
}

#[test]
fn missing_and_unreadable_paths_stop_the_start() {
    let folder = Folder::with(&[("a.ts", "")]);
    let missing = Loader::new(vec![folder.path("nope")], engine(), LoadOptions::default()).load().unwrap_err();
    assert!(matches!(missing, PolicyError::Missing { .. }));
    std::fs::write(folder.path("a.ts"), b"\xff").unwrap();
    let error = loader(&folder).load().unwrap_err();
    assert_eq!(folder.relative(&error.to_string()), "a.ts: cannot be read: not UTF-8 at byte 0");
    std::fs::rename(folder.path("a.ts"), folder.path("a.yaml")).unwrap();
    assert!(matches!(loader(&folder).load().unwrap_err(), PolicyError::Unreadable { .. }));
}

#[test]
fn what_is_wrong_is_a_problem_with_its_place() {
    let folder = Folder::with(&[
        ("a.ts", "export default ;"),
        ("b.ts", "export default 1;"),
        ("c.ts", "export default (() => { throw new Error('THROWS'); })();"),
        ("d.ts", &format!("export default {};", declares(&json!({"name": "d.d.d", "handlers": ["validate"]})))),
        ("e.yaml", "kind: ["),
        ("f.yaml", &manifest("f.f.f", "  javascript: |\n    allow();\n    deny(;")),
        ("g.yaml", &manifest("g.g.g", "  javascript: |\n    allow();\n    THROWS;")),
        ("h.yaml", &manifest("h.h.h", "")),
        ("i.yaml", &manifest("i.i", "  javascript: x")),
        ("ok.ts", &policy("ok.ok.ok")),
    ]);
    let catalog = load(&folder);
    assert_eq!(names(&catalog), ["ok.ok.ok"]);
    let expected = [
        "a.ts: a.ts:1:16: Unexpected token",
        "b.ts: b.ts: has no policy as its default export; write `export default policy({ … })`",
        "c.ts: c.ts:1:41: Error: it throws",
        "d.ts: policy d.d.d: match.resources: is missing; say what the policy judges, such as `resources: [\"pods\"]`",
        "e.yaml: e.yaml:1:7: unclosed bracket",
        "f.f.f: f.yaml:10:10: Unexpected token",
        "g.g.g: g.yaml:10:5: Error: it throws",
        "h.h.h: JsPolicy h.h.h: has neither spec.javascript nor spec.typescript, and there is no JsPolicyBundle of its name",
        "i.i: JsPolicy i.i: metadata.name: `i.i` must be a DNS name of at least three parts",
    ];
    let found = problems(&folder, &catalog);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
    assert!(catalog.problems[6].message.contains("10 |     THROWS;\n     |     ^"), "{}", catalog.problems[6].message);
}

#[test]
fn of_two_policies_with_one_name_the_first_by_path_is_served() {
    let folder = Folder::with(&[("b.ts", &policy("a.b.c")), ("a.yaml", &manifest("a.b.c", "  javascript: deny()"))]);
    let catalog = load(&folder);
    assert_eq!(catalog.get("a.b.c").unwrap().source.file_name().unwrap(), "a.yaml");
    let found = problems(&folder, &catalog);
    assert_eq!(found, ["a.b.c: is declared by a.yaml and by b.ts; the one of a.yaml is served. Rename one of them"]);
}

#[test]
fn a_bundle_is_found_in_any_file_and_order() {
    let bundle = |name: &str, packed: &str| {
        format!(
            "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicyBundle\nmetadata: {{name: {name}}}\nspec: {{bundle: \"{packed}\"}}\n"
        )
    };
    let folder = Folder::with(&[("z.yaml", &manifest("a.b.c", "")), ("y.yaml", &manifest("d.e.f", ""))]);
    folder.write("a.yaml", &bundle("d.e.f", "ZGVueSgp"));
    let packed = pack("deny(\"no\")");
    folder.write("b.yaml", &bundle("a.b.c", &packed));
    let catalog = load(&folder);
    assert_eq!(names(&catalog), ["a.b.c"]);
    assert_eq!(&*catalog.get("a.b.c").unwrap().code.script, "deny(\"no\")");
    let found = problems(&folder, &catalog);
    assert!(
        found[0].starts_with("d.e.f: JsPolicyBundle d.e.f: spec.bundle: is base64, but not of a gzip stream"),
        "{found:?}"
    );
    folder.write("c.yaml", &bundle("a.b.c", &packed));
    let found = problems(&folder, &load(&folder));
    assert!(
        found.iter().any(|told| told.starts_with("JsPolicyBundle a.b.c: is there in b.yaml and again in c.yaml")),
        "{found:?}"
    );
}

fn pack(script: &str) -> String {
    use base64::Engine as _;
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(script.as_bytes()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(encoder.finish().unwrap())
}

#[test]
fn a_broken_change_keeps_the_last_good_revision_until_it_is_mended() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c")), ("b.yaml", &manifest("b.b.b", "  javascript: deny('1')"))]);
    let mut loader = loader(&folder);
    let before = loader.load().unwrap();
    folder.write("a.ts", "export default ;");
    folder.write("b.yaml", &manifest("b.b.b", "  javascript: deny("));
    let broken = loader.reload(&touched(&folder, &["a.ts", "b.yaml"])).unwrap();
    assert_eq!(names(&broken), ["a.b.c", "b.b.b"]);
    assert!(Arc::ptr_eq(before.get("a.b.c").unwrap(), broken.get("a.b.c").unwrap()));
    let found = problems(&folder, &broken);
    assert!(found.iter().all(|told| told.ends_with("[last good]")) && found.len() == 2, "{found:?}");
    folder.write("a.ts", &policy("a.b.d"));
    folder.write("b.yaml", &manifest("b.b.b", "  javascript: deny('2')"));
    let mended = loader.reload(&touched(&folder, &["a.ts", "b.yaml"])).unwrap();
    assert_eq!((names(&mended), mended.problems.len(), mended.generation), (vec!["a.b.d", "b.b.b"], 0, 3));
    assert!(mended.get("b.b.b").unwrap().code.script.contains("deny('2')"));
}

#[test]
fn truncated_files_and_lost_default_exports_do_not_remove_a_policy() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c")), ("b.yaml", &manifest("b.b.b", "  javascript: deny('1')"))]);
    let mut loader = loader(&folder);
    loader.load().unwrap();
    for text in ["", "\n", "const a = 1;"] {
        folder.write("a.ts", text);
        folder.write("b.yaml", "\n");
        let catalog = loader.reload(&touched(&folder, &["a.ts", "b.yaml"])).unwrap();
        assert_eq!((names(&catalog), catalog.problems.len()), (vec!["a.b.c", "b.b.b"], 2), "{text:?}");
    }
}

#[test]
fn a_deleted_file_takes_its_policies_with_it() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c")), ("b.yaml", &manifest("b.b.b", "  javascript: deny('1')"))]);
    let mut loader = loader(&folder);
    loader.load().unwrap();
    folder.remove("a.ts");
    assert_eq!(names(&loader.reload(&BTreeSet::new()).unwrap()), ["b.b.b"]);
    folder.remove("b.yaml");
    assert!(loader.reload(&BTreeSet::new()).unwrap().revisions.is_empty());
}

#[test]
fn a_folder_that_vanishes_as_a_whole_keeps_all_its_policies() {
    let folder = Folder::with(&[("p/a.ts", &policy("a.b.c"))]);
    let mut loader = Loader::new(vec![folder.path("p")], engine(), LoadOptions::default());
    loader.load().unwrap();
    std::fs::rename(folder.path("p"), folder.path("q")).unwrap();
    let gone = loader.reload(&BTreeSet::new()).unwrap();
    assert_eq!(names(&gone), ["a.b.c"]);
    assert!(
        gone.problems
            .iter()
            .any(|problem| problem.message.contains("no such file or folder") && problem.serving_last_good)
    );
    assert!(loader.reload(&BTreeSet::new()).is_none(), "it is told once");
    std::fs::rename(folder.path("q"), folder.path("p")).unwrap();
    assert_eq!(loader.reload(&BTreeSet::new()).unwrap().problems.len(), 0);
}

#[test]
fn only_what_changed_is_linked_again() {
    let engine: Arc<FakeEngine> = engine();
    let folder = Folder::with(&[
        ("a.ts", &format!("import {{ a }} from './lib/a';\nexport default [a, {}];", declares(&plain("a.b.c")))),
        ("lib/a.ts", "export const a = 1;"),
        ("b.ts", &policy("b.b.b")),
        ("c.yaml", &manifest("c.c.c", "  javascript: deny('1')")),
    ]);
    let mut loader = Loader::new(vec![folder.root().to_owned()], Arc::clone(&engine) as _, LoadOptions::default());
    let before = loader.load().unwrap();
    assert_eq!(engine.asked.load(Ordering::Relaxed), 3);
    assert!(loader.reload(&BTreeSet::new()).is_none());
    folder.write("lib/a.ts", "export const a = 22;");
    let after = loader.reload(&BTreeSet::new()).unwrap();
    assert_eq!(engine.asked.load(Ordering::Relaxed), 4);
    assert!(!Arc::ptr_eq(before.get("a.b.c").unwrap(), after.get("a.b.c").unwrap()));
    for name in ["b.b.b", "c.c.c"] {
        assert!(Arc::ptr_eq(before.get(name).unwrap(), after.get(name).unwrap()), "{name}");
    }
    folder.write(
        "c.yaml",
        &format!("{}---\n{}", manifest("c.c.c", "  javascript: deny('1')"), manifest("d.d.d", "  javascript: deny()")),
    );
    let more = loader.reload(&BTreeSet::new()).unwrap();
    assert_eq!(engine.asked.load(Ordering::Relaxed), 5);
    assert!(Arc::ptr_eq(before.get("c.c.c").unwrap(), more.get("c.c.c").unwrap()));
    loader.reload(&touched(&folder, &["b.ts"]));
    assert_eq!(engine.asked.load(Ordering::Relaxed), 5, "a touch that changes nothing costs the engine nothing");
}

#[test]
fn a_missing_import_is_found_when_it_comes() {
    let folder = Folder::with(&[("a.ts", &format!("import './lib';\n{}", policy("a.b.c")))]);
    let mut loader = loader(&folder);
    assert!(problems(&folder, &loader.load().unwrap())[0].contains("cannot find `./lib`"));
    assert!(loader.reload(&BTreeSet::new()).is_none(), "the same failure is told once");
    folder.write("lib.ts", "export {};");
    assert_eq!(names(&loader.reload(&BTreeSet::new()).unwrap()), ["a.b.c"]);
}

#[test]
fn state_in_a_module_costs_it_the_shared_realm() {
    let stateful = format!("let n = 0;\nexport const count = () => n++;\n{}", policy("a.b.c"));
    let catalog = load(&Folder::with(&[("a.ts", &stateful), ("b.ts", &policy("b.b.b"))]));
    assert_eq!(catalog.get("a.b.c").unwrap().spec.isolation, Isolation::Fresh);
    assert_eq!(catalog.get("b.b.b").unwrap().spec.isolation, Isolation::Shared);
    let note = &catalog.notes[0];
    assert!(note.subject == "a.b.c" && note.message.contains("a.ts:2:28: `n` is assigned after"), "{note:?}");
}

#[test]
fn controllers_and_reconcilers_are_served_beside_those_that_requests_are_judged_by() {
    let reconciler = json!({"name": "r.r.r", "match": {"resources": ["pods"]}, "handlers": ["reconcile"]});
    let folder = Folder::with(&[
        ("a.ts", &format!("export default {};", declares(&reconciler))),
        ("b.yaml", &manifest("c.c.c", "  type: Controller\n  javascript: allow()")),
    ]);
    let catalog = load(&folder);
    assert!(catalog.revisions.is_empty() && catalog.problems.is_empty(), "{:?}", catalog.problems);
    let names: Vec<&str> = catalog.controllers.iter().map(|revision| &*revision.spec.name).collect();
    assert_eq!(names, ["c.c.c", "r.r.r"]);
    assert!(catalog.find("c.c.c").is_some() && catalog.get("c.c.c").is_none(), "no request asks for it");
    assert!(catalog.controllers.iter().all(|one| one.domain == Domain::Controllers && one.may_wait));
}

#[test]
fn compat_gives_scripts_jspolicys_rights_unless_they_say_what_they_need() {
    let folder = Folder::with(&[
        ("a.yaml", &manifest("a.a.a", "  javascript: deny()")),
        ("b.yaml", &manifest("b.b.b", "  javascript: deny()\n  permissions: {env: [HOME]}")),
        ("c.ts", &policy("c.c.c")),
    ]);
    let options = LoadOptions { compat_jspolicy: true, parameters: None, ..LoadOptions::default() };
    let catalog = Loader::new(vec![folder.root().to_owned()], engine(), options).load().unwrap();
    let granted = |name: &str| catalog.get(name).unwrap().spec.permissions.clone();
    assert_eq!(granted("a.a.a"), Permissions::ambient());
    assert_eq!(granted("b.b.b"), Permissions { env: vec!["HOME".to_owned()], ..Permissions::default() });
    assert_eq!(granted("c.c.c"), Permissions::default());
    assert_eq!(load(&folder).get("a.a.a").unwrap().spec.permissions, Permissions::default());
}

#[test]
fn parameters_come_from_schema_module_manifest_and_command_line() {
    let mut declared = plain("a.b.c");
    declared["parameters"] =
        json!({"schema": {"required": ["must"], "properties": {"x": {"default": 1}, "must": {"type": "string"}}}});
    let folder = Folder::with(&[("a.ts", &format!("export default {};", declares(&declared)))]);
    assert!(problems(&folder, &load(&folder))[0].contains("policy a.b.c: parameters: \"must\" is a required property"));
    let options =
        LoadOptions { compat_jspolicy: false, parameters: Some(json!({"must": "m"})), ..LoadOptions::default() };
    let catalog = Loader::new(vec![folder.root().to_owned()], engine(), options).load().unwrap();
    let revision = catalog.get("a.b.c").unwrap();
    assert_eq!(*revision.spec.parameters, json!({"must": "m", "x": 1}));
    assert_eq!(*revision.with_parameters(&json!({"x": 2})).unwrap().spec.parameters, json!({"must": "m", "x": 2}));
    assert!(revision.with_parameters(&json!({"must": 2})).is_err());
}

#[test]
fn an_inline_module_takes_what_its_object_says_over_its_own() {
    let source = format!(
        "  typescript: |\n    export default {};\n  timeoutSeconds: 3\n  failurePolicy: Ignore",
        declares(&plain("x.y.z"))
    );
    let catalog = load(&Folder::with(&[("a.yaml", &manifest("a.b.c", &source))]));
    let spec = &catalog.get("a.b.c").unwrap().spec;
    assert_eq!((spec.dialect, spec.timeout.as_secs()), (Dialect::Module, 3));
    assert_eq!(spec.on_error, super::super::spec::OnError::Allow);
    assert!(catalog.get("x.y.z").is_none());
}

#[test]
fn a_path_given_twice_is_loaded_once() {
    let folder = Folder::with(&[("a.ts", &policy("a.b.c"))]);
    let paths = vec![folder.root().to_owned(), folder.path("a.ts")];
    let catalog = Loader::new(paths, engine(), LoadOptions::default()).load().unwrap();
    assert_eq!((catalog.revisions.len(), catalog.problems.len()), (1, 0));
}
