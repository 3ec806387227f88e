//! A virtual cluster: an API server and a controller manager of its own, and the real syncer of vCluster, each a plain
//! process. The host sees of it what its chart would have made there.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Identity, Method};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::authority::{Authority, Pair};
use super::chart;
use crate::api::{Reply, eventually};
use crate::bylaw::path_in;
use crate::server::lifeline::{Guarded, ScratchFolder};
use crate::world::World;

/// Where the syncer is that `cargo xtask` built, with the chart's values beside it.
pub const SYNCER_VARIABLE: &str = "BYLAW_TEST_VCLUSTER";

/// Seen: 13 s from nothing to the first pod on the host, on two idle cores.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// The syncer in its virtual cluster, and whoever asks there for others.
const ADMIN: &str = "kubernetes-super-admin";

/// Those that a virtual cluster without nodes needs.
const CONTROLLERS: &str = "serviceaccount-controller,root-ca-certificate-publisher-controller,namespace-controller,\
                           deployment-controller,replicaset-controller,garbage-collector-controller";

pub struct VirtualCluster {
    // Dropped in this order: the folder goes last.
    _syncer: Guarded,
    _controllers: Guarded,
    _api_server: Guarded,
    _etcd: Guarded,
    pub name: String,
    /// That of the host.
    pub namespace: String,
    url: String,
    client: Client,
    runtime: Runtime,
    folder: ScratchFolder,
}

struct Files {
    folder: PathBuf,
    bin: PathBuf,
    authority: Authority,
}

impl VirtualCluster {
    /// Starts one in a namespace of the host that is there already, and waits until its tenants can work.
    pub fn start(world: &World, namespace: &str, name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bylaw-vcluster-{namespace}-{name}-{}", std::process::id()));
        let folder = ScratchFolder::create(folder).expect("no temporary folder");
        let bin = PathBuf::from(std::env::var_os(crate::cluster::BIN_VARIABLE).expect("there are servers"));
        let files = Files { folder: folder.path().to_owned(), bin, authority: Authority::new(folder.path()) };
        let [etcd_port, peer_port, port, controllers_port, proxy_port] = std::array::from_fn(|_| free_port());
        let serving = files.authority.server("server");
        let admin = files.authority.client(ADMIN, &["system:masters"]);
        let url = format!("https://127.0.0.1:{port}");
        let kubeconfig = files.kubeconfig(&url, &admin);

        let etcd = files.etcd(etcd_port, peer_port, &serving);
        let api_server = files.api_server(etcd_port, port, &serving, &admin);
        let (client, runtime) = client(&files.authority.own(), &files.authority.client("alice", &["system:masters"]));
        let ready = || send(&runtime, &client, Method::GET, &format!("{url}/readyz"), None);
        let until = Instant::now() + READY_WITHIN;
        while ready().is_none_or(|reply| reply.status != 200) {
            assert!(Instant::now() < until, "the virtual API server is not ready:\n{}", files.log("kube-apiserver"));
            std::thread::sleep(Duration::from_millis(100));
        }
        let controllers = files.controllers(controllers_port, &kubeconfig);
        let token = chart::install(world, namespace, name);
        let config = files.config(etcd_port, proxy_port, &kubeconfig, &admin);
        let syncer = files.syncer(world, namespace, name, &token, &config);
        let virtual_cluster = Self {
            _syncer: syncer,
            _controllers: controllers,
            _api_server: api_server,
            _etcd: etcd,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            url,
            client,
            runtime,
            folder,
        };
        virtual_cluster.open();
        virtual_cluster
    }

