//! A real npm registry, Verdaccio, on a free port of loopback: one for all tests, each with packages of its own names.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tar::{Builder, EntryType, Header};

use super::command::{Ended, bylaw_with};
use super::folder::Folder;
use super::server::Server;
use super::server::lifeline::{Guarded, ScratchFolder};

/// Node starts in a second or two; machines that compile meanwhile are slower.
const READY_WITHIN: Duration = Duration::from_mins(1);

const CONFIGURATION: &str = "storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: {}
packages:
  '@private/*': { access: $authenticated, publish: $authenticated }
  '**': { access: $all, publish: $authenticated }
max_body_size: 100mb
log: { type: stdout, format: pretty, level: warn }
";

pub struct Registry {
    _process: Guarded,
    folder: ScratchFolder,
    pub port: u16,
    pub token: String,
}

/// The registry, started by the first test that needs it; it ends with the process. Without Node and its packages the
/// test is said to be skipped; on CI that is a failure.
pub fn registry() -> Option<&'static Registry> {
    static REGISTRY: OnceLock<Option<Registry>> = OnceLock::new();
    REGISTRY
        .get_or_init(|| {
            let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk-ts/node_modules/verdaccio/bin/verdaccio");
            let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
            (has_node && program.is_file()).then(|| Registry::start(&program))
        })
        .as_ref()
        .or_else(|| {
            let missing = "Node.js and the npm packages of sdk-ts; run `npm ci --ignore-scripts` there";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no test may be skipped on CI: {missing}");
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped {test}: {missing}\n")));
            None
        })
}

impl Registry {
    fn start(program: &Path) -> Self {
        let name = format!("bylaw-registry-{}", std::process::id());
        let folder = ScratchFolder::create(std::env::temp_dir().join(name)).expect("no temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("config.yaml"), CONFIGURATION).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let arguments =
            [program.display().to_string(), "--config".into(), at("config.yaml"), "--listen".into(), address];
        let mut process = Guarded::start(Path::new("node"), &arguments, Path::new(&at("log"))).expect("node starts");
        let deadline = Instant::now() + READY_WITHIN;
        while http(port, "GET", "/-/ping", "", "").0 != 200 {
            let log = std::fs::read_to_string(at("log")).unwrap_or_default();
            assert!(process.ended().unwrap().is_none(), "the registry ended:\n{log}");
            assert!(Instant::now() < deadline, "the registry does not serve:\n{log}");
            sleep(Duration::from_millis(50));
        }
        let user = json!({"name": "tester", "password": "a-password-for-tests"}).to_string();
        let (status, answer) = http(port, "PUT", "/-/user/org.couchdb.user:tester", "", &user);
        assert_eq!(status, 201, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        Self { _process: process, folder, port, token: answer["token"].as_str().unwrap().to_owned() }
    }

    /// What an `.npmrc` says to use it, without any right.
    pub fn npmrc(&self) -> String {
        format!("registry=http://127.0.0.1:{}/\n", self.port)
    }

    /// The line that lets one in.
    pub fn npmrc_token(&self, token: &str) -> String {
        format!("//127.0.0.1:{}/:_authToken={token}\n", self.port)
    }

    /// Publishes a package of these files; `manifest` adds to its package.json. Gives its integrity.
    pub fn publish(&self, name: &str, version: &str, manifest: &Value, files: &[(&str, &str)]) -> String {
        let package = package_json(name, version, manifest);
        let text = package.to_string();
        let packed = tarball(&[&[("package.json", text.as_str())], files].concat());
        self.publish_tarball(&package, &packed)
    }

    /// Publishes a tarball, whatever it is, as what `package` says.
    pub fn publish_tarball(&self, package: &Value, packed: &[u8]) -> String {
        let (name, version) = (package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(packed)));
        let file = format!("{}-{version}.tgz", name.rsplit('/').next().unwrap());
        let mut manifest = package.clone();
        manifest["dist"] =
            json!({"integrity": integrity, "tarball": format!("http://127.0.0.1:{}/{name}/-/{file}", self.port)});
        let data = STANDARD.encode(packed);
        let document = json!({
            "_id": name, "name": name, "dist-tags": {"latest": version}, "versions": {version: manifest},
            "_attachments": {file: {"content_type": "application/octet-stream", "data": data, "length": packed.len()}},
        });
        let path = format!("/{}", name.replace('/', "%2f"));
        let (status, answer) = http(self.port, "PUT", &path, &self.token, &document.to_string());
        assert_eq!(status, 201, "{answer}");
        integrity
    }

    /// Replaces a tarball that is published already, behind the registry's back.
    pub fn tamper(&self, name: &str, version: &str, packed: &[u8]) {
        let file = format!("{}-{version}.tgz", name.rsplit('/').next().unwrap());
        let path = self.folder.path().join("storage").join(name).join(file);
        assert!(path.is_file(), "{}", path.display());
        std::fs::write(path, packed).unwrap();
    }
}

pub fn package_json(name: &str, version: &str, more: &Value) -> Value {
    let mut package = json!({"name": name, "version": version});
    package.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    package
}

/// What `npm pack` makes of these files.
pub fn tarball(files: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<(String, &[u8])> =
        files.iter().map(|(name, text)| (format!("package/{name}"), text.as_bytes())).collect();
    raw_tarball(&entries.iter().map(|(name, text)| (name.as_str(), EntryType::Regular, *text)).collect::<Vec<_>>())
}

/// A tarball with names that no tool would write. For a link the bytes are where it leads.
pub fn raw_tarball(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    compressed_tarball(entries, Compression::fast())
}

pub fn compressed_tarball(entries: &[(&str, EntryType, &[u8])], compression: Compression) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), compression));
    for (name, kind, bytes) in entries {
        let mut header = Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_entry_type(*kind);
        let content = if *kind == EntryType::Regular { *bytes } else { &[] };
        if *kind != EntryType::Regular {
            header.set_link_name(std::str::from_utf8(bytes).unwrap()).unwrap();
        }
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// One request over a connection of its own; the status, 0 where nobody answers, and the body.
fn http(port: u16, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return (0, String::new()) };
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {authorization}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = String::new();
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    if sent.and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return (0, String::new());
    }
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// A way to the registry that breaks off in the middle of each tarball until it is mended.
pub struct Broken {
    pub port: u16,
    is_mended: Arc<AtomicBool>,
}

