use serde_json::json;

use super::*;

/// A folder with a package.json that needs these, and a lock with these places.
fn package(needs: &Value, places: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: Value| std::fs::write(folder.path().join(name), text.to_string()).unwrap();
    write(MANIFEST, json!({"name": "own", "dependencies": needs, "devDependencies": {"tool": "1"}}));
    write(LOCK, json!({"lockfileVersion": 3, "packages": places}));
    folder
}

fn refusal(needs: &Value, places: &Value) -> String {
    locked(package(needs, places).path()).unwrap_err().to_string()
}

#[test]
fn each_finds_what_node_would_find_for_it() {
    let folder = package(
        &json!({"a": "^1.0.0", "@s/b": "2", "other": "npm:c@^3.0.0"}),
        &json!({
            "": {}, "node_modules/tool": {"version": "1.0.0"},
            "node_modules/a": {"version": "1.2.0", "integrity": "sha512-a", "dependencies": {"c": "1"}},
            "node_modules/@s/b": {"version": "2.0.0", "dependencies": {"c": "2"}, "optionalDependencies": {"fsevents": "1"},
                "peerDependencies": {"nowhere": "1"}},
            "node_modules/@s/b/node_modules/c": {"version": "2.1.0", "dependencies": {"a": "1"}},
            "node_modules/c": {"version": "1.0.0"},
            "node_modules/other": {"name": "c", "version": "3.0.0"},
        }),
    );
    let (requests, lock) = locked(folder.path()).unwrap();
    assert_eq!(requests.keys().collect::<Vec<_>>(), ["@s/b", "a", "other"]);
    assert_eq!(lock.answer("c@^3.0.0"), Some("c@3.0.0"));
    assert_eq!(lock.packages.keys().collect::<Vec<_>>(), ["@s/b@2.0.0", "a@1.2.0", "c@1.0.0", "c@2.1.0", "c@3.0.0"]);
    assert_eq!(lock.packages["@s/b@2.0.0"].dependencies, BTreeMap::from([("c".into(), "c@2.1.0".into())]));
    assert_eq!(lock.packages["a@1.2.0"].dependencies["c"], "c@1.0.0");
    assert_eq!(lock.packages["a@1.2.0"].integrity.as_deref(), Some("sha512-a"));
    assert_eq!(lock.packages["c@2.1.0"].dependencies["a"], "a@1.2.0");
}

#[test]
fn a_lock_of_another_package_json_is_refused() {
    let a = json!({"": {}, "node_modules/a": {"version": "1.2.0"}});
    let told = refusal(&json!({"a": "^2.0.0"}), &a);
    assert!(told.contains("package-lock.json: has `a@1.2.0`, and package.json asks for `a@^2.0.0`"), "{told}");
    assert!(told.ends_with("`npm install` writes it anew"), "{told}");
    assert!(refusal(&json!({"a": "1", "b": "1"}), &a).contains("does not have `b`"));
}

#[test]
fn what_is_no_package_of_a_registry_is_refused() {
    let linked = json!({"": {}, "node_modules/a": {"link": true, "resolved": "../a"}});
    assert!(refusal(&json!({"a": "1"}), &linked).contains("`a` as a link to the folder `../a`"));
    assert!(refusal(&json!({"a": "file:../a"}), &linked).contains("from a registry only"));
    for strange in [json!({"version": "../../etc"}), json!({"name": "../up", "version": "1.0.0"}), json!({})] {
        let told = refusal(&json!({"a": "1"}), &json!({"node_modules/a": strange}));
        assert!(told.contains("without a name and a version"), "{told}");
    }
}

#[test]
fn a_lock_of_long_ago_or_none_at_all_is_refused() {
    let folder = package(&json!({"a": "1"}), &json!({}));
    let put = |text: &str| std::fs::write(folder.path().join(LOCK), text).unwrap();
    put(r#"{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}"#);
    assert!(locked(folder.path()).unwrap_err().to_string().contains("is of version 1, not 2 or 3"));
    put("{");
    assert!(locked(folder.path()).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn only_what_is_locked_and_not_installed_is_fetched() {
    let folder =
        package(&json!({"a": "1", "@bylaw/sdk": "*"}), &json!({"": {}, "node_modules/a": {"version": "1.0.0"}}));
    let module = folder.path().join("policies/index.ts");
    let is_locked =
        || matches!(source_at(module.clone(), None), Source::Locked { folder: found, .. } if found == folder.path());
    assert!(is_locked());
    assert!(matches!(source_at(folder.path().join("node_modules/x/index.js"), None), Source::File(_)));
    let installed = folder.path().join("node_modules/a");
    std::fs::create_dir_all(&installed).unwrap();
    assert!(is_locked());
    std::fs::write(installed.join(MANIFEST), "{}").unwrap();
    assert!(!is_locked());
    std::fs::remove_dir_all(folder.path().join("node_modules")).unwrap();
    assert!(is_locked());
    std::fs::remove_file(folder.path().join(LOCK)).unwrap();
    assert!(!is_locked());
}

#[test]
fn a_package_of_a_workspace_has_the_lock_of_the_workspace() {
    let places = json!({"": {}, "packages/own": {"version": "1.0.0"}, "node_modules/a": {"version": "1.0.0"},
        "packages/own/node_modules/b": {"version": "2.0.0"}, "node_modules/b": {"version": "1.0.0"}});
    let folder = package(&json!({}), &places);
    let own = folder.path().join("packages/own");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join(MANIFEST), json!({"dependencies": {"a": "1", "b": "2"}}).to_string()).unwrap();
    assert!(matches!(source_at(own.join("index.ts"), None), Source::Locked { folder, .. } if folder == own));
    let (_, lock) = locked(&own).unwrap();
    assert_eq!(lock.packages.keys().collect::<Vec<_>>(), ["a@1.0.0", "b@2.0.0"]);
    assert_eq!(files_of(&own), [own.join(MANIFEST), folder.path().join(LOCK)]);
    let stranger = folder.path().join("packages/stranger");
    std::fs::create_dir_all(&stranger).unwrap();
    std::fs::write(stranger.join(MANIFEST), json!({"dependencies": {"a": "1"}}).to_string()).unwrap();
    assert!(matches!(source_at(stranger.join("index.ts"), None), Source::File(_)));
}
