//! The flags of `bylaw review` that say what a manifest does not: who asks, about what, and what else there is.

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::{Folder, policy};

fn folder() -> Folder {
    Folder::new(&[
        ("tells.ts", include_str!("policies/flags.ts")),
        (".new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tell, namespace: shop}\ndata: {a: new}\n"),
        (".old.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tell, namespace: shop}\ndata: {a: old}\n"),
        (
            ".reads.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tell, namespace: shop}\ndata: {a: new, reads: \"yes\"}\n",
        ),
        (
            ".inventory/objects.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n",
        ),
    ])
}

fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    let replaced: Vec<String> = arguments
        .iter()
        .map(|argument| if argument.starts_with('.') { folder.argument(argument) } else { (*argument).to_owned() })
        .collect();
    let policies = folder.argument("tells.ts");
    let mut all = vec!["review", "-p", &policies];
    all.extend(replaced.iter().map(String::as_str));
    bylaw(&all)
}

/// The warnings of a review that allows.
#[track_caller]
fn told(arguments: &[&str]) -> Value {
    let ended = run(&folder(), arguments);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    answer["response"]["warnings"].clone()
}

#[track_caller]
fn first(arguments: &[&str]) -> Value {
    let warnings = told(arguments);
    let text = warnings[0].as_str().unwrap().strip_prefix("[tells.policies.example] ").unwrap().to_owned();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_object_alone_is_a_creation_by_an_administrator() {
    assert_eq!(first(&["--object", ".new.yaml"]), json!(["CREATE", "kubernetes-admin", [], null, "tell", "new", null]));
}

#[test]
fn with_an_old_object_it_is_an_update_and_the_old_one_alone_can_be_deleted() {
    let update = first(&["--object", ".new.yaml", "--old-object", ".old.yaml"]);
    assert_eq!((&update[0], &update[5], &update[6]), (&json!("UPDATE"), &json!("new"), &json!("old")));
    for flag in ["--object", "--old-object"] {
        let deletion = first(&[flag, ".old.yaml", "--operation", "delete"]);
        assert_eq!(
            (&deletion[0], &deletion[5], &deletion[6]),
            (&json!("DELETE"), &Value::Null, &json!("old")),
            "{flag}"
        );
    }
    assert_eq!(first(&["--object", ".new.yaml", "--operation", "CONNECT"])[0], "CONNECT");
}

#[test]
fn user_and_groups_are_those_given() {
    let told = first(&["--object", ".new.yaml", "--user", "jane", "--group", "a", "--group", "b"]);
    assert_eq!((&told[1], &told[2]), (&json!("jane"), &json!(["a", "b"])));
}

#[test]
fn namespace_labels_come_from_the_flag_or_the_inventory() {
    let told = first(&["--object", ".new.yaml", "--namespace-labels", "tier=silver", "--namespace-labels", "zone="]);
    assert_eq!(told[3]["tier"], "silver");
    assert_eq!(told[3]["zone"], "");
    assert_eq!(first(&["--object", ".new.yaml", "--inventory", ".inventory"])[3]["tier"], "gold");
}

#[test]
fn the_inventory_is_what_policies_read() {
    assert_eq!(told(&["--object", ".reads.yaml", "--inventory", ".inventory"])[2], "[tells.policies.example] token");
    let ended = run(&folder(), &["--object", ".reads.yaml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("--inventory"), "{}", ended.out);
}

#[test]
fn parameters_stand_over_the_defaults_and_are_checked() {
    let folder = folder();
    folder.write(".parameters.yaml", "limit: 7\n");
    let ended = run(&folder, &["--object", ".new.yaml", "--parameters", ".parameters.yaml"]);
    assert!(ended.code == Some(0) && ended.out.contains("limit 7"), "{ended:?}");
    folder.write(".parameters.yaml", "tells.policies.example: {limit: 9}\n");
    let ended = run(&folder, &["--object", ".new.yaml", "--parameters", ".parameters.yaml"]);
    assert!(ended.code == Some(0) && ended.out.contains("limit 9"), "{ended:?}");
    folder.write(".parameters.yaml", "limit: many\n");
    let ended = run(&folder, &["--object", ".new.yaml", "--parameters", ".parameters.yaml"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    assert!(ended.err.contains("parameters.limit") && ended.err.contains("many"), "{}", ended.err);
}

#[test]
fn explain_says_who_matched_who_did_not_and_on_what_and_at_what_cost() {
    let other = |name: &str, matches: &str, handler: &str| {
        policy(name, handler).replace("resources: [\"configmaps\"]", matches)
    };
    let folder = Folder::new(&[
        ("denies.ts", &policy("denies", "validate({ deny }) { deny(\"no\"); },")),
        ("edits.ts", &policy("edits", "mutate({ object }) { object.data.b = \"c\"; },")),
        ("pods.ts", &other("pods", "resources: [\"pods\"]", "validate() {},")),
        ("updates.ts", &other("updates", "resources: [\"configmaps\"], operations: [\"UPDATE\"]", "validate() {},")),
        (
            "gold.ts",
            &other(
                "gold",
                "resources: [\"configmaps\"], namespaceSelector: { matchLabels: { tier: \"gold\" } }",
                "validate() {},",
            ),
        ),
        (
            "conditional.ts",
            &other(
                "conditional",
                "resources: [\"configmaps\"], matchConditions: [{ name: \"has-x\", expression: \"has(object.data) && has(object.data.x)\" }]",
                "validate() {},",
            ),
        ),
        ("excluded.ts", &other("excluded", "resources: [\"configmaps\"], excludeUsers: [\"jane\"]", "validate() {},")),
        (".new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tell, namespace: shop}\ndata: {a: new}\n"),
    ]);
    let object = folder.argument(".new.yaml");
    let ended = bylaw(&[
        "review",
        "-p",
        folder.path().to_str().unwrap(),
        "--object",
        &object,
        "--explain",
        "--user",
        "jane",
        "--namespace-labels",
        "tier=lead",
    ]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let explained = &ended.out[ended.out.find("\n}\n").unwrap() + 3..];
    // Times and memory differ from run to run; their form does not.
    let stable: Vec<String> = explained
        .lines()
        .map(|line| match line.split_once(" (") {
            Some((policy, cost)) => {
                let form: String = cost.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                format!("{policy} ({}", form.replace("00", "0").replace("00", "0"))
            }
            None => line.to_owned(),
        })
        .collect();
    insta::assert_snapshot!("review-explain", stable.join("\n"));
}
