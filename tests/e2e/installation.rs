//! From nothing to a cluster that is guarded, and back: the commands of the README, run as they stand there, and what they
//! give is all that the server has. There is no kubelet here: the test plays the pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::bylaw::path_in;
use super::chart::helm;
use super::install::kubectl;
use super::objects::config_map;
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::world::World;

const NAMESPACE: &str = "bylaw-system";

/// The commands of the README's section, without what is said about them.
fn commands() -> Vec<String> {
    let (_, section) = include_str!("../../README.md").split_once("## Installing in a cluster").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

/// A shell in a copy of what the commands name, with the programs under test on its path.
struct Shell<'w> {
    world: &'w World,
    folder: ScratchFolder,
}

impl<'w> Shell<'w> {
    fn new(world: &'w World, helm: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bylaw-installation-{}", std::process::id()));
        let folder = ScratchFolder::create(folder).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let kubectl = Path::new(&std::env::var_os("BYLAW_TEST_CLUSTER_BIN").unwrap()).join("kubectl");
        let programs =
            [("bylaw", Path::new(env!("CARGO_BIN_EXE_bylaw"))), ("helm", Path::new(helm)), ("kubectl", &kubectl)];
        for (name, program) in programs {
            std::os::unix::fs::symlink(fs::canonicalize(program).unwrap(), bin.join(name)).unwrap();
        }
        for name in ["charts", "policies"] {
            std::os::unix::fs::symlink(root.join(name), folder.path().join(name)).unwrap();
        }
        Self { world, folder }
    }

    fn output(&self, command: &str) -> Output {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", command]).current_dir(self.folder.path()).env("PATH", path);
        shell.env("KUBECONFIG", self.world.cluster.kubeconfig());
        // What Helm and kubectl keep for their user is no part of the test.
        for variable in ["HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            shell.env(variable, self.folder.path());
        }
        shell.output().expect("sh runs")
    }

    fn run(&self, command: &str) {
        let output = self.output(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A kubeconfig of a `ServiceAccount` that the chart has made.
    fn kubeconfig(&self, account: &str) -> String {
        let token = kubectl(self.world, &["create", "token", account, "--namespace", NAMESPACE], "");
        let admins = fs::read_to_string(self.world.cluster.kubeconfig()).unwrap();
        let path = self.path(account);
        fs::write(&path, admins.replace(self.world.cluster.admin_token(), token.trim())).unwrap();
        path.display().to_string()
    }
}

/// Does what a kubelet and a controller do about the Job of the hook: runs its command, and says that it is done.
fn play_job(shell: &Shell) {
    let path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/bylaw-uninstall");
    let api = &shell.world.api;
    let job = eventually("the hook's Job", || api.get(&path), Reply::is_good).object();
    let pod = &job["spec"]["template"]["spec"];
    let kubeconfig = shell.kubeconfig(pod["serviceAccountName"].as_str().unwrap());
    let arguments = pod["containers"][0]["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap());
    let arguments = arguments.flat_map(|argument| match argument {
        // The one difference to the pod, which finds its credentials where no test may put any.
        "--in-cluster" => vec!["--kubeconfig", &kubeconfig],
        other => vec![other],
    });
    let ended = Command::new(env!("CARGO_BIN_EXE_bylaw")).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": "Done"});
    let conditions = [condition("SuccessCriteriaMet"), condition("Complete")];
    let status = json!({"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions});
    api.merge(&format!("{path}/status"), &json!({"status": status})).object();
}

#[test]
fn the_commands_of_the_readme_guard_a_cluster_and_leave_nothing_that_blocks_it() {
    let Some(helm) = helm() else { return };
    let Some(world) = World::start() else { return };
    let shell = Shell::new(&world, &helm);
    let commands = commands();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let (uninstall, install) = commands.split_last().unwrap();
    for command in install {
        shell.run(command);
    }

    // A pod of it, with the rights that the chart gives and no others.
    let (kubeconfig, state) = (shell.kubeconfig("bylaw"), shell.path("state").display().to_string());
    let server = Server::start(&["--kubeconfig", &kubeconfig, "--state-dir", &state, "--namespace", NAMESPACE]);
    let policy = json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": "guard.e2e.example.com"},
        "spec": {
            "operations": ["CREATE"], "resources": ["configmaps"],
            "javascript": "if (request.object.data?.bad) deny('guarded');",
        },
    });
    kubectl(&world, &["apply", "-f", "-"], &policy.to_string());
    let ask = |data: Value| {
        world.api.post(&format!("{}?dryRun=All", path_in("default", "configmaps")), &config_map("asked", data))
    };
    let guarded = |reply: &Reply| reply.message().contains("guarded");
    eventually("it is guarded", || ask(json!({"bad": "yes"})), guarded);
    let ready = || kubectl(&world, &["get", "jspolicies", "-o", "jsonpath={.items[*].status.phase}"], "");
    eventually("kubectl tells so", ready, |phase| phase == "Synced");
    let refused = world.api.merge(
        "/apis/policy.jspolicy.com/v1beta1/jspolicies/guard.e2e.example.com",
        &json!({"spec": {"javascript": "deny(;"}}),
    );
    assert!(refused.message().contains("crds.bylaw.dev"), "{refused:?}");
    let forbidden: Vec<String> =
        server.log().lines().filter(|line| line.contains("is forbidden")).map(str::to_owned).collect();
    assert!(forbidden.is_empty(), "it lacks a right: {forbidden:?}");

    // Helm takes the pods away before the hook runs.
    drop(server);
    thread::scope(|scope| {
        let ended = scope.spawn(|| shell.run(uninstall));
        play_job(&shell);
        ended.join().expect("helm ends");
    });
    for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        let left = kubectl(&world, &["get", kind, "-o", "name"], "");
        assert_eq!(left, "", "{kind}");
    }
    assert!(ask(json!({"bad": "yes"})).is_good());
}
