//! `bylaw lint` as a command: 0 clean, 1 wrong, 2 could not run; levels, suppressions, formats, and what it is given.

use serde_json::Value;

use super::command::{bylaw, bylaw_with};
use super::folder::Folder;
use super::lint_rules::{CASES, findings, fires, folder_of, is_clean, lint, mended, pods};

#[test]
fn a_list_of_everything_is_found() {
    fires(&pods("permissions: { read: [\"*\"] },", "list(\"v1/Service\");"), "unbounded-list", "in all namespaces");
    fires(&pods("permissions: { read: [\"*\"] },", "list(\"v1/Service\", {});"), "unbounded-list", "in all namespaces");
    is_clean(&pods(
        "permissions: { read: [\"*\"] },",
        "list(\"v1/Service\", { namespace: \"a\" }); list(\"v1/Service\", { selector: \"a=b\" });",
    ));
}

#[test]
fn a_name_that_no_webhook_could_have_is_found_and_mended() {
    let policy = pods("", "").replace("p.pods.example.com", "My_Policy.pods.example.com");
    fires(&policy, "policy-name:5", "My_Policy");
    assert!(mended(&policy).contains("name: \"my-policy.pods.example.com\""));
    let folder = folder_of(&pods("", ""));
    folder.write("policies/q.ts", &pods("", ""));
    let found = findings(&folder, &[]);
    assert!(found.iter().any(|one| one.starts_with("policy-name:5: p.pods.example.com is declared by")), "{found:?}");
}

#[test]
fn a_policy_without_cases_or_whose_cases_show_nothing_is_found() {
    let policy = pods("", "");
    let without = Folder::new(&[("policies/p.ts", &policy)]);
    assert_eq!(findings(&without, &[]), ["missing-cases:5: this policy has no cases"]);
    let other = CASES.replace("kind: Pod", "kind: Service");
    let unreached = Folder::new(&[("policies/p.ts", &policy), ("policies/cases/p.yaml", &other)]);
    assert_eq!(findings(&unreached, &[]), ["missing-cases:5: none of its cases reaches this policy"]);
    let idle =
        Folder::new(&[("policies/p.ts", &policy.replace("deny(\"always\");", "")), ("policies/cases/p.yaml", CASES)]);
    assert_eq!(findings(&idle, &[]), ["no-deny-case:5: in none of its cases this policy denies anything"]);
    let throwing = policy.replace("deny(\"always\");", "throw new Error(\"no\");");
    let failing = Folder::new(&[("policies/p.ts", &throwing), ("policies/cases/p.yaml", CASES)]);
    assert!(findings(&failing, &[])[0].starts_with("failing-case:1: p.pods.example.com fails: "));
    let broken = Folder::new(&[("policies/p.ts", &policy), ("policies/cases/p.yaml", "name: x\nexpcet: {}\n")]);
    assert!(findings(&broken, &[]).iter().all(|one| one.starts_with("failing-case:")), "{:?}", findings(&broken, &[]));
}

#[test]
fn a_finding_that_is_meant_is_suppressed_and_a_comment_too_many_is_taken_out() {
    let meant =
        "// bylaw-lint-ignore unknown-field: a field of our own fork\n    if (object.spec?.hostNetwrok) deny(\"x\");";
    is_clean(&pods("", meant));
    let unused = pods("", "// bylaw-lint-ignore unknown-field: not any more\n    deny(\"x\");");
    fires(&unused, "useless-suppression:9", "there is no finding of unknown-field here");
    assert!(!mended(&unused).contains("bylaw-lint-ignore"));
    let without_reason = pods("", "// bylaw-lint-ignore unknown-field\n    if (object.spec?.hostNetwrok) deny(\"x\");");
    fires(&without_reason, "useless-suppression", "without a reason has no effect");
    fires(&without_reason, "unknown-field", "hostNetwrok");
}

#[test]
fn levels_come_from_flags_and_from_the_package() {
    let folder = folder_of(&pods("", "if (object.spec?.hostNetwrok) deny(\"x\");"));
    assert_eq!(lint(&folder, &[]).code, Some(1));
    assert_eq!(findings(&folder, &["--rule", "unknown-field=off"]), [] as [&str; 0]);
    assert_eq!(lint(&folder, &["--rule", "unknown-field=warn"]).code, Some(0));
    assert_eq!(lint(&folder, &["--rule", "unknown-field=warn", "--deny-warnings"]).code, Some(1));
    folder.write("package.json", "{\"bylaw\": {\"lint\": {\"unknown-field\": \"warn\"}}}");
    assert_eq!(lint(&folder, &[]).code, Some(0));
    folder.write("package.json", "{\"bylaw\": {\"lint\": {\"unknown-feild\": \"warn\"}}}");
    let ended = lint(&folder, &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("did you mean \"unknown-field\"?"), "{ended:?}");
    assert_eq!(lint(&folder, &["--rule", "nothing=off"]).code, Some(2));
}

