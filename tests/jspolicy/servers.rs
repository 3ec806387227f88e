//! The servers that the tests share, each started when the first test asks for it.

use std::fs;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::corpus::root;
use super::fake_api::FakeApi;
use super::server::Server;
use super::server::lifeline::ScratchFolder;
use super::web;

const MANIFESTS: &str = "tests/jspolicy/manifests";
const INVENTORY: &str = "tests/jspolicy/inventory";

/// A server and what stands around it.
pub struct Station {
    pub server: Server,
    api: Option<FakeApi>,
    /// The same policies, each script in a realm of its own.
    apart: Option<Server>,
    turn: Mutex<()>,
    // Removed when the process ends, however it ends.
    _folder: ScratchFolder,
}

impl Station {
    /// Keeps others away from an API server whose writes are counted, until dropped.
    pub fn alone(&self) -> Option<MutexGuard<'_, ()>> {
        self.api.as_ref().map(|_| self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the API server was asked to write since [`Self::forget_writes`].
    pub fn writes(&self) -> Vec<String> {
        self.api.as_ref().map(FakeApi::writes).unwrap_or_default()
    }

    pub fn forget_writes(&self) {
        if let Some(api) = &self.api {
            api.forget_writes();
        }
    }

    /// The server that must give the same answers, where there is one. Writes would be made twice.
    pub fn apart(&self) -> Option<&Server> {
        self.apart.as_ref()
    }

    fn start(name: &str, arguments: &[&str], api: Option<FakeApi>, folder: ScratchFolder) -> Self {
        let text_file = folder.path().join("text");
        let token_file = folder.path().join("token");
        fs::write(&text_file, "žluťoučký kůň\n").expect("the folder can be written to");
        fs::write(&token_file, format!("{}\n", web::TOKEN)).expect("the folder can be written to");
        let (url, secure_url) = RUNTIME.block_on(web::serve());
        let environment = [
            ("CLOSED_NAMESPACE", "team-b"),
            ("CATALOGUE_URL", &url),
            ("SECURE_URL", &secure_url),
            // Nothing listens there: the port is reserved (RFC 6335).
            ("NOWHERE_URL", "http://127.0.0.1:1/"),
            ("npm_config_registry", "http://127.0.0.1:1/"),
            ("TEXT_FILE", text_file.to_str().expect("temporary folders have plain names")),
            ("TOKEN_FILE", token_file.to_str().expect("temporary folders have plain names")),
            ("BYLAW_TEST", name),
        ];
        let server = Server::start_with(arguments, &environment);
        let apart = [&environment[..], &[("BYLAW_SCRIPTS_APART", "1")]].concat();
        let apart = api.is_none().then(|| Server::start_with(arguments, &apart));
        Self { server, api, apart, turn: Mutex::default(), _folder: folder }
    }
}

/// Carries the servers that policies talk to.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// The whole corpus on an inventory, with the rights that jsPolicy gave.
pub fn on_inventory() -> &'static Station {
    static STATION: LazyLock<Station> = LazyLock::new(|| {
        let arguments = ["--policies", MANIFESTS, "--inventory", INVENTORY, "--compat", "jspolicy"];
        Station::start("inventory", &arguments, None, folder("inventory"))
    });
    &STATION
}

/// The whole corpus on an API server.
pub fn on_cluster() -> &'static Station {
    static STATION: LazyLock<Station> = LazyLock::new(|| {
        let folder = folder("cluster");
        let (api, url) = RUNTIME.block_on(FakeApi::serve(objects()));
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, config_for(&url)).expect("the folder can be written to");
        let kubeconfig = kubeconfig.to_str().expect("temporary folders have plain names").to_owned();
        let arguments = ["--policies", MANIFESTS, "--kubeconfig", &kubeconfig, "--compat", "jspolicy"];
        Station::start("cluster", &arguments, Some(api), folder)
    });
    &STATION
}

/// The policies that are chosen by what they match, alone, so that `/validate` and `/mutate` ask no others.
pub fn on_matching() -> &'static Station {
    static STATION: LazyLock<Station> = LazyLock::new(|| {
        let names = ["by-feature/scope", "by-feature/namespace-selector", "by-feature/object-selector"];
        let names =
            names.iter().chain(&["by-use-case/add-node-selector", "by-use-case/block-update-on-resource-with-label"]);
        let paths: Vec<String> = names.map(|name| format!("{MANIFESTS}/{name}.yaml")).collect();
        let mut arguments = vec!["--inventory", INVENTORY, "--compat", "jspolicy"];
        arguments.extend(paths.iter().flat_map(|path| ["--policies", path]));
        Station::start("matching", &arguments, None, folder("matching"))
    });
    &STATION
}

/// One manifest and the inventory, with further arguments and environment.
pub fn with_manifest(manifest: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
    let path = format!("{MANIFESTS}/{manifest}");
    let given = [&["--policies", &path, "--inventory", INVENTORY], arguments].concat();
    Server::start_with(&given, environment)
}

fn folder(name: &str) -> ScratchFolder {
    let name = format!("bylaw-jspolicy-{name}-{}", std::process::id());
    ScratchFolder::create(std::env::temp_dir().join(name)).expect("no temporary folder")
}

/// The inventory's objects and one ingress.
fn objects() -> Vec<Value> {
    let text = fs::read_to_string(root().join(INVENTORY).join("objects.yaml")).expect("there is an inventory");
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("the inventory is YAML");
    objects.push(serde_json::json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop", "namespace": "team-b"},
        "spec": {"rules": [{"host": "shop.example.com"}]},
    }));
    objects
}

fn config_for(url: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: fake
  cluster: {{server: \"{url}\"}}
users:
- name: nobody
  user: {{}}
contexts:
- name: fake
  context: {{cluster: fake, user: nobody}}
current-context: fake
"
    )
}
