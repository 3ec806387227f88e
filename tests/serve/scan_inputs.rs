//! `bylaw scan` of what is broken, absurd or not there: each thing is named with its place, and the rest is judged.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::command::bylaw;
use super::folder::Folder;
use super::scan_command::{findings, folder, report, scan, scan_with};

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";
const BAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {a: bad}\n";

/// `file:line: cause` of each document that could not be read.
fn unreadable(report: &Value) -> Vec<String> {
    let told = |one: &Value| {
        format!(
            "{}:{}: {}",
            one["file"].as_str().unwrap(),
            one["line"].as_u64().unwrap_or_default(),
            one["cause"].as_str().unwrap()
        )
    };
    report["unreadable"].as_array().unwrap().iter().map(told).collect()
}

#[test]
fn a_document_that_is_broken_spoils_no_other() {
    let broken = "a: [\nb: }\n";
    let folder = folder(&[("manifests/a.yaml", &[GOOD, broken, BAD].join("---\n")), ("manifests/b.yaml", GOOD)]);
    let told = report(&folder, &["."], 1);
    assert_eq!(findings(&told), ["denied judge default/bad a.yaml:11 a must not be bad"]);
    assert_eq!((&told["summary"]["objects"], &told["summary"]["unreadable"]), (&json!(3), &json!(1)));
    let causes = unreadable(&told);
    assert!(causes[0].starts_with("a.yaml:6:") || causes[0].starts_with("a.yaml:5:"), "{causes:?}");
}

#[test]
fn what_could_not_be_read_is_2_where_nothing_is_denied() {
    let folder = folder(&[("manifests/a.yaml", &[GOOD, "a: [\n"].join("---\n"))]);
    let ended = scan(&folder, &["."]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(2), "error: a document could not be read\n"));
    assert!(ended.out.contains("unreadable  ") && ended.out.contains("1 object judged"), "{ended:?}");
}

#[test]
fn documents_that_are_no_objects_are_named() {
    let text =
        ["- a list\n", "just text\n", "42\n", "apiVersion: v1\n", "kind: Pod\n", "apiVersion: v1\nkind: Pod\n", GOOD];
    let folder = folder(&[("manifests/a.yaml", &text.join("---\n"))]);
    let told = report(&folder, &["."], 2);
    assert_eq!(
        unreadable(&told),
        [
            "a.yaml:1: not an object: a manifest has apiVersion, kind and metadata",
            "a.yaml:3: not an object: a manifest has apiVersion, kind and metadata",
            "a.yaml:5: not an object: a manifest has apiVersion, kind and metadata",
            "a.yaml:7: the manifest has no kind",
            "a.yaml:9: the manifest has no apiVersion",
            "a.yaml:11: Pod: metadata.name is missing",
        ]
    );
    assert_eq!(told["summary"]["passed"], 1);
}

#[test]
fn an_object_that_no_api_server_would_take_is_named() {
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let keys = (0..60_000).map(|number| format!("  k{number}: a\n")).collect::<Vec<_>>().concat();
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let text = [format!("{head}data:\n{keys}"), format!("{head}data: {deep}\n"), BAD.to_owned()].join("---\n");
    let folder = folder(&[("manifests/a.yaml", &text)]);
    let told = report(&folder, &["."], 1);
    assert_eq!(unreadable(&told).len(), 1, "{told:#}");
    assert!(unreadable(&told)[0].starts_with("a.yaml:1: "), "{told:#}");
}

#[test]
fn a_binary_file_is_named_and_the_rest_is_judged() {
    let folder = folder(&[("manifests/b.yaml", BAD)]);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(folder.file("manifests/a.yaml"), bytes).unwrap();
    fs::write(folder.file("manifests/c.json"), [GOOD.as_bytes(), &[0]].concat()).unwrap();
    let told = report(&folder, &["."], 1);
    assert_eq!(unreadable(&told), ["a.yaml:2: not text in UTF-8", "c.json:1: a binary file, not YAML or JSON"]);
    assert_eq!(findings(&told).len(), 1);
}

#[test]
fn a_folder_with_links_in_a_circle_is_judged_once() {
    let folder = folder(&[("manifests/deep/a.yaml", BAD)]);
    symlink("..", folder.file("manifests/deep/up")).unwrap();
    symlink("loop.yaml", folder.file("manifests/loop.yaml")).unwrap();
    symlink("nowhere", folder.file("manifests/dangling.yaml")).unwrap();
    let told = report(&folder, &["."], 1);
    assert_eq!(told["summary"]["objects"], 1);
    let causes = unreadable(&told);
    assert!(
        causes[0].starts_with("dangling.yaml:0: cannot be read: ") && causes[1].starts_with("loop.yaml:0:"),
        "{causes:?}"
    );
}