impl Broken {
    pub fn new(registry: &Registry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), registry.port);
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&is_mended);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mended = Arc::clone(&mended);
                std::thread::spawn(move || drop(forward(stream, target, &mended)));
            }
        });
        Self { port, is_mended }
    }

    pub fn mend(&self) {
        self.is_mended.store(true, Ordering::Relaxed);
    }
}

/// One request of a connection, and its answer or the first half of it.
fn forward(mut client: TcpStream, target: u16, mended: &AtomicBool) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(("127.0.0.1", target))?;
    server.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    let is_tarball = head.lines().next().is_some_and(|line| line.contains("/-/"));
    let half = if is_tarball && !mended.load(Ordering::Relaxed) { answer.len() - 100 } else { answer.len() };
    client.write_all(&answer[..half])
}

/// A folder of policies with the `.npmrc` of the registry, and a home of its own.
pub struct Project {
    pub folder: Folder,
    home: Folder,
}

impl Project {
    pub fn new(registry: &Registry, files: &[(&str, &str)]) -> Self {
        let project = Self { folder: Folder::new(files), home: Folder::new(&[]) };
        project.folder.write(".npmrc", &registry.npmrc());
        project
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.home.path().display().to_string();
        vec![
            ("HOME", home.clone()),
            ("XDG_CACHE_HOME", format!("{home}/cache")),
            ("NPM_TOKEN", String::new()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }

    pub fn review(&self) -> Ended {
        self.review_with(".", &[])
    }

    /// Judges a `ConfigMap` by the policies of a file or folder in it.
    pub fn review_with(&self, policies: &str, environment: &[(&str, &str)]) -> Ended {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "shop"}});
        let own = self.environment();
        let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let environment = [&own[..], environment].concat();
        let policies = self.folder.argument(policies);
        bylaw_with(&["review", "-p", &policies, "--object", "-", "-o", "json"], &environment, &object.to_string())
    }

    /// What the policies deny with.
    #[track_caller]
    pub fn told(&self) -> String {
        denial(&self.review())
    }

    /// Why they cannot be served.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let ended = self.review();
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
        ended.err.replace(&format!("{}/", self.folder.path().display()), "")
    }

    pub fn serve(&self) -> Server {
        self.serve_path(".")
    }

    /// Serves the policies of a file in it.
    pub fn serve_path(&self, path: &str) -> Server {
        let own = self.environment();
        let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Server::start_with(&["--policies", &self.folder.argument(path)], &own)
    }

    pub fn lock(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.folder.file("bylaw.lock")).unwrap()).unwrap()
    }

    pub fn in_home(&self, name: &str) -> PathBuf {
        self.home.file(name)
    }
}

#[track_caller]
pub fn denial(ended: &Ended) -> String {
    let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("no answer: {}", ended.err));
    let message = answer["response"]["status"]["message"].as_str();
    message.unwrap_or_else(|| panic!("it is allowed: {answer}")).to_owned()
}

/// A name that no other test uses.
pub fn name(base: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{base}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The module of a policy that denies every `ConfigMap` with the value of `expression`.
pub fn policy_module(imports: &str, expression: &str) -> String {
    format!(
        "import {{ policy }} from \"@bylaw/sdk\";\n{imports}\nexport default policy({{\n  name: \"own.policies.example\",\n  \
         match: {{ resources: [\"configmaps\"] }},\n  validate({{ deny }}) {{ deny(String({expression})); }},\n}});\n"
    )
}

/// A `JsPolicy` that serves a package.
pub fn manifest(package: &Value) -> String {
    named_manifest("from-npm", package)
}

pub fn named_manifest(name: &str, package: &Value) -> String {
    format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}.policies.example\nspec:\n  \
         package: {package}\n"
    )
}

/// A policy package: its package.json names `index.ts`.
pub fn policies(more: &Value) -> Value {
    let mut package = json!({"keywords": ["bylaw-policy"], "bylaw": {"policies": "./index.ts"}});
    package.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    package
}
