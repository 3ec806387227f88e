//! Policies and their packages from a real registry: `spec.package`, `spec.dependencies`, tarballs, and what is kept.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::folder::script;
use super::registry_server::{
    Broken, Project, denial, manifest, name, named_manifest, policies, policy_module, registry, tarball,
};
use super::reviews::{allowed, config_map, denied};
use super::server::Server;

/// The message of the denial of a `ConfigMap`.
pub fn ask(server: &Server) -> Value {
    let (status, answer) = server.post("/validate", &config_map(json!({})));
    assert_eq!(status, 200, "{answer}");
    answer["response"]["status"]["message"].clone()
}

#[track_caller]
pub fn until(server: &Server, expected: &str, within: Duration) {
    let begun = Instant::now();
    while ask(server) != expected {
        assert!(begun.elapsed() < within, "still {}, not {expected}:\n{}", ask(server), server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_package_that_npm_published_is_served_by_name_and_version_and_runs_no_script() {
    let Some(registry) = registry() else { return };
    let (own, util) = (name("policies"), name("util"));
    registry.publish(&util, "1.2.0", &json!({"main": "u.js"}), &[("u.js", "exports.word = 'from a dependency';")]);
    let project = Project::new(registry, &[]);
    let marker = project.in_home("marker");
    let run = format!("touch {}", marker.display());
    let package = json!({
        "name": own, "version": "1.0.0", "bylaw": {"policies": "./policies/index.ts"}, "dependencies": {util.clone(): "^1.0.0"},
        "scripts": {"preinstall": run, "install": run, "postinstall": run, "prepare": "true"},
    });
    let source = policy_module(&format!("import {{ word }} from \"{util}\";"), "word");
    let folder = Project::new(registry, &[("package.json", &package.to_string()), ("policies/index.ts", &source)]);
    folder.folder.write(".npmrc", &(registry.npmrc() + &registry.npmrc_token(&registry.token)));
    let published =
        Command::new("npm").args(["publish", "--ignore-scripts"]).current_dir(folder.folder.path()).output();
    let published = published.unwrap();
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));

    project.folder.write("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})));
    assert_eq!(project.told(), "[from-npm.policies.example] from a dependency");
    assert!(!marker.exists(), "a script of the package was run");
    let lock = &project.lock()["manifests"]["p.yaml"];
    assert_eq!(lock["asked"], json!({format!("{own}@1.0.0"): format!("{own}@1.0.0")}));
    let packages = lock["packages"].as_object().unwrap();
    assert_eq!(packages.keys().collect::<Vec<_>>(), [&format!("{own}@1.0.0"), &format!("{util}@1.2.0")]);
    assert!(packages.values().all(|locked| locked["integrity"].as_str().unwrap().starts_with("sha512-")), "{lock}");
}

#[test]
fn a_wrong_integrity_is_refused_and_the_last_good_revision_serves_on() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let publish = |version: &str, word: &str| {
        let source = policy_module("", &format!("\"{word}\""));
        registry.publish(&own, version, &policies(&json!({})), &[("index.ts", &source)])
    };
    let (first, second) = (publish("1.0.0", "first"), publish("1.1.0", "second"));
    let with =
        |version: &str, integrity: &str| manifest(&json!({"name": own, "version": version, "integrity": integrity}));
    let project = Project::new(registry, &[("p.yaml", &with("1.0.0", &first))]);
    let server = project.serve();
    assert_eq!(ask(&server), "[from-npm.policies.example] first");

    let mark = server.log_length();
    project.folder.write("p.yaml", &with("1.1.0", &first));
    server
        .wait_for_log(
            mark,
            &format!("npm package `{own}@1.1.0`: spec.package.integrity is {first}, but its tarball has"),
        )
        .unwrap();
    assert_eq!(ask(&server), "[from-npm.policies.example] first");
    project.folder.write("p.yaml", &with("1.1.0", &second));
    until(&server, "[from-npm.policies.example] second", Duration::from_secs(20));
}

#[test]
fn a_private_scope_needs_its_token() {
    let Some(registry) = registry() else { return };
    let own = name("@private/policies");
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &policy_module("", "'secret'"))]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})))]);
    let told = project.refusal();
    assert!(told.contains(&format!("npm package `{own}`: http://127.0.0.1:{}/ answers 401", registry.port)), "{told}");
    assert!(told.contains("put a token for it into .npmrc"), "{told}");
    let nowhere = "registry=http://127.0.0.1:9/\n";
    let scope = registry.npmrc().replace("registry=", "@private:registry=");
    project.folder.write(".npmrc", &(nowhere.to_owned() + &scope + &registry.npmrc_token("${A_TOKEN}")));
    let ended = project.review_with(".", &[("A_TOKEN", &registry.token)]);
    assert_eq!(denial(&ended), "[from-npm.policies.example] secret");
    assert!(!ended.err.contains(&registry.token) && !project.lock().to_string().contains(&registry.token));
}

