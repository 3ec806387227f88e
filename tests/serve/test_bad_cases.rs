//! Cases that are written wrongly: told with file, line, column and mend, code 2, and nothing is run.

use super::command::bylaw;
use super::folder::Folder;

const POLICY: &str = r#"import { policy } from "@bylaw/sdk";
export default policy({ name: "bad.test.example", match: { resources: ["pods"] }, validate() {} });
"#;

const POD: &str = "object: { apiVersion: v1, kind: Pod, metadata: { name: a } }";

/// What is told of these cases, without the folder.
#[track_caller]
fn told(cases: &str) -> String {
    let folder = Folder::new(&[("policy.ts", POLICY), ("cases/a.yaml", cases)]);
    told_of(&folder)
}

#[track_caller]
fn told_of(folder: &Folder) -> String {
    let ended = bylaw(&["test", "-p", &folder.argument("")]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    let whole = folder.path().display().to_string();
    ended.err.replace(&format!("{whole}/"), "").replace(&whole, "the folder")
}

#[track_caller]
fn is_told(cases: &str, expected: &str) {
    let told = told(cases);
    assert!(told.starts_with(&format!("error: {expected}")), "{told}");
}

#[test]
fn yaml_that_cannot_be_read_is_told_with_its_place() {
    is_told("name: a\nobject: [1\n", "cases/a.yaml:");
    is_told("name: a\nname: b\n", "cases/a.yaml:2:1: ");
    is_told("- just\n- a list\n", "cases/a.yaml:1:1: ");
}

#[test]
fn an_unknown_field_is_told_with_the_near_one() {
    is_told(
        &format!("name: a\nobjet: 1\n{POD}\nexpect: {{ allowed: true }}\n"),
        "cases/a.yaml:2:1: objet: is not a field; did you mean `object`?\n",
    );
    is_told(
        &format!("name: a\n{POD}\nexpect: {{ allowed: true, mesage: x }}\n"),
        "cases/a.yaml:3:26: mesage: is not a field; did you mean `message`?\n",
    );
    is_told(
        &format!("name: a\nzzz: 1\n{POD}\nexpect: {{ allowed: true }}\n"),
        "cases/a.yaml:2:1: zzz: is not a field; there are name, policy, ",
    );
}

#[test]
fn a_request_and_an_object_together_are_refused() {
    is_told(
        &format!("name: a\nrequest: {{ }}\n{POD}\nuser: jane\nexpect: {{ allowed: true }}\n"),
        "cases/a.yaml:2:1: `request` says all of the request: leave out `object` and `user`\n",
    );
    is_told(
        &format!("name: a\n{POD}\nobjectFile: x.yaml\nexpect: {{ allowed: true }}\n"),
        "cases/a.yaml:3:1: `object` and `objectFile` are both there",
    );
}

#[test]
fn a_case_about_no_known_policy_is_refused() {
    is_told(
        &format!("name: a\npolicy: bat.test.example\n{POD}\nexpect: {{ allowed: true }}\n"),
        "cases/a.yaml:2:9: policy: bat.test.example is no policy of the folder; did you mean `bad.test.example`?\n",
    );
    let folder = Folder::new(&[
        ("policy.ts", POLICY),
        ("inner/helper.ts", "export const a = 1;\n"),
        ("inner/cases/a.yaml", &format!("name: a\n{POD}\nexpect: {{ allowed: true }}\n")),
    ]);
    assert!(told_of(&folder).contains("inner/cases/a.yaml:1:1: there is no policy in inner that this case is about"));
}

#[test]
fn a_case_that_expects_nothing_is_refused() {
    is_told(
        &format!("name: a\n{POD}\n"),
        "cases/a.yaml:1:1: expects nothing: say in `expect` what the answer is to be",
    );
    is_told(&format!("name: a\n{POD}\nexpect:\n"), "cases/a.yaml:1:1: expects nothing");
    is_told(&format!("name: a\n{POD}\nexpect: {{ }}\n"), "cases/a.yaml:3:9: expect: is empty");
}

#[test]
fn names_are_there_and_each_but_once() {
    let case = format!("name: twice\n{POD}\nexpect: {{ allowed: true }}\n");
    is_told(
        &format!("{case}---\n{case}"),
        "cases/a.yaml:5:1: the name \"twice\" is that of the case at cases/a.yaml:1:1 already\n",
    );
    is_told(&format!("{POD}\nexpect: {{ allowed: true }}\n"), "cases/a.yaml:1:1: a case has no name");
}

#[test]
fn a_folder_without_cases_is_told() {
    for files in [
        &[("policy.ts", POLICY)][..],
        &[("policy.ts", POLICY), ("cases/empty.yaml", "---\n# nothing\n")],
        &[("policy.ts", POLICY), ("cases/.keep", "")],
    ] {
        let told = told_of(&Folder::new(files));
        assert!(
            told.starts_with("error: there are no cases beside the policies of the folder: write them as cases/*.yaml"),
            "{told}"
        );
    }
}

#[test]
fn policies_that_are_asked_about_no_request_have_no_cases() {
    let controller = "import { policy } from \"@bylaw/sdk\";\nexport default policy({ name: \"a.b.c\", match: { resources: \
                      [\"pods\"] }, reconcile() {} });\n";
    let told = told_of(&Folder::new(&[("policy.ts", controller)]));
    assert!(
        told.starts_with("error: cases are about requests, and there is no policy that is asked about any:\n"),
        "{told}"
    );
    assert!(told.contains("\n  a.b.c: reconciles objects; test it with `reconcile` of @bylaw/sdk/testing"), "{told}");
}

#[test]
fn values_of_the_wrong_type_are_told_with_their_place() {
    for (field, expected) in [
        ("operation: PATCH", "cases/a.yaml:2:12: operation: must be one of CREATE, UPDATE, DELETE, CONNECT"),
        ("groups: admins", "cases/a.yaml:2:9: groups: must be a list of names, not text"),
        ("dryRun: maybe", "cases/a.yaml:2:9: dryRun: must be true or false, not text"),
        ("now: tomorrow", "cases/a.yaml:2:6: now: must be a time such as 2026-03-01T12:00:00Z"),
        ("vantage: moon", "cases/a.yaml:2:10: vantage: must be host or virtual"),
        ("tenant: { nme: a }", "cases/a.yaml:2:9: tenant.nme: is not a field; there are kind, trusted, name"),
        ("tenant: { name: 1 }", "cases/a.yaml:2:9: tenant.name: is of the wrong type"),
        ("parameters: [1]", "cases/a.yaml:2:13: parameters: must be a mapping"),
        ("inventory: [{ kind: Pod }]", "cases/a.yaml:2:12: inventory: "),
        (
            "namespace: { labels: { a: [] } }",
            "cases/a.yaml:2:12: namespace: must be a name, or a mapping of name and labels",
        ),
    ] {
        is_told(&format!("name: a\n{field}\n{POD}\nexpect: {{ allowed: true }}\n"), expected);
    }
    for (field, expected) in [
        ("allowed: 'yes'", "allowed: must be true or false, not text"),
        ("fields: spec", "fields: must be a list of fields, not text"),
        ("code: forbidden", "code: must be an HTTP status code, not text"),
        ("message: [a]", "message: must be a part of it, { contains: … } or { equals: … }, not a list"),
        ("patch: { op: add }", "patch: must be a list of operations of RFC 6902"),
        ("writes: [{ verb: create }]", "writes: each says its `op`"),
    ] {
        let told = told(&format!("name: a\n{POD}\nexpect: {{ {field} }}\n"));
        assert!(told.starts_with("error: cases/a.yaml:3:") && told.contains(expected), "{told}");
    }
}

#[test]
fn objects_that_are_none_are_told() {
    is_told(
        "name: a\nobject: { kind: Pod, metadata: { name: a } }\nexpect: { allowed: true }\n",
        "cases/a.yaml:2:9: object: has no apiVersion\n",
    );
    is_told("name: a\nobject: pod\nexpect: { allowed: true }\n", "cases/a.yaml:2:9: object: must be an object");
    is_told("name: a\nexpect: { allowed: true }\n", "cases/a.yaml:1:1: asks about nothing");
    is_told(
        &format!(
            "name: a\nnamespace: other\n{}\nexpect: {{ allowed: true }}\n",
            POD.replace("name: a", "name: a, namespace: shop")
        ),
        "cases/a.yaml:1:1: namespace: is other, but the object is of shop\n",
    );
}

#[test]
fn an_object_file_stays_within_the_policys_folder() {
    for (path, expected) in [
        ("/etc/hostname", "objectFile: must be a path from the folder of the case"),
        ("../../x.yaml", "objectFile: must be a path from the folder of the case"),
        ("nope.yaml", "objectFile: cases/nope.yaml cannot be read: "),
    ] {
        is_told(
            &format!("name: a\nobjectFile: {path}\nexpect: {{ allowed: true }}\n"),
            &format!("cases/a.yaml:2:13: {expected}"),
        );
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let told = told(&format!("name: a\n{POD}\n---\nname: b\nobjet: 1\nexpect: {{ allowed: 1 }}\n"));
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn parameters_that_the_schema_refuses_are_told_with_their_place() {
    let policy = POLICY.replace(
        "validate",
        "parameters: { schema: { type: \"object\", properties: { n: { type: \"integer\" } } } }, validate",
    );
    let folder = Folder::new(&[
        ("policy.ts", &policy),
        ("cases/a.yaml", &format!("name: a\nparameters: {{ n: many }}\n{POD}\nexpect: {{ allowed: true }}\n")),
    ]);
    let told = told_of(&folder);
    assert!(told.starts_with("error: cases/a.yaml:2:13: ") && told.contains("parameters.n"), "{told}");
}

#[test]
fn a_policy_that_does_not_load_is_told_and_its_cases_are_not_run() {
    let case = format!("name: a\n{POD}\nexpect: {{ allowed: true }}\n");
    let folder = Folder::new(&[("policy.ts", "export default policy({"), ("cases/a.yaml", &case)]);
    assert!(told_of(&folder).starts_with("error: policy.ts:1:"));
}

#[test]
fn a_virtual_vantage_is_not_taken_for_the_hosts() {
    let ends = |of_policy: &str, of_case: &str| {
        let policy = format!(
            "export default {{ name: \"a.policies.example\", match: {{ resources: [\"pods\"], vantage: \"{of_policy}\" }}, \
             validate({{ deny }}) {{ deny(\"asked\"); }} }};"
        );
        let case = format!("name: a\nvantage: {of_case}\n{POD}\nexpect: {{ allowed: false }}\n");
        let folder = Folder::new(&[("policy.ts", &policy), ("cases/a.yaml", &case)]);
        bylaw(&["test", "-p", &folder.argument("")]).code
    };
    for vantage in ["host", "virtual"] {
        assert_eq!((ends(vantage, vantage), ends("both", vantage)), (Some(0), Some(0)), "{vantage}");
    }
    // No policy matches, and nobody denies.
    assert_eq!((ends("host", "virtual"), ends("virtual", "host")), (Some(1), Some(1)));
}
