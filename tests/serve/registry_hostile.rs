//! Packages that someone made to do harm: each is refused with its reason, and costs nobody else anything.

use std::fmt::Write as _;

use flate2::Compression;
use serde_json::{Value, json};
use tar::EntryType;

use super::registry_server::{
    Project, Registry, compressed_tarball, manifest, name, package_json, policies, policy_module, raw_tarball,
    registry, tarball,
};

/// Why a tarball that was published as a policy package is refused.
#[track_caller]
fn refused(registry: &Registry, own: &str, packed: &[u8]) -> String {
    registry.publish_tarball(&package_json(own, "1.0.0", &policies(&json!({}))), packed);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    let told = project.refusal();
    assert!(told.contains(&format!("npm package `{own}@1.0.0`")), "{told}");
    told
}

fn package(own: &str) -> String {
    package_json(own, "1.0.0", &policies(&json!({}))).to_string()
}

#[test]
fn a_tarball_that_was_tampered_with_is_not_used() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let integrity =
        registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &policy_module("", "'good'"))]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    let evil = tarball(&[("package.json", &package(&own)), ("index.ts", &policy_module("", "'evil'"))]);
    registry.tamper(&own, "1.0.0", &evil);
    let told = project.refusal();
    assert!(told.contains("its tarball has the integrity sha512-"), "{told}");
    assert!(told.contains(&format!("not {integrity}: it is not what was asked for, and is not used")), "{told}");
}

#[test]
fn a_package_that_changed_since_it_was_locked_is_not_used() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &policy_module("", "'good'"))]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    assert_eq!(project.told(), "[from-npm.policies.example] good");
    let mut lock = project.lock();
    let other = tarball(&[("package.json", &package(&own))]);
    let digest = {
        use base64::Engine as _;
        use sha2::Digest as _;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha512::digest(&other))
    };
    lock["manifests"]["p.yaml"]["packages"][format!("{own}@1.0.0")]["integrity"] = json!(format!("sha512-{digest}"));
    project.folder.write("bylaw.lock", &lock.to_string());
    let told = project.refusal();
    assert!(told.contains(&format!("not sha512-{digest}")), "{told}");
}

#[test]
fn names_that_lead_out_of_the_package_and_links_are_refused() {
    let Some(registry) = registry() else { return };
    let evil = "/bylaw-was-here.js";
    for (entry, kind, why) in [
        ("package/../../../../../../tmp/bylaw-was-here.js", EntryType::Regular, "leads out of the package"),
        (evil, EntryType::Regular, "is an absolute path"),
        ("package/index.ts", EntryType::Symlink, "is a link"),
        ("package/index.ts", EntryType::Link, "is a link"),
    ] {
        let own = name("policies");
        let text = package(&own);
        let content: &[u8] = if kind == EntryType::Regular { b"export default 1;" } else { b"/etc/passwd" };
        let packed =
            raw_tarball(&[("package/package.json", EntryType::Regular, text.as_bytes()), (entry, kind, content)]);
        let told = refused(registry, &own, &packed);
        assert!(told.contains(why), "{told}");
    }
    assert!(!std::path::Path::new("/tmp/bylaw-was-here.js").exists() && !std::path::Path::new(evil).exists());
}

#[test]
fn a_bomb_is_refused() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let spaces = " ".repeat(150 << 20);
    let entries = [("package/package.json", package(&own)), ("package/index.ts", spaces)];
    let entries: Vec<_> = entries.iter().map(|(name, text)| (*name, EntryType::Regular, text.as_bytes())).collect();
    let told = refused(registry, &own, &compressed_tarball(&entries, Compression::best()));
    assert!(told.contains("as decompression bombs do, exceed the limit of"), "{told}");
}

