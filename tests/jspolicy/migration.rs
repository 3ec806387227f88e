//! Every manifest migrated, with every request of the cases asked of both: what says something else is not carried over.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use super::case::Cases;
use super::corpus::root;
use super::server::lifeline::ScratchFolder;

/// Manifests that are left as they are, each with a word of the reason.
const LEFT: [(&str, &str); 17] = [
    ("config-for-team.basics", "type Controller"),
    ("deny.global", "a denial with code 200"),
    ("engine.global", "no strict code"),
    ("fetch-sync.global", "does not come to the same"),
    ("get.global", "does not come to the same"),
    ("internal.global", "`__response`"),
    ("list.global", "does not come to the same"),
    ("mutate.global", "`__response`"),
    ("overwritten.global", "does not come to the same"),
    ("print.global", "does not come to the same"),
    // One of the cases sends a pod without a namespace, of which scripts made the text "undefined".
    ("remove.feature", "name the namespace too"),
    ("response.global", "`__response`"),
    ("sleep.feature", "does not come to the same"),
    ("sleep.global", "does not come to the same"),
    ("thrown.global", "`__response`"),
    ("timeout.global", "`__response`"),
    ("top-level.global", "handed on as a value"),
];

/// The reviews of all cases that are answered with one.
fn reviews() -> String {
    let mut reviews = String::new();
    let mut files: Vec<_> =
        fs::read_dir(root().join("tests/jspolicy/cases")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for path in files {
        let cases: Cases = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (at, case) in cases.cases.iter().enumerate().filter(|(_, case)| case.expect.http.is_none()) {
            reviews.push_str(&case.review(&format!("{}-{at}", path.file_stem().unwrap().to_string_lossy())));
            reviews.push('\n');
        }
    }
    reviews
}

#[test]
fn what_is_carried_over_says_the_same_on_every_case() {
    let name = format!("bylaw-jspolicy-migration-{}", std::process::id());
    let folder = ScratchFolder::create(std::env::temp_dir().join(name)).unwrap();
    let modules = root().join("sdk-ts/node_modules");
    assert!(modules.join("lodash").is_dir(), "npm packages are not there: run `npm ci --ignore-scripts` in sdk-ts");
    symlink(root().join("tests/jspolicy/manifests"), folder.path().join("manifests")).unwrap();
    symlink(modules, folder.path().join("node_modules")).unwrap();
    let (asked, out) = (folder.path().join("reviews.json"), folder.path().join("out"));
    fs::write(&asked, reviews()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bylaw"))
        .args(["migrate", "jspolicy", "-o", "json"])
        .arg(folder.path().join("manifests"))
        .arg("--out")
        .arg(&out)
        .arg("--review")
        .arg(&asked)
        .current_dir(root())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(output.status.code(), Some(1), "some are left");
    let policies = report["policies"].as_array().unwrap();
    let word = |policy: &Value, field: &str| policy[field].as_str().unwrap_or_default().to_owned();
    let left: Vec<(String, String)> = policies
        .iter()
        .filter(|policy| policy["carried"] == false)
        .map(|policy| (word(policy, "name").replace(".example.com", ""), word(policy, "reason")))
        .collect();
    let names: BTreeSet<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, LEFT.iter().map(|(name, _)| *name).collect(), "{left:#?}");
    for (name, wanted) in LEFT {
        let (_, reason) = left.iter().find(|(known, _)| known == name).unwrap();
        assert!(reason.contains(wanted), "{name}: {reason}");
    }
    // What nobody sent would not have been compared.
    let deny = policies.iter().find(|policy| policy["name"] == "base64.global.example.com").unwrap();
    assert!(deny["compared"].as_u64().unwrap() > 400, "{deny}");
}
