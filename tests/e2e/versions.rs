//! `matchPolicy`: a policy for one version of a kind judges objects that clients send as another.

use serde_json::{Value, json};

use super::bylaw::with_bylaw;
use super::objects::config_map;
use super::policies::{PolicyFile, policy};

const V1: &str = "autoscaling/v1/horizontalpodautoscalers";
const V2: &str = "autoscaling/v2/horizontalpodautoscalers";

/// Refuses autoscalers beyond ten replicas, and says which version it saw.
fn bounded(name: &str, version: &str, match_policy: &str) -> PolicyFile {
    let handler = format!(
        r#"
        match: {{
          apiGroups: ["autoscaling"], apiVersions: ["{version}"], resources: ["horizontalpodautoscalers"],
          matchPolicy: "{match_policy}",
        }},
        validate({{ object, request, deny }}) {{
          if (object.spec.maxReplicas > 10) deny(`${{object.apiVersion}} of ${{request.requestKind.version}}`);
        }},
        "#
    );
    policy(name, &handler)
}

fn autoscaler(version: &str) -> Value {
    json!({
        "apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"maxReplicas": 11, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
    })
}

#[test]
fn an_equivalent_policy_sees_its_own_version_whatever_was_sent() {
    with_bylaw([bounded("old", "v1", "Equivalent")], |bylaw| {
        let refusal = bylaw.rejects(V2, &autoscaler("v2"));
        assert!(refusal.contains("[old.e2e.example.com] autoscaling/v1 of v2"), "{refusal}");
        let refusal = bylaw.rejects(V1, &autoscaler("v1"));
        assert!(refusal.contains("[old.e2e.example.com] autoscaling/v1 of v1"), "{refusal}");
    });
}

#[test]
fn an_exact_policy_sees_what_was_sent_as_its_own_version_only() {
    with_bylaw([bounded("exact", "v1", "Exact")], |bylaw| {
        assert!(bylaw.rejects(V1, &autoscaler("v1")).contains("[exact.e2e.example.com]"));
        bylaw.accepts(V2, &autoscaler("v2"));
    });
}

#[test]
fn a_policy_for_one_version_does_not_hide_requests_from_that_for_another() {
    // One call of a webhook carries one version: rules for both in one webhook would ask the policy of the sent version only.
    for (strict, lenient) in [("v1", "v2"), ("v2", "v1")] {
        let harmless = bounded("lenient", lenient, "Equivalent");
        let harmless = PolicyFile { text: harmless.text.replace("> 10", "> 1000"), ..harmless };
        with_bylaw([bounded("strict", strict, "Equivalent"), harmless], |bylaw| {
            for (path, sent) in [(V1, "v1"), (V2, "v2")] {
                let refusal = bylaw.rejects(path, &autoscaler(sent));
                assert!(
                    refusal.contains(&format!("[strict.e2e.example.com] autoscaling/{strict} of {sent}")),
                    "{refusal}"
                );
            }
        });
    }
}

#[test]
fn a_mutation_runs_once_however_many_webhooks_there_are() {
    let appending = |name: &str, match_policy: &str| {
        let handler = format!(
            r#"
            match: {{ resources: ["configmaps"], operations: ["CREATE"], matchPolicy: "{match_policy}" }},
            mutate({{ object }}) {{ object.data.trace = `${{object.data.trace ?? ""}}{name}`; }},
            "#
        );
        policy(name, &handler)
    };
    with_bylaw([appending("x", "Equivalent"), appending("y", "Exact")], |bylaw| {
        let stored = bylaw.accepts("configmaps", &config_map("a", json!({"own": "yes"})));
        assert_eq!(stored["data"]["trace"], "xy");
    });
}
