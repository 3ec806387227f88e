//! Bylaw on a host of virtual clusters: whose request is it, and who only says so?

mod chart;
mod files;
mod forged;
mod registration;
mod registry;

use serde_json::{Value, json};

use super::bylaw::{Said, path_in};
use super::policies::{PolicyFile, policy};
use super::world::World;

/// Runs kubectl as somebody else, who may do whatever he is not kept from here.
pub fn as_user(world: &World, user: &str, arguments: &[&str], input: &str) -> Said {
    let user = format!("--as={user}");
    let arguments = arguments.iter().copied().chain([user.as_str(), "--as-group=e2e-editors"]);
    let output = world.cluster.kubectl_with_input(arguments, input).expect("kubectl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Gives that group every right but that of an admin of Bylaw.
fn editors(world: &World) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "e2e-editors"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "e2e-editors"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    });
    let reply = world.api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
    assert!(reply.is_good() || reply.status == 409, "{reply:?}");
}

/// Has nothing against any of them: what is refused then is refused by Bylaw itself.
fn asking_about_namespaces() -> PolicyFile {
    policy("namespaces", r#"match: { resources: ["namespaces"], operations: ["CREATE", "UPDATE"] }, validate() {},"#)
}

/// Refuses pods that ask for it, and says what it was told of them.
pub fn telling() -> PolicyFile {
    policy(
        "telling",
        r#"
        match: { resources: ["pods"], operations: ["CREATE"], objectSelector: { matchLabels: { tell: "yes" } } },
        validate({ object, tenant, virtual, vantage, deny }) {
          const { kind, trusted, name, namespace, vcluster, owner } = tenant;
          const seen = virtual && {
            name: virtual.metadata.name, namespace: virtual.metadata.namespace, labels: virtual.metadata.labels,
            account: virtual.spec.serviceAccountName, maps: virtual.spec.volumes?.map((one) => one.configMap?.name).filter(Boolean),
          };
          deny(JSON.stringify({ told: { kind, trusted, name, namespace, vcluster, owner, vantage, seen } }));
        },
        "#,
    )
}

/// What the telling policy was told, out of whatever repeats it.
fn told(text: &str) -> Option<Value> {
    let at = text.find("{\"told\"")?;
    let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
    values.next()?.ok().map(|mut value| value["told"].take())
}

/// A pod that the telling policy refuses.
pub fn talkative(name: &str) -> Value {
    let mut pod = super::objects::pod(name);
    pod["metadata"]["labels"] = json!({"tell": "yes", "release": "prod"});
    pod
}

/// The path of pods in a namespace.
fn pods(namespace: &str) -> String {
    path_in(namespace, "pods")
}
