//! jsPolicy's environment variables keep their meaning.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Certificate, Client};
use serde_json::json;

use super::super::api::eventually;
use super::*;

/// Whether the server's certificate is one for this name.
fn is_called(operator: &Operator, name: &str) -> bool {
    let server = operator.server();
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let authority = std::fs::read(server.authority().unwrap()).unwrap();
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(&authority).unwrap()])
        .resolve(name, address)
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let get = async { client.get(format!("https://{name}:{}/", address.port())).send().await };
    runtime.block_on(get).is_ok()
}

#[test]
fn jspolicys_variables_say_where_it_is_called() {
    // Freed at once: the API server is told of an address only once somebody answers there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let webhook_url = format!("https://localhost:{}", address.port());
    let environment = [
        ("KUBE_NAMESPACE", "bylaw-system"),
        ("JS_POLICY_SERVICE_NAME", "renamed"),
        ("JS_POLICY_WEBHOOK_URL", webhook_url.as_str()),
    ];
    with_environment(&["--listen", &address.to_string()], &environment, |operator| {
        operator.put("guard", &refusing("guarded"));
        let there = |found: &Value| found["webhooks"].is_array();
        let configuration = eventually("the configuration", || operator.configuration(), there);
        let webhook = &configuration["webhooks"][0];
        let url = webhook["clientConfig"]["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{webhook_url}/validate/")), "{url}");
        let exempt = &webhook["namespaceSelector"]["matchExpressions"][0]["values"];
        assert_eq!(*exempt, json!(["kube-system", "bylaw-system"]));
        assert!(is_called(operator, "renamed.bylaw-system.svc"));
        assert!(!is_called(operator, "jspolicy.bylaw-system.svc"));
        assert!(operator.api().get("/api/v1/namespaces/bylaw-system/secrets/jspolicy-webhook-cert").is_good());
    });
}
