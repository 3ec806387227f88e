//! A tenant's own policies: they refuse in their namespace, and reach nothing and nobody beyond it.

use serde_json::{Value, json};

use super::folder::{Folder, policy};
use super::reviews::{allowed, create, message, with};
use super::server::Server;

/// The policy `NAME` of a tenant in a namespace, with these members of its module.
fn of_tenant(namespace: &str, name: &str, members: &str) -> String {
    let code = format!("export default {{ match: {{ resources: [\"configmaps\"] }}, {members} }};");
    json!({
        "apiVersion": "bylaw.dev/v1alpha1", "kind": "TenantPolicy", "metadata": {"name": name, "namespace": namespace},
        "spec": {"typescript": code},
    })
    .to_string()
}

/// The review of a `ConfigMap` in that namespace.
fn within(namespace: &str) -> Value {
    create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": namespace}}))
}

fn ask(server: &Server, namespace: &str) -> (u16, Value) {
    server.post("/validate?timeout=10s", &within(namespace))
}

const INVENTORY: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: shop}, data: {a: mine}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: bank}, data: {a: theirs}}
---
{apiVersion: v1, kind: Secret, metadata: {name: token, namespace: shop}, data: {a: c2VjcmV0}}
---
{apiVersion: v1, kind: Node, metadata: {name: node}}
";

#[test]
fn a_tenants_policy_holds_in_its_namespace_and_nowhere_else() {
    let loud = |name: &str| format!("validate({{ deny }}) {{ deny(\"{name}\"); }}");
    let folder = Folder::new(&[
        ("shop.json", &of_tenant("shop", "loud", &loud("shop"))),
        // Two tenants may choose the same name.
        ("bank.json", &of_tenant("bank", "loud", &loud("bank"))),
    ]);
    let server = folder.serve(&[]);
    assert_eq!(message(ask(&server, "shop")), "[loud.shop.tenants.bylaw.dev] shop");
    assert_eq!(message(ask(&server, "bank")), "[loud.bank.tenants.bylaw.dev] bank");
    allowed(ask(&server, "other"));
    let cluster_scoped = json!({"namespace": "", "resource": {"group": "", "version": "v1", "resource": "configmaps"}});
    allowed(server.post("/validate", &with(within("shop"), cluster_scoped)));
    // Nobody locks out those who administer the cluster.
    let admin = json!({"userInfo": {"username": "root", "groups": ["system:masters"]}});
    allowed(server.post("/validate", &with(within("shop"), admin)));
}

#[test]
fn a_tenants_policy_reads_its_own_namespace_alone() {
    let reads = |call: &str| {
        format!(
            "permissions: {{ read: [\"v1/ConfigMap\", \"v1/Node\"] }}, \
             async validate({{ deny, get, list }}) {{ try {{ deny(JSON.stringify({call} ?? null)); }} catch (e) {{ deny(`refused: ${{e.message}}`); }} }}"
        )
    };
    let calls = [
        ("own", "(await get(\"v1/ConfigMap\", { namespace: \"shop\", name: \"own\" })).data.a"),
        ("other", "await get(\"v1/ConfigMap\", { namespace: \"bank\", name: \"own\" })"),
        ("wide", "await list(\"v1/ConfigMap\")"),
        ("narrow", "(await list(\"v1/ConfigMap\", { namespace: \"shop\" })).length"),
        ("foreign", "await list(\"v1/ConfigMap\", { namespace: \"bank\" })"),
        ("nodes", "await list(\"v1/Node\")"),
        ("secret", "await get(\"v1/Secret\", { namespace: \"shop\", name: \"token\" })"),
    ];
    let files: Vec<(String, String)> =
        calls.iter().map(|(name, call)| (format!("{name}.json"), of_tenant("shop", name, &reads(call)))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (folder, inventory) = (Folder::new(&files), Folder::new(&[("objects.yaml", INVENTORY)]));
    let server = folder.serve(&["--inventory", &inventory.argument("objects.yaml")]);
    let told = message(ask(&server, "shop"));
    let said = |name: &str| {
        let line =
            told.split("; [").find_map(|line| line.trim_start_matches('[').strip_prefix(&format!("{name}.shop.")));
        line.unwrap_or_else(|| panic!("{name} says nothing: {told}")).split_once("] ").unwrap().1.to_owned()
    };
    assert_eq!(said("own"), "\"mine\"");
    assert_eq!(said("narrow"), "1");
    for name in ["other", "wide", "foreign", "nodes"] {
        assert!(said(name).contains("is a tenant's and may not read"), "{name}: {}", said(name));
    }
    assert!(said("secret").contains("may not read v1/Secret"), "{}", said("secret"));
    assert!(!told.contains("theirs"), "{told}");
}

#[test]
fn what_is_not_for_tenants_is_refused_when_it_is_loaded_and_the_rest_serves_on() {
    let folder = Folder::new(&[
        ("mutates.json", &of_tenant("shop", "mutates", "mutate() {}")),
        ("writes.json", &of_tenant("shop", "writes", "permissions: { write: [\"v1/ConfigMap\"] }, validate() {}")),
        ("fetches.json", &of_tenant("shop", "fetches", "permissions: { net: [\"*\"] }, validate() {}")),
        ("secrets.json", &of_tenant("shop", "secrets", "permissions: { read: [\"v1/Secret\"] }, validate() {}")),
        ("good.json", &of_tenant("shop", "good", "validate({ deny }) { deny(\"good\"); }")),
    ]);
    let server = folder.serve(&[]);
    assert_eq!(message(ask(&server, "shop")), "[good.shop.tenants.bylaw.dev] good");
    let log = server.log();
    for told in [
        "may have a `validate` handler only",
        "permissions.write: is not for tenants",
        "permissions.net: is not for tenants",
        "covers Secrets, which tenants' policies never read",
    ] {
        assert!(log.contains(told), "{told}:\n{log}");
    }
}

#[test]
fn more_policies_than_a_tenant_may_have_are_left_out_and_named() {
    let files: Vec<(String, String)> = (0..22)
        .map(|number| format!("p{number:02}"))
        .map(|name| (format!("{name}.json"), of_tenant("shop", &name, "validate({ deny }) { deny(\"no\"); }")))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = Folder::new(&files);
    let server = folder.serve(&[]);
    let told = message(ask(&server, "shop"));
    assert!(told.contains("[p00.shop.tenants.bylaw.dev] no") && told.ends_with("and 10 more"), "{told}");
    assert!(server.log().contains("the namespace shop has more than 20 policies of its own"), "{}", server.log());
}

#[test]
fn a_tenants_policy_that_never_ends_costs_nobody_else_anything() {
    let folder = Folder::new(&[
        ("loop.json", &of_tenant("shop", "loop", "validate() { for (;;); }")),
        (
            "bomb.json",
            &of_tenant("bank", "bomb", "validate() { const all = []; for (;;) all.push(new Array(1e6).fill(0)); }"),
        ),
        ("host.ts", &policy("host", "validate({ deny }) { deny(\"host\"); }")),
    ]);
    let server = folder.serve(&[]);
    let (server, quiet) = (&server, "elsewhere");
    std::thread::scope(|scope| {
        for namespace in ["shop", "bank", "shop", "bank"] {
            scope.spawn(move || {
                let told = message(ask(server, namespace));
                assert!(told.contains("[host.policies.example] host") && told.contains("policy failed"), "{told}");
            });
        }
        for _ in 0..20 {
            assert_eq!(message(ask(server, quiet)), "[host.policies.example] host");
        }
    });
    assert_eq!(server.get(server.health_url()).0, 200);
}
