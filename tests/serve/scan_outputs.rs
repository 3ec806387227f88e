//! The report of `bylaw scan` for programs, for CI and for a browser.

use serde_json::{Value, json};

use super::folder::Folder;
use super::scan_command::{folder, scan};

/// Something denied, something to change, something unreadable, and markup where there should be none.
fn mixed() -> Folder {
    let config = |name: &str, data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\ndata:\n  a: {data}\n")
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: \"<b>x</b>\", namespace: shop}\n";
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n";
    let rest = ["a: [\n", service, namespace].join("---\n");
    let text = [config("one", "bad"), config("two", "stamp"), rest];
    folder(&[("manifests/a.yaml", &text.join("---\n"))])
}

fn written(folder: &Folder, format: &str) -> String {
    let ended = scan(folder, &[".", "-o", format]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""), "{ended:?}");
    ended.out.replace(&format!("{}/", folder.argument("manifests")), "")
}

#[test]
fn yaml_says_what_json_says() {
    let folder = mixed();
    let json: Value = serde_json::from_str(&written(&folder, "json")).unwrap();
    assert_eq!(serde_saphyr::from_str::<Value>(&written(&folder, "yaml")).unwrap(), json);
}

#[test]
fn sarif_has_a_rule_for_each_policy_and_a_place_for_each_finding() {
    let folder = mixed();
    let log: Value = serde_json::from_str(&written(&folder, "sarif")).unwrap();
    let run = &log["runs"][0];
    assert_eq!((&log["version"], &run["tool"]["driver"]["name"]), (&json!("2.1.0"), &json!("bylaw scan")));
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert!(rules.contains(&"judge.policies.example") && rules.contains(&"unreadable"), "{rules:?}");
    let told = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        let file = place["artifactLocation"]["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (
            result["ruleId"].as_str().unwrap().to_owned(),
            result["level"].as_str().unwrap().to_owned(),
            file,
            place["region"]["startLine"].as_u64().unwrap(),
        )
    };
    let expected = [
        ("judge.policies.example", "error", "a.yaml", 5),
        ("stamps.policies.example", "note", "a.yaml", 7),
        ("services.policies.example", "error", "a.yaml", 15),
        ("unreadable", "error", "a.yaml", 13),
    ];
    let results: Vec<_> = run["results"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        results,
        expected.map(|(rule, level, file, line)| (rule.to_owned(), level.to_owned(), file.to_owned(), line))
    );
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn junit_has_a_suite_for_each_policy() {
    let text = written(&mixed(), "junit");
    for part in [
        r#"<testsuites name="bylaw scan""#,
        r#"<testsuite name="judge.policies.example" tests="1" skipped="0" errors="0" failures="1""#,
        r#"<testcase name="ConfigMap shop/one" classname="a.yaml:5""#,
        r#"<failure message="a must not be bad (data.a)">"#,
        r#"<testcase name="Service shop/&lt;b&gt;x&lt;/b&gt;""#,
        r#"<testsuite name="unreadable" tests="1""#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn html_is_one_page_with_everything_escaped() {
    let page = written(&mixed(), "html");
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("&lt;b&gt;x&lt;/b&gt;") && !page.contains("<b>"), "{page}");
    for part in
        ["a must not be bad", "<code>data.a</code>", "Documents that could not be read", "data-severity=\"high\""]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_finding_in_a_pipe_blames_no_file_in_sarif() {
    let folder = folder(&[]);
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: bad}\n";
    let ended = super::scan_command::scan_with(&folder, &["-", "-o", "sarif"], text);
    let log: Value = serde_json::from_str(&ended.out).unwrap();
    let expected = json!([{"logicalLocations": [{"fullyQualifiedName": "default/ConfigMap/a"}]}]);
    assert_eq!(log["runs"][0]["results"][0]["locations"], expected);
}
