//! `bylaw test`: what a case can say, and what it is told; 0 all hold, 1 one does not, 2 could not run.

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;

/// Denies what `data.bad` names, warns, notes, reads, writes, throws: each as the object asks for it.
const GUARD: &str = r#"import { policy } from "@bylaw/sdk";
export default policy({
  name: "guard.test.example",
  match: { resources: ["configmaps"] },
  parameters: { schema: { type: "object", properties: { word: { type: "string", default: "bad" } } } },
  permissions: { read: ["v1/Secret"], write: ["v1/ConfigMap"] },
  async validate({ object, oldObject, operation, user, namespace, parameters, tenant, vantage, now, dryRun, deny, warn, audit, get, list, log, create, patch }) {
    const data = (object ?? oldObject).data ?? {};
    log(`about ${(object ?? oldObject).metadata.name}`);
    for (const key of Object.keys(data)) {
      if (data[key] === parameters.word) deny(`${key} is ${parameters.word}`, { field: `data.${key}`, reason: "Invalid", code: 422 });
    }
    if (data.warn) warn(`beware of ${data.warn}`);
    if (data.audit) audit("seen", data.audit);
    if (data.throw) throw new Error("it broke");
    if (data.secret) deny(`secret: ${get("v1/Secret", { namespace: "shop", name: data.secret })?.data?.x} of ${list("v1/Secret").length}`);
    if (data.write) {
      await create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "made", namespace: "shop" }, data: { by: user.username } });
      await patch("v1/ConfigMap", { namespace: "shop", name: "known", patch: { data: { x: "2" } } });
    }
    if (data.tell) deny(JSON.stringify([operation, user, namespace, tenant.name, vantage, now.toISOString(), dryRun]));
  },
});
"#;

const STAMP: &str = r#"import { policy } from "@bylaw/sdk";
export default policy({
  name: "stamp.test.example",
  match: { resources: ["configmaps"] },
  mutate({ object }) {
    if (object.data?.stamp) { object.data.stamp = "set"; (object.metadata.labels ??= {}).stamped = "yes"; }
  },
});
"#;

fn test(folder: &Folder, arguments: &[&str]) -> Ended {
    bylaw(&[&["test", "-p", &folder.argument("")], arguments].concat())
}

