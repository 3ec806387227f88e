//! Bylaw in front of a cluster: policies in a folder, the real server, the configurations that `bylaw webhook` prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Reply, eventually};
use super::objects::config_map;
use super::policies::{PolicyFile, canary};
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::world::World;

/// The label of the namespaces whose objects a test is about, so that tests can share a cluster.
const RUN_LABEL: &str = "e2e.example.com/run";

const CONFIGURATIONS: [&str; 2] = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"];

/// A server under test with a namespace of its own; dropping it takes both out of the cluster.
pub struct Bylaw<'w> {
    pub world: &'w World,
    /// Of the namespace, of the webhook configurations, and of this run.
    pub name: String,
    server: Option<Server>,
    arguments: Vec<String>,
    folder: ScratchFolder,
}

/// What kubectl wrote.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// Runs a test with these policies in force on the shared cluster.
pub fn with_bylaw<const N: usize>(policies: [PolicyFile; N], test: impl FnOnce(&mut Bylaw)) {
    with_arguments(&[], policies, test);
}

/// The same with further arguments for `bylaw serve`.
pub fn with_arguments<const N: usize>(arguments: &[&str], policies: [PolicyFile; N], test: impl FnOnce(&mut Bylaw)) {
    if let Some(world) = World::shared() {
        test(&mut Bylaw::start(world, arguments, &policies));
    }
}

impl<'w> Bylaw<'w> {
    /// Serves these policies and waits until the API server asks for their verdicts.
    pub fn start(world: &'w World, arguments: &[&str], policies: &[PolicyFile]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("bylaw-{name}-{}", std::process::id()));
        let folder = ScratchFolder::create(folder).expect("no temporary folder");
        let mut bylaw = Self { world, name, server: None, arguments: Vec::new(), folder };

        fs::create_dir(bylaw.policies()).expect("the folder is ours");
        for file in policies.iter().chain([&canary()]) {
            bylaw.write(file);
        }
        let mut given: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        if !arguments.contains(&"--kubeconfig") {
            given.extend(["--kubeconfig".to_owned(), world.cluster.kubeconfig().display().to_string()]);
        }
        given.extend(["--policies".to_owned(), bylaw.policies().display().to_string()]);
        given.extend(["--state-dir".to_owned(), bylaw.folder.path().join("state").display().to_string()]);
        bylaw.arguments = given;
        bylaw.serve(&[]);
        bylaw.make_namespace(&bylaw.name, &json!({}));
        bylaw.register();
        bylaw
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server was stopped")
    }

    /// Another server on the same policies and the same cluster. The API server knows nothing of it.
    pub fn replica(&self) -> Server {
        let state = self.folder.path().join("replica").display().to_string();
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        if let Some(at) = arguments.iter().position(|argument| *argument == "--state-dir") {
            arguments.drain(at..at + 2);
        }
        arguments.extend(["--state-dir", &state]);
        Server::start(&arguments)
    }

    /// Kills the server. The API server goes on calling for it.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Serves again at `url`, where it was before.
    pub fn serve_again(&mut self, url: &str) {
        let address = url.strip_prefix("https://").expect("webhooks are served over https");
        self.serve(&["--listen", address]);
    }

    /// Puts a file into the policy folder.
    pub fn write(&self, file: &PolicyFile) {
        fs::write(self.policies().join(&file.name), &file.text).expect("the folder is ours");
    }

    /// Takes a file out of the policy folder.
    pub fn remove(&self, file: &PolicyFile) {
        fs::remove_file(self.policies().join(&file.name)).expect("the folder is ours");
    }

    /// A namespace under the policies of this run.
    pub fn make_namespace(&self, name: &str, labels: &Value) {
        let mut labels = labels.clone();
        labels[RUN_LABEL] = self.name.as_str().into();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.world.api.post("/api/v1/namespaces", &namespace).object();
    }

    /// Where objects of this namespace are: `pods`, `pods/web/status`, `apps/v1/deployments`.
    pub fn path(&self, resource: &str) -> String {
        path_in(&self.name, resource)
    }

    /// The object with the namespace of this run written into it, as objects in policies have it.
    pub fn placed(&self, mut object: Value) -> Value {
        object["metadata"]["namespace"] = self.name.as_str().into();
        object
    }

    pub fn get(&self, resource: &str) -> Reply {
        self.world.api.get(&self.path(resource))
    }

    pub fn create(&self, resource: &str, object: &Value) -> Reply {
        self.world.api.post(&self.path(resource), object)
    }

