//! `bylaw scan` of manifests: what it judges, what it says of it, how it ends.

use std::fs;

use serde_json::{Value, json};

use super::command::{Ended, bylaw_with};
use super::folder::Folder;

const POLICIES: &str = include_str!("policies/scan.ts");

pub fn folder(files: &[(&str, &str)]) -> Folder {
    Folder::new(&[&[("policies/scan.ts", POLICIES)], files].concat())
}

pub fn scan_with(folder: &Folder, arguments: &[&str], input: &str) -> Ended {
    let (policies, manifests) = (folder.argument("policies"), folder.argument("manifests"));
    // `.` stands for the folder with the manifests.
    let arguments = arguments.iter().map(|argument| if *argument == "." { &*manifests } else { argument });
    bylaw_with(&["scan", "-p", &policies].into_iter().chain(arguments).collect::<Vec<_>>(), &[], input)
}

pub fn scan(folder: &Folder, arguments: &[&str]) -> Ended {
    scan_with(folder, arguments, "")
}

/// The report, with the folder of the manifests left out of its places.
#[track_caller]
pub fn report(folder: &Folder, arguments: &[&str], code: i32) -> Value {
    let ended = scan(folder, &[arguments, &["-o", "json"]].concat());
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let text = ended.out.replace(&format!("{}/", folder.argument("manifests")), "");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// `policy kind namespace/name file:line field:line message` of each finding, short.
pub fn findings(report: &Value) -> Vec<String> {
    let told = |finding: &Value| {
        let text = |field: &str| finding[field].as_str().unwrap_or("-").to_owned();
        let policy = text("policy").split('.').next().unwrap().to_owned();
        let line = finding["fieldLine"].as_u64().or(finding["line"].as_u64()).unwrap_or_default();
        format!(
            "{} {policy} {}/{} {}:{line} {}",
            text("result"),
            text("namespace"),
            text("name"),
            text("file"),
            text("message")
        )
    };
    report["findings"].as_array().unwrap().iter().map(told).collect()
}

fn config(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  a: {data}\n")
}

#[test]
fn a_folder_is_judged_and_what_is_denied_is_named_with_its_line() {
    let stream = [config("one", "fine"), config("two", "bad"), config("three", "odd")].join("---\n");
    let folder = folder(&[("manifests/a.yaml", &stream), ("manifests/deep/b.yml", &config("four", "bad"))]);
    let report = report(&folder, &["."], 1);
    assert_eq!(
        findings(&report),
        [
            "denied judge shop/two a.yaml:15 a must not be bad",
            "warned judge shop/three a.yaml:17 a is odd",
            "denied judge shop/four deep/b.yml:7 a must not be bad",
        ]
    );
    let summary = json!({"objects": 4, "denied": 2, "warned": 1, "wouldDeny": 0, "wouldChange": 0, "passed": 1,
        "unreadable": 0, "unlisted": 0});
    assert_eq!(report["summary"], summary);
    let first = &report["findings"][0];
    assert_eq!((&first["severity"], &first["category"]), (&json!("high"), &json!("Tests")));
    assert_eq!((&first["kind"], &first["field"], &first["line"]), (&json!("ConfigMap"), &json!("data.a"), &json!(9)));
}

#[test]
fn what_passes_is_0_and_says_so() {
    let folder = folder(&[("manifests/a.yaml", &config("one", "fine"))]);
    let ended = scan(&folder, &["."]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out, "1 object judged: 0 denied, 1 passed\n");
}

#[test]
fn the_table_names_everything_that_is_to_be_mended() {
    let text = [config("two", "bad"), config("three", "stamp")].join("---\n");
    let folder = folder(&[("manifests/a.yaml", &text)]);
    let ended = scan(&folder, &[".", "--show-patches"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    // The columns are as wide as the name of the temporary folder.
    let lines = ended.out.replace(&format!("{}/", folder.argument("manifests")), "");
    let lines = lines.lines().map(|line| {
        let indent = if line.starts_with(' ') { "    " } else { "" };
        format!(
            "{indent}{}\n",
            line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join("  ")
        )
    });
    insta::assert_snapshot!("scan-table", lines.collect::<String>());
}

#[test]
fn a_stream_comes_from_standard_input_as_yaml_json_or_list() {
    let folder = folder(&[]);
    let bad = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "bad"}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [bad, bad]});
    let typed = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "b"}, "data": {"a": "bad"}}]});
    for (text, denied) in [
        (config("a", "bad"), 1),
        (format!("# Source: chart/a.yaml\n{}---\n{}", config("a", "bad"), config("b", "bad")), 2),
        (bad.to_string(), 1),
        (format!("{bad}\n{bad}\n"), 2),
        (list.to_string(), 2),
        (format!("{list:#}"), 2),
        (serde_saphyr::to_string(&list).unwrap(), 2),
        (typed.to_string(), 1),
    ] {
        let ended = scan_with(&folder, &["-", "-o", "json"], &text);
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""), "{text}");
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(report["summary"]["denied"], denied, "{text}");
        assert_eq!(report["findings"][0]["file"], "<stdin>");
    }
}

#[test]
fn items_of_a_list_are_named_with_their_own_lines() {
    let item = |config: String| format!("- {}\n", config.trim_end().replace('\n', "\n  "));
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item(config("a", "fine")), item(config("b", "bad")));
    let folder = folder(&[("manifests/list.yaml", &text)]);
    assert_eq!(findings(&report(&folder, &["."], 1)), ["denied judge shop/b list.yaml:17 a must not be bad"]);
}

