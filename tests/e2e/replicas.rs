//! Some replicas of one Bylaw: each a process of its own, one Lease, one Secret, one webhook configuration that sends to
//! whichever is there.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::jiff::Timestamp;
use reqwest::Method;
use serde_json::json;

use super::api::{Reply, eventually};
use super::balancer::Balancer;
use super::load::{Target, guard};
use super::objects::config_map;
use super::operator::definition;
use super::policies::PolicyFile;
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::world::World;

pub const SECRET: &str = "jspolicy-webhook-cert";
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// Where replicas are, and what can be seen of them from there.
#[derive(Clone)]
pub struct Site<'w> {
    pub world: &'w World,
    /// Of the namespace and of the webhook configuration.
    pub name: String,
    folder: PathBuf,
}

pub struct Replicas<'w> {
    site: Site<'w>,
    pub balancer: Balancer,
    pub running: BTreeMap<String, Server>,
    addresses: BTreeMap<String, SocketAddr>,
    arguments: Vec<String>,
    _folder: ScratchFolder,
}

impl<'w> Deref for Replicas<'w> {
    type Target = Site<'w>;

    fn deref(&self) -> &Self::Target {
        &self.site
    }
}

impl<'w> Replicas<'w> {
    /// A namespace for replicas; none runs yet.
    pub fn of(world: &'w World, arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("replicas-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("bylaw-{name}-{}", std::process::id()));
        let folder = ScratchFolder::create(folder).expect("no temporary folder");
        let judged = guard(&objects_of(&name));
        fs::create_dir(folder.path().join("policies")).expect("the folder is ours");
        fs::write(folder.path().join("policies").join(judged.name), judged.text).expect("the folder is ours");
        define(world);
        for name in [&name, &objects_of(&name)] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            world.api.post("/api/v1/namespaces", &namespace).object();
        }
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let (running, addresses) = Default::default();
        let site = Site { world, name, folder: folder.path().to_owned() };
        Self { site, balancer: Balancer::start(), running, addresses, arguments, _folder: folder }
    }

    /// Starts replicas of these names at once and waits until each is ready.
    pub fn start(&mut self, names: &[&str]) {
        let kubeconfig = self.world.cluster.kubeconfig().display().to_string();
        self.start_with(names, &kubeconfig);
    }

    /// A policy for the replicas that are started from now on.
    pub fn write(&self, file: &PolicyFile) {
        fs::write(self.folder.join("policies").join(&file.name), &file.text).expect("the folder is ours");
    }

    /// The same with another way to the cluster.
    pub fn start_with(&mut self, names: &[&str], kubeconfig: &str) {
        for name in names {
            // What a replica prints is the URL that all share.
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            self.addresses.insert((*name).to_owned(), free.expect("a free port"));
        }
        let balancer = &self.balancer;
        let started: Vec<(String, Server)> = thread::scope(|scope| {
            let all = |name: &&str| (*name).to_owned();
            let threads: Vec<_> = names
                .iter()
                .map(all)
                .map(|name| {
                    let (arguments, address) = (self.arguments_of(&name, kubeconfig), self.address_of(&name));
                    scope.spawn(move || {
                        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                        let server = Server::start(&arguments);
                        // As a Service has it: each from when it is ready.
                        balancer.add(&address);
                        (name, server)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("it starts")).collect()
        });
        self.running.extend(started);
        self.balance();
    }

    fn arguments_of(&self, name: &str, kubeconfig: &str) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut arguments = vec!["--operator".to_owned()];
        for (flag, value) in [
            ("--kubeconfig", kubeconfig.to_owned()),
            ("--namespace", self.name.clone()),
            ("--identity", name.to_owned()),
            ("--listen", self.addresses[name].to_string()),
            ("--webhook-url", self.balancer.url()),
            ("--webhook-name", self.name.clone()),
            ("--policies", path("policies")),
            ("--state-dir", self.state_of(name).display().to_string()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }

    /// For the replicas that are started from now on.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Sends new connections to all replicas that were not stopped.
    pub fn balance(&self) {
        let addresses: Vec<String> = self.running.keys().map(|name| self.address_of(name)).collect();
        self.balancer.send_to(addresses.iter().map(String::as_str));
    }

    /// `https://127.0.0.1:port` of one replica.
    pub fn address_of(&self, name: &str) -> String {
        format!("https://{}", self.addresses[name])
    }

    /// Kills a replica with SIGKILL, and says when. Its log stays.
    pub fn kill(&mut self, name: &str) -> (Server, Timestamp) {
        let mut server = self.running.remove(name).expect("it runs");
        signal(&server, "-KILL");
        server.wait(Duration::from_secs(10));
        let at = Timestamp::now();
        self.balance();
        (server, at)
    }

    /// The name of the replica that leads, by its own word. There is at most one, but for the moment of a change.
    pub fn leader(&self) -> Option<&str> {
        let leads = |server: &Server| server.get(server.metrics_url()).1.lines().any(|line| line == "bylaw_leader 1");
        self.running.iter().find(|(_, server)| leads(server)).map(|(name, _)| name.as_str())
    }

    pub fn await_leader(&self) -> String {
        eventually("a replica leads", || self.leader(), Option::is_some).expect("found").to_owned()
    }

    /// A configuration that somebody else keeps, such as jsPolicy, and that trusts `bundle`.
    pub fn register_old(&self, bundle: &str) {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self.old()},
            "webhooks": [{
                "name": "old.replicas.example.com",
                "clientConfig": {"url": format!("{}/validate", self.balancer.url()), "caBundle": STANDARD.encode(bundle)},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": objects_of(&self.name)}},
                "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 10, "admissionReviewVersions": ["v1"],
            }],
        });
        self.world.api.post(CONFIGURATIONS, &configuration).object();
    }

    /// Creates config maps all the while that `faults` goes on, and keeps a configuration of somebody else as the leader
    /// says. Each create must be judged and stored; answers with how many there were.
    pub fn under_load(&mut self, faults: impl FnOnce(&mut Self)) -> usize {
        self.under_load_of(judged, faults)
    }

    /// The same where `good` says what may become of a create; `None` where there was no answer.
    pub fn under_load_of(
        &mut self,
        good: impl Fn(Option<&Reply>) -> bool + Sync,
        faults: impl FnOnce(&mut Self),
    ) -> usize {
        const CLIENTS: usize = 3;
        let (over, created) = (AtomicBool::new(false), AtomicUsize::new(0));
        let site = self.site.clone();
        let load = || {
            while !over.load(Ordering::Relaxed) {
                let number = created.fetch_add(1, Ordering::Relaxed);
                let object = config_map(&format!("c-{number}"), json!({}));
                let body = Some(("application/json", &object));
                let reply = site.world.api.try_send(Method::POST, &site.config_maps(), body).ok();
                assert!(good(reply.as_ref()), "create {number}: {reply:?}");
                thread::sleep(Duration::from_millis(5));
            }
        };
        let reconcile = || {
            while !over.load(Ordering::Relaxed) {
                let leader = site.holder();
                let bundle = if leader.is_empty() { String::new() } else { site.bundle_of(&leader) };
                if !bundle.is_empty() {
                    site.show(&bundle);
                }
                thread::sleep(Duration::from_millis(200));
            }
        };
        thread::scope(|scope| {
            let _over = SetOnDrop(&over);
            for _ in 0..CLIENTS {
                scope.spawn(load);
            }
            scope.spawn(reconcile);
            faults(self);
        });
        created.into_inner()
    }
}