    /// Without DNS no pod is synced, and without a `ServiceAccount` none is made.
    fn open(&self) {
        let dns = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns"}, "spec": {
            "selector": {"k8s-app": "kube-dns"}, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
        }});
        let is_there = |reply: &Reply| reply.is_good() || reply.status == 409;
        self.eventually("DNS", || self.post(&path_in("kube-system", "services"), &dns), is_there);
        self.eventually("the syncer", || self.log(), |log| log.contains("Successfully started vCluster controllers"));
    }

    /// A namespace in it, with the `ServiceAccount` that pods need.
    pub fn make_namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.post("/api/v1/namespaces", &object).object();
        let account = path_in(name, "serviceaccounts/default");
        self.eventually("a ServiceAccount", || self.get(&account), Reply::is_good);
        let authority = path_in(name, "configmaps/kube-root-ca.crt");
        self.eventually("its authority", || self.get(&authority), Reply::is_good);
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, Some(body))
    }

    /// The messages of events about an object of a namespace.
    pub fn told(&self, namespace: &str, name: &str) -> Vec<String> {
        let events = self.get(&path_in(namespace, "events")).object();
        let of_object = |event: &&Value| event["involvedObject"]["name"] == name;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        events.iter().filter(of_object).filter_map(|event| event["message"].as_str().map(str::to_owned)).collect()
    }

    /// What its syncer wrote.
    pub fn log(&self) -> String {
        log(self.folder.path(), "vcluster")
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let reply = send(&self.runtime, &self.client, method, &format!("{}{path}", self.url), body);
        reply.unwrap_or_else(|| panic!("no answer from {path}"))
    }

    fn eventually<T: std::fmt::Debug>(&self, what: &str, ask: impl FnMut() -> T, good: impl Fn(&T) -> bool) {
        eventually(&format!("{what} of {}", self.name), ask, good);
    }
}

impl Files {
    fn etcd(&self, port: u16, peer_port: u16, serving: &Pair) -> Guarded {
        let (url, peer) = (format!("https://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer_port}"));
        let authority = self.authority.own();
        self.start(
            "etcd",
            &[
                format!("--data-dir={}", self.folder.join("etcd").display()),
                format!("--listen-client-urls={url}"),
                format!("--advertise-client-urls={url}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                format!("--cert-file={}", serving.certificate.display()),
                format!("--key-file={}", serving.key.display()),
                "--client-cert-auth".to_owned(),
                format!("--trusted-ca-file={}", authority.certificate.display()),
                "--log-level=warn".to_owned(),
                "--unsafe-no-fsync".to_owned(),
            ],
        )
    }

    fn api_server(&self, etcd_port: u16, port: u16, serving: &Pair, client: &Pair) -> Guarded {
        let authority = self.authority.own();
        let authority = authority.certificate.display();
        self.start(
            "kube-apiserver",
            &[
                format!("--etcd-servers=https://127.0.0.1:{etcd_port}"),
                format!("--etcd-cafile={authority}"),
                format!("--etcd-certfile={}", client.certificate.display()),
                format!("--etcd-keyfile={}", client.key.display()),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--tls-cert-file={}", serving.certificate.display()),
                format!("--tls-private-key-file={}", serving.key.display()),
                format!("--client-ca-file={authority}"),
                format!("--requestheader-client-ca-file={authority}"),
                format!("--requestheader-allowed-names={ADMIN}"),
                "--requestheader-username-headers=X-Remote-User".to_owned(),
                "--requestheader-group-headers=X-Remote-Group".to_owned(),
                "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
                format!("--proxy-client-cert-file={}", client.certificate.display()),
                format!("--proxy-client-key-file={}", client.key.display()),
                format!("--service-account-key-file={}", serving.certificate.display()),
                format!("--service-account-signing-key-file={}", serving.key.display()),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                "--authorization-mode=Node,RBAC".to_owned(),
                // The syncer gives services the addresses that they have on the host.
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--allow-privileged=true".to_owned(),
            ],
        )
    }

    fn controllers(&self, port: u16, kubeconfig: &Path) -> Guarded {
        self.start(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--authentication-kubeconfig={}", kubeconfig.display()),
                format!("--authorization-kubeconfig={}", kubeconfig.display()),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", self.folder.join("controllers").display()),
                format!("--controllers={CONTROLLERS}"),
                format!("--root-ca-file={}", self.authority.own().certificate.display()),
                format!("--service-account-private-key-file={}", self.folder.join("server.key").display()),
                "--leader-elect=false".to_owned(),
            ],
        )
    }

    fn syncer(&self, world: &World, namespace: &str, name: &str, token: &str, config: &Path) -> Guarded {
        let token_file = self.folder.join("token");
        fs::write(&token_file, token).expect("the folder is ours");
        let host = self.folder.join("host.kubeconfig");
        let user = json!({"tokenFile": token_file});
        write_kubeconfig(&host, world.cluster.url(), &world.cluster.authority(), &user);
        let syncer = std::env::var(SYNCER_VARIABLE).expect("there is a syncer");
        let home = self.folder.display();
        let arguments = [
            "-i".to_owned(),
            format!("PATH={}", std::env::var("PATH").unwrap_or_default()),
            format!("HOME={home}"),
            format!("KUBECONFIG={}", host.display()),
            format!("VCLUSTER_NAME={name}"),
            format!("POD_NAME={name}-0"),
            format!("NAMESPACE={namespace}"),
            "POD_IP=127.0.0.1".to_owned(),
            syncer,
            "start".to_owned(),
            "--config".to_owned(),
            config.display().to_string(),
        ];
        let log = self.folder.join("vcluster.log");
        Guarded::start(Path::new("/usr/bin/env"), &arguments, &log).expect("the syncer starts")
    }

