//! A policy with a `ServiceAccount` of its own does in the cluster what that account may, whatever Bylaw may.

use std::fs;

use serde_json::{Value, json};

use super::api::eventually;
use super::ask::asking_module;
use super::bylaw::with_bylaw;
use super::install::{kubectl, printed};
use super::objects::{config_map, secret};
use super::policies::{PolicyFile, js_policy, policy};
use super::server::lifeline::ScratchFolder;
use super::world::World;

/// A `ServiceAccount` in the namespace `default` that may read and make `ConfigMap`s.
fn install(world: &World, name: &str) {
    let metadata = json!({"name": name, "namespace": "default"});
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create"]}]);
    let group = "rbac.authorization.k8s.io";
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
         "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
         "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]},
    ]});
    kubectl(world, &["apply", "-f", "-"], &list.to_string());
}

/// Tells what it sees of Secrets with Bylaw's own rights.
fn strong() -> PolicyFile {
    policy(
        "strong",
        r#"
        match: { resources: ["configmaps"], operations: ["CREATE"], objectSelector: { matchLabels: { strong: "yes" } } },
        permissions: { read: ["v1/Secret"] },
        validate({ object, get, deny }) {
          deny(`Bylaw sees ${get("v1/Secret", { namespace: object.metadata.namespace, name: "x" })?.metadata.name}`);
        },
        "#,
    )
}

#[test]
fn what_its_account_may_not_read_the_api_server_refuses_though_bylaw_has_it_in_memory() {
    let Some(world) = World::shared() else { return };
    install(world, "clerk");
    let permissions =
        r#"read: ["v1/ConfigMap", "v1/Secret"], write: ["v1/ConfigMap"], serviceAccount: "default/clerk""#;
    with_bylaw([asking_module(permissions), strong()], |bylaw| {
        bylaw.accepts("secrets", &secret("x", json!({"k": "hidden"})));
        let mut seen = config_map("seen", json!({}));
        seen["metadata"]["labels"] = json!({"strong": "yes"});
        let is_read = |reply: &super::api::Reply| reply.message().contains("Bylaw sees x");
        eventually("Bylaw may read it", || bylaw.create("configmaps", &seen), is_read);

        let place = json!({"namespace": bylaw.name, "name": "x"});
        for call in [json!(["get", "v1/Secret", place]), json!(["list", "v1/Secret", {"namespace": bylaw.name}])] {
            let refused = bylaw.ask(&call);
            assert_eq!(refused["thrown"], "Forbidden", "{refused}");
            let told = refused["message"].as_str().unwrap();
            assert!(told.contains("User \"system:serviceaccount:default:clerk\" cannot"), "{told}");
        }
        bylaw.accepts("configmaps", &config_map("x", json!({"k": "1"})));
        assert_eq!(bylaw.ask(&json!(["get", "v1/ConfigMap", place]))["data"]["k"], "1");
        assert_eq!(bylaw.ask(&json!(["list", "v1/ConfigMap", {"namespace": bylaw.name}])), json!(["x"]));
    });
}

#[test]
fn its_writes_are_those_of_its_account() {
    let Some(world) = World::shared() else { return };
    install(world, "writer");
    let permissions = r#"write: ["v1/ConfigMap"], serviceAccount: "default/writer""#;
    with_bylaw([asking_module(permissions)], |bylaw| {
        let made = bylaw.placed(config_map("made-by-writer", json!({})));
        assert_eq!(bylaw.ask(&json!(["create", made]))["name"], "made-by-writer");
        let by_writer = |log: &String| {
            log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).any(|event| {
                let of = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
                of("/verb") == "create"
                    && of("/objectRef/name") == "made-by-writer"
                    && of("/user/username") == "system:serviceaccount:default:writer"
            })
        };
        eventually("it is in the audit log", || fs::read_to_string(world.cluster.audit_log()).unwrap(), by_writer);
        let refused = bylaw.ask(&json!(["remove", made]));
        assert_eq!(refused["thrown"], "Forbidden", "{refused}");
        assert_eq!(bylaw.get("configmaps/made-by-writer").status, 200);
    });
}

