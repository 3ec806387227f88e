//! The newcomer's path: the policies of this repository on a fresh cluster, registered by the line that the README gives.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::api::eventually;
use super::objects::pod;
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::world::World;

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

/// `bylaw webhook -p policies --url … | kubectl apply -f -`
fn register(world: &World, server: &Server, state: &Path) {
    let webhook = Command::new(env!("CARGO_BIN_EXE_bylaw"))
        .args(["webhook", "-p"])
        .arg(policies())
        .args(["--url", server.url(), "--state-dir"])
        .arg(state)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(webhook.status.success());
    let (good, said) = kubectl(world, &["apply", "-f", "-"], &String::from_utf8(webhook.stdout).unwrap());
    assert!(good, "{said}");
}

/// kubectl's exit and all that it wrote.
fn kubectl(world: &World, arguments: &[&str], input: &str) -> (bool, String) {
    let output = world.cluster.kubectl_with_input(arguments.iter().copied(), input).unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn the_starter_policies_hold_on_a_fresh_cluster() {
    let Some(world) = World::start() else { return };
    let state = std::env::temp_dir().join(format!("bylaw-starter-{}", std::process::id()));
    let state = ScratchFolder::create(state).unwrap();
    let (kubeconfig, starter) = (world.cluster.kubeconfig(), policies());
    let arguments = ["--policies", starter.to_str().unwrap(), "--kubeconfig", kubeconfig.to_str().unwrap()];
    let server = Server::start(&[&arguments[..], &["--state-dir", state.path().to_str().unwrap()]].concat());
    register(&world, &server, state.path());

    let run = || kubectl(&world, &["run", "web", "--image=nginx"], "");
    let (_, said) = eventually("the policies are in force", run, |(good, _)| !good);
    for words in ["image nginx must name a version", "container web must limit memory"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    refuses_what_is_dangerous(&world);
    secures_what_is_good(&world);
    keeps_what_is_protected(&world);
    assert_eq!(server.log().matches("ERROR").count(), 0, "{}", server.log());
}

fn refuses_what_is_dangerous(world: &World) {
    let mut privileged = good_pod("dangerous");
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    privileged["spec"]["hostNetwork"] = true.into();
    privileged["spec"]["containers"][0]["image"] = "evil.example.com/web:1".into();
    let (good, said) = kubectl(world, &["create", "-f", "-"], &privileged.to_string());
    assert!(!good, "{said}");
    for policy in ["no-privileged.", "no-host-namespaces.", "allowed-registries."] {
        assert!(said.contains(&format!("[{policy}")), "{policy}: {said}");
    }
    let (good, said) = kubectl(world, &["create", "service", "nodeport", "web", "--tcp=80"], "");
    assert!(!good && said.contains("it opens a port on every node"), "{said}");
    let (good, said) = kubectl(world, &["create", "deployment", "web", "--image=nginx:1.29"], "");
    assert!(!good && said.contains("container nginx must limit memory"), "the template of a workload: {said}");
}

fn secures_what_is_good(world: &World) {
    let (good, said) = kubectl(world, &["create", "-f", "-"], &good_pod("good").to_string());
    assert!(good, "{said}");
    let stored = world.api.get("/api/v1/namespaces/default/pods/good").object();
    assert_eq!(stored["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let own = &stored["spec"]["containers"][0]["securityContext"];
    assert_eq!(*own, json!({"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": false}));
    let (good, said) = kubectl(world, &["delete", "pod", "good", "--wait=false"], "");
    assert!(good, "{said}");
}

fn keeps_what_is_protected(world: &World) {
    let labelled = |value: &str| {
        kubectl(world, &["label", "namespace", "kept", "--overwrite", &format!("bylaw.dev/protected={value}")], "")
    };
    let delete = || kubectl(world, &["delete", "namespace", "kept", "--wait=false"], "");
    assert!(kubectl(world, &["create", "namespace", "kept"], "").0);
    assert!(labelled("true").0);
    let (good, said) = delete();
    assert!(!good && said.contains("Namespace kept is protected"), "{said}");
    assert!(labelled("false").0);
    let (good, said) = delete();
    assert!(good, "{said}");
}

fn good_pod(name: &str) -> serde_json::Value {
    let mut pod = pod(name);
    pod["spec"]["containers"][0]["image"] = "docker.io/library/nginx:1.29".into();
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}});
    pod
}
