//! May it? Permissions are a list of names; what no name covers is refused with the line that would allow it.

use crate::cluster::Kind;

use super::net::Target;
use super::{Caller, HostError};

/// `get` and `list`.
pub fn read(caller: &Caller<'_>, kind: &Kind) -> Result<(), HostError> {
    let allowed = covers_kind(&caller.permissions.read, kind);
    decide(allowed, caller, &format!("read {kind}"), "read", &kind.to_string())
}

/// `create`, `update`, `patch`, `remove`.
pub fn write(caller: &Caller<'_>, kind: &Kind) -> Result<(), HostError> {
    let allowed = covers_kind(&caller.permissions.write, kind);
    decide(allowed, caller, &format!("write {kind}"), "write", &kind.to_string())
}

/// Where `get` and `list` look: a tenant's own policy sees its namespace and nothing else.
pub fn place(caller: &Caller<'_>, namespace: &str) -> Result<(), HostError> {
    let Some(home) = caller.permissions.within.as_deref().filter(|home| *home != namespace) else { return Ok(()) };
    let (policy, place) = (caller.policy, if namespace.is_empty() { "everywhere" } else { "in another namespace" });
    let message = format!("policy {policy:?} is a tenant's and may not read {place}: give namespace {home:?}");
    Err(HostError::new("PermissionDenied", message))
}

pub fn env(caller: &Caller<'_>, name: &str) -> Result<(), HostError> {
    let allowed = caller.permissions.env.iter().any(|pattern| pattern == "*" || pattern == name);
    decide(allowed, caller, &format!("read the environment variable {name}"), "env", name)
}

pub fn net(caller: &Caller<'_>, target: &Target) -> Result<(), HostError> {
    let allowed = target.is_covered_by(&caller.permissions.net);
    decide(allowed, caller, &format!("fetch from {target}"), "net", &target.host_text())?;
    let named = !target.is_metadata_address() || target.is_named_by(&caller.permissions.net);
    let action = format!("fetch from {target}, a link-local or cloud metadata address that no wildcard covers");
    decide(named, caller, &action, "net", &target.host_text())
}

pub fn quota(caller: &Caller<'_>, key: &str) -> Result<(), HostError> {
    let allowed = caller.permissions.quota.iter().any(|pattern| covers_key(pattern, key));
    decide(allowed, caller, &format!("reserve under the key {key}"), "quota", key)
}

/// A key, or all that begin so.
fn covers_key(pattern: &str, key: &str) -> bool {
    pattern.strip_suffix('*').map_or_else(|| pattern == key, |prefix| key.starts_with(prefix))
}

pub fn file(caller: &Caller<'_>, path: &str, allowed: bool) -> Result<(), HostError> {
    decide(allowed, caller, &format!("read the file {path}"), "files", path)
}

fn decide(allowed: bool, caller: &Caller<'_>, action: &str, list: &str, name: &str) -> Result<(), HostError> {
    if allowed {
        return Ok(());
    }
    let policy = caller.policy;
    let mend = format!("add {list}: [{name:?}] to its permissions");
    Err(HostError::new("PermissionDenied", format!("policy {policy:?} may not {action}: {mend}")))
}

/// Whether one of these patterns stands for the kind.
pub fn covers_kind(patterns: &[String], kind: &Kind) -> bool {
    patterns.iter().any(|pattern| match pattern.rsplit_once('/') {
        Some((api_version, name)) => api_version == kind.api_version() && (name == "*" || name == kind.kind()),
        None => pattern == "*",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, kind: &str) -> bool {
        covers_kind(&[pattern.to_owned()], &Kind::parse(kind).unwrap())
    }

    #[test]
    fn patterns_cover_a_kind_a_group_version_or_everything() {
        assert!(covers("v1/Secret", "v1/Secret"));
        assert!(covers("apps/v1/*", "apps/v1/Deployment"));
        assert!(covers("*", "apps/v1/Deployment"));
    }

    #[test]
    fn keys_are_covered_by_their_name_or_their_beginning() {
        assert!(covers_key("hosts", "hosts") && covers_key("namespaces/*", "namespaces/jane") && covers_key("*", "a"));
        assert!(!covers_key("hosts", "hosts/a") && !covers_key("namespaces/*", "namespaces") && !covers_key("", "a"));
    }

    #[test]
    fn patterns_cover_no_more_than_they_say() {
        for (pattern, kind) in [
            ("v1/ConfigMap", "v1/Secret"),
            ("v1/*", "apps/v1/Deployment"),
            ("apps/*", "apps/v1/Deployment"),
            ("v1/Secret", "example.com/v1/Secret"),
            ("Secret", "v1/Secret"),
            ("v1/Sec*", "v1/Secret"),
            ("", "v1/Secret"),
        ] {
            assert!(!covers(pattern, kind), "{pattern} {kind}");
        }
        assert!(!covers_kind(&[], &Kind::parse("v1/Secret").unwrap()));
    }
}
