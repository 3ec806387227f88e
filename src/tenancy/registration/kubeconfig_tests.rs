use rcgen::{CertificateParams, KeyPair};

use super::*;

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// As vCluster writes it.
fn good() -> Value {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["dev.vc-dev".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "my-vcluster", "preferences": {},
        "clusters": [{"name": "my-vcluster", "cluster": {
            "server": "https://localhost:8443", "certificate-authority-data": base64(&certificate),
        }}],
        "contexts": [{"name": "my-vcluster", "context": {"cluster": "my-vcluster", "user": "my-vcluster"}}],
        "users": [{"name": "my-vcluster", "user": {
            "client-certificate-data": base64(&certificate), "client-key-data": base64(&key.serialize_pem()),
        }}],
    })
}

const HERE: &str = "https://dev.vc-dev:443";

fn read_with(change: impl FnOnce(&mut Value)) -> Result<Config, String> {
    let mut file = good();
    change(&mut file);
    read(file.to_string().as_bytes(), Server::At(HERE))
}

fn user(field: &str, value: Value) -> Result<Config, String> {
    read_with(|file| file["users"][0]["user"][field] = value)
}

fn cluster(field: &str, value: Value) -> Result<Config, String> {
    read_with(|file| file["clusters"][0]["cluster"][field] = value)
}

#[test]
fn what_vcluster_writes_leads_to_the_service_of_the_virtual_cluster() {
    let config = read_with(|_| {}).unwrap();
    assert_eq!(config.cluster_url, HERE);
    assert!(config.root_cert.is_some_and(|all| all.len() == 1) && config.proxy_url.is_none());
    assert!(config.auth_info.client_certificate_data.is_some() && !config.accept_invalid_certs);
    let mut of_account = good();
    of_account["users"][0]["user"] = json!({"token": "abc"});
    assert!(read(of_account.to_string().as_bytes(), Server::At(HERE)).unwrap().auth_info.token.is_some());
}

#[test]
fn what_an_admin_brought_may_say_where_the_server_is() {
    let server = |told: &str| {
        let mut file = good();
        file["clusters"][0]["cluster"]["server"] = told.into();
        read(file.to_string().as_bytes(), Server::OfFile { instead: HERE }).map(|config| config.cluster_url.to_string())
    };
    assert_eq!(server("https://edge.example.com:6443").unwrap(), "https://edge.example.com:6443/");
    for own in ["https://localhost:8443", "https://127.0.0.1:8443", "https://[::1]", "file:///etc/passwd", ""] {
        assert_eq!(server(own).unwrap(), format!("{HERE}/"), "{own}");
    }
    for bad in ["http://edge.example.com", "https://user:word@edge.example.com"] {
        assert!(server(bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_in_it_runs_a_program_reads_a_file_or_leads_elsewhere() {
    for (field, value) in [
        ("exec", json!({"command": "sh", "args": ["-c", "id"]})),
        ("auth-provider", json!({"name": "gcp"})),
        ("tokenFile", json!("/var/run/secrets/kubernetes.io/serviceaccount/token")),
        ("client-certificate", json!("/etc/passwd")),
        ("client-key", json!("/etc/passwd")),
        ("as", json!("system:admin")),
    ] {
        let error = user(field, value).unwrap_err();
        assert!(error.contains(field), "{error}");
    }
    for (field, value) in [
        ("certificate-authority", json!("/etc/passwd")),
        ("insecure-skip-tls-verify", json!(true)),
        ("proxy-url", json!("http://elsewhere.example.com")),
        ("tls-server-name", json!("kubernetes.default")),
    ] {
        let error = cluster(field, value).unwrap_err();
        assert!(error.contains(field), "{error}");
    }
    let unknown = user("my-own-words", json!("x")).unwrap_err();
    assert!(!unknown.contains("my-own-words"), "{unknown}");
}

#[test]
fn garbage_is_refused_and_never_repeated() {
    let huge = "x".repeat(LONGEST + 1);
    for garbage in ["", "s3cret", "\u{0}", "[1, 2]", "a: &a [*a, *a]", "clusters: s3cret", &huge] {
        let error = read(garbage.as_bytes(), Server::At(HERE)).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(read(b"\xff\xfe", Server::At(HERE)).is_err());
    for (error, told) in [
        (user("client-key-data", json!("")), "go together"),
        (user("client-key-data", json!("s3cret!")), "no base64"),
        (cluster("certificate-authority-data", json!("")), "no certificate-authority-data"),
        (cluster("certificate-authority-data", json!(base64("s3cret"))), "no certificate"),
        (read_with(|file| file["contexts"] = json!([])), "no current context"),
        (read_with(|file| file["clusters"][0]["name"] = json!("other")), "names no cluster"),
        (read_with(|file| file["users"] = json!([])), "neither"),
    ] {
        let error = error.unwrap_err();
        assert!(error.contains(told) && !error.contains("s3cret"), "{error}");
    }
}
