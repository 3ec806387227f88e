//! `bylaw bundle`: made, looked into, verified and served; 0 good, 1 found wanting, 2 could not run.

use std::fs;

use serde_json::Value;

use super::command::{Ended, bylaw};
use super::folder::{Folder, policy};
use super::reviews::{config_map, denied};
use super::server::Server;

fn folder() -> Folder {
    let shared = "export const told = (name: string): string => `${name} says no`;\n";
    let one = "import { told } from \"../shared.ts\";\n".to_owned()
        + &policy("one", "permissions: { read: [\"v1/ConfigMap\"] }, validate({ deny }) { deny(told(\"one\")); }");
    let two =
        policy("two", "validate({ object }) { if (object.data.a === \"throw\") throw new Error(\"two broke\"); }");
    let key = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let (ours, strange) = (key(), key());
    Folder::new(&[
        ("policies/one.ts", &one),
        ("policies/two.ts", &two),
        ("shared.ts", shared),
        ("key.pem", &ours.serialize_pem()),
        ("pub.pem", &ours.public_key_pem()),
        ("strange-key.pem", &strange.serialize_pem()),
        ("stranger.pem", &strange.public_key_pem()),
        ("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {a: throw}\n"),
    ])
}

/// `bylaw bundle` with arguments of which those that begin with `@` are files of the folder.
fn bundle(folder: &Folder, arguments: &[&str]) -> Ended {
    let named =
        |argument: &&str| argument.strip_prefix('@').map_or((*argument).to_owned(), |name| folder.argument(name));
    let arguments: Vec<String> = arguments.iter().map(named).collect();
    bylaw(&[&["bundle"], arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat())
}

#[track_caller]
fn made(folder: &Folder, arguments: &[&str]) {
    let ended = bundle(folder, arguments);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.err.contains("policies 2, packages 0, sha256:"), "{ended:?}");
}

/// What `verify -o json` says of one bundle: the first check that failed.
#[track_caller]
fn failed(ended: &Ended) -> (String, String) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let reports: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let checks = reports[0]["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["good"] == false).unwrap_or_else(|| panic!("{ended:?}"));
    (check["check"].as_str().unwrap().to_owned(), check["message"].as_str().unwrap().to_owned())
}

fn review(folder: &Folder, policies: &str) -> Ended {
    let (policies, object) = (folder.argument(policies), folder.argument("map.yaml"));
    bylaw(&["review", "-p", &policies, "--object", &object, "-o", "json"])
}

#[test]
fn every_form_judges_as_the_policies_that_it_was_made_of() {
    let folder = folder();
    let expected = review(&folder, "policies");
    assert_eq!(expected.code, Some(1), "{expected:?}");
    assert!(expected.out.contains("one says no") && expected.out.contains("two broke"), "{expected:?}");
    // Sources are named from the policies on, wherever those were.
    let told_of = expected.out.replace(&format!("{}/", folder.argument("policies")), "");
    for form in ["bundle.js", "bundle.yaml", "layout"] {
        made(&folder, &["@policies", "-o", &folder.argument(form)]);
        let told = review(&folder, form);
        assert_eq!((told.code, &told.out), (expected.code, &told_of), "{form}: {told:?}");
    }
}

#[test]
fn the_same_policies_make_the_same_bytes_wherever_the_command_runs() {
    let (folder, elsewhere) = (folder(), folder());
    made(&folder, &["@policies", "-o", &folder.argument("a.js")]);
    made(&folder, &["@policies", "-o", &folder.argument("b.js")]);
    made(&elsewhere, &["@policies", "-o", &elsewhere.argument("c.js")]);
    let first = fs::read(folder.file("a.js")).unwrap();
    assert_eq!(first, fs::read(folder.file("b.js")).unwrap());
    assert_eq!(first, fs::read(elsewhere.file("c.js")).unwrap());
    made(&folder, &["@a.js", "-o", &folder.argument("layout")]);
    made(&folder, &["@layout", "-o", &folder.argument("d.js")]);
    assert_eq!(first, fs::read(folder.file("d.js")).unwrap());
}

