//! A kind of object as policies name it, `v1/ConfigMap` or `apps/v1/Deployment`, and the grammar that keeps such names
//! from becoming paths to something else.

use std::fmt;
use std::sync::Arc;

use super::ClusterError;

/// An `apiVersion` and a `kind`, both checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    api_version: Arc<str>,
    kind: Arc<str>,
}

impl Kind {
    /// # Errors
    /// `BadReference` where either half could not be the API server's: such a half would end up in a URL.
    pub fn new(api_version: &str, kind: &str) -> Result<Self, ClusterError> {
        if !is_api_version(api_version) {
            return Err(bad("an apiVersion such as v1 or apps/v1", api_version));
        }
        if !is_kind(kind) {
            return Err(bad("a kind such as Pod", kind));
        }
        Ok(Self { api_version: api_version.into(), kind: kind.into() })
    }

    /// Reads `v1/Pod` or `apps/v1/Deployment`.
    pub fn parse(text: &str) -> Result<Self, ClusterError> {
        match text.rsplit_once('/') {
            Some((api_version, kind)) => Self::new(api_version, kind),
            None => Err(bad("a kind with its apiVersion, such as v1/Pod or apps/v1/Deployment", text)),
        }
    }

    #[must_use]
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// `Pod` of `PodList`; `None` where nothing would be left.
    #[must_use]
    pub fn without_list(&self) -> Option<Self> {
        let kind = self.kind.strip_suffix("List").filter(|kind| !kind.is_empty())?;
        Some(Self { api_version: self.api_version.clone(), kind: kind.into() })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version, self.kind)
    }
}

/// Checks that a name or namespace is one segment of a path and nothing more: what `IsValidPathSegmentName` of
/// `k8s.io/apimachinery` asks for, and no control characters.
pub fn path_segment<'a>(what: &'static str, value: &'a str) -> Result<&'a str, ClusterError> {
    let dots = matches!(value, "" | "." | "..");
    let breaks_out = value.chars().any(|c| matches!(c, '/' | '%') || c.is_control());
    // 253: the longest name Kubernetes gives any object (RFC 1123 subdomain).
    if dots || breaks_out || value.len() > 253 { Err(bad(what, value)) } else { Ok(value) }
}

fn bad(what: &'static str, value: &str) -> ClusterError {
    ClusterError::BadReference { what, value: value.to_owned() }
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').unwrap_or(("core", text));
    let group_fits = group.len() <= 253
        && group.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| is_lower(b) || b == b'-'));
    let version_fits = !version.is_empty() && version.len() <= 63 && version.bytes().all(|b| is_lower(b) || b == b'-');
    group_fits && version_fits
}

const fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_kind(text: &str) -> bool {
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    starts_well && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_core_and_grouped_kinds() {
        let pod = Kind::parse("v1/Pod").unwrap();
        assert_eq!((pod.group(), pod.version(), pod.kind()), ("", "v1", "Pod"));
        let role = Kind::parse("rbac.authorization.k8s.io/v1/ClusterRole").unwrap();
        assert_eq!((role.group(), role.version()), ("rbac.authorization.k8s.io", "v1"));
        assert_eq!(role.to_string(), "rbac.authorization.k8s.io/v1/ClusterRole");
    }

    #[test]
    fn refuses_what_would_leave_its_place_in_a_url() {
        for text in ["Pod", "", "v1/", "../v1/Pod", "v1/Pod?x", "a/b/c/D", "apps/v1/De ploy", "v1/*", "*", "a..b/v1/X"]
        {
            assert!(Kind::parse(text).is_err(), "{text}");
        }
        for name in ["", ".", "..", "a/b", "../../secrets/x", "a%2fb", "a\nb", &"n".repeat(254)] {
            assert!(path_segment("a name", name).is_err(), "{name}");
        }
        assert!(path_segment("a name", "system:node-admin").is_ok());
    }

    #[test]
    fn takes_the_list_suffix_off() {
        assert_eq!(Kind::parse("v1/PodList").unwrap().without_list(), Kind::parse("v1/Pod").ok());
        assert_eq!(Kind::parse("v1/List").unwrap().without_list(), None);
        assert_eq!(Kind::parse("v1/Pod").unwrap().without_list(), None);
    }
}
