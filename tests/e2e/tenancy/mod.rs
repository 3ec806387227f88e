//! Bylaw on a host of virtual clusters: whose request is it, and who only says so? With the real syncer of vCluster.

mod authority;
mod chart;
mod files;
mod forged;
mod registration;
mod registry;
mod tenants;
mod virtual_cluster;

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use super::bylaw::{Bylaw, Said, path_in};
use super::policies::{PolicyFile, policy};
use super::world::World;
pub use chart::workload;
use virtual_cluster::{SYNCER_VARIABLE, VirtualCluster};

/// A host with two tenants, each with a virtual cluster.
pub struct Host {
    // Dropped in this order.
    pub one: VirtualCluster,
    pub two: VirtualCluster,
    pub bylaw: Bylaw<'static>,
}

/// Runs a test on the host that all of them share. They take turns, and leave the tenants as they were.
pub fn with_host(test: impl FnOnce(&Host)) {
    static HOST: OnceLock<Option<Mutex<Host>>> = OnceLock::new();
    if !is_possible() {
        return;
    }
    let Some(host) = HOST.get_or_init(|| Host::start().map(Mutex::new)).as_ref() else { return };
    let host: MutexGuard<'_, Host> = host.lock().unwrap_or_else(PoisonError::into_inner);
    test(&host);
}

impl Host {
    fn start() -> Option<Self> {
        let world = World::shared()?;
        let bylaw = Bylaw::start(world, &[], &[telling(), asking_about_all()]);
        editors(world);
        // Of one name in two namespaces: nothing but the place tells them apart.
        let start = |namespace: &str, owner: &str| {
            bylaw.make_namespace(namespace, &json!({"loft.sh/project": owner}));
            let virtual_cluster = VirtualCluster::start(world, namespace, "dev");
            virtual_cluster.make_namespace("team-a");
            virtual_cluster
        };
        let (one, two) = (start("vc-one", "shop"), start("vc-two", "bank"));
        Some(Self { one, two, bylaw })
    }
}

/// Runs kubectl as somebody else, who may do whatever he is not kept from here.
pub fn as_user(world: &World, user: &str, arguments: &[&str], input: &str) -> Said {
    let user = format!("--as={user}");
    let arguments = arguments.iter().copied().chain([user.as_str(), "--as-group=e2e-editors"]);
    let output = world.cluster.kubectl_with_input(arguments, input).expect("kubectl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Gives that group every right but that of an admin of Bylaw.
pub fn editors(world: &World) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "e2e-editors"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "e2e-editors"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    });
    let reply = world.api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
    assert!(reply.is_good() || reply.status == 409, "{reply:?}");
}

/// Has nothing against any of them: what is refused then is refused by Bylaw itself.
fn asking_about_all() -> PolicyFile {
    policy(
        "namespaces",
        r#"match: { resources: ["namespaces", "pods"], operations: ["CREATE", "UPDATE"] }, validate() {},"#,
    )
}

/// Whether there is a syncer to start; where not, on CI, that is a failure.
fn is_possible() -> bool {
    if std::env::var_os(SYNCER_VARIABLE).is_some_and(|path| Path::new(&path).is_file()) {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{SYNCER_VARIABLE} names no syncer");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not eprintln!, which is shown for failed tests only.
    drop(writeln!(
        std::io::stderr(),
        "skipped {test}: {SYNCER_VARIABLE} names no syncer: run `cargo xtask e2e`, which builds it"
    ));
    false
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