impl<'w> Site<'w> {
    /// The namespace whose objects are judged.
    pub fn target(&self) -> Target<'w> {
        Target { api: &self.world.api, namespace: objects_of(&self.name) }
    }

    pub fn state_of(&self, name: &str) -> PathBuf {
        self.folder.join("state").join(name)
    }

    pub fn lease_path(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/bylaw", self.name)
    }

    /// The replica in the Lease, without the random end of its name.
    pub fn holder(&self) -> String {
        let Ok(lease) = self.world.api.try_send(Method::GET, &self.lease_path(), None) else { return String::new() };
        let holder = lease.body["spec"]["holderIdentity"].as_str().unwrap_or_default();
        holder.rsplit_once('_').map_or(holder, |(name, _)| name).to_owned()
    }

    pub fn secret_path(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets/{SECRET}", self.name)
    }

    /// One part of the Secret; empty where there is none.
    pub fn secret(&self, part: &str) -> String {
        let Ok(reply) = self.world.api.try_send(Method::GET, &self.secret_path(), None) else { return String::new() };
        let encoded = reply.body["data"][part].as_str().unwrap_or_default();
        String::from_utf8_lossy(&STANDARD.decode(encoded).unwrap_or_default()).into_owned()
    }

    /// What a replica says that clients are to trust.
    pub fn bundle_of(&self, name: &str) -> String {
        fs::read_to_string(self.state_of(name).join("shared/ca.crt")).unwrap_or_default()
    }

    pub fn await_webhook(&self) {
        let judged = |reply: &Reply| reply.is_good() && !reply.warnings.is_empty();
        let path = format!("{}?dryRun=All", self.config_maps());
        eventually("the webhook is called", || self.world.api.post(&path, &config_map("first", json!({}))), judged);
    }

    fn config_maps(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", objects_of(&self.name))
    }

    fn old(&self) -> String {
        format!("{}-old", self.name)
    }

    /// The `caBundle` of Bylaw's webhook configuration.
    pub fn shown(&self) -> String {
        let path = format!("{CONFIGURATIONS}/{}", self.name);
        let Ok(reply) = self.world.api.try_send(Method::GET, &path, None) else { return String::new() };
        let encoded = reply.body["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
        String::from_utf8_lossy(&STANDARD.decode(encoded).unwrap_or_default()).into_owned()
    }

    /// Writes what is to be trusted into the configuration of somebody else, where there is one.
    pub fn show(&self, bundle: &str) {
        let path = format!("{CONFIGURATIONS}/{}", self.old());
        let change =
            json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": STANDARD.encode(bundle)}]);
        drop(self.world.api.try_send(Method::PATCH, &path, Some(("application/json-patch+json", &change))));
    }
}

