//! What `bylaw serve` says on standard output once it serves.

use std::path::PathBuf;

use super::output::say;
use crate::config::Settings;
use crate::http::Server;

/// What a newcomer needs next, on standard output.
pub(super) fn announce(settings: &Settings, server: &Server, authority: Option<PathBuf>, policies: usize) {
    let mut lines = Vec::new();
    let url = settings.webhook_url.clone().unwrap_or_else(|| format!("https://{}", server.address()));
    lines.push(format!("Bylaw is serving at {url}"));
    let files = settings.policies.iter().map(|path| path.display().to_string());
    let from: Vec<String> = files.chain(settings.is_operator().then(|| "the cluster".to_owned())).collect();
    let from = from.join(", ");
    lines.push(format!("  policies   {policies} from {from}"));
    if let Some(path) = &authority {
        lines.push(format!("  authority  {}", path.display()));
    }
    for (name, address, path) in
        [("health", server.health_address(), "readyz"), ("metrics", server.metrics_address(), "metrics")]
    {
        if let Some(address) = address {
            lines.push(format!("  {name:<9}  http://{address}/{path}"));
        }
    }
    if let Some(path) = authority {
        lines.push("Try it:".to_owned());
        lines.push(format!(
            "  curl --cacert {} -H 'Content-Type: application/json' -d '{EXAMPLE}' {url}/validate",
            path.display()
        ));
    }
    lines.push(String::new());
    if let Err(error) = say(&lines.join("\n")) {
        // A full disk behind standard output is no reason not to serve.
        tracing::warn!("{error:#}");
    }
}

/// The shortest review that shows a denial by the starter policies.
const EXAMPLE: &str = concat!(
    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":"default","#,
    r#""kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"userInfo":{"username":"me"},"#,
    r#""object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"#,
    r#""spec":{"containers":[{"name":"web","image":"nginx:latest","securityContext":{"privileged":true}}]}}}}"#
);