#[test]
fn what_cannot_be_loaded_is_a_finding_with_its_place() {
    for (policy, told) in [
        ("export default policy({", "load-error:1"),
        ("import { x } from \"./nope\";\nexport default x;", "cannot find `./nope`"),
        (
            "import { policy } from \"@bylaw/sdk\";\nexport default policy({ name: \"a.b.example.com\", validate() {} });",
            "match.resources: is missing",
        ),
        ("export const helper = 1;\nexport default 3;", "load-error:1"),
    ] {
        fires(policy, "load-error", told);
    }
    let windows = pods("", "if (object.spec?.hostNetwrok) deny(\"ä😀\"); object.spec?.hostPDI;").replace('\n', "\r\n");
    assert!(mended(&windows).contains("hostNetwork) deny(\"ä😀\"); object.spec?.hostPID;"));
}

#[test]
fn what_cannot_be_run_is_2_with_one_line() {
    let empty = Folder::new(&[("policies/README.md", "nothing")]);
    let helper = Folder::new(&[("policies/helper.ts", "export const a = 1;")]);
    let huge = Folder::new(&[("policies/p.ts", &" ".repeat((4 << 20) + 1))]);
    let unreadable = Folder::new(&[("policies/p.ts", "")]);
    std::fs::write(unreadable.file("policies/p.ts"), b"\xff\xfe").unwrap();
    for (folder, told) in [
        (&empty, "no policy is in there"),
        (&helper, "no policy is in there"),
        (&huge, "larger than 4194304 bytes"),
        (&unreadable, "not UTF-8"),
    ] {
        let ended = lint(folder, &[]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.err.contains(told) && ended.err.lines().count() == 1, "{ended:?}");
    }
    let missing = bylaw(&["lint", "-p", &empty.argument("nope")]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    let deep = folder_of(&format!("export default {}1{};", "(".repeat(50_000), ")".repeat(50_000)));
    assert!(findings(&deep, &[])[0].contains("nested too deeply"), "{:?}", findings(&deep, &[]));
}

#[test]
fn scripts_of_jspolicy_are_looked_at_in_their_manifest() {
    let manifest = |rules: &str, code: &str| {
        format!(
            "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: a.pods.example.com\nspec:\n  {rules}\n  javascript: |\n    {code}\n    deny(\"x\");\n"
        )
    };
    let rules = "operations: [\"CREATE\"]\n  resources: [\"pods\"]";
    let script = "if (request.object.spec.hostNetwrok || /^(a+)+$/.test(\"x\")) deny(\"no\");\n    get(\"ConfigMap\", \"v1\", \"a/b\"); list(\"Service\", \"v1\");\n    if (request.operation === \"DELETE\") deny(\"no\");";
    let folder = Folder::new(&[("policies/p.yaml", &manifest(rules, script)), ("policies/cases/p.yaml", CASES)]);
    let found = findings(&folder, &[]);
    for told in [
        "unknown-field:9: `hostNetwrok`",
        "unbounded-regex:9",
        "missing-permission:10: the policy may not read \"v1/ConfigMap\"",
        "unbounded-list:10",
        "unreachable-match:11",
    ] {
        assert!(found.iter().any(|one| one.starts_with(told)), "{told}: {found:#?}");
    }
    let wrong = manifest("operations: [\"CREATE\"]\n  resources: [\"pod\"]", "");
    let folder = Folder::new(&[("policies/p.yaml", &wrong)]);
    let ended = lint(&folder, &["--fix", "--rule", "missing-cases=off"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(std::fs::read_to_string(folder.file("policies/p.yaml")).unwrap().contains("resources: [\"pods\"]"));
}

#[test]
fn the_report_is_text_json_yaml_and_sarif() {
    let folder = folder_of(&pods("", "if (object.spec?.hostNetwrok) deny(\"x\");"));
    let text = lint(&folder, &["--no-types"]);
    assert!(text.out.contains("error[unknown-field]: `hostNetwrok` is not a field of PodSpec\n  --> "), "{text:?}");
    assert!(text.out.contains("help: write `hostNetwork`\n  --fix mends it\n"), "{text:?}");
    assert!(text.out.ends_with("1 policy: 1 error\n") && !text.out.contains('\u{1b}'), "{text:?}");
    let yaml = lint(&folder, &["-o", "yaml"]).out;
    assert!(yaml.contains("rule: unknown-field") && yaml.contains("errors: 1"), "{yaml}");
    let sarif: Value = serde_json::from_str(&lint(&folder, &["-o", "sarif"]).out).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"unknown-field".into(), &"error".into()));
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((region["startLine"].as_u64(), region["startColumn"].as_u64()), (Some(9), Some(22)));
    let count = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len();
    let list = bylaw(&["lint", "--list"]);
    assert_eq!((list.code, list.out.lines().count()), (Some(0), count));
    let page = bylaw(&["lint", "--explain", "unknown-field"]);
    assert!(page.code == Some(0) && page.out.starts_with("# unknown-field\n"), "{page:?}");
    assert!(bylaw(&["lint", "--help"]).out.contains("bylaw lint -p policies --fix"));
}

#[test]
fn the_table_of_rules_in_the_readme_is_the_list() {
    let rules: Value = serde_json::from_str(&bylaw(&["lint", "--list", "-o", "json"]).out).unwrap();
    let readme = include_str!("../../README.md");
    let row = |rule: &Value| {
        let fix = if rule["fixable"] == true { "yes" } else { "" };
        let text = |name: &str| rule[name].as_str().unwrap().to_owned();
        format!("| `{}` | {} | {fix} | {} |", text("rule"), text("level"), text("summary"))
    };
    let expected: Vec<String> = rules.as_array().unwrap().iter().map(row).collect();
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let written: Vec<String> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| rule"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(squeezed)
        .collect();
    let expected: Vec<String> = expected.iter().map(|line| squeezed(line)).collect();
    assert_eq!(written, expected, "{}", expected.join("\n"));
}

/// A folder in which the compiler of `sdk-ts` is found. Where it is not installed the test is said to be skipped; on CI
/// that is a failure.
fn with_compiler(policy: &str) -> Option<Folder> {
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/sdk-ts");
    let modules = std::path::Path::new(sdk).join("node_modules");
    if !modules.join(".bin/tsc").is_file() {
        let missing = "TypeScript; run `npm ci --ignore-scripts` in sdk-ts";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
        drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {missing}\n")));
        return None;
    }
    let folder = folder_of(policy);
    let paths = format!("{{\"@bylaw/sdk\": [\"{sdk}/src/index.ts\"], \"@bylaw/sdk/k8s/*\": [\"{sdk}/k8s/*.ts\"]}}");
    let options = "\"strict\": true, \"target\": \"es2023\", \"module\": \"esnext\", \"moduleResolution\": \"bundler\"";
    let flags = "\"skipLibCheck\": true, \"allowImportingTsExtensions\": true, \"noEmit\": true, \"types\": []";
    let text =
        format!("{{\"compilerOptions\": {{{options}, {flags}, \"paths\": {paths}}}, \"include\": [\"policies\"]}}");
    folder.write("tsconfig.json", &text);
    std::os::unix::fs::symlink(modules, folder.file("node_modules")).unwrap();
    Some(folder)
}

#[test]
fn type_errors_are_told_by_the_compiler_that_is_installed() {
    let Some(folder) =
        with_compiler(&pods("", "const count: number = object.kind; if (object.spec?.hostNetwrok) deny(\"x\");"))
    else {
        return;
    };
    let found = findings(&folder, &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("type-error:9: Type ") && found[0].ends_with("(TS2322)"), "{found:#?}");
    // The field is told once, by the rule that can mend it.
    assert!(found[1].starts_with("unknown-field:9"), "{found:#?}");
    assert_eq!(findings(&folder, &["--no-types"]).len(), 1);
    let Some(folder) = with_compiler(&pods("", "if (object.spec?.hostNetwork) deny(\"x\");")) else { return };
    let ended = lint(&folder, &[]);
    assert_eq!(ended.out, "1 policy: nothing to mend\n", "{ended:?}");
}

#[test]
fn without_a_compiler_types_are_not_checked_and_that_is_said_in_one_line() {
    let ended = lint(&folder_of(&pods("", "const count: number = object.kind;")), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.out.matches("note: types were not checked: TypeScript is not installed (`npm install").count(),
        1,
        "{ended:?}"
    );
    // A package that asks for it needs no other command.
    let folder = folder_of(&pods("", ""));
    folder.write("package.json", r#"{"name": "x", "devDependencies": {"typescript": "^6.0.3"}}"#);
    let told = lint(&folder, &[]).out;
    assert!(told.contains("note: types were not checked: TypeScript is not installed (`npm install`)"), "{told}");
}

#[test]
fn the_starter_policies_are_clean() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let ended = bylaw_with(&["lint", "-p", root, "--deny-warnings", "--no-types"], &[], "");
    assert_eq!(ended.code, Some(0), "{}", ended.out);
}
