//! What a handler is given (contract §3), each member as its author may rely on it.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::folder::{Folder, Served, policy};
use super::reviews::{allowed, config_map, create, denied, message, with};

const INVENTORY: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n";

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let folder = Folder::new(&[("tells.ts", include_str!("policies/tells.ts")), (".inventory.yaml", INVENTORY)]);
    let server = folder.serve(&["--inventory", &folder.argument(".inventory.yaml")]);
    Served { server, folder }
});

#[track_caller]
fn told(review: &Value) -> Value {
    let text = message(SERVED.server.post("/policy/tells.policies.example", review));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

fn tell(what: &str) -> Value {
    config_map(json!({"tell": what, "a": 1}))
}

#[test]
fn the_members_are_those_of_the_contract() {
    assert_eq!(
        told(&tell("members")),
        "apply,audit,create,deny,dryRun,env,fetch,get,list,log,namespace,now,object,oldObject,operation,parameters,\
         patch,quota,readFile,remove,request,template,tenant,update,user,vantage,virtual,warn"
    );
    assert_eq!(told(&tell("notFunctions")), json!([]));
}

#[test]
fn objects_and_request_are_those_of_the_review() {
    assert_eq!(told(&tell("object")), json!({"tell": "object", "a": 1}));
    assert_eq!(told(&tell("oldObject")), Value::Null);
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"tell": "absent", "old": true}});
    let update = with(tell("oldObject"), json!({"operation": "UPDATE", "oldObject": old}));
    assert_eq!(told(&update), json!({"tell": "absent", "old": true}));
    let delete = with(tell(""), json!({"operation": "DELETE", "object": null, "oldObject": old}));
    assert_eq!(told(&delete)[0], Value::Null);
    assert_eq!(told(&tell("request")), json!(["6f7a2d3c", "ConfigMap", "configmaps", true]));
}

#[test]
fn fields_that_a_request_leaves_out_are_null_not_undefined() {
    let mut review = tell("absent");
    review["request"].as_object_mut().unwrap().remove("oldObject");
    assert_eq!(told(&review)[1], Value::Null);
}

#[test]
fn operation_user_and_dry_run_are_those_of_the_request() {
    for operation in ["CREATE", "UPDATE", "CONNECT"] {
        assert_eq!(told(&with(tell("operation"), json!({"operation": operation}))), operation);
    }
    let user = json!({"username": "jane", "uid": "7", "groups": ["a", "b"], "extra": {"scopes": ["x"]}});
    assert_eq!(told(&with(tell("user"), json!({"userInfo": user.clone()}))), user);
    assert_eq!(told(&tell("dryRun")), false);
    assert_eq!(told(&with(tell("dryRun"), json!({"dryRun": true}))), true);
    let mut review = tell("dryRun");
    review["request"].as_object_mut().unwrap().remove("dryRun");
    assert_eq!(told(&review), false);
}

#[test]
fn the_namespace_has_its_labels_where_something_tells_them() {
    assert_eq!(
        told(&tell("namespace")),
        json!({"name": "shop", "labels": {"tier": "gold", "kubernetes.io/metadata.name": "shop"}})
    );
    assert_eq!(told(&with(tell("namespace"), json!({"namespace": "unknown"})))["name"], "unknown");
    let text = message(
        SERVED.server.post("/policy/tells.policies.example", &with(tell("namespace"), json!({"namespace": null}))),
    );
    assert_eq!(text, "undefined", "a cluster-scoped object has none");
}

#[test]
fn parameters_have_the_defaults_of_their_schema() {
    assert_eq!(told(&tell("parameters")), json!({"limit": 3, "window": {"hours": 8}}));
}

#[test]
fn now_is_a_date_and_tenant_and_vantage_are_there_for_everyone() {
    assert_eq!(told(&tell("now")), json!([true, true]));
    assert_eq!(told(&tell("tenant")), json!(["none", false, "host", true]));
    assert_eq!(told(&tell("template")), "undefined");
}

