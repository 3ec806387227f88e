//! Objects of our own kinds: what was valid for jsPolicy is, what can never be served is refused, and nothing keeps an
//! object from being deleted or given a status.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::bylaw::{Bylaw, with_bylaw};
use super::install::{apply_definitions, definitions, kubectl, printed};
use super::world::World;

const POLICIES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicies";
const BUNDLES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicybundles";
const VIOLATIONS: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicyviolations";
const EXCEPTIONS: &str = "/apis/bylaw.dev/v1alpha1/namespaces/default/policyexceptions";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The label of the objects that a test has checked by its own server.
const CHECKED: &str = "e2e.example.com/checked-by";

fn dry(path: &str) -> String {
    format!("{path}?dryRun=All&fieldValidation=Strict")
}

fn js_policy(name: &str, changes: Value) -> Value {
    let mut spec = json!({"operations": ["CREATE"], "resources": ["pods"]});
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    let metadata = json!({"name": name});
    json!({"apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": metadata, "spec": spec})
}

fn exception(changes: Value) -> Value {
    let mut spec = json!({
        "policies": ["a.b.c"], "reason": "moves next week", "expires": "2099-01-01T00:00:00Z",
        "objects": [{"resources": ["pods"], "names": ["web-*"]}],
    });
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "bylaw.dev/v1alpha1", "kind": "PolicyException", "metadata": {"name": "e"}, "spec": spec})
}

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            manifests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_manifest_that_was_written_for_jspolicy_is_still_valid() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let mut found = Vec::new();
    manifests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jspolicy/manifests"), &mut found);
    let texts: Vec<String> = found.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let objects = texts.iter().map(|text| text.matches("kind: JsPolicy").count()).sum::<usize>();
    let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", "-"];
    let said = kubectl(world, &arguments, &texts.join("\n---\n"));
    assert_eq!(said.matches(" created (server dry run)").count(), objects, "{said}");
    assert!(objects > 70, "there are more: {objects}");
}

#[test]
fn the_api_server_itself_refuses_what_a_schema_can() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    for (changes, told) in [
        (json!({"operations": []}), "operations must name at least one"),
        (json!({"operations": ["create"]}), "spec.operations[0]: Unsupported value"),
        (json!({"operations": ["*", "CREATE"]}), "must stand alone"),
        (json!({"resources": null}), "resources must name at least one"),
        (json!({"apiGroups": ["*", "apps"]}), "must stand alone"),
        (json!({"javascript": "1", "typescript": "2"}), "exclude each other"),
        (json!({"type": "Controller", "operations": ["UPDATE"]}), "CREATE, DELETE or * for type Controller"),
        (json!({"type": "validating"}), "spec.type: Unsupported value"),
        (json!({"timeoutSeconds": 31}), "spec.timeoutSeconds"),
        (json!({"auditLogSize": 41}), "spec.auditLogSize"),
        (json!({"violationPolicy": "audit"}), "spec.violationPolicy: Unsupported value"),
        (json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}), "values must be given"),
        (json!({"matchConditions": [{"name": "a"}]}), "expression: Required value"),
        (json!({"package": {"name": "p"}}), "version: Required value"),
        (json!({"enforcement": [{"action": "Dry", "until": "tomorrow"}]}), "until"),
        (json!({"mutating": true}), "unknown field \"spec.mutating\""),
    ] {
        let refusal = world.api.post(&dry(POLICIES), &js_policy("a.b.c", changes)).refusal();
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
    let short = world.api.post(&dry(POLICIES), &js_policy("pods.example", json!({}))).refusal();
    assert!(short.contains("at least three parts"), "{short}");
    for (changes, told) in [
        (json!({"expires": null}), "spec.expires: Required value"),
        (json!({"expires": "soon"}), "spec.expires"),
        (json!({"reason": "  "}), "say why"),
        (json!({"policies": []}), "spec.policies"),
        (json!({"objects": [{"resources": ["pods"]}]}), "say which objects"),
        (json!({"objects": [{"resources": ["pods"], "names": ["*"]}]}), "names[0]"),
        (json!({"objects": [{"resources": ["pods"], "selector": {}}]}), "an empty selector would except everything"),
    ] {
        let refusal = world.api.post(&dry(EXCEPTIONS), &exception(changes)).refusal();
        assert!(refusal.contains(told), "{told}: {refusal}");
    }
    world.api.post(&dry(EXCEPTIONS), &exception(json!({}))).object();
}

