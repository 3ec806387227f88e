//! `permissions`, read from either form of a policy (design §4).

use std::path::Path;

use super::Account;
use super::fields::{Fields, clip};
use super::spec::Permissions;

pub(super) fn permissions(fields: &Fields<'_, '_>) -> Option<Permissions> {
    let permissions = fields.object("permissions")?;
    let read = |name: &'static str, is_right: fn(&str) -> bool, form: &str| {
        let entries = permissions.strings(name).unwrap_or_default();
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| *entry != "*" && !is_right(entry)) {
            permissions.fault(&format!("{name}[{index}]"), format!("`{}` must be {form}, or `*`", clip(entry)));
        }
        entries
    };
    let kind = "a kind such as `v1/ConfigMap`, `apps/v1/Deployment`, `apps/v1/*`";
    let granted = Permissions {
        read: read("read", is_kind, kind),
        write: read("write", is_kind, kind),
        net: read("net", is_host, "a host such as `api.example.com`, `api.example.com:8443`, `*.example.com`"),
        env: read("env", is_variable, "the name of an environment variable"),
        files: read("files", is_absolute, "an absolute path, of a file or of a folder ending in `/`"),
        quota: read("quota", is_key, "a key of the ledger such as `hosts`, or its beginning as in `namespaces/*`"),
        codegen: permissions.boolean("codegen").unwrap_or_default(),
        service_account: account(&permissions),
        within: None,
    };
    permissions.refuse_unknown();
    Some(granted)
}

/// Whether an entry of `read` covers Secrets.
pub(super) fn reads_secrets(entry: &str) -> bool {
    matches!(entry, "*" | "v1/*" | "v1/Secret" | "*/Secret" | "*/*")
}

fn account(permissions: &Fields<'_, '_>) -> Option<Account> {
    let text = permissions.string("serviceAccount")?;
    let account = Account::parse(text);
    if account.is_none() {
        let form = "a ServiceAccount in Bylaw's own namespace, such as `images`, or in another, such as `shop/images`";
        permissions.fault("serviceAccount", format!("`{}` must be {form}", clip(text)));
    }
    account
}

/// `version/Kind` or `group/version/Kind`, the kind or the version possibly `*`.
fn is_kind(entry: &str) -> bool {
    let parts: Vec<&str> = entry.split('/').collect();
    let is_part = |part: &&str| {
        !part.is_empty()
            && (*part == "*" || part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')))
    };
    matches!(parts.len(), 2 | 3) && parts.iter().all(is_part)
}

fn is_host(entry: &str) -> bool {
    let (host, port) = entry.rsplit_once(':').map_or((entry, None), |(host, port)| (host, Some(port)));
    let plain = host.strip_prefix("*.").unwrap_or(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    !plain.is_empty() && plain.bytes().all(is_name) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_variable(entry: &str) -> bool {
    !entry.is_empty() && !entry.contains(['=', '\0'])
}

/// A `*` only at its end.
fn is_key(entry: &str) -> bool {
    let key = entry.strip_suffix('*').unwrap_or(entry);
    !key.is_empty() && key.len() <= 256 && !key.contains(|c: char| c == '*' || c.is_control())
}

/// Without `..`: a grant names what it grants.
fn is_absolute(entry: &str) -> bool {
    Path::new(entry).is_absolute() && !entry.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fields::Faults;
    use super::*;

    fn faults(value: &Value) -> Vec<String> {
        let faults = Faults::default();
        permissions(&Fields::of(value, "spec", &faults));
        faults.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn grants_in_their_proper_form_are_taken() {
        let granted = json!({"permissions": {
            "read": ["v1/ConfigMap", "apps/v1/*", "networking.k8s.io/v1/Ingress", "*"],
            "write": ["*/Secret"],
            "net": ["api.example.com", "localhost:8080", "*.example.com", "10.0.0.1:443", "[::1]:443", "*"],
            "env": ["HOME"],
            "files": ["/etc/ssl/", "/var/run/token"],
            "quota": ["hosts", "namespaces/*", "*"],
            "codegen": true,
            "serviceAccount": "shop/images",
        }});
        assert_eq!(faults(&granted), [] as [&str; 0]);
    }

    #[test]
    fn grants_in_another_form_are_refused() {
        let wrong = json!({"permissions": {
            "read": ["ConfigMap"], "write": ["a/b/c/d"], "net": ["https://a.b/c", "a:99999"], "env": ["A=B"],
            "files": ["etc", "/etc/../root"], "quota": ["a*b", ""], "codegen": "eval", "serviceAccount": "a/../b", "run": ["ls"],
        }});
        let found = faults(&wrong);
        assert_eq!(found.len(), 12, "{found:?}");
        assert!(found[0].starts_with("spec.permissions.read[0]: `ConfigMap` must be a kind such as `v1/ConfigMap`"));
        assert!(found[9].starts_with("spec.permissions.codegen: "), "{found:?}");
        assert!(
            found[10].starts_with("spec.permissions.serviceAccount: `a/../b` must be a ServiceAccount"),
            "{found:?}"
        );
        assert!(found[11].starts_with("spec.permissions.run: is not a field"));
    }
}
