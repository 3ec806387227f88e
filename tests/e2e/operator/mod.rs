//! Bylaw as the operator of a cluster: policies are objects, and what follows from them is written back.

mod configurations;
mod crowd;
mod environment;
mod excepted;
mod faults;
mod lifecycle;
mod outage;
mod packages;
mod storms;
mod takeover;
mod tenants;
mod uninstall;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Reply, eventually};
use super::bylaw::path_in;
use super::objects::config_map;
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::world::World;

const POLICIES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicies";
const BUNDLES: &str = "/apis/policy.jspolicy.com/v1beta1/jspolicybundles";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// An operator judges a whole cluster: these tests share one of their own, and take turns in it.
pub struct Operator<'w> {
    pub world: &'w World,
    /// Of the namespace that the objects are in.
    pub namespace: String,
    pub server: Option<Server>,
    pub folder: ScratchFolder,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What is wrong with a policy shows in its status; otherwise it could not be stored at all.
const UNCHECKED: (&str, &str) = ("UPDATE_WEBHOOK", "false");

/// Has the API server ask about Bylaw's own kinds, as it does in a cluster of users.
pub const CHECKED: (&str, &str) = ("UPDATE_WEBHOOK", "true");

/// Runs a test with an operator on a cluster without policies.
pub fn with_operator(arguments: &[&str], test: impl FnOnce(&mut Operator)) {
    with_environment(arguments, &[], test);
}

/// The same with variables for the server.
pub fn with_environment(arguments: &[&str], environment: &[(&str, &str)], test: impl FnOnce(&mut Operator)) {
    with_cluster(|operator| {
        operator.arguments.extend(arguments.iter().map(ToString::to_string));
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        operator.environment = owned.collect();
        operator.serve();
        test(operator);
    });
}

/// The same before anything is served.
pub fn with_cluster(test: impl FnOnce(&mut Operator)) {
    if let Some(world) = turn() {
        test(&mut Operator::new(&world));
    }
}

fn turn() -> Option<MutexGuard<'static, World>> {
    static WORLD: OnceLock<Option<Mutex<World>>> = OnceLock::new();
    let world = WORLD.get_or_init(|| World::start().map(Mutex::new)).as_ref()?;
    // A test that failed has cleaned up like any other.
    Some(world.lock().unwrap_or_else(PoisonError::into_inner))
}

impl<'w> Operator<'w> {
    fn new(world: &'w World) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bylaw-operator-{}-{number}", std::process::id());
        let folder = ScratchFolder::create(std::env::temp_dir().join(name)).expect("no temporary folder");
        let namespace = "guarded".to_owned();
        let operator = Self { world, namespace, server: None, folder, arguments: Vec::new(), environment: Vec::new() };
        operator.define();
        // That of the objects, and the one that Bylaw is in where a test says so.
        for name in [&operator.namespace, "bylaw-system"] {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            drop(operator.api().post("/api/v1/namespaces", &object));
        }
        operator
    }

    pub fn api(&self) -> &Api {
        &self.world.api
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server was stopped")
    }

    /// Installs the CRDs.
    pub fn define(&self) {
        for (plural, kind) in [("jspolicies", "JsPolicy"), ("jspolicybundles", "JsPolicyBundle")] {
            let definition = definition(plural, kind);
            let there = |reply: &Reply| reply.is_good() || reply.status == 409;
            eventually("a CRD", || self.api().post(DEFINITIONS, &definition), there);
        }
        eventually("the kind is served", || self.api().get(POLICIES), Reply::is_good);
        eventually("the kind is served", || self.api().get(BUNDLES), Reply::is_good);
    }

    pub fn serve(&mut self) {
        let kubeconfig = self.world.cluster.kubeconfig().display().to_string();
        self.serve_at(&kubeconfig);
    }

    /// Serves with another way to the API server.
    pub fn serve_at(&mut self, kubeconfig: &str) {
        let state = self.folder.path().join("state").display().to_string();
        let mut arguments = vec!["--kubeconfig", kubeconfig, "--state-dir", &state];
        arguments.extend(self.arguments.iter().map(String::as_str));
        let given = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<(&str, &str)> = [UNCHECKED].into_iter().chain(given).collect();
        self.server = Some(Server::start_with(&arguments, &environment));
    }

    pub fn give(&mut self, arguments: &[&str]) {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Makes a policy, or makes it another.
    pub fn put(&self, name: &str, spec: &Value) -> Value {
        let object = js_policy(name, spec);
        let path = format!("{POLICIES}/{}?fieldManager=e2e&force=true", full(name));
        let body = Some(("application/apply-patch+yaml", &object));
        self.api().try_send(Method::PATCH, &path, body).expect("an answer").object()
    }

    pub fn policy(&self, name: &str) -> Value {
        self.api().get(&format!("{POLICIES}/{}", full(name))).body
    }

    pub fn bundle(&self, name: &str) -> Value {
        self.api().get(&format!("{BUNDLES}/{}", full(name))).body
    }

    pub fn remove(&self, name: &str) {
        self.api().delete(&format!("{POLICIES}/{}", full(name))).object();
    }

    /// Waits for a policy whose status is of its present generation and has this phase.
    pub fn reaches(&self, name: &str, phase: &str) -> Value {
        let is_there = |policy: &Value| {
            policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
                && policy["status"]["phase"] == phase
        };
        eventually(phase, || self.policy(name), is_there)
    }

    /// Asks for a `ConfigMap` with this data, which is not kept.
    pub fn ask(&self, data: Value) -> Reply {
        let path = format!("{}?dryRun=All", path_in(&self.namespace, "configmaps"));
        self.api().post(&path, &config_map("asked", data))
    }

    /// Waits until a `ConfigMap` with this data is refused with this message.
    pub fn refuses(&self, data: Value, message: &str) {
        eventually(message, || self.ask(data.clone()), |reply| reply.message().contains(message));
    }

    /// Waits until it is not refused.
    pub fn allows(&self, data: Value) {
        eventually("it is allowed", || self.ask(data.clone()), Reply::is_good);
    }

    /// Bylaw's own configuration for validating policies.
    pub fn configuration(&self) -> Value {
        self.api().get(&format!("{VALIDATING}/bylaw")).body
    }
}

impl Drop for Operator<'_> {
    fn drop(&mut self) {
        self.server = None;
        for path in [POLICIES, BUNDLES, VALIDATING, MUTATING] {
            drop(self.api().try_send(Method::DELETE, path, None));
        }
        eventually(
            "no policies",
            || self.api().get(POLICIES),
            |all| all.body["items"].as_array().is_none_or(Vec::is_empty),
        );
    }
}

/// `NAME.e2e.example.com`.
pub fn full(name: &str) -> String {
    format!("{name}.e2e.example.com")
}

pub fn js_policy(name: &str, spec: &Value) -> Value {
    let mut whole = json!({"operations": ["CREATE"], "resources": ["configmaps"]});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({
        "apiVersion": "policy.jspolicy.com/v1beta1", "kind": "JsPolicy", "metadata": {"name": full(name)}, "spec": whole,
    })
}

/// A script that refuses `ConfigMap`s with `data.bad`.
pub fn refusing(message: &str) -> Value {
    json!({"javascript": format!("if (request.object.data?.bad) deny({message:?});")})
}

/// The least that a cluster must know of a kind.
pub fn definition(plural: &str, kind: &str) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.policy.jspolicy.com")},
        "spec": {
            "group": "policy.jspolicy.com", "scope": "Cluster", "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": "v1beta1", "served": true, "storage": true, "schema": schema, "subresources": {"status": {}},
            }],
        },
    })
}