#[test]
fn a_module_needs_neither_operations_nor_resources_and_gets_nothing_written_over_it() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let module = json!({"operations": null, "resources": null, "typescript": "export default policy({});"});
    let stored = world.api.post(&dry(POLICIES), &js_policy("module.own.example.com", module)).object();
    let fields: Vec<&String> = stored["spec"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["auditLogSize", "auditPolicy", "typescript"], "what jsPolicy defaults and a module cannot say");
}

#[test]
fn two_appliers_own_different_conditions_and_permissions() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let name = "shared.own.example.com";
    let apply = |manager: &str, sub_resource: &str, fields: Value| {
        let mut object =
            json!({"apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": name}});
        object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let manager = format!("--field-manager={manager}");
        let mut arguments = vec!["apply", "--server-side", manager.as_str(), "-f", "-"];
        arguments.extend((!sub_resource.is_empty()).then_some("--subresource=status"));
        kubectl(world, &arguments, &object.to_string());
    };
    let spec = |read: &str| json!({"spec": {"operations": ["CREATE"], "resources": ["pods"], "permissions": {"read": [read]}}});
    let status = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
    apply("one", "", spec("v1/Pod"));
    apply("two", "", spec("v1/Secret"));
    apply("one", "status", status("Ready"));
    apply("two", "status", status("WebhookReady"));
    let stored = world.api.get(&format!("{POLICIES}/{name}")).object();
    assert_eq!(stored["spec"]["permissions"]["read"], json!(["v1/Pod", "v1/Secret"]));
    assert_eq!(stored["status"]["conditions"].as_array().unwrap().len(), 2, "{stored}");
    let listed = kubectl(world, &["get", "bylaw", "--no-headers"], "");
    assert!(listed.contains("jspolicy.policy.jspolicy.com/shared.own.example.com"), "{listed}");
    world.api.delete(&format!("{POLICIES}/{name}")).object();
}

/// Has the API server ask `bylaw` about objects of ours with the label of the run.
fn check_objects(bylaw: &Bylaw) -> String {
    let mut configuration = bylaw.world.api.get(&format!("{CONFIGURATIONS}/{}", bylaw.name)).object();
    let mut webhook = configuration["webhooks"][0].take();
    webhook["name"] = "crds.bylaw.dev".into();
    webhook["clientConfig"]["url"] = format!("{}/crds", bylaw.server().url()).into();
    webhook["rules"] = json!([{
        "apiGroups": ["policy.jspolicy.com", "bylaw.dev"], "apiVersions": ["*"], "resources": ["*", "*/status"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
    }]);
    // Those of policies leave Bylaw's own objects out.
    webhook["matchConditions"] = json!([]);
    webhook["namespaceSelector"] = json!({});
    webhook["objectSelector"] = json!({"matchLabels": {CHECKED: bylaw.name}});
    let name = format!("{}-crds", bylaw.name);
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [webhook],
    });
    bylaw.world.api.post(CONFIGURATIONS, &configuration).object();
    format!("{CONFIGURATIONS}/{name}")
}

fn labelled(bylaw: &Bylaw, mut object: Value) -> Value {
    object["metadata"]["labels"][CHECKED] = bylaw.name.as_str().into();
    object
}

