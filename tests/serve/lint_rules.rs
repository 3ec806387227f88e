//! The rules of `bylaw lint`: each where it fires, where it does not, and with its mend.

use serde_json::Value;

use super::command::{Ended, bylaw};
use super::folder::Folder;

/// A case that reaches the pods' policies and one that is denied, so that other rules stand alone.
pub const CASES: &str = "name: a pod\nobject: {apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: web, image: a}]}}\nexpect: {allowed: false}\n";

/// A policy for pods that denies whatever else it does.
pub fn pods(members: &str, body: &str) -> String {
    let context = "{ object, oldObject, request, operation, parameters, now, deny, get, list, create, fetch, env }";
    format!(
        "import {{ containers, policy }} from \"@bylaw/sdk\";
import type {{ Pod }} from \"@bylaw/sdk/k8s/core/v1\";

export default policy<Pod>({{
  name: \"p.pods.example.com\",
  match: {{ resources: [\"pods\"], operations: [\"CREATE\"] }},
  {members}
  validate({context}) {{
    {body}
    deny(\"always\");
  }},
}});
"
    )
}

pub fn lint(folder: &Folder, arguments: &[&str]) -> Ended {
    let policies = folder.argument("policies");
    bylaw(&[&["lint", "-p", &policies], arguments].concat())
}

/// The findings of a folder: rule, line and message of each.
#[track_caller]
pub fn findings(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let ended = lint(folder, &[&["-o", "json"], arguments].concat());
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let found = report["findings"].as_array().unwrap();
    let wrong = found.iter().any(|finding| finding["level"] == "error");
    assert_eq!(ended.code, Some(i32::from(wrong)), "{ended:?}");
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    found.iter().map(|one| format!("{}:{}: {}", text(one, "rule"), one["line"], text(one, "message"))).collect()
}

pub fn folder_of(policy: &str) -> Folder {
    Folder::new(&[("policies/p.ts", policy), ("policies/cases/p.yaml", CASES)])
}

/// What is found in one policy of one file.
#[track_caller]
fn found(policy: &str) -> Vec<String> {
    findings(&folder_of(policy), &[])
}

#[track_caller]
pub fn fires(policy: &str, rule: &str, told: &str) {
    let found = found(policy);
    assert!(found.iter().any(|one| one.starts_with(rule) && one.contains(told)), "{rule} {told}: {found:#?}\n{policy}");
}

#[track_caller]
pub fn is_clean(policy: &str) {
    assert_eq!(found(policy), [] as [&str; 0], "{policy}");
}

/// Mends a policy and gives what became of it, which must be clean.
#[track_caller]
pub fn mended(policy: &str) -> String {
    let folder = folder_of(policy);
    let ended = lint(&folder, &["--fix"]);
    let text = std::fs::read_to_string(folder.file("policies/p.ts")).unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}\n{text}");
    assert!(ended.out.contains("mended"), "{ended:?}");
    assert_eq!(findings(&folder, &[]), [] as [&str; 0], "{text}");
    text
}

#[test]
fn a_field_that_the_type_does_not_have_is_found_wherever_the_object_goes() {
    for (body, field) in [
        ("if (object.spec?.hostNetwrok) deny(\"x\");", "hostNetwrok` is not a field of PodSpec"),
        ("const { hostNetwrok } = object.spec!; if (hostNetwrok) deny(\"x\");", "hostNetwrok"),
        (
            "for (const { container } of containers(object)) if (container.imagee) deny(\"x\");",
            "imagee` is not a field of Container",
        ),
        ("object.spec?.containers.forEach((one) => { if (one.imagee) deny(\"x\"); });", "imagee"),
        ("const spec = object.spec ?? {}; if (spec[\"hostPDI\"]) deny(\"x\");", "hostPDI"),
        ("if (oldObject?.metadata?.lables) deny(\"x\");", "lables` is not a field of ObjectMeta"),
        ("if (request.object?.spec?.hostNetwrok) deny(\"x\");", "hostNetwrok"),
        ("if (object.spec?.containers.image) deny(\"x\");", "this is a list of Container"),
        ("const first = (list) => list[0].imagee; if (first(object.spec!.containers)) deny(\"x\");", "imagee"),
    ] {
        fires(&pods("", body), "unknown-field", field);
    }
}

#[test]
fn fields_that_are_there_or_cannot_be_known_are_let_be() {
    is_clean(&pods(
        "",
        "const { spec, metadata: { labels } = {} } = object;
    if (spec?.hostNetwork || labels?.anything || spec?.containers.length === 0) deny(\"x\");
    let other = object.spec; other = JSON.parse(\"{}\"); if (other.whatever) deny(\"x\");
    if (object.spec?.containers.some(({ securityContext }) => securityContext?.privileged)) deny(\"x\");
    if (parameters.anything) deny(\"x\");",
    ));
}

#[test]
fn a_misspelt_field_is_mended_where_one_name_is_near() {
    let text = mended(&pods(
        "",
        "const { hostNetwrok } = object.spec!; if (hostNetwrok || object.spec?.hostPDI) deny(\"x\");",
    ));
    assert!(
        text.contains("const { hostNetwork: hostNetwrok } = object.spec!; if (hostNetwrok || object.spec?.hostPID)"),
        "{text}"
    );
}

#[test]
fn a_missing_permission_is_found_and_added() {
    let body = "get(\"v1/ConfigMap\", { namespace: \"a\", name: \"b\" }); env(\"REGION\"); void fetch(`https://api.example.com/${object.kind}`);";
    let policy = pods("", body);
    for told in ["read \"v1/ConfigMap\"", "variable \"REGION\"", "fetch from \"api.example.com\""] {
        fires(&policy, "missing-permission", told);
    }
    let text = mended(&policy);
    let added = "permissions: { read: [\"v1/ConfigMap\"], env: [\"REGION\"], net: [\"api.example.com\"] },";
    assert!(text.contains(added), "{text}");
    is_clean(&pods(
        "permissions: { read: [\"v1/*\"], net: [\"*.example.com\"] },",
        "get(\"v1/ConfigMap\", { name: \"b\" }); void fetch(\"https://api.example.com/x\");",
    ));
}

#[test]
fn an_unused_permission_is_found_and_taken_out_unless_anything_may_be_used() {
    let policy = pods(
        "permissions: { read: [\"v1/Secret\", \"v1/ConfigMap\"], env: [\"HOME\"] },",
        "get(\"v1/ConfigMap\", { name: \"b\" });",
    );
    fires(&policy, "unused-permission", "read \"v1/Secret\"");
    let text = mended(&policy);
    assert!(text.contains("permissions: { read: [\"v1/ConfigMap\"], env: [] },"), "{text}");
    for body in [
        "const kind = [\"v1\", \"Secret\"].join(\"/\"); get(kind, { name: \"b\" });",
        "const help = (read: typeof get) => read; help(get);",
    ] {
        is_clean(&pods("permissions: { read: [\"v1/Secret\"] },", body));
    }
}

fn matching(rules: &str) -> String {
    pods("", "").replace("match: { resources: [\"pods\"], operations: [\"CREATE\"] }", &format!("match: {{ {rules} }}"))
}

#[test]
fn a_match_that_can_never_be_is_found() {
    for (rules, told) in [
        ("resources: [\"pod\"]", "there is no resource pod"),
        ("apiGroups: [\"apps\"], resources: [\"pods\"]", "there is no resource pods in the API groups [\"apps\"]"),
        ("apiGroups: [\"app\"], resources: [\"deployments\"]", "there is no API group \"app\""),
        ("resources: [\"pods\"], operations: [\"CONNECT\"]", "no webhook is asked about pods with these operations"),
        (
            "resources: [\"pods\", \"pods/exec\"], operations: [\"DELETE\", \"CONNECT\", \"CREATE\", \"UPDATE\"], apiGroups: [\"\"], scope: \"Cluster\"",
            "pods is in namespaces",
        ),
        (
            "resources: [\"pods\", \"services\"], operations: [\"CREATE\", \"CONNECT\"]",
            "CONNECT never happens to these resources",
        ),
        ("resources: [\"pods/log\"]", "no webhook is asked about pods/log"),
        ("resources: [\"validatingwebhookconfigurations\"]", "no webhook is asked about"),
        (
            "resources: [\"pods\"], objectSelector: { matchLabels: { a: \"b\" }, matchExpressions: [{ key: \"a\", operator: \"NotIn\", values: [\"b\"] }] }",
            "asks of the label a",
        ),
        (
            "resources: [\"pods\"], operations: [\"CREATE\"], matchConditions: [{ name: \"never\", expression: \"request.operation == 'DELETE' && object.spec.x\" }]",
            "the condition \"never\" is never true",
        ),
        (
            "resources: [\"pods\"], matchConditions: [{ name: \"kind\", expression: \"request.kind.kind in ['Service', 'Node']\" }]",
            "never true",
        ),
    ] {
        fires(&matching(rules), "unreachable-match", told);
    }
}

#[test]
fn a_comparison_that_can_never_be_is_found() {
    fires(&pods("", "if (operation === \"DELETE\") deny(\"x\");"), "unreachable-match", "the match leaves out DELETE");
    fires(
        &pods("", "if (request.operation === \"CREATED\") deny(\"x\");"),
        "unreachable-match",
        "the operation is never \"CREATED\"",
    );
    fires(
        &pods("", "switch (request.kind.kind) { case \"Service\": deny(\"x\"); }"),
        "unreachable-match",
        "brings no Service",
    );
    fires(
        &pods("permissions: { read: [\"*\"] },", "get(\"apps/v1/Deploymnt\", { name: \"x\" });"),
        "unreachable-match",
        "there is no kind Deploymnt",
    );
}

#[test]
fn a_match_of_what_there_is_or_may_be_is_let_be() {
    for rules in [
        "resources: [\"pods\", \"pods/ephemeralcontainers\"], operations: [\"CREATE\", \"UPDATE\"]",
        "apiGroups: [\"\", \"example.com\"], resources: [\"pods\", \"widgets\"]",
        "resources: [\"widgets\", \"pods\"]",
        "apiGroups: [\"*\"], resources: [\"*\"], operations: [\"CREATE\"]",
        "resources: [\"pods\"], matchConditions: [{ name: \"a\", expression: \"request.operation == 'CREATE' || object.metadata.name == 'x'\" }]",
        "resources: [\"pods\"], matchConditions: [{ name: \"a\", expression: \"!has(request.subResource)\" }]",
        "resources: [\"pods\"], objectSelector: { matchExpressions: [{ key: \"a\", operator: \"NotIn\", values: [\"b\"] }, { key: \"a\", operator: \"DoesNotExist\" }] }",
    ] {
        is_clean(&matching(rules));
    }
}

#[test]
fn a_resource_a_group_and_a_kind_with_near_names_are_mended() {
    assert!(mended(&matching("apiGroups: [\"\"], resources: [\"pod\"]")).contains("resources: [\"pods\"]"));
    assert!(
        mended(&matching("apiGroups: [\"\", 'networking'], resources: [\"pods\"]")).contains("'networking.k8s.io'")
    );
    let kind = mended(&pods("permissions: { read: [\"apps/v1/*\"] },", "get(\"apps/v1/Deploymnt\", { name: \"x\" });"));
    assert!(kind.contains("get(\"apps/v1/Deployment\""), "{kind}");
}

#[test]
fn api_versions_that_are_gone_are_found_in_the_match_and_in_calls() {
    fires(
        &matching("apiGroups: [\"extensions\"], apiVersions: [\"v1beta1\"], resources: [\"ingresses\"]"),
        "deprecated-api",
        "since Kubernetes 1.22",
    );
    fires(
        &matching(
            "apiGroups: [\"autoscaling\"], apiVersions: [\"v2beta2\"], resources: [\"horizontalpodautoscalers\"]",
        ),
        "deprecated-api",
        "since Kubernetes 1.26",
    );
    fires(
        &pods("permissions: { read: [\"*\"] },", "get(\"policy/v1beta1/PodDisruptionBudget\", { name: \"x\" });"),
        "deprecated-api",
        "use policy/v1",
    );
    fires(
        &pods("permissions: { read: [\"*\"] },", "get(\"v1/Endpoints\", { name: \"x\" });"),
        "deprecated-api",
        "is deprecated",
    );
    is_clean(&pods(
        "permissions: { read: [\"*\"] },",
        "get(\"discovery.k8s.io/v1/EndpointSlice\", { name: \"x\" }); get(\"example.com/v1beta1/Widget\", { name: \"x\" });",
    ));
}

/// A policy that mutates, with a case that changes something.
fn mutating(rules: &str, body: &str) -> Folder {
    let policy = format!(
        "import {{ policy }} from \"@bylaw/sdk\";
export default policy({{
  name: \"p.pods.example.com\",
  match: {{ {rules} }},
  mutate({{ object, operation }}) {{
    object.metadata.labels ??= {{}};
    object.metadata.labels.seen = \"yes\";
    {body}
  }},
}});
"
    );
    let object = |kind: &str, api: &str, spec: &str| {
        format!(
            "name: a {kind}\nobject: {{apiVersion: {api}, kind: {kind}, metadata: {{name: web, namespace: shop}}, spec: {spec}}}\nexpect: {{allowed: true}}\n"
        )
    };
    let template = "{replicas: 1, selector: {}, template: {spec: {containers: [{name: web, image: a}]}}}";
    let cases =
        [object("Pod", "v1", "{containers: [{name: web, image: a}]}"), object("Deployment", "apps/v1", template)];
    Folder::new(&[("policies/p.ts", &policy), ("policies/cases/p.yaml", &cases.join("---\n"))])
}

#[test]
fn a_mutation_that_changes_its_own_result_is_found_by_playing_it_twice() {
    let rules = "resources: [\"pods\"], operations: [\"CREATE\"]";
    let found = findings(&mutating(rules, "object.spec.containers.push({ name: \"sidecar\", image: \"b\" });"), &[]);
    assert_eq!(
        found,
        [
            "mutation-not-idempotent:5: played again on its own result, case \"a Pod\", it changes /spec/containers/2 once more"
        ]
    );
    let guarded =
        "if (object.spec.containers.length < 2) object.spec.containers.push({ name: \"sidecar\", image: \"b\" });";
    assert_eq!(findings(&mutating(rules, guarded), &[]), [] as [&str; 0]);
}

#[test]
fn writes_that_others_undo_or_refuse_are_found() {
    let (pods, deployments) = (
        "resources: [\"pods\"], operations: [\"CREATE\"]",
        "apiGroups: [\"apps\"], resources: [\"deployments\"], operations: [\"CREATE\"]",
    );
    for (rules, body, told) in [
        (pods, "object.status = {};", "status: the API server drops"),
        (pods, "delete object.metadata.managedFields;", "metadata.managedFields"),
        (pods, "object.metadata.name = \"x\";", "cannot rename"),
        (pods, "object.spec.tolerations = [];", "would be lost"),
        (pods, "object.spec.nodeName = \"a\";", "past the scheduler"),
        (
            "resources: [\"pods\"], operations: [\"CREATE\", \"UPDATE\"]",
            "object.spec.hostNetwork = false;",
            "cannot be changed once it is there",
        ),
        (deployments, "object.spec.replicas ??= 2;", "HorizontalPodAutoscaler"),
        (deployments, "const { template } = object.spec; template.spec.hostNetwork = false;", "GitOps"),
        (
            deployments,
            "object.metadata.annotations = {}; object.metadata.annotations[\"deployment.kubernetes.io/revision\"] = \"1\";",
            "finds its objects by it",
        ),
    ] {
        let found = findings(&mutating(rules, body), &[]);
        let fits = |one: &String| one.starts_with("mutation-conflict") && one.contains(told);
        assert!(found.iter().any(fits), "{body}: {found:#?}");
    }
    for (rules, body) in [
        (pods, "object.spec.volumes = [...(object.spec.volumes ?? [])];"),
        (deployments, "object.spec.template.spec.hostNetwork ??= false;"),
        (
            "resources: [\"pods\"], operations: [\"CREATE\", \"UPDATE\"]",
            "if (operation === \"CREATE\") object.spec.hostNetwork = false;",
        ),
    ] {
        assert_eq!(findings(&mutating(rules, body), &[]), [] as [&str; 0], "{body}");
    }
}

#[test]
fn state_that_outlives_a_request_is_found() {
    let policy = format!("const seen = new Map();\n{}", pods("", "seen.set(object.kind, 1);"));
    fires(&policy, "module-state:10", "`seen` is changed after the module was loaded");
    is_clean(&format!(
        "const known = new Set([\"a\"]);\n{}",
        pods("", "if (known.has(String(object.kind))) deny(\"x\");")
    ));
}

#[test]
fn regular_expressions_without_a_bound_are_found_with_the_part_that_does_it() {
    fires(
        &pods("", "if (/^x(a+)+$/.test(object.metadata!.name!)) deny(\"x\");"),
        "unbounded-regex",
        "`(a+)+` can read one text in ever more ways",
    );
    fires(
        &pods("", "if (new RegExp(\"^(a|a)*$\").test(object.metadata!.name!)) deny(\"x\");"),
        "unbounded-regex",
        "`(a|a)*`",
    );
    fires(
        &pods("", "if (new RegExp(`^${object.metadata!.name!}`).test(\"x\")) deny(\"x\");"),
        "unbounded-regex",
        "the pattern comes with the request",
    );
    is_clean(&pods(
        "",
        "if (/^[a-z]+(\\.[a-z]+)*$/.test(object.metadata!.name!) || new RegExp(String(parameters.pattern)).test(\"x\")) deny(\"x\");",
    ));
}

#[test]
fn the_clock_and_dice_are_found_and_the_clock_becomes_now() {
    fires(&pods("", "if (Math.random() > 1) deny(\"x\");"), "nondeterminism", "depends on chance");
    fires(
        &format!("const started = Date.now();\n{}", pods("", "deny(String(started));")),
        "nondeterminism",
        "it is 1970",
    );
    let text = mended(&pods("", "if (new Date().getFullYear() > 2100 || Date.now() < 0) deny(\"x\");"));
    assert!(text.contains("if (now.getFullYear() > 2100 || now.getTime() < 0)"), "{text}");
    let without = pods("", "if (Date.now() < 0) deny(\"x\");").replace(" now,", "");
    assert!(mended(&without).contains("env, now })"), "{}", mended(&without));
    is_clean(&pods("", "if (new Date(\"2030-01-01\") < now) deny(\"x\");"));
}
