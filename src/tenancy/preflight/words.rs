//! What a host's policy says, in the words of the tenant who is to read it: his own names for what is his, and nothing of
//! what is somebody else's. A policy may say anything, so that every word that is known to be a name of the host's is
//! replaced, wherever it stands.

use std::collections::HashSet;

use crate::matching::NamespaceLabels;
use crate::tenancy::names;
use crate::tenancy::registry::Registry;
use crate::tenancy::vcluster::VirtualCluster;

/// In the place of a name that is none of the tenant's business.
const HIDDEN: &str = "(hidden)";

/// Namespaces that every cluster has: their names say nothing, and may be plain words.
const EVERYWHERE: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The names of one tenant, and those that are not his.
pub struct Words<'a> {
    vcluster: &'a VirtualCluster,
    /// His namespace.
    namespace: &'a str,
    /// Of the object that it is about: its name on the host, and his.
    object: (&'a str, &'a str),
    others: HashSet<&'a str>,
    namespaces: &'a dyn NamespaceLabels,
}

impl<'a> Words<'a> {
    /// `object` is the name of what it is about on the host, and his. `namespaces` are the host's.
    #[must_use]
    pub fn new(
        registry: &'a Registry,
        vcluster: &'a VirtualCluster,
        namespace: &'a str,
        object: (&'a str, &'a str),
        namespaces: &'a dyn NamespaceLabels,
    ) -> Self {
        let of_vclusters = registry.vclusters().flat_map(|one| [&*one.name, &*one.namespace]);
        let of_tenants = registry.tenants().iter().filter(|one| !one.has_vcluster(&vcluster.namespace, &vcluster.name));
        let mut others: HashSet<&str> = of_vclusters.chain(of_tenants.map(|one| &*one.name)).collect();
        for own in [&*vcluster.name, namespace, object.1] {
            others.remove(own);
        }
        Self { vcluster, namespace, object, others, namespaces }
    }

    /// A text of a policy, as the tenant may read it.
    #[must_use]
    pub fn tell(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let length = rest.find(|character| !is_of_word(character)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            self.word(word, &mut told);
            let gap = after.find(is_of_word).unwrap_or(after.len());
            let (between, next) = after.split_at(gap);
            told.push_str(between);
            rest = next;
        }
        told
    }

    /// A word, or one with the dots of a domain in it.
    fn word(&self, word: &str, told: &mut String) {
        let name = word.trim_matches(['.', '-']);
        let Some(at) = word.find(name).filter(|_| !name.is_empty()) else {
            told.push_str(word);
            return;
        };
        let (before, after) = (word.get(..at).unwrap_or_default(), word.get(at + name.len()..).unwrap_or_default());
        told.push_str(before);
        let parts: Vec<(&str, Option<String>)> = name.split('.').map(|part| (part, self.name(part))).collect();
        let has_own = parts.iter().any(|(_, other)| other.as_ref().is_some_and(|other| other != HIDDEN));
        if let Some(other) = self.name(name).filter(|_| !has_own) {
            told.push_str(&other);
        } else {
            let parts: Vec<&str> = parts.iter().map(|(part, other)| other.as_deref().unwrap_or(part)).collect();
            told.push_str(&parts.join("."));
        }
        told.push_str(after);
    }

    /// What stands for a name; `None` where it may stand.
    fn name(&self, name: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        let (vcluster, namespace) = (self.vcluster, self.namespace);
        if lower == self.object.0 {
            return Some(self.object.1.to_owned());
        }
        if lower == *namespace || lower == *vcluster.name || lower == self.object.1 {
            return None;
        }
        if lower == *vcluster.namespace {
            return Some(namespace.to_owned());
        }
        if let Some(own) = names::virtual_name(&lower, namespace, &vcluster.name) {
            return Some(own);
        }
        let is_account =
            lower.strip_prefix("vc-").is_some_and(|rest| rest.trim_start_matches("workload-") == &*vcluster.name);
        let is_copy = lower.matches("-x-").count() > 1;
        let is_namespace = || !EVERYWHERE.contains(&&*lower) && self.namespaces.labels(&lower).is_some();
        (is_account || is_copy || self.others.contains(&*lower) || is_namespace()).then(|| HIDDEN.to_owned())
    }
}

const fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::tenancy::owner::TenantObject;

    fn told(text: &str) -> String {
        let one = |namespace: &str, name: &str| Arc::new(VirtualCluster::new(namespace, name, None, "").unwrap());
        let tenant = |name: &str, namespace: &str, vcluster: &str| {
            let of = json!([{"namespace": namespace, "name": vcluster}]);
            Arc::new(TenantObject::read(&json!({"metadata": {"name": name}, "spec": {"vclusters": of}})).unwrap())
        };
        let registry = Registry::new(
            [one("vc-one", "dev"), one("vc-two", "dev"), one("vc-three", "bank-prod")],
            [],
            [tenant("acme", "vc-one", "dev"), tenant("bank", "vc-three", "bank-prod")],
        );
        let namespaces: BTreeMap<String, Arc<BTreeMap<String, String>>> =
            ["vc-one", "shop-of-bank", "default"].map(|name| (name.to_owned(), Arc::default())).into();
        let vcluster = one("vc-one", "dev");
        let object = ("web-x-team-a-x-dev", "web");
        Words::new(&registry, &vcluster, "team-a", object, &namespaces).tell(text)
    }

    #[test]
    fn a_tenants_own_names_are_his() {
        for (text, expected) in [
            ("pod vc-one/web-x-team-a-x-dev has no limits", "pod team-a/web has no limits"),
            ("secret db-x-team-a-x-dev: taken", "secret db: taken"),
            ("web-x-team-a-x-dev.vc-one.svc.", "web.team-a.svc."),
            ("system:serviceaccount:vc-one:vc-dev may not", "system:serviceaccount:team-a:(hidden) may not"),
            ("acme owns dev; use the default class - now", "acme owns dev; use the default class - now"),
            (
                "image nginx:1.29-alpine is not from registry.example.com",
                "image nginx:1.29-alpine is not from registry.example.com",
            ),
            ("", ""),
            ("ä – …", "ä – …"),
        ] {
            assert_eq!(told(text), expected);
        }
    }

    #[test]
    fn nothing_of_another_tenant_or_the_host_is_left() {
        for (text, expected) in [
            ("host shop.example.com belongs to bank", "host shop.example.com belongs to (hidden)"),
            ("taken by vc-three/web-x-team-b-x-bank-prod", "taken by (hidden)/(hidden)"),
            ("taken by VC-THREE.", "taken by (hidden)."),
            ("in shop-of-bank, `bank-prod` and \"vc-two\"", "in (hidden), `(hidden)` and \"(hidden)\""),
            ("web-x-team-b-x-dev", "(hidden)"),
            ("http://web.vc-two.svc:80/", "http://web.(hidden).svc:80/"),
        ] {
            assert_eq!(told(text), expected);
        }
    }
}
