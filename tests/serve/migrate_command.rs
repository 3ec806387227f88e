//! `bylaw migrate jspolicy`: manifests in, a policy folder out; 0 all carried over, 1 some left, 2 could not run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;
use super::npm::tools;
use super::server::Server;

const MANIFESTS: &str = "tests/serve/migrate/manifests";
const JSPOLICY: &str = "tests/jspolicy/manifests";

/// What is left of our own manifests, each with a word of the reason.
const LEFT: [(&str, &str); 10] = [
    ("clock.left", "does not come to the same"),
    ("code.left", "a denial with code 299"),
    ("controller.left", "type Controller"),
    ("handed-on.left", "handed on as a value"),
    ("in-a-map.writes", "inside the callback of `map`"),
    ("no-gzip.left", "not of a gzip stream"),
    ("octal.left", "no strict code"),
    ("response.left", "`__response`"),
    ("syntax.left", ":1:20: Expected `)` but found `{`"),
    ("unknown.dependencies", "no-such-package-of-ours"),
];

/// A folder with our manifests in it, and above them the npm packages of `sdk-ts`.
fn with_packages() -> Option<Folder> {
    let tools = tools()?;
    let folder = Folder::new(&[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir(folder.file("in")).unwrap();
    for (from, name) in [(tools, "node_modules"), (root.join(MANIFESTS), "own"), (root.join(JSPOLICY), "jspolicy")] {
        symlink(from, folder.file("in").join(name)).unwrap();
    }
    Some(folder)
}

fn migrate(paths: &[&str], out: &str, more: &[&str]) -> Ended {
    bylaw(&[&["migrate", "jspolicy", "--out", out], paths, more].concat())
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// A manifest of one policy.
fn manifest(name: &str, javascript: &str) -> String {
    let object = json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": name},
        "spec": {"operations": ["CREATE"], "resources": ["configmaps"], "javascript": javascript},
    });
    object.to_string()
}

#[test]
fn every_manifest_is_carried_over_but_those_that_cannot_be() {
    let Some(folder) = with_packages() else { return };
    let (manifests, out) = (folder.argument("in/own"), folder.argument("out"));
    let ended = migrate(&[&manifests], &out, &["-o", "json"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let report = report(&ended);
    let reasons: BTreeMap<String, String> = report["policies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|policy| policy["carried"] == false)
        .map(|policy| {
            let word = |field: &str| policy[field].as_str().unwrap_or_default().to_owned();
            (word("name").replace(".migrate.example.com", ""), word("reason"))
        })
        .collect();
    assert_eq!(reasons.keys().map(String::as_str).collect::<Vec<_>>(), LEFT.map(|(name, _)| name), "{reasons:#?}");
    for (name, wanted) in LEFT {
        assert!(reasons[name].contains(wanted), "{name}: {}", reasons[name]);
    }
    answers_as_its_cases_say(&folder);
}

/// Serves what was carried over, and sends the requests of its cases.
fn answers_as_its_cases_say(folder: &Folder) {
    let mut cases = 0;
    for entry in fs::read_dir(folder.file("out")).unwrap() {
        let entry = entry.unwrap().path();
        // What was left is broken on purpose.
        if entry.join("policy.yaml").exists() {
            fs::remove_dir_all(&entry).unwrap();
        }
    }
    // Reads find nothing, as in the worlds of these cases.
    folder.write("inventory.yaml", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: a}\n");
    let (out, inventory) = (folder.argument("out"), folder.argument("inventory.yaml"));
    let server = Server::start_with(&["--policies", &out, "--inventory", &inventory], &[]);
    for entry in fs::read_dir(folder.file("out")).unwrap() {
        let file = entry.unwrap().path().join("cases/migrated.yaml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for case in documents.iter().filter(|case| case.get("inventory").is_none()) {
            cases += 1;
            let review =
                json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": case["request"]});
            let path = format!("/policy/{}", case["policy"].as_str().unwrap());
            let (_, answer) = server.post_text(&path, review.to_string());
            let response = &answer["response"];
            assert_eq!(response["allowed"], case["expect"]["allowed"], "{case}\n{answer}");
            if let Some(message) = case["expect"]["message"].as_str() {
                assert!(response["status"]["message"].as_str().unwrap().contains(message), "{case}\n{answer}");
            }
        }
    }
    assert!(cases > 100, "only {cases} cases");
}

#[test]
fn what_is_written_type_checks_with_tsc_in_strict_mode() {
    let Some(folder) = with_packages() else { return };
    let (manifests, out) = (folder.argument("in"), folder.argument("out"));
    migrate(&[&manifests], &out, &[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tsc = root.join("sdk-ts/node_modules/typescript/bin/tsc");
    assert!(tsc.exists(), "TypeScript is not there: run `npm ci` in sdk-ts");
    let options = json!({
        "extends": root.join("policies/tsconfig.json"),
        "compilerOptions": {"noEmit": true, "paths": {
            "@bylaw/sdk": [root.join("sdk-ts/src/index.ts")], "@bylaw/sdk/k8s/*": [root.join("sdk-ts/k8s/*.ts")],
        }},
        "include": ["**/*.ts"],
    });
    fs::write(folder.file("out/tsconfig.json"), options.to_string()).unwrap();
    let checked = Command::new("node").arg(tsc).arg("-p").arg(&out).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn a_package_in_the_shape_of_jspolicys_template_is_carried_over() {
    let policy = "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {name: ns.package.example.com}\n\
                  spec: {operations: [CREATE], resources: [configmaps], scope: Namespaced}\n";
    let folder = Folder::new(&[
        ("package.json", "{\"name\": \"policies\", \"scripts\": {\"postinstall\": \"exit 1\"}}"),
        ("src/policies/ns/policy.yaml", policy),
        (
            "src/policies/ns/index.ts",
            "import { checkNamespace } from \"../../lib/namespace\";\nimport { denyOnErrors } from \"../../util/helpers\";\n\n\
             denyOnErrors(checkNamespace(request));\n",
        ),
        (
            "src/lib/namespace.ts",
            "import { V1AdmissionRequest } from \"@jspolicy/types\";\n\nexport function checkNamespace(asked: V1AdmissionRequest): \
             string[] {\n  return asked.namespace === \"default\" ? [\"not in default\"] : [];\n}\n",
        ),
        (
            "src/util/helpers.ts",
            "export function denyOnErrors(errors: string[]): void {\n  if (errors.length > 0) deny(errors.join(\", \"));\n}\n",
        ),
    ]);
    let ended = migrate(&[&folder.argument("src")], &folder.argument("out"), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let module = fs::read_to_string(folder.file("out/ns.package.example.com/policy.ts")).unwrap();
    assert!(module.contains("denyOnErrors(checkNamespace("), "{module}");
    let cases = fs::read_to_string(folder.file("out/ns.package.example.com/cases/migrated.yaml")).unwrap();
    assert!(cases.contains("not in default"), "{cases}");
}

#[test]
fn the_report_is_a_table_for_people() {
    let folder = Folder::new(&[
        ("in/a.yaml", &manifest("a.deny.example.com", "if (request.object.data.a === 'b') deny('no b');")),
        ("in/b.yaml", &manifest("b.deny.example.com", "__response.deny = true;")),
    ]);
    let ended = migrate(&[&folder.argument("in")], &folder.argument("out"), &[]);
    assert_eq!(ended.code, Some(1));
    let lines: Vec<&str> = ended.out.lines().collect();
    assert!(lines[0].starts_with("carried  a.deny.example.com  a.deny.example.com/policy.ts, "), "{}", ended.out);
    assert!(lines[1].starts_with("left     b.deny.example.com  line 1 of the script: "), "{}", ended.out);
    assert_eq!(lines[2], "1 of 2 policies carried over, 1 left as they are (Bylaw runs those too)");
}

#[test]
fn what_is_left_stays_as_it_was_written() {
    let text = "# Why.\napiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {name: a.left.example.com}\nspec:\n  \
                operations: [CREATE]\n  resources: [pods]\n  javascript: |\n    __response.deny = true; // so\n";
    let folder = Folder::new(&[("in.yaml", text)]);
    migrate(&[&folder.argument("in.yaml")], &folder.argument("out"), &[]);
    assert_eq!(fs::read_to_string(folder.file("out/a.left.example.com/policy.yaml")).unwrap(), text);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n";
    folder.write("pod.yaml", pod);
    let judged = bylaw(&["review", "-p", &folder.argument("out"), "--object", &folder.argument("pod.yaml")]);
    assert_eq!(judged.code, Some(1), "it still denies: {judged:?}");
}

#[test]
fn given_reviews_are_asked_and_become_cases() {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "x", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"}, "operation": "CREATE", "name": "mine",
        "namespace": "shop", "userInfo": {"username": "eve"}, "object": {"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": "shop"}, "data": {"odd": "given"}},
    }});
    let folder = Folder::new(&[
        ("in.yaml", &manifest("a.deny.example.com", "if (Object.keys(request.object.data).length > 3) deny('many');")),
        ("review.json", &review.to_string()),
        ("pod.yaml", "kind: Pod\n"),
    ]);
    let (manifest, out) = (folder.argument("in.yaml"), folder.argument("out"));
    let ended = migrate(&[&manifest], &out, &["--review", &folder.argument("review.json")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let cases = fs::read_to_string(folder.file("out/a.deny.example.com/cases/migrated.yaml")).unwrap();
    assert!(cases.contains("odd: given"), "{cases}");
    let refused = migrate(&[&manifest], &folder.argument("other"), &["--review", &folder.argument("pod.yaml")]);
    assert!(refused.code == Some(2) && refused.err.contains("no AdmissionReview"), "{refused:?}");
}

#[test]
fn bad_input_is_told_and_nothing_is_written() {
    let policy = manifest("a.deny.example.com", "deny('x');");
    let folder = Folder::new(&[
        ("broken/p.yaml", "kind: JsPolicy\nmetadata: {name: [}\n"),
        ("twice/p.yaml", &policy),
        ("twice/q.yaml", &policy),
        ("none/p.yaml", "kind: Pod\n"),
        ("good/p.yaml", &policy),
        ("full/mine.txt", "x"),
    ]);
    for (input, out, told) in [
        ("broken", "out", "p.yaml:2:"),
        ("twice", "out", "two policies are called a.deny.example.com"),
        ("none", "out", "there is no JsPolicy in "),
        ("missing", "out", "cannot read "),
        ("good", "full", "has files in it; give another folder, or --force"),
        ("good", "full/mine.txt", "is no folder"),
    ] {
        let ended = migrate(&[&folder.argument(input)], &folder.argument(out), &[]);
        assert!(ended.code == Some(2) && ended.err.contains(told), "{input}: {ended:?}");
        assert!(!folder.file(&format!("{out}/a.deny.example.com")).exists());
    }
    let forced = migrate(&[&folder.argument("good")], &folder.argument("full"), &["--force"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(folder.file("full/mine.txt").exists() && folder.file("full/a.deny.example.com/policy.ts").exists());
}

#[test]
fn a_name_that_is_a_path_leads_nowhere() {
    let folder = Folder::new(&[("in.yaml", &manifest("../../evil", "deny('x');"))]);
    let ended = migrate(&[&folder.argument("in.yaml")], &folder.argument("out/inner"), &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("must be a DNS name"), "{ended:?}");
    assert!(folder.file("out/inner/___.._evil/policy.yaml").exists());
    assert!(!folder.file("evil").exists() && !folder.file("out/evil").exists());
}

#[test]
fn unicode_and_windows_line_ends_come_through() {
    let script = "// „kůň“ 🐎\r\nif (request.object.data.a === 'žluťoučký') {\r\n  deny('ne 🐎');\r\n}\r\n";
    let folder = Folder::new(&[("in.json", &manifest("a.deny.example.com", script))]);
    let ended = migrate(&[&folder.argument("in.json")], &folder.argument("out"), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let module = fs::read_to_string(folder.file("out/a.deny.example.com/policy.ts")).unwrap();
    assert!(module.contains("    // „kůň“ 🐎\n    if (object.data.a === 'žluťoučký') {\n"), "{module}");
    assert!(!module.contains('\r'));
}
