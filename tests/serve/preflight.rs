//! A tenant's own `apply` and the host's policies, offline: what `bylaw review --vantage virtual` says.

use serde_json::Value;

use super::command::{Ended, bylaw};
use super::folder::Folder;

const POLICIES: &str = "
import { policy } from \"@bylaw/sdk\";
const match = { resources: [\"pods\", \"secrets\"], operations: [\"CREATE\", \"UPDATE\"], vantage: \"host\" } as const;
export default [
  policy({
    name: \"limits.policies.example\", match,
    validate({ object, deny }) {
      const { name, namespace } = object.metadata!;
      deny(`${namespace}/${name} is too large; ask bank in vc-bank`, { field: \"spec.containers[0].resources\" });
    },
  }),
  policy({ name: \"broken.policies.example\", match, validate() { throw new Error(\"broken\"); } }),
];";

const INVENTORY: &str = "
apiVersion: bylaw.dev/v1alpha1
kind: VirtualCluster
metadata: {namespace: vc-bank, name: bank}
---
apiVersion: bylaw.dev/v1alpha1
kind: VirtualCluster
metadata: {namespace: vc-one, name: dev}
spec: {version: 0.36.0}
";

fn review(manifest: &str, arguments: &[&str]) -> Ended {
    let folder = Folder::new(&[("p.ts", POLICIES), ("inventory.yaml", INVENTORY), ("object.yaml", manifest)]);
    let (policies, object) = (folder.argument("p.ts"), folder.argument("object.yaml"));
    let inventory = folder.argument("inventory.yaml");
    let common = ["review", "-p", &policies, "--object", &object, "--inventory", &inventory, "-o", "json"];
    bylaw(&[&common, arguments].concat())
}

fn response(ended: &Ended) -> Value {
    let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    answer["response"].clone()
}

const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: team-a}, spec: {containers: [{name: c, image: a}]}}";
const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: web, namespace: team-a}}";
const INSIDE: [&str; 6] = ["--vantage", "virtual", "--vcluster", "vc-one/dev", "--user", "jane"];
const TOLD: &str = "[limits.policies.example] the host would refuse it (pre-flight): team-a/web is too large; ask (hidden) in (hidden)";

#[test]
fn a_tenants_pod_is_refused_at_once_in_his_own_words() {
    let ended = review(POD, &INSIDE);
    let response = response(&ended);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(response["status"]["message"], TOLD);
    assert_eq!(response["status"]["details"]["causes"][0]["field"], "spec.containers[0].resources");
    assert_eq!(response["auditAnnotations"]["limits.policies.example.preflight"], "denied");
    assert!(!ended.out.contains("bank") && !ended.out.contains("-x-"), "{ended:?}");
}

#[test]
fn what_may_never_come_to_the_host_is_warned_of() {
    let ended = review(SECRET, &INSIDE);
    assert_eq!((ended.code, &response(&ended)["warnings"][0]), (Some(0), &Value::from(TOLD)), "{ended:?}");
}

#[test]
fn a_virtual_cluster_that_nobody_names_has_no_host_to_ask() {
    let ended = review(POD, &["--vantage", "virtual"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
