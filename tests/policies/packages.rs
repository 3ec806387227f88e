//! Popular npm packages in the real engine, imported by name from `node_modules`: right answers, under the lockdown.
//! They are dev dependencies of `sdk-ts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The installed packages. Where there are none the test is said to be skipped; on CI that is a failure.
fn packages() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk-ts/node_modules");
    if folder.join("lodash-es").is_dir() {
        return Some(folder);
    }
    let missing = "the npm packages of sdk-ts; run `npm ci --ignore-scripts` there";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped {test}: {missing}\n")));
    None
}

/// What a policy denies the pod `web` with, and whether it may share its realm.
struct Answer {
    told: String,
    is_shared: bool,
}

/// Judges a pod by a policy whose `validate` denies with the JSON of `expression`.
fn answer(folder: &Path, imports: &str, permissions: &str, expression: &str) -> Answer {
    let policy = format!(
        "import {{ policy }} from \"@bylaw/sdk\";\n{imports}\nexport default policy({{ name: \"p.example.com\", {permissions} match: {{ resources: [\"pods\"] }},
           validate({{ object, now, deny }}) {{ deny(JSON.stringify({expression})); }} }});"
    );
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]}});
    let policies = folder.join("policies");
    fs::create_dir_all(&policies).unwrap();
    fs::write(policies.join("p.ts"), policy).unwrap();
    fs::write(folder.join("pod.json"), pod.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    command.arg("review").arg("-v").arg("-p").arg(&policies).arg("--object").arg(folder.join("pod.json"));
    let output = command.args(["-o", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no answer: {said}"));
    let message = answer["response"]["status"]["message"].as_str().unwrap_or_default();
    let told = message.strip_prefix("[p.example.com] ").unwrap_or_else(|| panic!("{answer}")).to_owned();
    Answer { told, is_shared: !said.contains("it runs in a fresh realm") }
}

/// A folder of policies with the packages above it.
fn project() -> Option<tempfile::TempDir> {
    let packages = packages()?;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
    Some(folder)
}

/// Whether the policy may share its realm; `imports` are statements.
#[track_caller]
fn answers(imports: &str, expression: &str, expected: &Value) -> Option<bool> {
    let Answer { told, is_shared } = answer(project()?.path(), imports, "", expression);
    assert_eq!(told, expected.to_string(), "{imports}");
    Some(is_shared)
}

#[test]
fn semver_gives_right_answers() {
    let asked = "[semver.satisfies('1.30.2', '^1.28'), semver.inc('1.2.3', 'minor'), semver.sort(['2.0.0', '1.0.0-rc.1', '1.0.0']), semver.valid('nope')]";
    let expected = json!([true, "1.3.0", ["1.0.0-rc.1", "1.0.0", "2.0.0"], null]);
    answers("import semver from \"semver\";", asked, &expected);
}

#[test]
fn lodash_gives_right_answers() {
    let asked = "[_.get(object, 'spec.containers[0].image'), _.groupBy([1, 2, 3], (n) => n % 2), _.merge({ a: { b: 1 } }, { a: { c: 2 } }), _.camelCase('Foo bar'),
        _.cloneDeep(new Map([[1, 2]])).get(1), _.isEqual({ a: [1] }, { a: [1] }), _.memoize((x) => x + 1)(1), _.chain([3, 1, 2]).sortBy().map((n) => n * 2).value(),
        typeof _.now(), _.uniqueId('id'), _.debounce === undefined]";
    let expected = json!([
        "nginx:1.29",
        {"0": [2], "1": [1, 3]},
        {"a": {"b": 1, "c": 2}},
        "fooBar",
        2,
        true,
        2,
        [2, 4, 6],
        "number",
        "id1",
        false,
    ]);
    let is_shared = answers("import _ from \"lodash\";", asked, &expected);
    assert!(is_shared != Some(true), "it counts its ids");
}

#[test]
fn lodash_es_gives_right_answers_and_brings_only_what_is_used() {
    let asked = "[get(object, 'spec.containers[0].image'), groupBy([1, 2, 3], (n: number) => n % 2), camelCase('Foo bar'), isEqual({ a: [1] }, { a: [1] })]";
    let expected = json!(["nginx:1.29", {"0": [2], "1": [1, 3]}, "fooBar", true]);
    answers("import { camelCase, get, groupBy, isEqual } from \"lodash-es\";", asked, &expected);
}

#[test]
fn zod_gives_right_answers() {
    let setup = "import { z } from \"zod\";\nconst Pod = z.object({ metadata: z.object({ name: z.string().min(1) }), spec: z.object({ containers: z.array(z.object({ image: z.string().regex(/^registry\\./) })).min(2) }) });";
    let asked = "Pod.safeParse(object).error.issues.map(({ path, code }) => [path.join('.'), code])";
    let expected = json!([["spec.containers.0.image", "invalid_format"], ["spec.containers", "too_small"]]);
    let is_shared = answers(setup, asked, &expected);
    assert!(is_shared != Some(true), "it has a registry");
}

#[test]
fn yaml_gives_right_answers() {
    let asked = "[parse('a: [1, 2]\\nb: &x {c: 3}\\nd: *x\\n'), stringify({ a: [1, { b: 'x: y' }] }), parseAllDocuments('a: 1\\n---\\nb: 2').length]";
    let expected = json!([{"a": [1, 2], "b": {"c": 3}, "d": {"c": 3}}, "a:\n  - 1\n  - b: \"x: y\"\n", 2]);
    answers("import { parse, parseAllDocuments, stringify } from \"yaml\";", asked, &expected);
}

#[test]
fn jmespath_gives_right_answers() {
    let asked = "[jmespath.search(object, \"spec.containers[?starts_with(image, 'nginx')].name | sort(@)\"), jmespath.search({ a: [3, 1] }, 'max(a)')]";
    answers("import jmespath from \"jmespath\";", asked, &json!([["web"], 3]));
}

#[test]
fn date_fns_gives_right_answers() {
    let asked = "[format(new Date(2020, 1, 29), 'yyyy-MM-dd EEEE'), addDays(parseISO('2020-02-28T00:00:00Z'), 2).toISOString(), differenceInHours(now, addDays(now, -1)), isSameSecond(now, new Date()), formatDistance(0, 3600000)]";
    let expected = json!(["2020-02-29 Saturday", "2020-03-01T00:00:00.000Z", 24, true, "about 1 hour"]);
    let what =
        "import { addDays, differenceInHours, format, formatDistance, isSameSecond, parseISO } from \"date-fns\";";
    answers(what, asked, &expected);
}

#[test]
fn ipaddr_gives_right_answers() {
    let asked = "[ip.parse('10.1.2.3').match(ip.parseCIDR('10.0.0.0/8')), ip.parse('2001:db8::1').toNormalizedString(), ip.process('::ffff:1.2.3.4').toString(), ip.parse('127.0.0.1').range()]";
    answers("import ip from \"ipaddr.js\";", asked, &json!([true, "2001:db8:0:0:0:0:0:1", "1.2.3.4", "loopback"]));
}

const SCHEMA: &str = r#"{"type":"object","required":["kind","nope"],"properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","minLength":4}}},"spec":{"type":"object","properties":{"containers":{"type":"array","maxItems":0,"uniqueItems":true}}}}}"#;

fn faults_of_ajv() -> Value {
    json!([
        ["", "must have required property 'nope'"],
        ["/metadata/name", "must NOT have fewer than 4 characters"],
        ["/spec/containers", "must NOT have more than 0 items"],
    ])
}

const FAULTS: &str = "(check(object), check.errors.map(({ instancePath, message }) => [instancePath, message]).sort())";

#[test]
fn ajv_compiles_with_the_permission_for_it() {
    let Some(folder) = project() else { return };
    let imports =
        format!("import {{ Ajv }} from \"ajv\";\nconst check: any = new Ajv({{ allErrors: true }}).compile({SCHEMA});");
    let Answer { told, .. } = answer(folder.path(), &imports, "permissions: { codegen: true },", FAULTS);
    assert_eq!(told, faults_of_ajv().to_string());
}

#[test]
fn ajv_compiled_beforehand_needs_no_permission() {
    let Some(folder) = project() else { return };
    let compile = format!(
        "const {{ Ajv }} = require('ajv'); const ajv = new Ajv({{ allErrors: true, code: {{ source: true }} }});
         console.log(require('ajv/dist/standalone').default(ajv, ajv.compile({SCHEMA})))"
    );
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk-ts");
    let output = Command::new("node").current_dir(sdk).arg("--eval").arg(compile).output().unwrap();
    let compiled = String::from_utf8(output.stdout).unwrap();
    assert!(compiled.contains("ucs2length"), "{compiled}{}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.path().join("check.cjs"), compiled).unwrap();
    let Answer { told, .. } = answer(folder.path(), "import check from \"../check.cjs\";", "", FAULTS);
    assert_eq!(told, faults_of_ajv().to_string());
}

#[test]
fn all_of_them_run_in_one_policy() {
    let Some(folder) = project() else { return };
    let imports = "import Ajv from \"ajv\";\nimport { format } from \"date-fns\";\nimport ip from \"ipaddr.js\";\n\
                   import jmespath from \"jmespath\";\nimport { camelCase } from \"lodash-es\";\nimport semver from \"semver\";\n\
                   import { parse } from \"yaml\";\nimport { z } from \"zod\";";
    let asked = "[new Ajv().validate({ type: 'string' }, 1), format(new Date(2020, 1, 29), 'yyyy'), ip.parse('127.0.0.1').range(),
        jmespath.search(object, 'kind'), camelCase('a b'), semver.inc('1.2.3', 'major'), parse('a: 1'), z.string().safeParse(1).success]";
    let Answer { told, .. } = answer(folder.path(), imports, "permissions: { codegen: true },", asked);
    assert_eq!(told, json!([false, "2020", "loopback", "Pod", "aB", "2.0.0", {"a": 1}, false]).to_string());
}