#[test]
fn the_packages_of_a_bundle_are_in_its_lock() {
    let source = "import { twice } from \"@deep/thing\";\n".to_owned()
        + &policy("one", "validate({ deny }) { deny(String(twice(21))); }");
    let locked = r#"{"name":"x","lockfileVersion":3,"packages":{"node_modules/@deep/thing":{"version":"1.2.3","integrity":"sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}}}"#;
    let folder = Folder::new(&[
        ("policies/one.ts", &source),
        ("package-lock.json", locked),
        (
            "node_modules/@deep/thing/package.json",
            r#"{"name": "@deep/thing", "version": "1.2.3", "main": "index.js", "type": "module"}"#,
        ),
        ("node_modules/@deep/thing/index.js", "export const twice = (number) => number * 2;\n"),
    ]);
    let output = folder.argument("bundle.js");
    let ended = bundle(&folder, &["@policies", "-o", &output]);
    assert!(ended.code == Some(0) && ended.err.contains("policies 1, packages 1"), "{ended:?}");
    assert!(bundle(&folder, &["inspect", "@bundle.js"]).out.contains("@deep/thing@1.2.3  "));
    assert_eq!(bundle(&folder, &["verify", "@bundle.js"]).code, Some(0));
    // The package is in the bundle: what lies about is not asked for any more.
    fs::remove_dir_all(folder.file("node_modules")).unwrap();
    fs::write(folder.file("map.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n")
        .unwrap();
    assert!(review(&folder, "bundle.js").out.contains("[one.policies.example] 42"));
    let whole = fs::read_to_string(&output).unwrap();
    let (_, body) = whole.split_once('\n').unwrap();
    let forgets = body.replace("@deep/thing@1.2.3\":{", "@deep/thing@1.2.4\":{");
    let hash = bylaw::bundle::content_hash(&forgets);
    fs::write(&output, format!("// bylaw-bundle/v1 sha256:{hash}\n{forgets}")).unwrap();
    let (check, message) = failed(&bundle(&folder, &["verify", "@bundle.js", "-o", "json"]));
    assert!(check == "packages" && message.contains("@deep/thing@1.2.3 is part of it"), "{message}");
}

#[test]
fn a_bundle_says_what_is_in_it() {
    let folder = folder();
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js"), "--sign", "@key.pem"]);
    let ended = bundle(&folder, &["inspect", "@bundle.js", "-o", "json"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    let names: Vec<&Value> = told[0]["policies"].as_array().unwrap().iter().map(|policy| &policy["name"]).collect();
    assert_eq!(names, ["one.policies.example", "two.policies.example"]);
    assert_eq!(told[0]["policies"][0]["permissions"]["read"][0], "v1/ConfigMap");
    assert!(
        told[0]["sizes"]["script"].as_u64().unwrap() > 100 && told[0]["sizes"]["sourceMap"].as_u64().unwrap() > 100
    );
    let text = bundle(&folder, &["inspect", "@bundle.js"]).out;
    assert!(text.contains("may: read v1/ConfigMap") && text.contains("signed: ed25519 "), "{text}");
}

#[test]
fn a_place_in_a_bundle_is_told_as_a_place_in_its_source() {
    let folder = folder();
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js")]);
    let (policies, object) = (folder.argument("bundle.js"), folder.argument("map.yaml"));
    let ended = bylaw(&["review", "-v", "-p", &policies, "--object", &object, "-o", "json"]);
    assert!(ended.out.contains("two.ts:") || ended.err.contains("two.ts:"), "{ended:?}");
}

#[test]
fn a_bundle_is_verified_with_the_key_that_signed_it_and_no_other() {
    let folder = folder();
    let verify = |file: &str, key: &str| bundle(&folder, &["verify", file, "--key", key, "-o", "json"]);
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js"), "--sign", "@key.pem"]);
    assert_eq!(verify("@bundle.js", "@pub.pem").code, Some(0));
    let (check, message) = failed(&verify("@bundle.js", "@stranger.pem"));
    assert!(check == "signature" && message.contains("and not of key"), "{message}");
    for form in ["bundle.yaml", "layout"] {
        made(&folder, &["@bundle.js", "-o", &folder.argument(form)]);
        assert_eq!(verify(&format!("@{form}"), "@pub.pem").code, Some(0), "{form}");
    }
    made(&folder, &["@policies", "-o", &folder.argument("open.js")]);
    let (check, message) = failed(&verify("@open.js", "@pub.pem"));
    assert_eq!((check.as_str(), message.as_str()), ("signature", "is not signed"));
    assert_eq!(bundle(&folder, &["verify", "@open.js"]).code, Some(0));
}

#[test]
fn a_bundle_that_was_tampered_with_or_cut_short_is_neither_verified_nor_served() {
    let folder = folder();
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js"), "--sign", "@key.pem"]);
    let whole = fs::read_to_string(folder.file("bundle.js")).unwrap();
    let signature = whole.lines().nth(1).unwrap();
    made(&folder, &["@policies", "-o", &folder.argument("strange.js"), "--sign", "@strange-key.pem"]);
    let strange = fs::read_to_string(folder.file("strange.js")).unwrap();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (words(signature), words(strange.lines().nth(1).unwrap()));
    let forged = [&ours[..4], &theirs[4..]].concat().join(" ");
    let cases = [
        (whole.replace("says no", "says ye"), "content", "is not what it was when it was made"),
        (whole[..whole.len() / 2].to_owned(), "content", "is not what it was when it was made"),
        (whole[..100].to_owned(), "content", "is not what it was when it was made"),
        ("export default 1;\n".to_owned(), "content", "is no bundle"),
        (whole.replace(&format!("{signature}\n"), ""), "signature", "is not signed"),
        (whole.replace(signature, &forged), "signature", "is not of this content"),
    ];
    for (text, expected, why) in cases {
        fs::write(folder.file("changed.js"), &text).unwrap();
        if expected == "content" {
            let told = review(&folder, "changed.js");
            assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
        }
        let verified = bundle(&folder, &["verify", "@changed.js", "--key", "@pub.pem", "-o", "json"]);
        let (check, message) = failed(&verified);
        assert!(check == expected && message.contains(why), "{check}: {message}");
    }
}

#[test]
fn a_bundle_that_lies_about_its_policies_is_found_out() {
    let folder = folder();
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js")]);
    let whole = fs::read_to_string(folder.file("bundle.js")).unwrap();
    let (_, body) = whole.split_once('\n').unwrap();
    let lies = body.replace(r#""permissions":{"read":["v1/ConfigMap"]"#, r#""permissions":{"read":[]"#);
    assert_ne!(lies, body);
    let hash = bylaw::bundle::content_hash(&lies);
    fs::write(folder.file("lies.js"), format!("// bylaw-bundle/v1 sha256:{hash}\n{lies}")).unwrap();
    let (check, message) = failed(&bundle(&folder, &["verify", "@lies.js", "-o", "json"]));
    assert!(check == "policies" && message.contains("one.policies.example declares something else"), "{message}");
    let told = bundle(&folder, &["inspect", "@lies.js"]).out;
    assert!(told.contains("may: read v1/ConfigMap"), "{told}");
}

#[test]
fn mistakes_in_the_sources_of_a_bundle_are_found_by_who_gets_it() {
    let folder = folder();
    let slow = "validate({ object, deny }) {\n  if (/^(a+)+$/.test(object.data.a)) deny('a');\n}";
    folder.write("policies/two.ts", &policy("two", slow));
    for form in ["bundle.js", "bundle.yaml", "layout"] {
        made(&folder, &["@policies", "-o", &folder.argument(form)]);
        let (check, message) = failed(&bundle(&folder, &["verify", &format!("@{form}"), "-o", "json"]));
        assert_eq!((check.as_str(), message.as_str()), ("lint", "errors 1, warnings 1, files 3"), "{form}");
    }
    let told = bundle(&folder, &["verify", "@bundle.js"]);
    assert!(told.out.contains("two.ts:6:7: error[unbounded-regex] ") && told.code == Some(1), "{}", told.out);
    assert!(told.out.contains("one.ts:6:23: warning[unused-permission] "), "{}", told.out);
    let let_pass = bundle(&folder, &["verify", "@bundle.js", "--rule", "unbounded-regex=warn"]);
    assert_eq!(let_pass.code, Some(0), "{let_pass:?}");
    // What its author says is meant is meant.
    let meant = slow.replace("  if", "  // bylaw-lint-ignore unbounded-regex: names are short\n  if");
    folder.write("policies/two.ts", &policy("two", &meant));
    made(&folder, &["@policies", "-o", &folder.argument("bundle.js")]);
    assert_eq!(bundle(&folder, &["verify", "@bundle.js"]).code, Some(0));
}

#[test]
fn what_cannot_be_bundled_says_why_and_leaves_what_was_there() {
    let folder = folder();
    let output = folder.argument("bundle.js");
    made(&folder, &["@policies", "-o", &output]);
    let before = fs::read(folder.file("bundle.js")).unwrap();
    fs::write(folder.file("policies/two.ts"), "export default policy({").unwrap();
    for (arguments, why) in [
        (["@policies", "-o", &output], "two.ts:1:"),
        (["@nowhere", "-o", &output], "no such file or folder"),
        (["@shared.ts", "-o", &output], "has no policy as its default export"),
        (["@map.yaml", "-o", &output], "there is no policy to bundle"),
        (["@policies", "-o", "bundle.zip"], ".zip is none of .js, .yaml"),
    ] {
        let ended = bundle(&folder, &arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.err.contains(why), "{why}: {ended:?}");
    }
    let unsigned = bundle(&folder, &["@bundle.js", "-o", &output, "--sign", "@pub.pem"]);
    assert!(unsigned.code == Some(2) && unsigned.err.contains("openssl genpkey"), "{unsigned:?}");
    assert!(!unsigned.err.contains("BEGIN PUBLIC KEY-----\n"), "{unsigned:?}");
    assert_eq!(fs::read(folder.file("bundle.js")).unwrap(), before);
    for ended in
        [bundle(&folder, &["inspect", "@nothing.js"]), bundle(&folder, &["verify", "@policies"]), bundle(&folder, &[])]
    {
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
}

#[test]
fn a_layout_whose_index_leads_out_of_it_is_not_served() {
    let folder = folder();
    made(&folder, &["@policies", "-o", &folder.argument("layout")]);
    let index = folder.file("layout/index.json");
    let text = fs::read_to_string(&index).unwrap();
    let at = text.find("sha256:").unwrap();
    fs::write(&index, format!("{}../../../policies/one.ts{}", &text[..at], &text[at + 71..])).unwrap();
    let told = review(&folder, "layout");
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(told.err.contains("is an OCI layout, but") && told.err.contains("is no digest"), "{told:?}");
    let (check, _) = failed(&bundle(&folder, &["verify", "@layout", "-o", "json"]));
    assert_eq!(check, "content");
}

#[test]
fn scripts_of_jspolicy_become_bundles_of_the_cluster_and_nothing_else() {
    let script = "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {name: old.policies.example}\n\
                  spec: {operations: [CREATE], resources: [configmaps], javascript: \"deny('old')\"}\n";
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    let folder = Folder::new(&[("old.yaml", script), ("key.pem", &key)]);
    let (yaml, js) = (folder.argument("bundle.yaml"), folder.argument("bundle.js"));
    assert_eq!(bundle(&folder, &["@old.yaml", "-o", &yaml]).code, Some(0));
    let text = fs::read_to_string(folder.file("bundle.yaml")).unwrap();
    assert!(text.contains("JsPolicyBundle") && text.contains("old.policies.example"), "{text}");
    assert!(bundle(&folder, &["inspect", "@bundle.yaml"]).out.contains("a script of jsPolicy"));
    assert_eq!(bundle(&folder, &["verify", "@bundle.yaml"]).code, Some(0));
    assert!(bundle(&folder, &["@old.yaml", "-o", &js]).err.contains("only `-o bundle.yaml`"));
    assert!(bundle(&folder, &["@old.yaml", "-o", &yaml, "--sign", "@key.pem"]).err.contains("cannot be signed"));
}

#[test]
fn a_server_takes_a_new_bundle_and_keeps_the_last_good_one() {
    let folder = folder();
    let bundled = Folder::new(&[]);
    made(&folder, &["@policies", "-o", &bundled.argument("bundle.js")]);
    let server = bundled.serve(&[]);
    let message =
        |server: &Server| denied(server.post("/validate", &config_map(serde_json::json!({}))))["message"].clone();
    assert_eq!(message(&server), "[one.policies.example] one says no");
    let whole = fs::read_to_string(bundled.file("bundle.js")).unwrap();
    let mark = server.log_length();
    fs::write(bundled.file("bundle.js"), whole.replace("says no", "says ye")).unwrap();
    server.wait_for_log(mark, "is not what it was when it was made").unwrap();
    assert_eq!(message(&server), "[one.policies.example] one says no");
}
