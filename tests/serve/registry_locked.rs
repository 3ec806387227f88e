//! A package folder as a fresh clone has it: `package-lock.json`, and nothing installed. The lock says what is fetched.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::bylaw_with;
use super::registry::{ask, until};
use super::registry_server::{Project, Registry, denial, name, policies, policy_module, registry};

/// A policy package that imports `util`, of which 1.0.0 and 1.1.0 are published, locked to 1.0.0 by npm itself.
struct Clone {
    project: Project,
    util: String,
}

impl Clone {
    fn new(registry: &Registry) -> Self {
        let (util, deep) = (name("util"), name("@scope/deep"));
        registry.publish(&deep, "3.0.0", &json!({}), &[("index.js", "exports.deep = 'of deep';")]);
        let publish = |version: &str| {
            let text = format!("exports.word = '{version} ' + require('{deep}').deep;");
            registry.publish(&util, version, &json!({"dependencies": {deep.clone(): "^3.0.0"}}), &[("index.js", &text)])
        };
        publish("1.0.0");
        let package = package_json(&json!({util.clone(): "^1.0.0"}));
        let source = policy_module(&format!("import {{ word }} from \"{util}\";"), "word");
        let project = Project::new(registry, &[("package.json", &package), ("index.ts", &source)]);
        let mut npm = Command::new("npm");
        npm.args(["install", "--package-lock-only", "--ignore-scripts"]).current_dir(project.folder.path());
        let done = npm.env("npm_config_update_notifier", "false").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(!project.folder.file("node_modules").exists());
        publish("1.1.0");
        Self { project, util }
    }

    fn lock(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.project.folder.file("package-lock.json")).unwrap()).unwrap()
    }

    fn write_lock(&self, lock: &Value) {
        self.project.folder.write("package-lock.json", &lock.to_string());
    }

    fn entry<'l>(&self, lock: &'l mut Value) -> &'l mut Value {
        &mut lock["packages"][format!("node_modules/{}", self.util)]
    }
}

fn package_json(dependencies: &Value) -> String {
    policies(&json!({"name": "own", "version": "1.0.0", "dependencies": dependencies})).to_string()
}

#[test]
fn what_npm_locked_is_fetched_in_exactly_that_version_and_once() {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    assert_eq!(clone.project.told(), "[own.policies.example] 1.0.0 of deep");
    // npm has a lock already: there is no second one.
    assert!(!clone.project.folder.file("bylaw.lock").exists());
    clone.project.folder.write(".npmrc", "registry=http://127.0.0.1:9/\n");
    assert_eq!(clone.project.told(), "[own.policies.example] 1.0.0 of deep", "without a registry");
}

#[test]
fn a_bundle_names_what_was_locked() {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    let at = |name: &str| clone.project.folder.argument(name);
    let own = clone.project.environment();
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let made = bylaw_with(&["bundle", &at("."), "-o", &at("bundle.js")], &own, "");
    assert_eq!(made.code, Some(0), "{made:?}");
    let told = bylaw_with(&["bundle", "inspect", &at("bundle.js"), "-o", "json"], &own, "").out;
    assert!(told.contains(&clone.util) && told.contains("\"1.0.0\"") && told.contains("sha512-"), "{told}");
    let verified = bylaw_with(&["bundle", "verify", &at("bundle.js")], &own, "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let linted = bylaw_with(&["lint", &at("index.ts"), "--no-types"], &own, "");
    assert!(linted.code == Some(0) && !linted.out.contains(".json"), "{linted:?}");
    std::fs::create_dir(clone.project.folder.file("alone")).unwrap();
    std::fs::rename(clone.project.folder.file("bundle.js"), clone.project.folder.file("alone/bundle.js")).unwrap();
    let ended = clone.project.review_with("alone/bundle.js", &[("npm_config_registry", "http://127.0.0.1:9/")]);
    assert_eq!(denial(&ended), "[own.policies.example] 1.0.0 of deep");
}

#[test]
fn what_is_not_what_was_locked_is_refused() {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    let mut lock = clone.lock();
    let wrong = format!("sha512-{}==", "A".repeat(86));
    clone.entry(&mut lock)["integrity"] = json!(wrong);
    clone.write_lock(&lock);
    let told = clone.project.refusal();
    assert!(told.contains(&format!("npm package `{}@1.0.0`: its tarball has the integrity", clone.util)), "{told}");
    assert!(told.contains(&format!("not {wrong}: it is not what was asked for")), "{told}");
    // A lock without integrities is old or of a mirror: what the registry says counts.
    clone.entry(&mut lock).as_object_mut().unwrap().remove("integrity");
    clone.write_lock(&lock);
    assert_eq!(clone.project.told(), "[own.policies.example] 1.0.0 of deep");
    clone.project.folder.write("package.json", &package_json(&json!({clone.util.clone(): "^1.1.0"})));
    let told = clone.project.refusal();
    assert!(told.contains("package-lock.json: has `"), "{told}");
    assert!(told.contains("and package.json asks for `") && told.contains("`npm install` writes it anew"), "{told}");
}

#[test]
fn without_a_lock_nothing_floats_and_the_mend_is_told() {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    clone.project.folder.remove("package-lock.json");
    let told = clone.project.refusal();
    assert!(told.contains(&format!("index.ts:2:22: cannot find the npm package `{}`", clone.util)), "{told}");
    assert!(told.contains("install what package.json asks for: `npm install` (with `--package-lock-only`"), "{told}");
}

#[test]
fn a_server_fetches_while_it_serves_and_follows_the_lock() {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    let mut lock = clone.lock();
    let server = clone.project.serve();
    assert_eq!(ask(&server), "[own.policies.example] 1.0.0 of deep");
    // A lock that cannot be followed takes nothing away.
    let mark = server.log_length();
    let entry = clone.entry(&mut lock).as_object_mut().unwrap();
    entry.remove("integrity");
    entry.insert("version".to_owned(), json!("1.5.0"));
    clone.write_lock(&lock);
    server.wait_for_log(mark, &format!("npm package `{}`", clone.util)).unwrap();
    assert_eq!(ask(&server), "[own.policies.example] 1.0.0 of deep");
    clone.entry(&mut lock)["version"] = json!("1.1.0");
    clone.write_lock(&lock);
    until(&server, "[own.policies.example] 1.1.0 of deep", Duration::from_secs(20));
    // And an edit of the policy is one as anywhere.
    let source = policy_module(&format!("import {{ word }} from \"{}\";", clone.util), "'edited: ' + word");
    clone.project.folder.write("index.ts", &source);
    until(&server, "[own.policies.example] edited: 1.1.0 of deep", Duration::from_secs(20));
}