/// The results as JSON.
#[track_caller]
fn results(ended: &Ended) -> Value {
    assert_eq!(ended.err, "", "{ended:?}");
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn with(policy: &str, cases: &str) -> Folder {
    Folder::new(&[("p/policy.ts", policy), ("p/cases/a.yaml", cases)])
}

/// A config map as a case has it.
fn map(data: &str) -> String {
    format!("{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: m, namespace: shop }}, data: {{ {data} }} }}")
}

/// The misses of the only case.
#[track_caller]
fn misses(policy: &str, data: &str, rest: &str) -> Value {
    let folder = with(policy, &format!("name: the case\nobject: {}\n{rest}\n", map(data)));
    let ended = test(&folder, &["-o", "json"]);
    let misses = results(&ended)["suites"][0]["cases"][0]["misses"].clone();
    assert_eq!(ended.code, Some(i32::from(misses != json!([]))), "{ended:?}");
    misses
}

#[track_caller]
fn holds(data: &str, rest: &str) {
    assert_eq!(misses(GUARD, data, rest), json!([]), "{rest}");
}

#[track_caller]
fn fails(data: &str, rest: &str, fields: &[&str]) {
    let misses = misses(GUARD, data, rest);
    let told: Vec<&str> = misses.as_array().unwrap().iter().map(|miss| miss["field"].as_str().unwrap()).collect();
    assert_eq!(told, fields, "{rest}: {misses}");
}

#[test]
fn every_field_of_a_denial_can_be_expected_and_each_can_fail() {
    let all = "expect: { allowed: false, message: a is bad, fields: [data.a, data.b], code: 422, reason: Invalid }";
    holds("a: bad, b: bad, c: fine", all);
    holds("a: bad", "expect: { message: { contains: [a is, bad] } }");
    holds("a: bad", "expect: { message: { equals: '[guard.test.example] a is bad' } }");
    fails("a: fine", all, &["allowed", "message", "fields", "code", "reason"]);
    fails("a: bad", "expect: { message: { equals: a is bad } }", &["message"]);
    fails("a: bad, b: bad", "expect: { fields: [data.b, data.a] }", &["fields"]);
}

#[test]
fn warnings_and_audit_annotations_can_be_expected() {
    holds("warn: dogs, audit: 'yes'", "expect: { allowed: true, warnings: [beware of dogs], audit: { seen: 'yes' } }");
    holds("audit: x", "expect: { warnings: [], audit: { guard.test.example/seen: x } }");
    fails("warn: cats", "expect: { allowed: true, warnings: [dogs], audit: { seen: x } }", &["warnings", "audit"]);
    fails("warn: cats", "expect: { allowed: true, warnings: [] }", &["warnings"]);
}

#[test]
fn an_error_fails_a_case_unless_it_is_expected() {
    holds("throw: now", "expect: { error: it broke }");
    holds("throw: now", "expect: { allowed: false, error: true }");
    // The request is denied because the policy fails: that is not what the author meant by a denial.
    fails("throw: now", "expect: { allowed: false }", &["error"]);
    fails("a: fine", "expect: { error: it broke }", &["error"]);
    fails("throw: now", "expect: { error: something else }", &["error"]);
}

#[test]
fn a_case_that_no_policy_matches_says_so() {
    let policy = GUARD.replace("configmaps", "pods");
    let told = misses(&policy, "a: bad", "expect: { allowed: false }");
    let fields: Vec<&Value> = told.as_array().unwrap().iter().map(|miss| &miss["field"]).collect();
    assert_eq!(fields, ["allowed", "match"], "{told}");
}

#[test]
fn the_circumstances_are_what_the_case_says() {
    let told = "operation: UPDATE\nuser: { username: jane, uid: '7', extra: { scopes: [a] } }\ngroups: [admins]\nnamespace: { name: shop, labels: { tier: gold } }\ntenant: { name: acme }\nvantage: virtual\nnow: 2026-03-01T12:00:00Z\ndryRun: true";
    let expected = r#"["UPDATE",{"username":"jane","groups":["admins"],"uid":"7","extra":{"scopes":["a"]}},{"name":"shop","labels":{"kubernetes.io/metadata.name":"shop","tier":"gold"}},"acme","virtual","2026-03-01T12:00:00.000Z",true]"#;
    holds("tell: all", &format!("{told}\nexpect: {{ message: '{expected}' }}"));
    holds("a: worse", "parameters: { word: worse }\nexpect: { allowed: false, message: a is worse }");
}

#[test]
fn the_operation_follows_from_the_objects_that_are_there() {
    let tells = |fields: &str, operation: &str| {
        let cases = format!("name: the case\n{fields}\nexpect: {{ message: '[\"{operation}\"' }}\n");
        let ended = test(&with(GUARD, &cases), &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    };
    let map = map("tell: all");
    tells(&format!("object: {map}"), "CREATE");
    tells(&format!("object: {map}\noldObject: {map}"), "UPDATE");
    tells(&format!("oldObject: {map}"), "DELETE");
    tells(&format!("object: {map}\noperation: update"), "UPDATE");
}

#[test]
fn policies_read_the_inventory_and_nothing_else() {
    let secret =
        "inventory: [{ apiVersion: v1, kind: Secret, metadata: { name: s, namespace: shop }, data: { x: eHg= } }]";
    holds("secret: s", &format!("{secret}\nexpect: {{ message: 'secret: eHg= of 1' }}"));
    holds("secret: s", "expect: { message: 'secret: undefined of 0' }");
}

#[test]
fn writes_are_recorded_and_reach_nobody() {
    let known = "inventory: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: known, namespace: shop } }]";
    let writes = "writes: [{ op: create, name: made, object: { apiVersion: v1, kind: ConfigMap, metadata: { name: made, namespace: shop }, data: { by: jane } } }, { op: patch, kind: ConfigMap, patch: { data: { x: '2' } }, dryRun: false }]";
    holds("write: it", &format!("{known}\nuser: jane\nexpect: {{ allowed: true, {writes} }}"));
    fails("write: it", &format!("{known}\nexpect: {{ allowed: true, writes: [] }}"), &["writes"]);
    fails("a: fine", &format!("expect: {{ {writes} }}"), &["writes"]);
    holds("write: it", "expect: { error: not found }");
}

#[test]
fn an_object_as_it_comes_out_can_be_expected_whole_or_as_a_patch() {
    let out = "patched: { apiVersion: v1, kind: ConfigMap, metadata: { name: m, namespace: shop, labels: { stamped: 'yes' } }, data: { stamp: set } }";
    assert_eq!(misses(STAMP, "stamp: none", &format!("expect: {{ {out} }}")), json!([]));
    let patch = "patch: [{ op: add, path: /metadata/labels, value: { stamped: 'yes' } }, { op: replace, path: /data/stamp, value: set }]";
    assert_eq!(misses(STAMP, "stamp: none", &format!("expect: {{ allowed: true, {patch} }}")), json!([]));
    let miss = misses(STAMP, "stamp: none", &format!("expect: {{ {} }}", out.replace("set", "other")))[0].clone();
    assert_eq!(miss["changes"], json!([{"field": "data.stamp", "expected": "other", "got": "set"}]));
}

#[test]
fn an_object_that_leaves_its_namespace_out_comes_back_without_it() {
    let object = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: m }, data: { stamp: none } }";
    let out =
        "{ apiVersion: v1, kind: ConfigMap, metadata: { name: m, labels: { stamped: 'yes' } }, data: { stamp: set } }";
    let cases = format!("name: the case\nobject: {object}\nnamespace: shop\nexpect: {{ patched: {out} }}\n");
    let ended = test(&with(STAMP, &cases), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn an_object_comes_from_a_file_or_from_a_whole_request() {
    let folder = with(
        GUARD,
        "name: from a file\nobjectFile: bad.yaml\nexpect: { allowed: false }\n---\nname: from a folder\nobjectFile: ../objects/bad.yaml\nexpect: { allowed: false }\n",
    );
    folder.write("p/cases/bad.yaml", &map("a: bad"));
    folder.write("p/objects/bad.yaml", &map("a: bad"));
    let request = json!({"name": "a request", "expect": {"allowed": false, "message": "CONNECT"}, "request": {
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "operation": "CONNECT", "name": "m", "namespace": "shop", "object": {"metadata": {"name": "m"}, "data": {"tell": "all"}},
    }});
    let review = json!({"name": "a review", "expect": {"allowed": false}, "request": {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request["request"]}});
    folder.write("p/cases/request.json", &request.to_string());
    folder.write("p/cases/review.json", &review.to_string());
    let ended = test(&folder, &["-o", "json"]);
    assert_eq!((ended.code, results(&ended)["passed"].clone()), (Some(0), json!(4)), "{ended:?}");
}

#[test]
fn of_several_policies_of_a_folder_a_case_asks_the_one_that_it_names() {
    let other = GUARD.replace("guard.test", "other.test").replace("default: \"bad\"", "default: \"fine\"");
    let both = format!(
        "name: all of them\nobject: {0}\nexpect: {{ fields: [data.a, data.b] }}\n---\nname: one\npolicy: guard.test.example\nobject: {0}\nexpect: {{ fields: [data.a] }}\n",
        map("a: bad, b: fine")
    );
    let folder = with(GUARD, &both);
    folder.write("p/other.ts", &other);
    let ended = test(&folder, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Of one file alone, the cases of its neighbours are not its own.
    let alone = format!(
        "name: the other\npolicy: other.test.example\nobject: {}\nexpect: {{ allowed: false }}\n",
        map("a: fine")
    );
    folder.write("p/cases/other.yaml", &alone);
    folder.write(
        "p/cases/a.yaml",
        &format!("name: mine\npolicy: guard.test.example\nobject: {}\nexpect: {{ allowed: false }}\n", map("a: bad")),
    );
    let ended = bylaw(&["test", "-p", &folder.argument("p/policy.ts"), "-o", "json"]);
    assert_eq!((ended.code, results(&ended)["passed"].clone()), (Some(0), json!(1)), "{ended:?}");
}

#[test]
fn a_package_has_its_cases_beside_its_manifest() {
    let cases = format!("name: a\nobject: {}\nexpect: {{ allowed: false }}\n", map("a: bad"));
    let folder = Folder::new(&[
        ("package.json", r#"{"bylaw": {"policies": "./policies/index.ts"}}"#),
        ("policies/index.ts", GUARD),
        ("cases/a.yaml", &cases),
    ]);
    assert_eq!(test(&folder, &[]).code, Some(0));
}

#[test]
fn a_filter_leaves_the_cases_with_its_text() {
    let case = |name: &str| format!("name: {name}\nobject: {}\nexpect: {{ allowed: false }}\n", map("a: bad"));
    let folder = with(GUARD, &[case("a registry"), case("a tag")].join("---\n"));
    let ended = test(&folder, &["--filter", "regis", "-o", "json"]);
    assert_eq!(results(&ended)["passed"], 1);
    let ended = test(&folder, &["--filter", "nothing"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(2), "error: no case's name has \"nothing\" in it\n"));
}

#[test]
fn a_miss_is_told_with_its_place_both_sides_and_what_was_logged() {
    let out = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: m, namespace: shop, labels: { a: b } }, data: { stamp: other } }";
    let cases = format!(
        "name: it is stamped\nobject: {}\nexpect: {{ patched: {out} }}\n---\nname: it is denied\npolicy: guard.test.example\nobject: {}\nexpect: {{ allowed: false, message: nope, fields: [data.a] }}\n---\nname: it holds\npolicy: guard.test.example\nobject: {}\nexpect: {{ allowed: true }}\n",
        map("stamp: none"),
        map("b: bad"),
        map("a: fine")
    );
    let folder = with(GUARD, &cases);
    folder.write("p/stamp.ts", STAMP);
    let ended = test(&folder, &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let text = ended.out.replace(&folder.argument(""), "").replace(folder.path().to_str().unwrap(), "");
    let (body, time) = text.rsplit_once(" in ").unwrap();
    assert!(time.ends_with(" s\n"), "{time}");
    insta::assert_snapshot!("test-misses", body);
}

#[test]
fn junit_has_each_case_with_its_place() {
    let cases = format!(
        "name: good\nobject: {0}\nexpect: {{ allowed: false }}\n---\nname: bad\nobject: {0}\nexpect: {{ allowed: true }}\n",
        map("a: bad")
    );
    let ended = test(&with(GUARD, &cases), &["-o", "junit"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    for part in [
        r#"tests="2" skipped="0" failures="1""#,
        r#"<testcase name="good""#,
        "p/cases/a.yaml:5:1",
        "expected true",
        "not as expected: allowed",
    ] {
        assert!(ended.out.contains(part), "{part} is not in {}", ended.out);
    }
}

#[test]
fn update_writes_what_comes_out_and_nothing_else() {
    let text = format!(
        "# first\nname: a # one\nobject: {0}\nexpect:\n  # as it comes out\n  patched:\n    kind: Other\n---\nname: b\nobject: {0}\nexpect: {{ patched: }}\n---\nname: c\nobject: {0}\nexpect: {{ allowed: false }} # stays wrong\n",
        map("stamp: none")
    );
    let folder = with(STAMP, &text);
    let ended = test(&folder, &["--update"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("wrote ") && ended.out.contains("1 failed, 2 passed"), "{}", ended.out);
    let written = std::fs::read_to_string(folder.file("p/cases/a.yaml")).unwrap();
    for kept in [
        "# first\nname: a # one\n",
        "  # as it comes out\n  patched:\n    apiVersion: v1\n",
        "---\nname: b\n",
        "expect: { allowed: false } # stays wrong\n",
    ] {
        assert!(written.contains(kept), "{kept} is not in {written}");
    }
    let again = test(&folder, &["--update"]);
    assert!(again.out.contains("1 failed, 2 passed") && !again.out.contains("wrote"), "{}", again.out);
}

#[test]
fn coverage_names_the_lines_of_the_typescript_that_no_case_runs() {
    let policy = "import { policy } from \"@bylaw/sdk\";\n\ninterface Wanted {\n  a: string;\n}\n\nfunction never(): number {\n  const many = 1;\n  return many;\n}\n\nexport default policy({\n  name: \"cover.test.example\",\n  match: { resources: [\"configmaps\"] },\n  validate({ object, deny }) {\n    const data = object.data as unknown as Wanted;\n    if (data.a === \"bad\") {\n      deny(\"bad\");\n    } else if (data.a === \"odd\") {\n      deny(`odd ${never()}`);\n    }\n  },\n});\n";
    let folder = with(policy, &format!("name: a\nobject: {}\nexpect: {{ allowed: false }}\n", map("a: bad")));
    let lcov = folder.argument("lcov.info");
    let ended = test(&folder, &["--coverage", "--lcov", &lcov, "-o", "json"]);
    let file = &results(&ended)["coverage"][0];
    assert!(file["file"].as_str().unwrap().ends_with("p/policy.ts"), "{file}");
    assert_eq!(file["uncovered"], json!([7, 9, 19, 20]), "{file}");
    let lcov = std::fs::read_to_string(lcov).unwrap();
    for line in ["DA:18,1\n", "DA:20,0\n", "DA:9,0\n", "end_of_record\n"] {
        assert!(lcov.contains(line), "{line} is not in {lcov}");
    }
    let text = test(&folder, &["--coverage"]).out;
    assert!(text.contains("policy.ts  7-9, 19-20\n"), "{text}");
}

#[test]
fn a_script_in_a_manifest_is_tested_and_covered_line_by_line() {
    let manifest = "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: { name: script.test.example }\nspec:\n  operations: [CREATE]\n  resources: [configmaps]\n  javascript: |\n    if (request.object.data.a === \"bad\") {\n      deny(\"bad\");\n    }\n    if (request.object.data.a === \"odd\") {\n      deny(\"odd\");\n    }\n";
    let folder = Folder::new(&[
        ("p/policy.yaml", manifest),
        (
            "p/cases/a.yaml",
            &format!("name: a\nobject: {}\nexpect: {{ allowed: false, message: bad }}\n", map("a: bad")),
        ),
    ]);
    let ended = test(&folder, &["--coverage", "-o", "json"]);
    assert_eq!((ended.code, &results(&ended)["coverage"][0]["uncovered"]), (Some(0), &json!([11, 12])), "{ended:?}");
}

#[test]
fn policies_that_keep_state_or_loop_are_judged_like_on_a_server() {
    let counting = "import { policy } from \"@bylaw/sdk\";\nlet seen = 0;\nexport default policy({ name: \"count.test.example\", match: { resources: [\"configmaps\"] }, validate({ object, deny }) { seen += 1; if (object.data?.loop) for (;;); deny(`seen ${seen}`); } });\n";
    let case =
        |name: &str, data: &str, expect: &str| format!("name: {name}\nobject: {}\nexpect: {{ {expect} }}\n", map(data));
    let cases = [
        case("a", "a: b", "message: seen 1"),
        case("b", "loop: x", "error: 'processor time'"),
        case("c", "a: b", "message: seen 1"),
    ];
    let ended = test(&with(counting, &cases.join("---\n")), &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn an_error_that_a_policy_lets_pass_is_a_miss_all_the_same() {
    let policy = "import { policy } from \"@bylaw/sdk\";\nexport default policy({ name: \"deep.test.example\", onError: \"Allow\",\n  \
                  match: { resources: [\"configmaps\"], matchConditions: [{ name: \"deep\", expression: \"object.spec.replicas > 1\" }] },\n  \
                  validate({ deny }) { deny(\"no\"); } });\n";
    let case =
        "name: passes\nobject: { apiVersion: v1, kind: ConfigMap, metadata: { name: a } }\nexpect: { allowed: true }\n";
    let ended = test(&with(policy, case), &["-o", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.out.contains("deep"), "{ended:?}");
    let told = case.replace("allowed: true", "allowed: true, error: true");
    assert_eq!(test(&with(policy, &told), &[]).code, Some(0));
}
