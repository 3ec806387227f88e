//! `bylaw init`: a package that passes its checks at once, without a registry.

use std::path::Path;

use serde_json::Value;

use super::command::{Ended, bylaw};
use super::folder::Folder;
use super::npm::{lend, run, tools};

fn init(folder: &Folder, arguments: &[&str], into: &str) -> Ended {
    bylaw(&[&["init"], arguments, &[&folder.argument(into)]].concat())
}

/// Makes a package and runs in it what a newcomer would.
fn passes_its_checks(template: &str) {
    let folder = Folder::new(&[]);
    let made = init(&folder, &["--template", template], "registries");
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:?}");
    let package = folder.file("registries");
    let loaded = bylaw(&["review", "-p", package.to_str().unwrap(), "--object", "-"]);
    assert!(loaded.err.contains("standard input") || !loaded.err.contains("policies/index.ts"), "{loaded:?}");
    let Some(tools) = tools() else { return };
    lend(&tools, &package);
    for (tool, arguments) in [("tsc", &[][..]), ("eslint", &["."]), ("vitest", &["run"])] {
        let said = run(&package, &tools.join(".bin").join(tool), arguments);
        assert!(said.is_good, "{template}: {tool}: {}", said.text);
    }
    let packed = run(&package, Path::new("npm"), &["pack", "--dry-run", "--json"]);
    assert!(packed.is_good, "{}", packed.text);
    let json = packed.text.find("\n[").map_or(packed.text.as_str(), |at| &packed.text[at..]);
    let json = &json[json.find(['[', '{']).unwrap()..];
    let mut stream = serde_json::Deserializer::from_str(json).into_iter::<Value>();
    let told = stream.next().unwrap().unwrap();
    let first = told.get(0).or_else(|| told.as_object().and_then(|all| all.values().next())).unwrap();
    let files: Vec<&str> = first["files"].as_array().unwrap().iter().filter_map(|file| file["path"].as_str()).collect();
    assert!(files.contains(&"policies/index.ts"), "{files:?}");
    assert!(!files.iter().any(|file| file.contains(".test.") || file.contains(".bylaw")), "{files:?}");
}

#[test]
fn a_validating_package_passes_its_checks() {
    passes_its_checks("validate");
}

#[test]
fn a_mutating_package_passes_its_checks() {
    passes_its_checks("mutate");
}

#[test]
fn a_controllers_package_passes_its_checks() {
    passes_its_checks("controller");
}

#[test]
fn a_library_passes_its_checks() {
    passes_its_checks("library");
}

#[test]
fn the_policy_that_was_made_judges() {
    let folder = Folder::new(&[(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: nginx}]}\n",
    )]);
    assert_eq!(init(&folder, &["--policy", "known.images.acme.io"], "registries").code, Some(0));
    let denied = bylaw(&[
        "review",
        "-p",
        &folder.argument("registries"),
        "--object",
        &folder.argument("pod.yaml"),
        "-o",
        "json",
    ]);
    assert_eq!(denied.code, Some(1), "{denied:?}");
    assert!(denied.out.contains("[known.images.acme.io] image nginx comes from docker.io"), "{}", denied.out);
}

#[test]
fn what_was_made_is_told() {
    let folder = Folder::new(&[]);
    let made = init(&folder, &["--name", "@acme/registries"], "here");
    insta::assert_snapshot!("init", made.out.replace(&folder.argument("here"), "here"));
    let told = init(&folder, &["-o", "json"], "there");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["package"], &told["policy"]), (&"there".into(), &"there.images.example.com".into()));
}

#[test]
fn nothing_is_written_where_anything_would_be_overwritten() {
    let folder = Folder::new(&[("here/README.md", "mine")]);
    let refused = init(&folder, &[], "here");
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    assert!(refused.err.contains("is not empty: it has \"README.md\""), "{}", refused.err);
    let refused = init(&folder, &["--force"], "here");
    assert!(refused.err.contains("README.md would be overwritten"), "{}", refused.err);
    assert!(!folder.file("here/package.json").exists());
    assert_eq!(std::fs::read_to_string(folder.file("here/README.md")).unwrap(), "mine");
}

#[test]
fn a_name_that_npm_or_kubernetes_refuses_is_refused_first() {
    let folder = Folder::new(&[]);
    for (arguments, told) in [
        (["--name", "My Policy"], "give another with --name, such as \"my-policy\""),
        (["--name", "../../up"], "give another with --name, such as \"up\""),
        (["--name", "fs"], "is one that npm or Node.js keeps"),
        (["--policy", "short"], "must have at least three parts"),
        (["--policy", "A.b.c"], "give another with --policy, such as \"a-b-c.pods.example.com\""),
        (["--template", "nope"], "[possible values: validate, mutate, controller, library]"),
    ] {
        let refused = init(&folder, &arguments, "here");
        assert_eq!(refused.code, Some(2), "{arguments:?}");
        assert!(refused.err.contains(told), "{arguments:?}: {}", refused.err);
        assert!(!folder.file("here").exists());
    }
}