#[test]
fn a_policy_that_cannot_be_parsed_is_refused_with_line_and_column() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    with_bylaw([], |bylaw| {
        let configuration = check_objects(bylaw);
        let name = "checked.own.example.com";
        let policy = |javascript: &str| labelled(bylaw, js_policy(name, json!({"javascript": javascript})));
        let create = |object: &Value| world.api.post(POLICIES, object);
        let asked = eventually(
            "the API server asks",
            || world.api.post(&dry(POLICIES), &policy("const a = 1;\ndeny(;")),
            |reply| !reply.is_good(),
        );
        let refusal = asked.refusal();
        let expected = "admission webhook \"crds.bylaw.dev\" denied the request: spec.javascript: line 2, column 6: ";
        assert!(refusal.starts_with(expected), "{refusal}");

        for (changes, told) in [
            (json!({"typescript": "export const a = 1;"}), "has no default export"),
            (json!({"javascript": "import _ from 'lodash';"}), "`lodash` is not among spec.dependencies"),
            (json!({"matchConditions": [{"name": "a", "expression": "1 +"}]}), "spec.matchConditions[0].expression"),
            (json!({"dependencies": {"lodash": "file:../lodash"}}), "from a registry only"),
            (json!({"permissions": {"read": ["ConfigMap"]}}), "spec.permissions.read[0]"),
            (json!({"objectSelector": {"matchLabels": {"a b": "c"}}}), "is not a label key"),
        ] {
            let refusal = create(&labelled(bylaw, js_policy(name, changes))).refusal();
            assert!(refusal.contains(told), "{told}: {refusal}");
        }
        create(&policy("deny('x')")).object();

        // It may be labelled and given a status, whatever else is done to it; it may not be made to change its type.
        let path = format!("{POLICIES}/{name}");
        let broken = world.api.merge(&path, &json!({"spec": {"javascript": "deny("}})).refusal();
        assert!(broken.contains("spec.javascript: line 1, column 6"), "{broken}");
        let retyped = world.api.merge(&path, &json!({"spec": {"type": "Mutating"}})).refusal();
        assert!(retyped.contains("type cannot be changed"), "{retyped}");
        world.api.merge(&path, &json!({"metadata": {"annotations": {"a": "b"}}})).object();
        world.api.merge(&format!("{path}/status"), &json!({"status": {"phase": "Failed"}})).object();
        world.api.delete(&path).object();

        let bundle = json!({
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicyBundle", "metadata": {"name": name},
            "spec": {"bundle": "aGk="},
        });
        let refusal = world.api.post(BUNDLES, &labelled(bylaw, bundle)).refusal();
        assert!(refusal.contains("not of a gzip stream"), "{refusal}");
        let over = labelled(bylaw, exception(json!({"expires": "2020-01-01T00:00:00Z"})));
        let refusal = world.api.post(EXCEPTIONS, &over).refusal();
        assert!(refusal.contains("spec.expires: is over already"), "{refusal}");
        let violations = json!({
            "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicyViolations", "metadata": {"name": name},
        });
        world.api.post(&dry(VIOLATIONS), &labelled(bylaw, violations)).object();
        world.api.delete(&configuration).object();
    });
}

/// Takes everything out of a schema that jsPolicy's had not: it had names of fields and their types.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let strict =
                ["enum", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "maxProperties"];
            let stricter = ["pattern", "format", "default", "required", "x-kubernetes-validations"];
            fields.retain(|name, value| {
                let is_property = name == "default" && value.is_object();
                is_property || !(strict.contains(&name.as_str()) || stricter.contains(&name.as_str()))
            });
            fields.retain(|name, _| !name.starts_with("x-kubernetes-list") && name != "x-kubernetes-map-type");
            fields.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}

/// Without its webhook jsPolicy's kinds took anything. Whoever comes from there must not be stuck with an object that can
/// neither be mended nor be told what is wrong with it.
#[test]
fn what_was_stored_under_the_definitions_of_jspolicy_can_be_lived_with_under_ours() {
    let Some(world) = World::start() else { return };
    let ours: Value = serde_json::from_str(&printed(&["crd", "-o", "json"])).unwrap();
    let mut theirs = ours["items"][0].clone();
    loosen(&mut theirs["spec"]["versions"][0]["schema"]);
    theirs["spec"]["names"]["categories"] = json!([]);
    world.api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &theirs).object();
    let odd = js_policy(
        "odd.own.example.com",
        json!({
            "type": "", "operations": [], "failurePolicy": "", "auditPolicy": "", "violationPolicy": "DENY", "scope": "",
            "auditLogSize": 0, "timeoutSeconds": 60, "javascript": "deny(;",
        }),
    );
    eventually("it is stored", || world.api.post(POLICIES, &odd), Reply::is_good);

    apply_definitions(&world);
    let refused = || world.api.post(&dry(POLICIES), &odd);
    eventually("ours hold", refused, |reply| reply.message().contains("spec.scope: Unsupported"));
    let path = format!("{POLICIES}/odd.own.example.com");
    let status = json!({"status": {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}});
    world.api.merge(&format!("{path}/status"), &status).object();
    world.api.merge(&path, &json!({"metadata": {"annotations": {"a": "b"}}})).object();
    let mended = json!({"spec": {"operations": ["CREATE"], "javascript": "deny()"}});
    let mended = world.api.merge(&path, &mended).object();
    assert_eq!((&mended["spec"]["failurePolicy"], &mended["spec"]["timeoutSeconds"]), (&json!(""), &json!(60)));
    let worse = world.api.merge(&path, &json!({"spec": {"timeoutSeconds": 61}})).refusal();
    assert!(worse.contains("spec.timeoutSeconds"), "{worse}");
    world.api.delete(&path).object();
}
