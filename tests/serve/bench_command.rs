//! `bylaw bench`: what policies take on one request; 0 within their limits, 1 not, 2 could not run.

use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;

const POLICY: &str = r#"import { policy } from "@bylaw/sdk";
export default [
  policy({ name: "quick.bench.example", match: { resources: ["configmaps"] }, validate() {} }),
  policy({
    name: "stamp.bench.example",
    match: { resources: ["configmaps"] },
    validate({ object, deny }) { if (object.data.stamp !== "set") deny("has no stamp"); },
    mutate({ object }) { object.data.stamp = "set"; },
  }),
  policy({ name: "other.bench.example", match: { resources: ["pods"] }, validate() {} }),
];
"#;

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {a: fine}\n";

/// `bylaw bench` of this policy on the object, ten runs.
fn bench(policy: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new(&[("policies/policy.ts", policy), ("object.yaml", OBJECT)]);
    let (policies, object) = (folder.argument("policies"), folder.argument("object.yaml"));
    bylaw(&[&["bench", "-p", &policies, "--object", &object, "--runs", "10"], arguments].concat())
}

#[track_caller]
fn report(ended: &Ended) -> Value {
    assert_eq!(ended.err, "", "{ended:?}");
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn validating(body: &str) -> String {
    format!(
        "import {{ policy }} from \"@bylaw/sdk\";\nexport default policy({{ name: \"one.bench.example\", \
         match: {{ resources: [\"configmaps\"] }}, validate() {{ {body} }} }});\n"
    )
}

#[test]
fn each_handler_that_matches_is_measured() {
    let ended = bench(POLICY, &["-o", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = report(&ended);
    assert_eq!(report["runs"], 10);
    let policies = report["policies"].as_array().unwrap();
    let told: Vec<_> = policies.iter().map(|one| json!([one["policy"], one["handler"], one["verdict"]])).collect();
    assert_eq!(
        Value::from(told),
        json!([
            ["stamp.bench.example", "mutate", "mutates"],
            ["quick.bench.example", "validate", "allows"],
            ["stamp.bench.example", "validate", "allows"],
        ])
    );
    for one in policies {
        let [p50, p99, max] = ["p50Micros", "p99Micros", "maxMicros"].map(|figure| one[figure].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{one}");
        // Module policies have a second of processor time, less than the ten seconds that the webhook has.
        assert_eq!((&one["withinLimits"], &one["limitMicros"]), (&json!(true), &json!(1e6)), "{one}");
    }
    // The one that writes text takes more memory than the one that does nothing.
    let allocated = |at: usize| policies[at]["allocatedBytes"].as_u64().unwrap();
    assert!(allocated(0) > allocated(1), "{report:#}");
    assert!(report["review"]["p50Micros"].as_f64() > policies[0]["p50Micros"].as_f64());
}

#[test]
fn the_text_is_a_table_and_yaml_says_the_same_as_json() {
    let text = bench(POLICY, &[]);
    assert_eq!((text.code, text.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", text.out);
    assert!(lines[0].starts_with("policy ") && lines[0].ends_with("limits (10 runs)"), "{}", text.out);
    assert!(lines[1].starts_with("stamp.bench.example  mutate    mutates "), "{}", text.out);
    assert!(lines[2].contains("kept: at most "), "{}", text.out);
    let yaml: Value = serde_saphyr::from_str(&bench(POLICY, &["-o", "yaml"]).out).unwrap();
    assert_eq!(yaml["policies"][2]["handler"], "validate");
}

#[test]
fn a_denial_is_measured_like_an_allowance() {
    let ended = bench(&validating("arguments[0].deny('no');"), &["-o", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(report(&ended)["policies"][0]["verdict"], "denies");
}

#[test]
fn a_policy_that_must_be_stopped_is_1_and_runs_no_more() {
    let ended = bench(&validating("for (;;);"), &["-o", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = report(&ended);
    assert_eq!(report["policies"][0]["withinLimits"], false, "{report:#}");
    assert_eq!(report["policies"][0]["verdict"], "fails");
    assert!(report["runs"].as_u64() < Some(10), "{report:#}");
    let text = bench(&validating("for (;;);"), &[]);
    assert!(text.code == Some(1) && text.out.contains("NOT KEPT: "), "{text:?}");
}

#[test]
fn a_policy_that_throws_is_1_though_within_its_limits() {
    let ended = bench(&validating("throw new Error('oops');"), &["-o", "json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let one = &report(&ended)["policies"][0];
    assert_eq!(one["withinLimits"], true);
    assert!(one["failure"].as_str().unwrap().contains("oops"), "{one}");
}

#[test]
fn a_script_is_measured_against_its_own_timeout() {
    let manifest = "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata: {name: script.bench.example}\n\
                    spec:\n  operations: [CREATE]\n  resources: [configmaps]\n  timeoutSeconds: 3\n  javascript: 'allow()'\n";
    let folder = Folder::new(&[("policies/script.yaml", manifest), ("object.yaml", OBJECT)]);
    let (policies, object) = (folder.argument("policies"), folder.argument("object.yaml"));
    let ended = bylaw(&["bench", "-p", &policies, "--object", &object, "--runs", "3", "-o", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(report(&ended)["policies"][0]["limitMicros"], 3e6);
}

#[test]
fn what_cannot_be_measured_is_2() {
    let folder = Folder::new(&[
        ("policies/policy.ts", POLICY),
        ("object.yaml", OBJECT),
        ("two.yaml", &format!("{OBJECT}---\n{OBJECT}")),
        ("other.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"),
    ]);
    let policies = folder.argument("policies");
    for (object, named) in [
        ("two.yaml", "2 objects are given: measure one at a time"),
        ("other.yaml", "no policy matches Secret a"),
        ("nope.yaml", "nope.yaml"),
    ] {
        let ended = bylaw(&["bench", "-p", &policies, "--object", &folder.argument(object)]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{object}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains(named), "{object}: {}", ended.err);
    }
}
