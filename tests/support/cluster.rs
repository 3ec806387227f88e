//! A real Kubernetes API server on loopback: etcd and kube-apiserver, each a plain process, no container, no kubelet.
//!
//! There is no controller manager: pods are stored and judged, never run, and nothing makes
//! the service account `default`.

#![allow(dead_code, reason = "the end-to-end tests and `cargo xtask cluster` each use a part")]

#[path = "lifeline.rs"]
mod lifeline;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, iter};

use anyhow::{Context, Result, bail};

use lifeline::{Guarded, ScratchFolder};

/// Where the servers built by `cargo xtask` are; set by `cargo xtask test` and `cargo xtask e2e`.
pub const BIN_VARIABLE: &str = "BYLAW_TEST_CLUSTER_BIN";

/// What a cluster is made of, by file name; the controller manager is that of virtual clusters.
pub const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// Seen: 3 s on two idle cores. CI machines compile meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Another process may take a free port between our look and the server's bind.
const ATTEMPTS: usize = 3;

/// A running cluster; dropping it ends its processes and removes its files.
pub struct Cluster {
    // Dropped in this order: the servers stop before their folder goes.
    api_server: Mutex<Guarded>,
    etcd: Mutex<Guarded>,
    folder: ScratchFolder,
    bin: PathBuf,
    port: u16,
    etcd_url: String,
    url: String,
    admin_token: String,
    /// Arguments of the API server beside its own.
    more: Vec<String>,
}

/// What the API server shows to webhooks, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// Whatever the API server decided, without bodies: the annotations of webhooks are part of it.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

impl Cluster {
    /// Why no cluster can be started here, if so: the name of what is missing and how to get it.
    pub fn missing() -> Option<String> {
        let Some(bin) = env::var_os(BIN_VARIABLE) else {
            return Some(format!("{BIN_VARIABLE} is not set: run `cargo xtask e2e`, which builds the servers"));
        };
        let absent = PROGRAMS.iter().find(|program| !Path::new(&bin).join(program).is_file())?;
        Some(format!("{absent} is not in {BIN_VARIABLE}: run `cargo xtask e2e`, which builds it"))
    }

    /// Starts the servers found in the folder named by [`BIN_VARIABLE`] and waits until the API server is ready.
    pub fn start() -> Result<Self> {
        Self::start_as(None)
    }

    /// The same with an API server that shows this to webhooks.
    pub fn start_as(identity: Option<&Identity>) -> Result<Self> {
        if let Some(missing) = Self::missing() {
            bail!(missing);
        }
        Self::start_until_ready(Path::new(&env::var_os(BIN_VARIABLE).unwrap_or_default()), identity, &[])
    }

    /// The same with further arguments for the API server.
    pub fn start_with(more: &[String]) -> Result<Self> {
        if let Some(missing) = Self::missing() {
            bail!(missing);
        }
        Self::start_until_ready(Path::new(&env::var_os(BIN_VARIABLE).unwrap_or_default()), None, more)
    }

    /// Starts the servers found in the folder `bin` and waits until the API server is ready.
    pub fn start_from(bin: &Path) -> Result<Self> {
        Self::start_until_ready(bin, None, &[])
    }

