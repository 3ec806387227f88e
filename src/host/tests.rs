//! The door itself: what each operation answers, and what it refuses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::cluster::Inventory;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn inventory() -> Objects {
    let pod = |name: &str, app: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns", "labels": {"app": app}}});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    let list = json!({"apiVersion": "example.com/v1", "kind": "AllowList", "metadata": {"name": "l"}});
    Objects::Inventory(Arc::new(Inventory::from_objects([pod("a", "web"), pod("b", "db"), node, list]).unwrap()))
}

fn ask(objects: Objects, permissions: &Permissions, op: &str, args: &Value) -> Result<Value, HostError> {
    let runtime = runtime();
    let host = Host::new(runtime.handle().clone(), objects, HostLimits::default());
    let deadline = Instant::now() + Duration::from_secs(5);
    let caller = Caller { policy: "p", permissions, dry_run: false, reconciles: false, review: None, deadline };
    let waited = host.call(&caller, op, &args.to_string());
    let started = host.start(&caller, op, &args.to_string()).and_then(|pending| runtime.block_on(pending));
    assert_eq!(waited, started, "waiting and awaiting differ");
    waited.map(|answer| answer.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()))
}

fn ambient(op: &str, args: &Value) -> Result<Value, HostError> {
    ask(inventory(), &Permissions::ambient(), op, args)
}

fn pods(args: &Value) -> Vec<String> {
    let found = ambient("list", args).unwrap();
    found.as_array().unwrap().iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn get_answers_with_the_object_or_undefined() {
    let found = ambient("get", &json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "a"})).unwrap();
    assert_eq!(found["metadata"]["labels"]["app"], "web");
    for args in [
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "none"}),
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "other", "name": "a"}),
        json!({"apiVersion": "v1", "kind": "Secret", "namespace": "ns", "name": "a"}),
    ] {
        assert_eq!(ambient("get", &args), Ok(Value::Null), "{args}");
    }
    let node = ambient("get", &json!({"apiVersion": "v1", "kind": "Node", "namespace": "ignored", "name": "n"}));
    assert_eq!(node.unwrap()["kind"], "Node");
    let error = ambient("get", &json!({"apiVersion": "v1", "kind": "Pod", "name": "a"})).unwrap_err();
    assert_eq!(error.reason, "NamespaceRequired");
}

#[test]
fn list_answers_with_an_array_even_when_empty() {
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "Pod"})), ["a", "b"]);
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "PodList", "namespace": "ns"})), ["a", "b"]);
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "Pod", "labelSelector": "app!=db"})), ["a"]);
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "Pod", "selector": {"matchLabels": {"app": "db"}}})), ["b"]);
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "Pod", "namespace": "other"})), [""; 0]);
    assert_eq!(pods(&json!({"apiVersion": "v1", "kind": "Secret"})), [""; 0]);
    assert_eq!(pods(&json!({"apiVersion": "example.com/v1", "kind": "AllowList"})), ["l"]);
}

#[test]
fn a_list_too_large_for_a_heap_is_refused_with_the_mend() {
    let runtime = runtime();
    let host =
        Host::new(runtime.handle().clone(), inventory(), HostLimits { list_bytes: 150, ..HostLimits::default() });
    let permissions = Permissions::ambient();
    let deadline = Instant::now() + Duration::from_secs(5);
    let caller =
        Caller { policy: "p", permissions: &permissions, dry_run: false, reconciles: false, review: None, deadline };
    let list = |args: Value| host.call(&caller, "list", &args.to_string());
    let error = list(json!({"apiVersion": "v1", "kind": "Pod"})).unwrap_err();
    assert_eq!(error.reason, "TooLarge");
    assert!(error.message.contains("labelSelector"), "{error}");
    assert!(list(json!({"apiVersion": "v1", "kind": "Pod", "labelSelector": "app=db"})).is_ok());
}

#[test]
fn nothing_is_allowed_that_was_not_granted_and_the_error_says_how() {
    let none = Permissions::default();
    let config = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}});
    for (op, args, message) in [
        (
            "get",
            json!({"apiVersion": "v1", "kind": "Secret", "namespace": "ns", "name": "s"}),
            r#"policy "p" may not read v1/Secret: add read: ["v1/Secret"] to its permissions"#,
        ),
        (
            "list",
            json!({"apiVersion": "v1", "kind": "SecretList"}),
            r#"policy "p" may not read v1/Secret: add read: ["v1/Secret"] to its permissions"#,
        ),
        (
            "create",
            json!({"object": config}),
            r#"policy "p" may not write v1/Secret: add write: ["v1/Secret"] to its permissions"#,
        ),
        (
            "remove",
            json!({"object": config}),
            r#"policy "p" may not write v1/Secret: add write: ["v1/Secret"] to its permissions"#,
        ),
        (
            "fetch",
            json!({"url": "https://example.com/x", "insecure": true}),
            r#"policy "p" may not fetch from example.com:443: add net: ["example.com"] to its permissions"#,
        ),
        (
            "env",
            json!({"name": "HOME"}),
            r#"policy "p" may not read the environment variable HOME: add env: ["HOME"] to its permissions"#,
        ),
        (
            "readFile",
            json!({"path": "/etc/hostname"}),
            r#"policy "p" may not read the file /etc/hostname: add files: ["/etc/hostname"] to its permissions"#,
        ),
    ] {
        let error = ask(inventory(), &none, op, &args).unwrap_err();
        assert_eq!((error.reason.as_str(), error.message.as_str()), ("PermissionDenied", message));
    }
}