#[test]
fn dependencies_of_a_script_are_required_and_imported() {
    let Some(registry) = registry() else { return };
    let (cjs, esm) = (name("cjs"), name("@scope/esm"));
    registry.publish(&cjs, "2.1.0", &json!({}), &[("index.js", "module.exports = (x) => `cjs ${x}`;")]);
    let exports = json!({"type": "module", "exports": {".": "./e.js"}});
    registry.publish(&esm, "1.0.0", &exports, &[("e.js", "export default (x) => `esm ${x}`;")]);
    let fields = format!("  dependencies:\n    {cjs}: ^2.0.0\n    \"{esm}\": \"*\"\n");
    let source =
        format!("import esm from \"{esm}\";\nconst cjs = require(\"{cjs}\");\ndeny(cjs(1) + \", \" + esm(2));");
    let project = Project::new(registry, &[("p.yaml", &script("old", &fields, &source))]);
    assert_eq!(project.told(), "[old.policies.example] cjs 1, esm 2");
}

#[test]
fn what_was_resolved_once_stays_and_needs_no_registry() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let publish = |version: &str| {
        registry.publish(
            &own,
            version,
            &policies(&json!({})),
            &[("index.ts", &policy_module("", &format!("'{version}'")))],
        )
    };
    publish("1.0.0");
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "^1.0.0"})))]);
    assert_eq!(project.told(), "[from-npm.policies.example] 1.0.0");
    publish("1.1.0");
    assert_eq!(project.told(), "[from-npm.policies.example] 1.0.0");
    project.folder.write(".npmrc", "registry=http://127.0.0.1:9/\n");
    assert_eq!(project.told(), "[from-npm.policies.example] 1.0.0", "without a registry");
    project.folder.write(".npmrc", &registry.npmrc());
    project.folder.remove("bylaw.lock");
    assert_eq!(project.told(), "[from-npm.policies.example] 1.1.0");
    // Nothing asks for it any more.
    project.folder.write("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})));
    assert_eq!(project.told(), "[from-npm.policies.example] 1.0.0");
    let lock = project.lock();
    assert_eq!(lock["manifests"]["p.yaml"]["packages"].as_object().unwrap().len(), 1, "{lock}");
}

#[test]
fn one_policy_of_several_is_chosen_by_its_name() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    let source = "import { policy } from '@bylaw/sdk';\nconst one = (name: string) => policy({ name, match: { resources: \
                  ['configmaps'] }, validate({ deny }) { deny(name); } });\nexport default [one('a.b.c'), one('d.e.f')];";
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", source)]);
    let of = |policy: &str| json!({"name": own, "version": "1.0.0", "policy": policy});
    let both = [named_manifest("first", &of("d.e.f")), named_manifest("second", &of("a.b.c"))].join("---\n");
    let project = Project::new(registry, &[("p.yaml", &both)]);
    assert_eq!(project.told(), "[first.policies.example] d.e.f; [second.policies.example] a.b.c");
    project.folder.write("p.yaml", &manifest(&of("nope.b.c")));
    let told = project.refusal();
    assert!(told.contains("has no policy `nope.b.c`; spec.package.policy must be one of `a.b.c`, `d.e.f`"), "{told}");
    project.folder.write("p.yaml", &manifest(&json!({"name": own, "version": "1.0.0"})));
    assert!(project.refusal().contains("holds 2 policies; name one in spec.package.policy: `a.b.c`, `d.e.f`"));
}