    fn start_until_ready(bin: &Path, identity: Option<&Identity>, more: &[String]) -> Result<Self> {
        let mut attempt = 1;
        loop {
            let cluster = Self::launch(bin, identity, more)?;
            match cluster.wait_until_ready() {
                Ok(()) => return Ok(cluster),
                Err(_) if attempt < ATTEMPTS && cluster.lost_a_port() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// `https://127.0.0.1:port`; its certificate authority stands in the kubeconfig.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority of the API server, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("certificates").join("apiserver.crt")
    }

    /// What the API server wrote of each request, one JSON object a line (`audit.k8s.io/v1` Event).
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// The bearer token of user `admin`, a member of `system:masters`.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Runs kubectl as `admin`.
    pub fn kubectl<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        self.kubectl_command(arguments).output().context("kubectl does not start")
    }

    /// Runs kubectl as `admin` with `input` as its standard input, as in `apply -f -`.
    pub fn kubectl_with_input<S: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Result<Output> {
        let mut command = self.kubectl_command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("kubectl does not start")?;
        // Dropped at the end of the statement: kubectl reads until the end of its input.
        child.stdin.take().context("kubectl has no standard input")?.write_all(input.as_bytes())?;
        Ok(child.wait_with_output()?)
    }

    /// An error if a server has ended, with the last lines it wrote.
    pub fn check(&self) -> Result<()> {
        for (name, server) in [("etcd", &self.etcd), (API_SERVER, &self.api_server)] {
            if let Some(status) = lock(server).ended()? {
                bail!("{name} ended ({status}):\n{}", last_lines(&self.folder.path().join(format!("{name}.log"))));
            }
        }
        Ok(())
    }

    /// Kills the API server, starts it again and waits until it is ready. What is stored, its address and its
    /// certificate stay.
    pub fn restart_api_server(&self) -> Result<()> {
        lock(&self.api_server).kill();
        let mut arguments = api_server_arguments(self.folder.path(), &self.etcd_url, self.port);
        arguments.extend(self.more.iter().cloned());
        *lock(&self.api_server) = start(&self.bin, self.folder.path(), API_SERVER, &arguments)?;
        self.wait_until_ready()
    }

    /// Stops etcd where it is: nothing is read or stored until [`Self::resume_etcd`].
    pub fn pause_etcd(&self) -> Result<()> {
        lock(&self.etcd).signal("STOP").context("etcd cannot be stopped")
    }

    /// Lets etcd go on.
    pub fn resume_etcd(&self) -> Result<()> {
        lock(&self.etcd).signal("CONT").context("etcd cannot go on")
    }

    fn kubectl_command<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.bin.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command.arg("--cache-dir").arg(self.folder.path().join("kubectl-cache"));
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        command.stdin(Stdio::null());
        command
    }

    fn launch(bin: &Path, identity: Option<&Identity>, more: &[String]) -> Result<Self> {
        let name = format!("bylaw-cluster-{}", random_hex()?);
        let folder = ScratchFolder::create(env::temp_dir().join(name)).context("no temporary folder")?;
        let [etcd_url, peer_url] = [format!("http://{}", free_address()?), format!("http://{}", free_address()?)];
        let address = free_address()?;
        let admin_token = random_hex()?;
        let url = format!("https://{address}");
        write_private(&folder.path().join("tokens.csv"), &format!("{admin_token},admin,admin,system:masters\n"))?;
        write_private(&folder.path().join("kubeconfig"), &kubeconfig(folder.path(), &url, &admin_token))?;
        write_private(&folder.path().join("audit-policy.yaml"), AUDIT_POLICY)?;
        if let Some(identity) = identity {
            write_identity(folder.path(), identity)?;
        }
        let port = address.port();
        let etcd = start(bin, folder.path(), "etcd", &etcd_arguments(folder.path(), &etcd_url, &peer_url))?;
        let mut arguments = api_server_arguments(folder.path(), &etcd_url, port);
        arguments.extend(more.iter().cloned());
        let api_server = start(bin, folder.path(), API_SERVER, &arguments)?;
        let (api_server, etcd) = (Mutex::new(api_server), Mutex::new(etcd));
        let (bin, more) = (bin.to_owned(), more.to_vec());
        Ok(Self { api_server, etcd, folder, bin, port, etcd_url, url, admin_token, more })
    }