/// Whether a create was judged and stored.
pub fn judged(reply: Option<&Reply>) -> bool {
    reply.is_some_and(|reply| reply.is_good() && !reply.warnings.is_empty())
}

/// The namespace of the objects that are judged: no policy is asked about Bylaw's own.
fn objects_of(name: &str) -> String {
    format!("{name}-objects")
}

/// An operator is ready when it has seen the policies of its cluster; here there are none.
fn define(world: &World) {
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for (plural, kind) in [("jspolicies", "JsPolicy"), ("jspolicybundles", "JsPolicyBundle")] {
        let there = |reply: &Reply| reply.is_good() || reply.status == 409;
        eventually("a CRD", || world.api.post(definitions, &definition(plural, kind)), there);
        let path = format!("/apis/policy.jspolicy.com/v1beta1/{plural}");
        eventually("the kind is served", || world.api.get(&path), Reply::is_good);
    }
}

/// Ends the load when the test panics, too: it would be waited for without end.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Replicas<'_> {
    fn drop(&mut self) {
        // They would put it back.
        self.running.clear();
        let api = &self.site.world.api;
        // That of tenants is there where another test has some.
        for name in [self.name.clone(), self.old(), format!("{}-tenancy", self.name)] {
            drop(api.try_send(Method::DELETE, &format!("{CONFIGURATIONS}/{name}"), None));
        }
        for name in [self.name.clone(), objects_of(&self.name)] {
            drop(api.try_send(Method::DELETE, &format!("/api/v1/namespaces/{name}"), None));
        }
    }
}

pub fn signal(server: &Server, signal: &str) {
    let sent = Command::new("kill").args([signal, &server.pid().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "{signal} could not be sent");
}

/// When a replica led, by its log: from, until. A term that has no end in the log ended at `end`.
pub fn terms(server: &Server, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let log = server.log();
    let at = |text: &str| {
        let lines =
            log.lines().filter(|line| line.contains(text)).filter_map(|line| line.split(' ').next()?.parse().ok());
        lines.collect::<Vec<Timestamp>>()
    };
    let (begun, ended) = (at("this replica leads"), at("this replica does not lead any more"));
    let until = |from: &Timestamp| ended.iter().find(|until| *until >= from).copied().unwrap_or(end);
    begun.iter().map(|from| (*from, until(from))).collect()
}

/// Panics where two of these overlap.
pub fn assert_apart(mut terms: Vec<(Timestamp, Timestamp)>) {
    terms.sort();
    for pair in terms.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two replicas led at once: {terms:?}");
    }
}

/// The certificates of a PEM text.
pub fn blocks(pem: &str) -> Vec<&str> {
    pem.split_inclusive("-----END CERTIFICATE-----\n").filter(|block| block.contains("BEGIN")).collect()
}
