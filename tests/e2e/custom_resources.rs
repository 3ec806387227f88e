//! Objects of custom resources: no schema of ours, numbers beyond what JavaScript can hold, and two served versions.

use serde_json::{Value, json};

use super::api::eventually;
use super::bylaw::{Bylaw, with_bylaw};
use super::objects::definition;
use super::policies::policy;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Installs a CRD for a test; its plural, its kind, and what takes it away again.
fn install(bylaw: &Bylaw, plural: &str, kind: &str, versions: &[&str]) {
    bylaw.world.api.post(DEFINITIONS, &definition(plural, kind, versions)).object();
    let path = bylaw.path(&format!("e2e.example.com/{}/{plural}", versions[0]));
    eventually("the kind is served", || bylaw.world.api.get(&path), |reply| reply.status == 200);
}

fn uninstall(bylaw: &Bylaw, plural: &str) {
    bylaw.world.api.delete(&format!("{DEFINITIONS}/{plural}.e2e.example.com")).object();
}

fn object(kind: &str, version: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("e2e.example.com/{version}"), "kind": kind, "metadata": {"name": name}, "spec": spec})
}

#[test]
fn custom_objects_are_judged_and_their_big_numbers_kept() {
    let widgets = policy(
        "widgets",
        r#"
        match: { apiGroups: ["e2e.example.com"], resources: ["widgets"], operations: ["CREATE", "UPDATE"] },
        mutate({ object }) { object.spec.seen = true; },
        validate({ object, deny }) { if (object.spec.bad) deny("a bad widget"); },
        "#,
    );
    with_bylaw([widgets], |bylaw| {
        install(bylaw, "widgets", "Widget", &["v1"]);
        let path = "e2e.example.com/v1/widgets";
        assert!(bylaw.rejects(path, &object("Widget", "v1", "a", json!({"bad": true}))).contains("a bad widget"));
        let spec = r#"{"big": 9007199254740993, "real": 0.1, "list": [1, {"deep": -9223372036854775808}]}"#;
        let stored = bylaw.accepts(path, &object("Widget", "v1", "b", serde_json::from_str(spec).unwrap()));
        let expected = r#"{"big":9007199254740993,"list":[1,{"deep":-9223372036854775808}],"real":0.1,"seen":true}"#;
        assert_eq!(stored["spec"].to_string(), expected);
        let refusal = bylaw.merge(&format!("{path}/b"), &json!({"spec": {"bad": true}})).refusal();
        assert!(refusal.contains("a bad widget"), "{refusal}");
        uninstall(bylaw, "widgets");
    });
}

#[test]
fn a_policy_for_one_version_of_a_custom_resource_judges_the_other() {
    let gadgets = policy(
        "gadgets",
        r#"
        match: { apiGroups: ["e2e.example.com"], apiVersions: ["v1"], resources: ["gadgets"] },
        validate({ object, request, deny }) {
          if (object?.spec.bad) deny(`${object.apiVersion} of ${request.requestKind.version}`);
        },
        "#,
    );
    with_bylaw([gadgets], |bylaw| {
        install(bylaw, "gadgets", "Gadget", &["v1", "v1beta1"]);
        for version in ["v1", "v1beta1"] {
            let path = format!("e2e.example.com/{version}/gadgets");
            let refusal = bylaw.rejects(&path, &object("Gadget", version, "a", json!({"bad": true})));
            assert!(refusal.contains(&format!("e2e.example.com/v1 of {version}")), "{refusal}");
        }
        uninstall(bylaw, "gadgets");
    });
}

#[test]
fn the_types_of_a_clusters_custom_resources_are_made() {
    with_bylaw([], |bylaw| {
        install(bylaw, "sprockets", "Sprocket", &["v1", "v2"]);
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_bylaw"));
        command.arg("types").arg("--kubeconfig").arg(bylaw.world.cluster.kubeconfig()).arg("--out").arg(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("e2e.example.com/v1/Sprocket, "), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(folder.path().join("e2e.example.com/v2.ts")).unwrap();
        assert!(text.contains("apiVersion?: \"e2e.example.com/v2\";"), "{text}");
        uninstall(bylaw, "sprockets");
    });
}

#[test]
fn a_definition_itself_can_be_refused() {
    let closed = policy(
        "closed",
        r#"
        match: {
          apiGroups: ["apiextensions.k8s.io"], resources: ["customresourcedefinitions"], operations: ["CREATE"],
          scope: "Cluster", objectSelector: { matchLabels: { closed: "yes" } },
        },
        validate({ object, namespace, deny }) { deny(`no ${object.spec.names.kind} (${namespace})`); },
        "#,
    );
    with_bylaw([closed], |bylaw| {
        let mut definition = definition("doodads", "Doodad", &["v1"]);
        definition["metadata"]["labels"] = json!({"closed": "yes"});
        let refusal = bylaw.world.api.post(DEFINITIONS, &definition).refusal();
        assert!(refusal.contains("no Doodad (undefined)"), "{refusal}");
    });
}