    fn wait_until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.check()?;
            let probe = self.kubectl(["get", "--raw", "/readyz", "--request-timeout=5s"])?;
            if probe.status.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = last_lines(&self.folder.path().join("kube-apiserver.log"));
                bail!("the API server is not ready within {READY_WITHIN:?}:\n{log}");
            }
            sleep(Duration::from_millis(100));
        }
    }

    fn lost_a_port(&self) -> bool {
        ["etcd.log", "kube-apiserver.log"]
            .iter()
            .any(|log| last_lines(&self.folder.path().join(log)).contains("address already in use"))
    }
}

const API_SERVER: &str = "kube-apiserver";

fn lock(server: &Mutex<Guarded>) -> MutexGuard<'_, Guarded> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(bin: &Path, folder: &Path, program: &str, arguments: &[String]) -> Result<Guarded> {
    let log = folder.join(format!("{program}.log"));
    Guarded::start(&bin.join(program), arguments, &log).with_context(|| format!("{program} does not start"))
}

fn etcd_arguments(folder: &Path, url: &str, peer_url: &str) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--log-level=warn".to_owned(),
        // The data is thrown away with the folder.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn api_server_arguments(folder: &Path, etcd_url: &str, port: u16) -> Vec<String> {
    let certificates = folder.join("certificates");
    let key = certificates.join("apiserver.key");
    let admission = folder.join(ADMISSION);
    let shown = admission.is_file().then(|| format!("--admission-control-config-file={}", admission.display()));
    let mut arguments = vec![
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // It makes its own serving certificate there before it reads the keys for ServiceAccount tokens, so that one key
        // serves both and none is made here.
        format!("--cert-dir={}", certificates.display()),
        format!("--service-account-key-file={}", key.display()),
        format!("--service-account-signing-key-file={}", key.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--token-auth-file={}", folder.join("tokens.csv").display()),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        // It refuses pods until a controller manager has made the ServiceAccount `default`.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--audit-policy-file={}", folder.join("audit-policy.yaml").display()),
        format!("--audit-log-path={}", folder.join("audit.log").display()),
        // Otherwise privileged pods are refused before any webhook sees them.
        "--allow-privileged=true".to_owned(),
    ];
    arguments.extend(shown);
    arguments
}

const ADMISSION: &str = "admission.yaml";

/// A user for every webhook, as Kubernetes documents it (authenticating API servers).
fn write_identity(folder: &Path, identity: &Identity) -> Result<()> {
    let path = |name: &str| folder.join(name).display().to_string();
    write_private(&folder.join("webhooks.crt"), &identity.certificate)?;
    write_private(&folder.join("webhooks.key"), &identity.key)?;
    let user =
        format!("{{client-certificate: \"{}\", client-key: \"{}\"}}", path("webhooks.crt"), path("webhooks.key"));
    let kubeconfig = format!("apiVersion: v1\nkind: Config\nusers:\n- name: \"*\"\n  user: {user}\n");
    write_private(&folder.join("webhooks.kubeconfig"), &kubeconfig)?;
    let plugin = |name: &str| {
        format!(
            "- name: {name}
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: \"{}\"
",
            path("webhooks.kubeconfig")
        )
    };
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n";
    let plugins = ["ValidatingAdmissionWebhook", "MutatingAdmissionWebhook"].map(plugin).concat();
    write_private(&folder.join(ADMISSION), &format!("{head}{plugins}"))
}

fn kubeconfig(folder: &Path, url: &str, token: &str) -> String {
    let authority = folder.join("certificates").join("apiserver.crt");
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: bylaw
  cluster: {{server: \"{url}\", certificate-authority: \"{}\"}}
users:
- name: admin
  user: {{token: \"{token}\"}}
contexts:
- name: bylaw
  context: {{cluster: bylaw, user: admin}}
current-context: bylaw
",
        authority.display()
    )
}

fn free_address() -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?)
}

fn random_hex() -> Result<String> {
    let mut random = [0; size_of::<u128>()];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}

fn write_private(path: &Path, content: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.reverse();
    lines.into_iter().flat_map(|line| iter::once(line).chain(iter::once("\n"))).collect()
}