    /// The chart's own values, which the syncer has no defaults for, and what is otherwise here.
    fn config(&self, etcd_port: u16, proxy_port: u16, kubeconfig: &Path, client: &Pair) -> PathBuf {
        let syncer = PathBuf::from(std::env::var_os(SYNCER_VARIABLE).expect("there is a syncer"));
        let text = fs::read_to_string(syncer.with_file_name("values.yaml")).expect("the chart's values are beside it");
        let mut values: Value = serde_saphyr::from_str(&text).expect("the chart's values are YAML");
        let authority = self.authority.own();
        let (certificate, key) = (authority.certificate.display().to_string(), authority.key.display().to_string());
        let enabled = json!({"enabled": true});
        merge(
            &mut values,
            &json!({
                "telemetry": {"enabled": false},
                "sync": {"toHost": {
                    "ingresses": enabled, "networkPolicies": enabled, "podDisruptionBudgets": enabled,
                    "pods": {"rewriteHosts": {"enabled": false}},
                }},
                "controlPlane": {
                    "coredns": {"enabled": false},
                    "proxy": {"bindAddress": "127.0.0.1", "port": proxy_port},
                    "distro": {"k8s": {"enabled": true, "apiServer": {"enabled": false}, "controllerManager": {"enabled": false}}},
                    "backingStore": {"etcd": {"external": {
                        "enabled": true, "endpoint": format!("https://127.0.0.1:{etcd_port}"),
                        "tls": {"caFile": certificate, "certFile": client.certificate, "keyFile": client.key},
                    }}},
                },
                "experimental": {"virtualClusterKubeConfig": {
                    "kubeConfig": kubeconfig, "serverCACert": certificate, "serverCAKey": key, "clientCACert": certificate,
                    "requestHeaderCACert": certificate,
                }},
            }),
        );
        let path = self.folder.join("config.yaml");
        // JSON is YAML.
        fs::write(&path, values.to_string()).expect("the folder is ours");
        path
    }

    fn kubeconfig(&self, url: &str, client: &Pair) -> PathBuf {
        let path = self.folder.join("virtual.kubeconfig");
        let user = json!({"client-certificate": client.certificate, "client-key": client.key});
        write_kubeconfig(&path, url, &self.authority.own().certificate, &user);
        path
    }

    fn start(&self, program: &str, arguments: &[String]) -> Guarded {
        let log = self.folder.join(format!("{program}.log"));
        Guarded::start(&self.bin.join(program), arguments, &log).unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    fn log(&self, program: &str) -> String {
        log(&self.folder, program)
    }
}

fn log(folder: &Path, program: &str) -> String {
    String::from_utf8_lossy(&fs::read(folder.join(format!("{program}.log"))).unwrap_or_default()).into_owned()
}

fn write_kubeconfig(path: &Path, url: &str, authority: &Path, user: &Value) {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": {"server": url, "certificate-authority": authority}}],
        "users": [{"name": "e2e", "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
    });
    fs::write(path, config.to_string()).expect("the folder is ours");
}

/// Lays one tree over another.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

fn client(authority: &Pair, user: &Pair) -> (Client, Runtime) {
    let authority = Certificate::from_pem(&fs::read(&authority.certificate).expect("it was written")).expect("PEM");
    let mut pem = fs::read(&user.certificate).expect("it was written");
    pem.extend(fs::read(&user.key).expect("it was written"));
    let identity = Identity::from_pem(&pem).expect("a certificate and its key");
    let client = Client::builder().no_proxy().tls_certs_only([authority]).identity(identity);
    let client = client.timeout(Duration::from_secs(40)).build().expect("a client");
    (client, Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"))
}

fn send(runtime: &Runtime, client: &Client, method: Method, url: &str, body: Option<&Value>) -> Option<Reply> {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    runtime.block_on(async {
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = serde_json::from_str(&answer.text().await.ok()?).unwrap_or_default();
        Some(Reply { status, warnings: Vec::new(), body })
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    listener.local_addr().expect("it has an address").port()
}