#[test]
fn a_document_that_is_huge_is_passed_over() {
    let folder = folder(&[("manifests/a.yaml", "")]);
    let mut file = BufWriter::new(File::create(folder.file("manifests/a.yaml")).unwrap());
    let line = format!("x: {}\n", "y".repeat(1 << 20));
    for _ in 0..66 {
        file.write_all(line.as_bytes()).unwrap();
    }
    write!(file, "---\n{BAD}").unwrap();
    file.into_inner().unwrap();
    let told = report(&folder, &["."], 1);
    assert_eq!(unreadable(&told), ["a.yaml:1: larger than 64 MiB: separate its documents with `---`"]);
    assert_eq!(findings(&told), ["denied judge default/bad a.yaml:71 a must not be bad"]);
}

#[test]
fn a_list_of_thousands_is_not_searched_once_for_each_of_them() {
    let item =
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: many, namespace: shop},\n   data: {b: none, a: bad}}\n";
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}", item.repeat(10_000));
    let nested = "- {apiVersion: v1, kind: List, items: []}\n".repeat(10_000);
    let folder =
        folder(&[("manifests/a.yaml", &list), ("manifests/b.yaml", &list.replace(&item.repeat(10_000), &nested))]);
    let told = report(&folder, &["."], 1);
    assert_eq!(told["summary"]["denied"], 10_000);
    assert_eq!(findings(&told).last().unwrap(), "denied judge shop/many a.yaml:20003 a must not be bad");
}

#[test]
fn templates_and_files_of_kustomize_say_what_to_do() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-a\n";
    let kustomize = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n";
    let folder = folder(&[("manifests/t.yaml", template), ("manifests/kustomization.yaml", kustomize)]);
    let causes = unreadable(&report(&folder, &["."], 2));
    assert!(
        causes.len() == 1 && causes[0].starts_with("t.yaml:4: ") && causes[0].contains("helm template"),
        "{causes:?}"
    );
}

#[test]
fn nothing_to_judge_is_2_and_no_pass() {
    let folder = folder(&[("manifests/notes.md", "none\n")]);
    for (arguments, named) in [(&["."][..], "manifests: no document"), (&["-"], "in -: no document")] {
        let ended = scan(&folder, arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(
            ended.err.starts_with("error: there is nothing to judge in ") && ended.err.contains(named),
            "{}",
            ended.err
        );
    }
    let ended = scan(&folder, &[&folder.argument("nope.yaml")]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("nope.yaml"), "{}", ended.err);
}

#[test]
fn no_policies_and_broken_policies_are_2() {
    let folder = Folder::new(&[("policies/README.md", ""), ("broken/a.ts", "export default {\n"), ("a.yaml", BAD)]);
    for (policies, named) in [("policies", "there are no policies"), ("broken", "a.ts:2:"), ("nowhere", "nowhere")] {
        let ended = bylaw(&["scan", "-p", &folder.argument(policies), &folder.argument("a.yaml")]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains(named), "{policies}: {}", ended.err);
    }
}

#[test]
fn manifests_and_a_cluster_are_not_scanned_together() {
    let folder = folder(&[]);
    for arguments in
        [&["a.yaml", "--kubeconfig", "k"][..], &[], &["a.yaml", "--context", "c"], &["a.yaml", "-o", "xml"]]
    {
        let ended = scan(&folder, arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.err.starts_with("error: "), "{}", ended.err);
    }
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n\
         contexts: [{{name: dev, context: {{cluster: c, user: u}}}}]\ncurrent-context: dev\n"
    )
}

#[test]
fn a_cluster_that_cannot_be_reached_is_2_with_the_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = folder(&[("kubeconfig", &kubeconfig(&format!("https://{address}")))]);
    let of = |arguments: &[&str]| {
        let ended = scan_with(&folder, arguments, "");
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        ended.err
    };
    let file = folder.argument("kubeconfig");
    assert!(of(&["--kubeconfig", &file]).starts_with("error: no answer from the API server: "));
    let unknown = of(&["--kubeconfig", &file, "--context", "prod"]);
    assert!(unknown.contains(r#"has no context "prod": its contexts are dev"#), "{unknown}");
    let missing = of(&["--kubeconfig", &folder.argument("nope")]);
    assert!(missing.contains("nope") && missing.contains("--kubeconfig"), "{missing}");
}
