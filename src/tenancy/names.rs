//! The names that a syncer gives to what it copies. From a tenant's name to the host's they follow by a rule; back again
//! only where the tenant's namespace and the virtual cluster are known from elsewhere, and what comes out is proved by
//! the rule. A name alone says nothing: `-x-` may stand in any part of it.

use sha2::{Digest, Sha256};

/// What the labels and annotations of a syncer begin with.
pub const PREFIX: &str = "vcluster.loft.sh/";

pub(super) const MANAGED_BY: &str = "vcluster.loft.sh/managed-by";
pub(super) const NAMESPACE_LABEL: &str = "vcluster.loft.sh/namespace";

/// The tenant's own labels whose keys a syncer rewrites; all others pass as they are.
pub(super) const REWRITTEN: [&str; 4] = ["release", NAMESPACE_LABEL, MANAGED_BY, "vcluster.loft.sh/controlled-by"];

/// A longer name is cut, and ends with a hash of the whole.
const LONGEST: usize = 63;
const KEPT: usize = 52;
const HASH: usize = 10;

/// Parts joined by `-`, cut where that is too long for a label.
#[must_use]
pub fn joined(parts: &[&str]) -> String {
    let whole = parts.join("-");
    if whole.len() <= LONGEST {
        return whole;
    }
    let kept = whole.get(..whole.floor_char_boundary(KEPT)).unwrap_or_default();
    format!("{kept}-{}", hash(&whole)).replace(".-", "-")
}

/// What an object of the namespace `namespace` in the virtual cluster `vcluster` is called on the host.
#[must_use]
pub fn host_name(name: &str, namespace: &str, vcluster: &str) -> String {
    joined(&[name, "x", namespace, "x", vcluster])
}

/// The same for an object without a namespace; `home` is the host namespace of the virtual cluster.
#[must_use]
pub fn cluster_scoped_host_name(name: &str, home: &str, vcluster: &str) -> String {
    joined(&["vcluster", name, "x", home, "x", vcluster])
}

/// What the label `managed-by` says on objects without a namespace.
#[must_use]
pub fn cluster_scoped_manager(home: &str, vcluster: &str) -> String {
    joined(&[home, "x", vcluster])
}

/// The tenant's name of an object of this namespace, where the rule leads from it to `host` and from nowhere else. `None`
/// for a name that was cut within itself: only whoever saw it whole knows it.
#[must_use]
pub fn virtual_name(host: &str, namespace: &str, vcluster: &str) -> Option<String> {
    let rest = format!("-x-{namespace}-x-{vcluster}");
    let leads_there = |name: &&str| !name.is_empty() && host_name(name, namespace, vcluster) == host;
    if let Some(name) = host.strip_suffix(&rest).filter(leads_there) {
        return Some(name.to_owned());
    }
    let cut = host.len().checked_sub(HASH + 1).and_then(|at| host.get(..at))?;
    // What was cut off is the end of the whole, so what is left ends with the beginning of `rest`.
    let ends = (1..cut.len()).rev().filter_map(|at| Some((cut.get(..at)?, cut.get(at..)?)));
    let mut names = ends.filter(|(_, end)| rest.starts_with(end)).map(|(name, _)| name);
    names.find(leads_there).map(str::to_owned)
}

/// The same for an object without a namespace.
#[must_use]
pub fn cluster_scoped_virtual_name(host: &str, home: &str, vcluster: &str) -> Option<String> {
    let name = host.strip_prefix("vcluster-")?.strip_suffix(&format!("-x-{home}-x-{vcluster}"))?;
    (!name.is_empty() && cluster_scoped_host_name(name, home, vcluster) == host).then(|| name.to_owned())
}

/// What becomes of the key of a tenant's label that would be mistaken for a syncer's.
#[must_use]
pub fn host_label(key: &str, vcluster: &str) -> String {
    joined(&["vcluster.loft.sh/label", vcluster, "x", &hash(key)])
}

/// Under which key a pod carries a label of its virtual namespace.
#[must_use]
pub fn host_namespace_label(key: &str, vcluster: &str) -> String {
    joined(&["vcluster.loft.sh/ns-label", vcluster, "x", &hash(key)])
}

fn hash(text: &str) -> String {
    let mut hex = format!("{:x}", Sha256::digest(text.as_bytes()));
    hex.truncate(HASH);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_hashes_of_a_real_syncer() {
        for (key, hash) in REWRITTEN.iter().zip(["a4d451ec23", "101dcd4e86", "e5f1b28ab2", "2080cec00f"]) {
            assert_eq!(host_label(key, "tenant1"), format!("vcluster.loft.sh/label-tenant1-x-{hash}"), "{key}");
        }
        assert_eq!(host_namespace_label("team", "tenant1"), "vcluster.loft.sh/ns-label-tenant1-x-ca8b22d0db");
    }

    #[test]
    fn a_long_name_is_cut_and_hashed_over_the_whole() {
        assert_eq!(host_name("web", "team-a", "tenant1"), "web-x-team-a-x-tenant1");
        let long = host_name(&"n".repeat(60), "team-a", "tenant1");
        assert_eq!(long.len(), LONGEST);
        assert!(long.starts_with(&"n".repeat(KEPT)), "{long}");
        assert_ne!(long, host_name(&"n".repeat(61), "team-a", "tenant1"));
        let dotted = host_name(&format!("{}.b", "n".repeat(KEPT - 1)), "team-a", "tenant1");
        assert!(!dotted.contains(".-") && dotted.len() == LONGEST - 1, "{dotted}");
    }

    #[test]
    fn a_name_comes_back_where_namespace_and_virtual_cluster_are_known() {
        let (namespace, vcluster) = ("a-namespace-of-some-length", "a-virtual-cluster-of-some-length");
        for length in 1..=40 {
            let name = "n".repeat(length);
            let host = host_name(&name, namespace, vcluster);
            assert_eq!(virtual_name(&host, namespace, vcluster).as_deref(), Some(&*name), "{host}");
        }
        assert_eq!(virtual_name("a-x-b-x-c", "b", "c").as_deref(), Some("a"));
        assert_eq!(virtual_name("a-x-b-x-c-x-v", "c", "v").as_deref(), Some("a-x-b"));
        assert_eq!(virtual_name("a-x-b-x-c-x-v", "b-x-c", "v").as_deref(), Some("a"));
    }

    #[test]
    fn what_the_rule_does_not_lead_to_has_no_tenants_name() {
        for host in
            ["", "web", "-x-team-a-x-tenant1", "web-x-team-b-x-tenant1", "ä-x-team-a-x-tenant2", &"n".repeat(63)]
        {
            assert_eq!(virtual_name(host, "team-a", "tenant1"), None, "{host}");
        }
        assert_eq!(virtual_name(&host_name(&"n".repeat(60), "team-a", "tenant1"), "team-a", "tenant1"), None);
    }

    #[test]
    fn objects_without_a_namespace_are_called_after_the_home_of_their_virtual_cluster() {
        let host = cluster_scoped_host_name("fast", "vc-tenant1", "tenant1");
        assert_eq!(host, "vcluster-fast-x-vc-tenant1-x-tenant1");
        assert_eq!(cluster_scoped_virtual_name(&host, "vc-tenant1", "tenant1").as_deref(), Some("fast"));
        assert_eq!(cluster_scoped_virtual_name(&host, "vc-tenant2", "tenant1"), None);
        assert_eq!(cluster_scoped_manager("vc-tenant1", "tenant1"), "vc-tenant1-x-tenant1");
    }
}