#[test]
fn it_may_fetch_from_the_api_server_under_the_name_of_its_account() {
    let Some(world) = World::shared() else { return };
    install(world, "fetcher");
    let permissions = r#"net: ["127.0.0.1"], serviceAccount: "default/fetcher""#;
    let file = policy(
        "fetches",
        &format!(
            r#"
            match: {{ resources: ["configmaps"], operations: ["CREATE"], objectSelector: {{ matchLabels: {{ fetch: "yes" }} }} }},
            permissions: {{ {permissions} }},
            async validate({{ object, fetch, deny }}) {{
              const answer = await fetch(object.data.url);
              const body = await answer.json();
              deny(`${{answer.status}} ${{body.kind}} ${{body.message ?? ""}}`);
            }},
            "#
        ),
    );
    with_bylaw([file], |bylaw| {
        let fetched = |path: &str| {
            let mut asked = config_map("asked", json!({"url": format!("{}{path}", world.cluster.url())}));
            asked["metadata"]["labels"] = json!({"fetch": "yes"});
            bylaw.create("configmaps", &asked).refusal()
        };
        let listed = fetched(&format!("/api/v1/namespaces/{}/configmaps?limit=1", bylaw.name));
        assert!(listed.contains("200 ConfigMapList"), "{listed}");
        let refused = fetched(&format!("/api/v1/namespaces/{}/secrets", bylaw.name));
        assert!(
            refused.contains("403 Status") && refused.contains("system:serviceaccount:default:fetcher"),
            "{refused}"
        );
    });
}

#[test]
fn a_policy_whose_account_is_missing_fails_and_says_so_until_it_is_made() {
    let Some(world) = World::shared() else { return };
    let script = js_policy(
        "lost",
        "operations: [CREATE]\nresources: [configmaps]\nobjectSelector: {matchLabels: {lost: \"yes\"}}\npermissions: {write: [v1/ConfigMap], serviceAccount: default/nobody}",
        "create({ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: { name: \"by-nobody\", namespace: request.namespace } });",
    );
    with_bylaw([asking_module(r#"read: ["v1/ConfigMap"], serviceAccount: "default/nobody""#), script], |bylaw| {
        let get = || bylaw.ask(&json!(["get", "v1/ConfigMap", {"namespace": bylaw.name, "name": "x"}]));
        let refused = get();
        assert_eq!(refused["thrown"], "ServiceAccountRefused", "{refused}");
        let told = refused["message"].as_str().unwrap();
        let expected = "cannot ask as the ServiceAccount default/nobody: serviceaccounts \"nobody\" not found: make it";
        assert!(told.starts_with(expected), "{told}");
        // No script takes it for one of the results that it may look at.
        let mut asked = config_map("asked", json!({}));
        asked["metadata"]["labels"] = json!({"lost": "yes"});
        let refusal = bylaw.rejects("configmaps", &asked);
        assert!(refusal.contains("cannot ask as the ServiceAccount default/nobody"), "{refusal}");

        install(world, "nobody");
        eventually("it is there now", get, Value::is_null);
        bylaw.accepts("configmaps", &asked);
        // One that is made anew is another: tokens of the first are worth nothing.
        kubectl(world, &["delete", "serviceaccount", "nobody", "--namespace", "default"], "");
        eventually("it is gone", get, |refused| !refused.is_null());
        install(world, "nobody");
        eventually("it is there again", get, Value::is_null);
    });
}

#[test]
fn the_roles_that_bylaw_prints_let_it_ask_for_the_tokens_of_those_accounts_alone() {
    let Some(world) = World::shared() else { return };
    let name = "bylaw-tokens";
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    kubectl(world, &["apply", "-f", "-"], &namespace.to_string());
    let folder = ScratchFolder::create(std::env::temp_dir().join(format!("{name}-{}", std::process::id()))).unwrap();
    for (file, account) in [("own", "images"), ("other", "default/clerk")] {
        let rest = format!(
            r#"match: {{ resources: ["pods"] }}, validate() {{}},
               permissions: {{ read: ["v1/Secret"], serviceAccount: "{account}" }},"#
        );
        let file = policy(file, &rest);
        fs::write(folder.path().join(&file.name), &file.text).unwrap();
    }
    let path = folder.path().display().to_string();
    let roles = printed(&["crd", "--rbac", "--policies", &path, "--namespace", name, "--name", name]);
    kubectl(world, &["apply", "-f", "-"], &roles);
    let user = format!("--as=system:serviceaccount:{name}:{name}");
    let may = |what: &str, namespace: &str| {
        let arguments =
            ["auth", "can-i", "--quiet", &user, "--subresource=token", "create", what, "--namespace", namespace];
        world.cluster.kubectl(arguments).expect("kubectl runs").status.success()
    };
    assert!(may("serviceaccounts/images", name) && may("serviceaccounts/clerk", "default"));
    for (what, namespace) in [
        ("serviceaccounts/clerk", name),
        ("serviceaccounts/images", "default"),
        ("serviceaccounts", "default"),
        ("serviceaccounts/other", name),
    ] {
        assert!(!may(what, namespace), "may ask for {what} in {namespace}");
    }
    let reads = ["auth", "can-i", "--quiet", &user, "get", "secrets", "--namespace", "default"];
    assert!(!world.cluster.kubectl(reads).expect("kubectl runs").status.success(), "Bylaw itself reads no Secret");
}
