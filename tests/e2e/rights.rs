//! The rights that `bylaw crd --rbac` prints: enough for what Bylaw and its policies do, asked of a real API server, and no
//! more than that.

use std::fs;

use serde_json::json;

use super::install::{definitions, kubectl, printed};
use super::policies::policy;
use super::server::lifeline::ScratchFolder;
use super::world::World;

const NAME: &str = "bylaw-rights";

/// Gives NAME its rights on the shared cluster, with a policy that reads config maps and writes deployments.
fn install(world: &World, more: &[&str]) {
    let folder = ScratchFolder::create(std::env::temp_dir().join(format!("{NAME}-{}", std::process::id()))).unwrap();
    let file = policy(
        "reads",
        r#"
        match: { resources: ["pods"] },
        permissions: { read: ["v1/ConfigMap"], write: ["apps/v1/Deployment"] },
        validate() {},
        "#,
    );
    fs::write(folder.path().join(&file.name), &file.text).unwrap();
    let path = folder.path().display().to_string();
    let mut arguments = vec!["crd", "--rbac", "--policies", &path, "--namespace", NAME, "--name", NAME];
    arguments.extend(more);
    kubectl(world, &["apply", "-f", "-"], &printed(&arguments));
}

fn may(world: &World, what: &[&str]) -> bool {
    let user = format!("--as=system:serviceaccount:{NAME}:{NAME}");
    let arguments = ["auth", "can-i", "--quiet", &user].into_iter().chain(what.iter().copied());
    world.cluster.kubectl(arguments).expect("kubectl runs").status.success()
}

#[test]
fn bylaw_may_do_what_it_does_and_nothing_else() {
    let Some(world) = World::shared() else { return };
    definitions(world);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}});
    kubectl(world, &["apply", "-f", "-"], &namespace.to_string());
    install(world, &[]);

    let (own, own_configuration) = (format!("--namespace={NAME}"), format!("validatingwebhookconfigurations/{NAME}"));
    let lease = format!("leases/{NAME}");
    for what in [
        &["watch", "jspolicies.policy.jspolicy.com"][..],
        &["patch", "jspolicies.policy.jspolicy.com/a.b.c", "--subresource=status"],
        &["create", "jspolicybundles.policy.jspolicy.com"],
        &["update", "jspolicyviolations.policy.jspolicy.com", "--subresource=status"],
        &["list", "policyexceptions.bylaw.dev", "--all-namespaces"],
        &["watch", "namespaces"],
        &["patch", &own_configuration],
        &["create", "events", "--namespace=default"],
        &["create", "leases", &own],
        &["update", &lease, &own],
        &["get", "secrets/jspolicy-webhook-cert", &own],
        // What its policies ask for.
        &["list", "configmaps", "--all-namespaces"],
        &["patch", "deployments.apps", "--namespace=default"],
    ] {
        assert!(may(world, what), "may not {what:?}");
    }
    for what in [
        &["update", "jspolicies.policy.jspolicy.com"][..],
        &["delete", "jspolicies.policy.jspolicy.com/a.b.c"],
        &["create", "policyexceptions.bylaw.dev", "--namespace=default"],
        &["get", "secrets", &own],
        &["get", "secrets/other", &own],
        &["get", "secrets/jspolicy-webhook-cert", "--namespace=default"],
        &["update", &lease, "--namespace=default"],
        &["patch", "validatingwebhookconfigurations/other"],
        &["delete", "mutatingwebhookconfigurations/a.b.c-abcde"],
        &["create", "configmaps", "--namespace=default"],
        &["list", "daemonsets.apps", "--namespace=default"],
        &["list", "pods", "--all-namespaces"],
        &["create", "clusterrolebindings.rbac.authorization.k8s.io"],
        &["impersonate", "users"],
        &["*", "*"],
    ] {
        assert!(!may(world, what), "may {what:?}");
    }

    install(world, &["--take-over"]);
    assert!(may(world, &["delete", "mutatingwebhookconfigurations/a.b.c-abcde"]));
    assert!(!may(world, &["patch", "mutatingwebhookconfigurations/a.b.c-abcde"]));
}

/// The right to create is given by name, which holds for server-side apply alone.
#[test]
fn a_configuration_is_made_by_its_name_alone() {
    let Some(world) = World::shared() else { return };
    let of = |name: &str| {
        let kind = "ValidatingWebhookConfiguration";
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "webhooks": []})
    };
    let name = "bylaw-by-name";
    let printed = printed(&["crd", "--rbac", "--namespace", "default", "--name", name]);
    kubectl(world, &["apply", "-f", "-"], &printed);
    let user = format!("--as=system:serviceaccount:default:{name}");
    let apply = ["apply", "--server-side", "--field-manager=bylaw", user.as_str(), "-f", "-"];
    kubectl(world, &apply, &of(name).to_string());
    let other = world.cluster.kubectl_with_input(apply, &of("somebody-elses").to_string()).expect("kubectl runs");
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && told.contains("is forbidden"), "{told}");
    kubectl(world, &["delete", "validatingwebhookconfiguration", name, &user], "");
}