#[test]
fn policies_of_one_name_are_told_of_and_the_first_is_served() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &policy_module("", "'from npm'"))]);
    let package = named_manifest("own", &json!({"name": own, "version": "1.0.0"}));
    let project = Project::new(registry, &[("a.ts", &policy_module("", "'from a file'")), ("b.yaml", &package)]);
    let told = project.refusal();
    assert!(
        told.contains("own.policies.example: is declared by a.ts and by b.yaml; the one of a.ts is served"),
        "{told}"
    );
}

#[test]
fn a_missing_version_and_a_missing_package_are_told_with_what_there_is() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", "")]);
    let project = Project::new(registry, &[("p.yaml", &manifest(&json!({"name": own, "version": "^2.0.0"})))]);
    let told = project.refusal();
    assert!(told.contains(&format!("npm package `{own}`: http://127.0.0.1:")), "{told}");
    assert!(told.contains("has no version `^2.0.0`; it has 1.0.0"), "{told}");
    project.folder.write("p.yaml", &manifest(&json!({"name": name("nowhere"), "version": "1.0.0"})));
    let told = project.refusal();
    assert!(told.contains("does not exist in http://127.0.0.1:") && told.contains("check the name"), "{told}");
}

#[test]
fn packages_that_need_each_other_and_two_versions_of_one_are_bundled() {
    let Some(registry) = registry() else { return };
    let (one, other, twice) = (name("one"), name("other"), name("twice"));
    let needs = |dependency: &str, range: &str| json!({"dependencies": {dependency: range}});
    let circle = format!("const other = require(\"{other}\");\nexports.one = () => 'one and ' + other.other();");
    registry.publish(&one, "1.0.0", &needs(&other, "1"), &[("index.js", &circle)]);
    let back = format!("require(\"{one}\");\nexports.other = () => 'the other, ' + require(\"{twice}\").version;");
    let both = json!({"dependencies": {one.clone(): "^1.0.0", twice.clone(): "^1.0.0"}});
    registry.publish(&other, "1.0.0", &both, &[("index.js", &back)]);
    for version in ["1.0.0", "2.0.0"] {
        let source = format!("exports.version = '{version}';");
        registry.publish(&twice, version, &json!({}), &[("index.js", &source)]);
    }
    let fields = format!("  dependencies: {{ {one}: \"1\", {twice}: \"2\" }}\n");
    let source = format!("deny(require(\"{one}\").one() + \", \" + require(\"{twice}\").version);");
    let project = Project::new(registry, &[("p.yaml", &script("old", &fields, &source))]);
    assert_eq!(project.told(), "[old.policies.example] one and the other, 1.0.0, 2.0.0");
}

#[test]
fn a_tarball_is_served_with_what_it_needs() {
    let Some(registry) = registry() else { return };
    let util = name("util");
    registry.publish(&util, "1.0.0", &json!({}), &[("index.js", "exports.word = 'packed';")]);
    let package = json!({"name": "own", "version": "3.0.0", "exports": {".": {"bylaw": "./index.ts", "default": "./no.js"}},
        "dependencies": {util.clone(): "1"}, "devDependencies": {"nowhere": "1"}});
    let source = policy_module(&format!("import {{ word }} from \"{util}\";"), "word");
    let packed = tarball(&[("package.json", &package.to_string()), ("index.ts", &source)]);
    let project = Project::new(registry, &[]);
    std::fs::write(project.folder.file("own-3.0.0.tgz"), &packed).unwrap();
    assert_eq!(denial(&project.review_with("own-3.0.0.tgz", &[])), "[own.policies.example] packed");
    let lock = project.lock();
    assert!(lock["manifests"]["own-3.0.0.tgz"]["packages"]["own@3.0.0"].is_object(), "{lock}");
    // In a folder it is no policy until a manifest says so.
    project.folder.write("p.yaml", &manifest(&json!({"file": "./own-3.0.0.tgz"})));
    assert_eq!(project.told(), "[from-npm.policies.example] packed");
}

