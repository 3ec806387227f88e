//! What a newcomer does, from nothing to a policy in force: `bylaw init`, a changed line, `bylaw test`, `npm publish`,
//! and `bylaw serve` of what was published, by name and version.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::command::bylaw;
use super::folder::{Folder, policy};
use super::registry_server::{Project, Registry, name, named_manifest, registry};
use super::reviews::{allowed, config_map, message, pod};

/// Runs npm in a package, with the registry and the right to publish there. What it prints.
fn npm(registry: &Registry, package: &Path, arguments: &[&str]) -> String {
    std::fs::write(package.join(".npmrc"), registry.npmrc() + &registry.npmrc_token(&registry.token)).unwrap();
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(package).env("npm_config_update_notifier", "false");
    let output = command.output().unwrap();
    assert!(output.status.success(), "npm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Replaces a text in a file, as someone with an editor does.
fn edit(folder: &Folder, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.file(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    folder.write(file, &text.replace(from, to));
}

#[test]
fn a_newcomer_makes_changes_tests_publishes_and_serves_a_policy_and_a_wrong_integrity_is_refused() {
    let Some(registry) = registry() else { return };
    let (folder, own) = (Folder::new(&[]), name("@acme/registries"));
    let package = folder.argument("registries");
    let made = bylaw(&["init", "--template", "validate", "--name", &own, &package]);
    assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{made:?}");
    let tested = || bylaw(&["test", "-p", &package]);
    assert_eq!(tested().code, Some(0));

    // A line of the policy is changed: a case says so until it is changed as well.
    edit(&folder, "registries/policies/index.ts", ": use ", ": take it from ");
    let missed = tested();
    assert_eq!(missed.code, Some(1), "{missed:?}");
    assert!(missed.out.contains("docker.io: take it from registry.example.com"), "{}", missed.out);
    edit(&folder, "registries/policies/cases/images.yaml", ": use ", ": take it from ");
    assert_eq!(tested().code, Some(0));

    npm(registry, Path::new(&package), &["publish"]);
    let integrity = npm(registry, Path::new(&package), &["view", &own, "dist.integrity"]);

    let of = |integrity: &str| json!({"name": own, "version": "0.1.0", "integrity": integrity});
    let wrong = format!("sha512-{}==", "A".repeat(86));
    let project = Project::new(
        registry,
        &[
            ("good.yaml", &named_manifest("good", &of(&integrity))),
            ("wrong.yaml", &named_manifest("wrong", &of(&wrong))),
            ("other.ts", &policy("other", "validate({ deny }) { deny('other'); }")),
        ],
    );
    let server = project.serve();
    let told = message(server.post("/validate", &pod("nginx:1.29")));
    assert_eq!(
        told,
        "[good.policies.example] image nginx:1.29 comes from docker.io: take it from registry.example.com"
    );
    allowed(server.post("/validate", &pod("registry.example.com/web:1.0")));
    assert_eq!(message(server.post("/validate", &config_map(json!({})))), "[other.policies.example] other");

    let log = server.log();
    let refused = format!("npm package `{own}@0.1.0`: spec.package.integrity is {wrong}, but its tarball has");
    assert!(log.contains(&refused) && log.contains("wrong.policies.example"), "{log}");
}