#[test]
fn pod_templates_of_workloads_are_judged() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  template:\n    spec:\n      \
        containers:\n      - name: web\n        image: nginx:latest\n";
    let folder = folder(&[("manifests/a.yaml", deployment)]);
    let report = report(&folder, &["."], 1);
    assert_eq!(findings(&report), ["denied images shop/web a.yaml:9 image nginx:latest"]);
    assert_eq!(report["findings"][0]["field"], "spec.template.spec.containers[0].image");
}

#[test]
fn a_mutation_is_what_would_change_with_its_operations() {
    let folder = folder(&[("manifests/a.yaml", &config("one", "stamp"))]);
    let told = report(&folder, &["."], 0);
    assert_eq!(findings(&told), ["would change stamps shop/one a.yaml:1 2 operations: /data/a, /data/stamped"]);
    assert_eq!((&told["findings"][0]["operations"], &told["findings"][0]["patch"]), (&json!(2), &Value::Null));
    let shown = report(&folder, &[".", "--show-patches"], 0);
    let patch = json!([{"op": "replace", "path": "/data/a", "value": "set"}, {"op": "add", "path": "/data/stamped", "value": "yes"}]);
    assert_eq!(shown["findings"][0]["patch"], patch);
}

#[test]
fn policies_that_are_tried_out_deny_nothing() {
    let folder = folder(&[("manifests/a.yaml", &config("dry", "bad-for-dry"))]);
    assert_eq!(findings(&report(&folder, &["."], 0)), ["would deny dry shop/dry a.yaml:1 not in earnest"]);
}

#[test]
fn a_policy_that_fails_is_told_apart_from_one_that_denies() {
    let folder = folder(&[("manifests/a.yaml", &config("one", "throw"))]);
    let report = report(&folder, &["."], 1);
    let told = findings(&report);
    assert!(told[0].starts_with("failed judge shop/one a.yaml:1 policy failed: "), "{told:?}");
    assert_eq!(report["summary"]["denied"], 1);
}

#[test]
fn namespaces_and_objects_among_the_manifests_are_seen_by_policies() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: gold, labels: {tier: gold}}\n";
    let service = |name: &str, namespace: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n")
    };
    let wanted = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: known, namespace: gold}\n";
    let text = [service("known", "gold"), service("other", "gold"), wanted.to_owned(), namespace.to_owned()];
    let folder = folder(&[("manifests/z.yaml", &text.join("---\n"))]);
    let expected = "denied services gold/other z.yaml:5 no ConfigMap other in a gold namespace";
    assert_eq!(findings(&report(&folder, &["."], 1)), [expected]);
    // A namespace that nobody describes cannot be selected, and that is no silent pass.
    folder.write("manifests/z.yaml", &service("lost", "lead"));
    let told = findings(&report(&folder, &["."], 1));
    assert!(
        told[0].starts_with("failed services lead/lost z.yaml:1") && told[0].contains("--namespace-labels"),
        "{told:?}"
    );
    report(&folder, &[".", "--namespace-labels", "tier=lead"], 0);
    folder.write("inventory.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: lead, labels: {tier: gold}}\n");
    let told = findings(&report(&folder, &[".", "--inventory", &folder.argument("inventory.yaml")], 1));
    assert_eq!(told, ["denied services lead/lost z.yaml:1 no ConfigMap lost in a gold namespace"]);
}

#[test]
fn kinds_that_the_manifests_define_have_the_plural_and_the_scope_of_their_definition() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: geese.example.com}\n\
        spec: {group: example.com, scope: Cluster, names: {kind: Goose, plural: geese}}\n";
    let goose = "apiVersion: example.com/v1\nkind: Goose\nmetadata: {name: grey}\n";
    let folder = folder(&[("manifests/a.yaml", &[goose, definition].join("---\n"))]);
    assert_eq!(findings(&report(&folder, &["."], 1)), ["denied geese -/grey a.yaml:1 no geese: cluster"]);
}

#[test]
fn the_operation_the_user_and_the_parameters_are_those_given() {
    let folder = folder(&[("manifests/a.yaml", &config("who", "fine"))]);
    let told = |arguments: &[&str]| findings(&report(&folder, &[&["."], arguments].concat(), 0));
    assert_eq!(told(&[]), ["warned judge shop/who a.yaml:1 CREATE by kubernetes-admin of  with {}"]);
    fs::write(folder.file("parameters.yaml"), "level: 3\n").unwrap();
    let arguments = ["--operation", "update", "--user", "jane", "--group", "ops", "--parameters"];
    let parameters = folder.argument("parameters.yaml");
    let told = told(&[&arguments[..], &[&parameters]].concat());
    assert_eq!(told, [r#"warned judge shop/who a.yaml:1 UPDATE by jane of ops with {"level":3}"#]);
}

#[test]
fn fail_fast_stops_at_the_first_denial() {
    let stream = vec![config("bad", "bad"); 400].join("---\n");
    let folder = folder(&[("manifests/a.yaml", &stream)]);
    let report = report(&folder, &[".", "--fail-fast"], 1);
    assert_eq!(report["summary"]["denied"], 1, "{}", report["summary"]);
}

#[test]
fn the_body_of_a_secret_is_in_no_report() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {password: hunter2}\n\
        data: {key: c3VwZXItc2VjcmV0}\n";
    let folder = folder(&[("manifests/a.yaml", secret)]);
    for format in ["text", "json", "yaml", "sarif", "junit", "html"] {
        let ended = scan(&folder, &[".", "--show-patches", "-o", format]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let all = format!("{}{}", ended.out, ended.err);
        assert!(all.contains("(hidden)"), "{format}: {all}");
        for body in ["hunter2", "c3VwZXItc2VjcmV0", "super-secret"] {
            assert!(!all.contains(body), "{format}: {all}");
        }
    }
}