#[test]
fn a_damaged_tarball_takes_nothing_away_and_a_mended_one_is_served_at_once() {
    let Some(registry) = registry() else { return };
    let packed = |word: &str| {
        let package = json!({"name": "own", "version": "1.0.0", "bylaw": {"policies": "index.ts"}}).to_string();
        tarball(&[("package.json", &package), ("index.ts", &policy_module("", &format!("'{word}'")))])
    };
    let project = Project::new(registry, &[]);
    let put = |bytes: &[u8]| std::fs::write(project.folder.file("own.tgz"), bytes).unwrap();
    put(&packed("first"));
    let server = project.serve_path("own.tgz");
    assert_eq!(ask(&server), "[own.policies.example] first");
    let mark = server.log_length();
    put(&packed("second")[..100]);
    server.wait_for_log(mark, "its tarball is refused: it is damaged").unwrap();
    assert_eq!(ask(&server), "[own.policies.example] first");
    put(&packed("third"));
    until(&server, "[own.policies.example] third", Duration::from_secs(20));
    let by_manifest = Project::new(registry, &[("p.yaml", &manifest(&json!({"file": "own.tgz"})))]);
    std::fs::write(by_manifest.folder.file("own.tgz"), packed("one")).unwrap();
    let server = by_manifest.serve();
    assert_eq!(ask(&server), "[from-npm.policies.example] one");
    std::fs::write(by_manifest.folder.file("own.tgz"), packed("other")).unwrap();
    until(&server, "[from-npm.policies.example] other", Duration::from_secs(20));
}

#[test]
fn a_registry_that_breaks_off_is_asked_again_and_holds_up_nobody() {
    let Some(registry) = registry() else { return };
    let own = name("policies");
    registry.publish(&own, "1.0.0", &policies(&json!({})), &[("index.ts", &policy_module("", "'there at last'"))]);
    let broken = Broken::new(registry);
    let package = manifest(&json!({"name": own, "version": "1.0.0"}));
    let project = Project::new(registry, &[("p.yaml", &package), ("a.ts", &policy_module("", "'at once'"))]);
    project.folder.write(".npmrc", &format!("registry=http://127.0.0.1:{}/\n", broken.port));
    let server = project.serve();
    assert_eq!(ask(&server), "[own.policies.example] at once");
    assert!(server.log().contains(&format!("npm package `{own}@1.0.0`: http://127.0.0.1:")), "{}", server.log());
    project.folder.write("a.ts", &policy_module("", "'still'"));
    until(&server, "[own.policies.example] still", Duration::from_secs(10));
    broken.mend();
    until(&server, "[from-npm.policies.example] there at last; [own.policies.example] still", Duration::from_mins(1));
    denied(server.post("/policy/from-npm.policies.example", &config_map(json!({}))));
}

#[test]
fn the_folders_above_a_manifest_have_packages_for_its_scripts() {
    let Some(registry) = registry() else { return };
    let project = Project::new(
        registry,
        &[
            ("node_modules/near/package.json", "{\"name\": \"near\", \"version\": \"1.0.0\"}"),
            ("node_modules/near/index.js", "module.exports = 'installed';"),
            ("dir/p.yaml", &script("old", "", "deny(require('near'));")),
        ],
    );
    assert_eq!(project.told(), "[old.policies.example] installed");
    assert!(!project.folder.file("dir/bylaw.lock").exists());
    let with =
        |range: &str| script("old", &format!("  dependencies: {{ near: \"{range}\" }}\n"), "deny(require('near'));");
    project.folder.write("dir/p.yaml", &with("^1.0.0"));
    assert_eq!(project.told(), "[old.policies.example] installed");
    project.folder.write("dir/p.yaml", &with("^2.0.0"));
    assert!(project.refusal().contains("npm package `near` does not exist in http://127.0.0.1:"));
    project.folder.write("dir/p.yaml", &script("old", "", "deny(require('naer'));"));
    let told = project.refusal();
    assert!(told.contains("dir/p.yaml:9:18: cannot find the npm package `naer`"), "{told}");
    assert!(told.contains("did you mean `near`?"), "{told}");
    let server = Project::new(registry, &[("p.yaml", &script("old", "", "allow();"))]).serve();
    allowed(server.post("/validate", &config_map(json!({}))));
}
