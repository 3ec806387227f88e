//! What `bylaw lint` says of policies for a host of virtual clusters.

use super::lint_rules::{findings, folder_of};

/// A policy that changes pods, and the case that it changes something in.
fn mutating(rules: &str, members: &str, body: &str) -> String {
    format!(
        "import {{ policy }} from \"@bylaw/sdk\";
import type {{ Pod }} from \"@bylaw/sdk/k8s/core/v1\";

export default policy<Pod>({{
  name: \"p.pods.example.com\",
  match: {{ resources: [\"pods\"], {rules} }},
  {members}
  mutate({{ object, deny }}) {{
    {body}
    if (object.metadata!.name === \"web\") deny(\"always\");
  }},
}});
"
    )
}

const CREATE: &str = "operations: [\"CREATE\"]";

#[track_caller]
fn found(rules: &str, members: &str, body: &str) -> Vec<String> {
    let all = findings(&folder_of(&mutating(rules, members, body)), &[]);
    all.into_iter().filter(|one| one.starts_with("host-mutation")).collect()
}

const GATE: &str = "object.spec!.schedulingGates = [{ name: \"example.com/gate\" }];";
const IMAGE: &str = "for (const one of object.spec!.containers) one.image = `mirror/${one.image}`;";
const LABEL: &str = "object.metadata!.labels ??= {}; object.metadata!.labels[\"cost\"] = \"a\";";
const SELECT: &str = "object.spec!.nodeSelector = { pool: \"a\" };";

#[test]
fn mutations_on_the_host_that_do_not_stay_there_alone_are_found() {
    for vantage in ["host", "both"] {
        let rules = format!("{CREATE}, vantage: \"{vantage}\"");
        for (body, told) in [
            (GATE, "spec.schedulingGates breaks sync: "),
            (IMAGE, "spec.containers[].image reverted: "),
            (LABEL, "metadata.labels.cost leaks to the tenant: "),
        ] {
            let found = found(&rules, "", body);
            assert!(found.iter().any(|one| one.contains(told)), "{vantage} {body}: {found:#?}");
        }
        assert_eq!(found(&rules, "", SELECT), [] as [&str; 0]);
    }
    assert!(!found(&format!("{CREATE}, tenants: [\"acme\"]"), "", GATE).is_empty(), "it is about tenants");
}

#[test]
fn what_is_not_for_the_host_or_meant_is_left_alone() {
    for rules in [CREATE.to_owned(), format!("{CREATE}, vantage: \"virtual\"")] {
        assert_eq!(found(&rules, "", GATE), [] as [&str; 0], "{rules}");
    }
    let host = format!("{CREATE}, vantage: \"host\"");
    assert_eq!(found(&host, "hostMutations: \"Allow\",", GATE), [] as [&str; 0]);
    let repeated = "operations: [\"CREATE\", \"UPDATE\"], vantage: \"host\"";
    assert_eq!(found(repeated, "", IMAGE), [] as [&str; 0], "it stays where it is made again each time");
    let meant = format!("// bylaw-lint-ignore host-mutation: the tenant may see it\n    {LABEL}");
    assert_eq!(found(&host, "", &meant), [] as [&str; 0]);
}