#[test]
fn ten_thousand_files_are_fine_and_more_than_twenty_thousand_are_not() {
    let Some(registry) = registry() else { return };
    let with_files = |count: usize| {
        let own = name("policies");
        let names: Vec<String> = (0..count).map(|index| format!("icons/{index}.js")).collect();
        let mut files = vec![("package.json".to_owned(), package(&own))];
        files.push(("index.ts".to_owned(), policy_module("import { icon } from './icons/9999.js';", "icon")));
        files.extend(names.into_iter().map(|name| (name.clone(), format!("export const icon = '{name}';"))));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        (own, tarball(&files))
    };
    let (own, packed) = with_files(10_000);
    registry.publish_tarball(&package_json(&own, "1.0.0", &policies(&json!({}))), &packed);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    assert_eq!(project.told(), "[from-npm.policies.example] icons/9999.js");
    let (own, packed) = with_files(20_001);
    let told = refused(registry, &own, &packed);
    assert!(told.contains("its files exceed the limit of 20000"), "{told}");
}

#[test]
fn another_package_under_this_name_is_refused() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let other = package_json("something-else", "6.6.6", &policies(&json!({}))).to_string();
    let told = refused(registry, &own, &tarball(&[("package.json", &other), ("index.ts", "export default 1;")]));
    assert!(told.contains("its tarball holds `something-else@6.6.6` instead"), "{told}");
    let told = refused(registry, &name("policies"), &tarball(&[("index.ts", "export default 1;")]));
    assert!(told.contains("there is no package.json in it"), "{told}");
}

#[test]
fn a_package_without_policies_and_places_that_are_no_registry_are_refused() {
    let Some(registry) = registry() else { return };
    let library = name("library");
    registry.publish(&library, "1.0.0", &json!({}), &[("lib.d.ts", "export {}"), ("readme.json", "{}")]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": library, "version": "1.0.0"})))]);
    let told = project.refusal();
    assert!(told.contains("it names no policies; add `\"bylaw\": {\"policies\": \"./policies/index.ts\"}`"), "{told}");
    let own = name("policies");
    let needs = policies(&json!({"dependencies": {"elsewhere": "git+ssh://git@example.com/x.git"}}));
    registry.publish(&own, "1.0.0", &needs, &[("index.ts", &policy_module("", "1"))]);
    project.folder.write("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})));
    let told = project.refusal();
    assert!(told.contains("npm package `elsewhere`: ") && told.contains("from a registry only"), "{told}");
    assert!(told.contains(&format!("`{own}@1.0.0` asks for it")), "{told}");
}

#[test]
fn a_package_that_uses_node_is_named_with_the_file_that_does() {
    let Some(registry) = registry() else { return };
    let (own, util) = (name("policies"), name("util"));
    registry.publish(
        &util,
        "1.0.0",
        &json!({}),
        &[("index.js", "require('./deep/file')"), ("deep/file.js", "\nrequire('fs').x()")],
    );
    let needs = policies(&json!({"dependencies": {util.clone(): "1"}}));
    let source = policy_module(&format!("import \"{util}\";"), "1");
    registry.publish(&own, "1.0.0", &needs, &[("index.ts", &source)]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    let told = project.refusal();
    assert!(told.contains(&format!("{util}@1.0.0/deep/file.js:2:9: `fs` is a module of Node.js")), "{told}");
}

#[test]
fn source_that_breaks_the_linkers_back_costs_one_policy() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let mut source = String::from("export default ");
    for _ in 0..200_000 {
        write!(source, "[").unwrap();
    }
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &source)]);
    let project = Project::new(
        registry,
        &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"}))), ("a.ts", &policy_module("", "'good'"))],
    );
    let server = project.serve();
    let (_, answer) = server.post("/validate", &super::reviews::config_map(json!({})));
    assert_eq!(answer["response"]["status"]["message"], Value::from("[own.policies.example] good"));
    assert!(server.log().contains("nested too deeply"), "{}", server.log());
}

#[test]
fn a_registry_that_says_nothing_is_given_up_in_time() {
    let Some(registry) = registry() else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let package = manifest(&json!({"name": name("policies"), "version": "1.0.0"}));
    let project = Project::new(registry, &[("p.yaml", &package)]);
    let address = format!("http://{}/", silent.local_addr().unwrap());
    project.folder.write(".npmrc", &format!("registry={address}\n"));
    let ended = project.review_with(".", &[("BUNDLE_TIMEOUT", "2")]);
    assert_eq!(ended.code, Some(2), "{}", ended.out);
    assert!(ended.err.contains("within 2 s (BUNDLE_TIMEOUT)"), "{}", ended.err);
}