#[test]
fn everything_a_validating_policy_sees_is_frozen() {
    let old = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}});
    let frozen = told(&with(tell("frozen"), json!({"oldObject": old})));
    assert_eq!(frozen, json!(vec![true; 13]));
}

#[test]
fn a_write_to_what_is_frozen_is_an_error_that_names_the_place() {
    let source = policy("writes", "validate({ object }) {\n    object.data.a = \"changed\";\n  },");
    let folder = Folder::new(&[("writes.ts", &source)]);
    let status = denied(folder.serve(&[]).post("/validate", &config_map(json!({"a": "b"}))));
    let text = status["message"].as_str().unwrap();
    assert!(
        text.contains("TypeError: Cannot assign to read only property 'a'") && text.contains("writes.ts:6:"),
        "{text}"
    );
}

#[test]
fn one_policy_leaves_nothing_for_the_next() {
    let first = policy(
        "first",
        "validate() { try { globalThis.left = 1; } catch {} try { Object.prototype.left = 1; } catch {} try { Array.prototype.push = 1; } catch {} }",
    );
    let second = policy(
        "second",
        "validate({ deny }) { deny(`${typeof globalThis.left} ${typeof ({}).left} ${typeof [].push}`); }",
    );
    let folder = Folder::new(&[("first.ts", &first), ("second.ts", &second)]);
    let server = folder.serve(&[]);
    for _ in 0..3 {
        assert_eq!(
            denied(server.post("/validate", &config_map(json!({}))))["message"],
            "[second.policies.example] undefined undefined function"
        );
    }
}

#[test]
fn audit_annotations_carry_the_name_of_the_policy() {
    let source =
        policy("notes", "validate({ audit }) { audit(\"team\", \"blue\"); audit(\"cost-center\", \"4711\"); }");
    let folder = Folder::new(&[("notes.ts", &source)]);
    let response = allowed(folder.serve(&[]).post("/validate", &config_map(json!({}))));
    assert_eq!(
        response["auditAnnotations"],
        json!({"notes.policies.example.team": "blue", "notes.policies.example.cost-center": "4711"})
    );
}

#[test]
fn the_policy_that_the_contract_shows_does_what_it_says() {
    let source = r#"
import { containers, image, policy } from "@bylaw/sdk";
import type { Pod } from "@bylaw/sdk/k8s/core/v1";

type Parameters = { registries: string[] };

export default policy<Pod, Parameters>({
  name: "allowed-registries.images.example.com",
  title: "Images come from known registries",
  category: "Supply chain", severity: "high",
  match: { resources: ["pods", "pods/ephemeralcontainers"], operations: ["CREATE", "UPDATE"], workloads: true },
  parameters: {
    schema: {
      type: "object",
      properties: { registries: { type: "array", items: { type: "string" }, default: ["registry.example.com"] } },
    },
  },
  validate({ object, parameters, deny }) {
    for (const { container, field } of containers(object))
      if (!parameters.registries.some((r) => image(container.image).registry === r))
        deny(`image ${container.image} is not from an allowed registry`, { field: `${field}.image` });
  },
});
"#;
    let folder = Folder::new(&[("allowed-registries.ts", source)]);
    let server = folder.serve(&[]);
    let pod = |image: &str| {
        let init = json!([{"name": "init", "image": "registry.example.com/init:1"}]);
        let spec = json!({"containers": [{"name": "web", "image": image}], "initContainers": init});
        create(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}),
        )
    };
    allowed(server.post("/validate", &pod("registry.example.com/web:1")));
    let status = denied(server.post("/validate", &pod("nginx")));
    assert_eq!(
        status["message"],
        "[allowed-registries.images.example.com] image nginx is not from an allowed registry"
    );
    assert_eq!(status["details"]["causes"][0]["field"], "spec.containers[0].image");
}
