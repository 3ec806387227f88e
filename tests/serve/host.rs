//! What a policy may ask of the world: nothing that was not granted by name, and each refusal names the line to add.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::folder::{Folder, Served, policy};
use super::reviews::{allowed, config_map, message};

const INVENTORY: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n---\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: shop, labels: {app: web}}\ndata: {exact: \"1\"}\n---\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two, namespace: shop, labels: {app: db}}\n---\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: three, namespace: other, labels: {app: web}}\n---\n\
    apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 3}\n";

static ASKED: LazyLock<Served> = LazyLock::new(|| {
    let folder = Folder::new(&[
        (".inventory.yaml", INVENTORY),
        ("open/notes.yaml", "# nothing\n"),
        ("closed.yaml", "# secret\n"),
    ]);
    let source = include_str!("policies/asks.ts").replace("FOLDER", folder.path().to_str().unwrap());
    folder.write("asks.ts", &source);
    let server = folder.serve_with(&["--inventory", &folder.argument(".inventory.yaml")], &[("SHOP_MODE", "open")]);
    Served { server, folder }
});

#[track_caller]
fn ask_with(policy: &str, ask: &str, data: Value) -> Value {
    let mut review = config_map(data);
    review["request"]["object"]["data"]["ask"] = json!(ask);
    let text = message(ASKED.server.post(&format!("/policy/{policy}.policies.example"), &review));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{ask}: {text}"))
}

#[track_caller]
fn granted(ask: &str) -> Value {
    ask_with("granted", ask, json!({}))
}

#[track_caller]
fn refused(policy: &str, ask: &str, line: &str) {
    let said =
        ask_with(policy, ask, json!({"path": ASKED.folder.argument("open/notes.yaml"), "url": "http://127.0.0.1:1/"}));
    let text = said.as_str().unwrap();
    assert!(
        text.starts_with(&format!("PermissionDenied: policy \"{policy}.policies.example\" may not ")),
        "{ask}: {text}"
    );
    assert!(text.ends_with(&format!(": add {line} to its permissions")), "{ask}: {text}");
}

#[test]
fn get_gives_an_object_or_undefined() {
    assert_eq!(granted("get"), json!({"exact": "1"}));
    assert_eq!(granted("getFrozen"), true);
    assert_eq!(granted("getNone"), "undefined");
    assert_eq!(granted("getGroup"), 3);
    assert_eq!(granted("getClusterScoped"), "gold");
    let text = granted("getMisspelt");
    assert_eq!(text, "TypeError: get: \"ConfigMap\" must be like \"v1/ConfigMap\" or \"apps/v1/Deployment\"");
}

#[test]
fn list_gives_an_array_and_selects_by_namespace_and_labels() {
    assert_eq!(granted("list"), json!(["one", "three", "two"]));
    assert_eq!(granted("listNamespace"), json!(["one", "two"]));
    assert_eq!(granted("listSelectorText"), json!(["one", "three"]));
    assert_eq!(granted("listSelector"), json!(["two"]));
    assert_eq!(granted("listNone"), json!([]));
    assert_eq!(granted("listFrozen"), true);
}

#[test]
fn env_and_read_file_give_what_was_granted() {
    assert_eq!(granted("env"), "open");
    assert_eq!(granted("envUnset"), "undefined");
    assert_eq!(ask_with("granted", "file", json!({"path": ASKED.folder.argument("open/notes.yaml")})), "# nothing\n");
}

#[test]
fn what_was_not_granted_is_refused_with_the_line_to_add() {
    for (ask, line) in [
        ("get", "read: [\"v1/ConfigMap\"]"),
        ("list", "read: [\"v1/ConfigMap\"]"),
        ("getGroup", "read: [\"apps/v1/Deployment\"]"),
        ("env", "env: [\"SHOP_MODE\"]"),
        ("create", "write: [\"v1/ConfigMap\"]"),
        ("update", "write: [\"v1/Secret\"]"),
        ("patch", "write: [\"v1/Secret\"]"),
        ("remove", "write: [\"v1/Secret\"]"),
        ("fetch", "net: [\"127.0.0.1\"]"),
    ] {
        refused("bare", ask, line);
    }
    refused("bare", "file", &format!("files: [\"{}\"]", ASKED.folder.argument("open/notes.yaml")));
}

#[test]
fn a_grant_covers_no_more_than_it_says() {
    refused("granted", "getOther", "read: [\"v1/Secret\"]");
    refused("granted", "listOther", "read: [\"v1/Secret\"]");
    refused("granted", "envOther", "env: [\"HOME\"]");
    for path in ["closed.yaml", "open/../closed.yaml"] {
        let said = ask_with("granted", "file", json!({"path": ASKED.folder.argument(path)}));
        assert!(said.as_str().unwrap().starts_with("PermissionDenied: "), "{path}: {said}");
    }
    let said = ask_with("granted", "fetch", json!({"url": "http://169.254.169.254/latest/meta-data"}));
    assert!(said.as_str().unwrap().starts_with("PermissionDenied: "), "{said}");
}

#[test]
fn compat_jspolicy_gives_modules_nothing() {
    let source = policy(
        "asks",
        "validate({ deny, env }) { try { deny(env(\"PATH\") ?? \"\"); } catch (error) { deny(error.reason); } }",
    );
    let folder = Folder::new(&[("asks.ts", &source)]);
    let answer = folder.serve(&["--compat", "jspolicy"]).post("/validate", &config_map(json!({})));
    assert_eq!(message(answer), "[asks.policies.example] PermissionDenied");
}

/// Answers one request after another with what it was asked.
async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut read = vec![0; 4096];
        let length = stream.read(&mut read).await.unwrap_or_default();
        let head = String::from_utf8_lossy(&read[..length]).into_owned();
        let body = json!({"line": head.lines().next(), "asked": head.contains("x-ask: 1"), "body": head.rsplit("\r\n\r\n").next()}).to_string();
        let answer = format!(
            "HTTP/1.1 201 Created\r\nX-Answer: yes\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

#[test]
fn fetch_gives_status_headers_and_body() {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/path?q=1", listener.local_addr().unwrap());
    let task = RUNTIME.spawn(echo(listener));
    let said = ask_with("granted", "fetch", json!({"url": url}));
    assert_eq!(said, json!([201, true, "yes", {"line": "GET /path?q=1 HTTP/1.1", "asked": false, "body": ""}]));
    let said = ask_with("granted", "fetchPost", json!({"url": url}));
    assert_eq!(said, json!({"line": "POST /path?q=1 HTTP/1.1", "asked": true, "body": "hello"}));
    task.abort();
    let said = ask_with("granted", "fetch", json!({"url": "http://127.0.0.1:1/"}));
    assert!(said.as_str().unwrap().starts_with("FetchFailed: "), "{said}");
    let said = ask_with("granted", "fetch", json!({"url": "file:///etc/passwd"}));
    assert!(said.as_str().unwrap().contains("give an http or https URL"), "{said}");
}

#[test]
fn without_an_inventory_or_a_cluster_reads_say_so() {
    let source = policy(
        "reads",
        "permissions: { read: [\"v1/ConfigMap\"] },\n  validate({ list }) { list(\"v1/ConfigMap\"); },",
    );
    let folder = Folder::new(&[("reads.ts", &source)]);
    let text = message(folder.serve(&[]).post("/validate", &config_map(json!({}))));
    assert!(text.contains("--inventory") && text.contains("--kubeconfig"), "{text}");
}

#[test]
fn what_a_policy_logs_goes_to_the_log_under_its_name_and_is_capped() {
    let source = policy(
        "speaks",
        r#"
  validate({ object, log }) {
    log("words", { a: [1, 2] }, 3);
    console.log("from the console");
    log("two\nlines \u001b[31m");
    if (object.data.flood) for (let n = 0; n < 5000; n += 1) log(`flood ${n} ${"x".repeat(5000)}`);
  },"#,
    );
    let folder = Folder::new(&[("speaks.ts", &source)]);
    let server = folder.serve(&[]);
    allowed(server.post("/validate", &config_map(json!({}))));
    server.wait_for_log(0, "two").unwrap();
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("policy=\"speaks.policies.example\"")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("words {\"a\":[1,2]} 3") && lines[1].contains("from the console"), "{log}");
    assert!(!log.contains('\u{1b}'), "a policy coloured the log: {log:?}");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    allowed(server.post("/validate", &config_map(json!({"flood": "yes"}))));
    let flood = server.log().len() - log.len();
    assert!(flood < 64 << 10, "{flood} bytes were logged");
}