#[test]
fn a_permission_for_one_kind_does_not_open_another_by_way_of_its_name() {
    let permissions = Permissions { read: vec!["v1/ConfigMap".to_owned()], ..Permissions::default() };
    for name in ["../secrets/s", "a/../../../secrets/s", "..", "a%2f..%2fsecrets"] {
        let args = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": "ns", "name": name});
        assert_eq!(ask(inventory(), &permissions, "get", &args).unwrap_err().reason, "BadRequest", "{name}");
        let args = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": name, "name": "a"});
        assert_eq!(ask(inventory(), &permissions, "get", &args).unwrap_err().reason, "BadRequest", "{name}");
    }
    for api_version in ["v1/../v1", "../apis/apps/v1", "v1?x="] {
        let args = json!({"apiVersion": api_version, "kind": "Secret"});
        assert_eq!(ask(inventory(), &Permissions::ambient(), "list", &args).unwrap_err().reason, "BadRequest");
    }
}

#[test]
fn without_a_cluster_it_names_the_flags() {
    let read = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "a"});
    let error = ask(Objects::Nowhere, &Permissions::ambient(), "get", &read).unwrap_err();
    assert_eq!(error.reason, "NotConnected");
    assert!(error.message.contains("--kubeconfig") && error.message.contains("--inventory"), "{error}");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "ns"}});
    let mut patch = read.clone();
    patch["patch"] = json!({"metadata": {"labels": {"a": "b"}}});
    for (op, args) in [
        ("create", json!({"object": pod})),
        ("update", json!({"object": pod})),
        ("remove", json!({"object": pod})),
        ("remove", read),
        ("patch", patch),
    ] {
        assert_eq!(ambient(op, &args).unwrap_err().reason, "NotConnected", "{op}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    for (op, args, word) in [
        ("get", json!([1]), "get"),
        ("get", json!({"apiVersion": "v1", "kind": 1, "name": "a"}), "string"),
        ("list", json!({"apiVersion": "v1", "kind": "Pod", "labelSelector": "a in ("}), "label selector"),
        ("create", json!({"object": 1}), "create"),
        ("create", json!({"object": {"kind": "Pod"}}), "apiVersion"),
        ("patch", json!({"apiVersion": "v1", "kind": "Pod", "name": "a", "patch": "x"}), "patch"),
        ("fetch", json!({"url": "nowhere"}), "url"),
        ("fetch", json!({"url": "file:///etc/passwd"}), "scheme"),
        ("fetch", json!({"url": "http://a/", "method": "CONNECT"}), "method"),
        ("readFile", json!({"path": ""}), "path"),
        ("open", json!({}), "open"),
    ] {
        let error = ambient(op, &args).unwrap_err();
        assert_eq!(error.reason, "WrongArguments", "{op} {args}");
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn env_and_files_answer_with_text_or_undefined() {
    let permissions = Permissions {
        env: vec!["CARGO_PKG_NAME".to_owned(), "NO_SUCH_VARIABLE".to_owned()],
        files: vec![concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned()],
        ..Permissions::default()
    };
    let ask = |op: &str, args: Value| ask(Objects::Nowhere, &permissions, op, &args);
    assert_eq!(ask("env", json!({"name": "CARGO_PKG_NAME"})), Ok(json!("bylaw")));
    assert_eq!(ask("env", json!({"name": "NO_SUCH_VARIABLE"})), Ok(Value::Null));
    assert_eq!(ask("env", json!({"name": "PATH"})).unwrap_err().reason, "PermissionDenied");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(ask("readFile", json!({"path": manifest})).unwrap().as_str().unwrap().contains("[package]"));
    assert_eq!(ask("readFile", json!({"path": format!("{manifest}.none")})), Ok(Value::Null));
    assert_eq!(ask("readFile", json!({"path": "/etc/hostname"})).unwrap_err().reason, "PermissionDenied");
}

#[test]
fn a_call_ends_at_its_deadline_and_a_dropped_one_at_once() {
    let runtime = runtime();
    let host = Host::new(runtime.handle().clone(), Objects::Nowhere, HostLimits::default());
    // A listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let args = json!({"url": format!("http://{}/", silent.local_addr().unwrap())}).to_string();
    let permissions = Permissions::ambient();
    let started = Instant::now();
    let deadline = started + Duration::from_millis(200);
    let caller =
        Caller { policy: "p", permissions: &permissions, dry_run: false, reconciles: false, review: None, deadline };
    assert_eq!(host.call(&caller, "fetch", &args).unwrap_err().reason, "Timeout");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let caller = Caller { deadline: Instant::now() + Duration::from_mins(1), ..caller };
    let pending = host.start(&caller, "fetch", &args).unwrap();
    let busy = || host.runtime().unwrap().metrics().num_alive_tasks();
    std::thread::sleep(Duration::from_millis(50));
    let during = busy();
    drop(pending);
    std::thread::sleep(Duration::from_millis(50));
    assert!(busy() < during, "{} of {during}", busy());
}