    pub fn replace(&self, resource: &str, object: &Value) -> Reply {
        self.world.api.put(&self.path(resource), object)
    }

    pub fn merge(&self, resource: &str, change: &Value) -> Reply {
        self.world.api.merge(&self.path(resource), change)
    }

    pub fn delete(&self, resource: &str) -> Reply {
        self.world.api.delete(&self.path(resource))
    }

    /// Creates an object that no policy minds; with what is stored of it.
    pub fn accepts(&self, resource: &str, object: &Value) -> Value {
        self.create(resource, object).object()
    }

    /// Creates an object that a policy minds; with what the client is told. Nothing is stored.
    pub fn rejects(&self, resource: &str, object: &Value) -> String {
        let refusal = self.create(resource, object).refusal();
        if let Some(name) = object["metadata"]["name"].as_str() {
            assert_eq!(self.get(&format!("{resource}/{name}")).status, 404, "refused and stored: {resource}/{name}");
        }
        refusal
    }

    /// Runs kubectl in the namespace of this run.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Said {
        let arguments = ["--namespace", &self.name].into_iter().chain(arguments.iter().copied());
        let output = self.world.cluster.kubectl_with_input(arguments, input).expect("kubectl runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn policies(&self) -> PathBuf {
        self.folder.path().join("policies")
    }

    fn serve(&mut self, more: &[&str]) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.server = Some(Server::start(&arguments));
    }

    fn register(&self) {
        let (policies, state) = (self.policies(), self.folder.path().join("state"));
        let mut printed = configurations(&policies, &state, self.server().url(), &self.name);
        for configuration in printed["items"].as_array_mut().expect("a list of configurations") {
            narrow(configuration, &self.name);
            let resource = format!("{}s", configuration["kind"].as_str().unwrap_or_default().to_lowercase());
            self.world.api.post(&configuration_path(&resource), configuration).object();
        }
        self.await_webhooks();
    }

    /// Waits until the API server calls both webhooks.
    pub fn await_webhooks(&self) {
        let path = format!("{}?dryRun=All", self.path("configmaps"));
        let canary = config_map("canary", json!({"canary": "yes"}));
        let called = |reply: &Reply| reply.message().contains("both webhooks are called");
        eventually("the API server calls the webhooks", || self.world.api.post(&path, &canary), called);
    }
}

impl Drop for Bylaw<'_> {
    fn drop(&mut self) {
        let api = &self.world.api;
        let namespace = format!("/api/v1/namespaces/{}", self.name);
        let configurations = CONFIGURATIONS.map(|resource| format!("{}/{}", configuration_path(resource), self.name));
        for path in configurations.iter().chain([&namespace]) {
            // A test of a lost API server has lost it here too.
            drop(api.try_send(Method::DELETE, path, None));
        }
        // Nothing runs here that would finish the deletion of a namespace.
        let finished = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}, "spec": {"finalizers": []},
        });
        drop(api.try_send(Method::PUT, &format!("{namespace}/finalize"), Some(("application/json", &finished))));
    }
}

/// What `bylaw webhook` prints, as a `List`.
fn configurations(policies: &Path, state: &Path, url: &str, name: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bylaw"));
    command.arg("webhook").arg("--policies").arg(policies).arg("--state-dir").arg(state);
    let output = command.args(["--url", url, "--name", name, "--output", "json"]).output().expect("bylaw runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Keeps a configuration to the namespaces of one run: others share the cluster.
fn narrow(configuration: &mut Value, run: &str) {
    for webhook in configuration["webhooks"].as_array_mut().expect("a list of webhooks") {
        let expressions = &mut webhook["namespaceSelector"]["matchExpressions"];
        expressions
            .as_array_mut()
            .expect("a selector")
            .push(json!({"key": RUN_LABEL, "operator": "In", "values": [run]}));
    }
}

fn configuration_path(resource: &str) -> String {
    format!("/apis/admissionregistration.k8s.io/v1/{resource}")
}

/// Where objects of a namespace are: `pods`, `pods/web/status`, `apps/v1/deployments`.
pub fn path_in(namespace: &str, resource: &str) -> String {
    let versions = ["v1", "v2", "v1beta1"];
    let parts: Vec<&str> = resource.splitn(3, '/').collect();
    match parts[..] {
        [group, version, rest] if versions.contains(&version) => {
            format!("/apis/{group}/{version}/namespaces/{namespace}/{rest}")
        }
        _ => format!("/api/v1/namespaces/{namespace}/{resource}"),
    }
}
