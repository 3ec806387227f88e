//! Who asks from inside a virtual cluster, and what is known there: of its own API server by its token, or through vCluster's
//! central admission, whose dialect says in the options of a request what the host would not know.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use super::Labels;
use super::vcluster::VirtualCluster;
use crate::matching::NamespaceLabels;
use crate::review::only_object::OnlyObject;
use crate::review::{AdmissionRequest, Review};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Inside {
    /// None where central admission sends what no virtual cluster is known for.
    pub vcluster: Option<Arc<VirtualCluster>>,
    pub proof: Proof,
    /// The tenant's own namespace, where the request itself tells of it.
    pub told: Option<Told>,
}

/// What shows that it is the virtual cluster that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Nothing but where the request says it is from.
    None,
    /// The token, which the tenant can read.
    Token,
    /// A certificate of its own beside the token, which he cannot.
    Certificate,
}

/// A namespace of a virtual cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub namespace: String,
    pub labels: Labels,
}

impl Inside {
    /// Whether what policies do beside answering is only played: a tenant can send whatever he likes with a token that he
    /// can read, and must not use up quotas or write objects by it.
    #[must_use]
    pub fn is_advisory(&self) -> bool {
        self.proof < Proof::Certificate
    }

    /// Where the virtual cluster is, as people write it.
    #[must_use]
    pub fn place(&self) -> String {
        self.vcluster.as_ref().map_or_else(String::new, |one| format!("{}/{}", one.namespace, one.name))
    }

    /// The namespace that a request is about, as the tenant calls it.
    #[must_use]
    pub fn namespace<'a>(&'a self, review: &'a Review) -> &'a str {
        self.told.as_ref().map_or(&*review.request.namespace, |told| &told.namespace)
    }
}

impl Told {
    /// What central admission says of the tenant's namespace; `None` where it is not that which asks. No host's API server
    /// has such options.
    #[must_use]
    pub fn of(request: &AdmissionRequest) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Options {
            v_cluster: Option<OnlyObject<VCluster>>,
        }
        #[derive(Deserialize)]
        struct VCluster {
            namespace: Option<OnlyObject<Namespace>>,
        }
        #[derive(Deserialize)]
        struct Namespace {
            metadata: Option<OnlyObject<Metadata>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Metadata {
            name: String,
            labels: Option<BTreeMap<String, String>>,
        }
        let options = request.options.as_ref()?.as_str();
        // Before anything is parsed: this is asked of every review.
        if !options.contains("vCluster") {
            return None;
        }
        let OnlyObject(options) = serde_json::from_str::<OnlyObject<Options>>(options).ok()?;
        let OnlyObject(vcluster) = options.v_cluster?;
        let metadata = vcluster.namespace.and_then(|OnlyObject(namespace)| namespace.metadata);
        let OnlyObject(Metadata { name, labels }) = metadata.unwrap_or(OnlyObject(Metadata::default()));
        Some(Self { namespace: name, labels: Arc::new(labels.unwrap_or_default()) })
    }
}

/// What namespaces of virtual clusters are labelled with, where somebody has a way to look.
pub trait InsideLabels: Send + Sync {
    /// From memory; `None` for one that is not known.
    fn labels(&self, vcluster: &VirtualCluster, namespace: &str) -> Option<Labels>;

    /// Looks one up. Whatever goes wrong leaves it unknown.
    fn learn<'a>(
        &'a self,
        vcluster: &'a VirtualCluster,
        namespace: &'a str,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// The namespaces of the virtual cluster that asks. Those of the host have nothing to say there, whatever their names.
pub struct InsideNamespaces<'a> {
    pub inside: &'a Inside,
    /// As the request has it.
    pub namespace: &'a str,
    pub labels: Option<&'a dyn InsideLabels>,
}

impl NamespaceLabels for InsideNamespaces<'_> {
    fn labels(&self, namespace: &str) -> Option<Labels> {
        // Central admission puts the name of the host's namespace into the request.
        let told = self.inside.told.as_ref().filter(|told| told.namespace == namespace || namespace == self.namespace);
        if let Some(told) = told {
            return Some(Arc::clone(&told.labels));
        }
        self.labels?.labels(self.inside.vcluster.as_deref()?, namespace)
    }

    fn learn<'a>(&'a self, namespace: &'a str, deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match (self.labels, self.inside.vcluster.as_deref()) {
            (Some(labels), Some(vcluster)) => labels.learn(vcluster, namespace, deadline),
            _ => Box::pin(std::future::ready(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::review::{Limits, parse};

    fn told(options: &Value) -> Option<Told> {
        let request = json!({
            "uid": "1", "operation": "CREATE", "namespace": "vc-one", "kind": {"version": "v1", "kind": "Pod"},
            "resource": {"version": "v1", "resource": "pods"}, "options": options,
        });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        Told::of(&parse(review.to_string().into(), &Limits::default()).unwrap().request)
    }

    #[test]
    fn central_admission_tells_the_tenants_namespace() {
        let namespace = json!({"metadata": {"name": "team-a", "labels": {"stage": "prod"}}, "spec": {}});
        let found =
            told(&json!({"kind": "CreateOptions", "vCluster": {"namespace": namespace, "name": "web-x"}})).unwrap();
        assert_eq!((&*found.namespace, found.labels.get("stage").map(String::as_str)), ("team-a", Some("prod")));
        let cluster_scoped = told(&json!({"vCluster": {}})).unwrap();
        assert_eq!(&*cluster_scoped.namespace, "");
    }

    #[test]
    fn other_options_are_nobodys_dialect() {
        for options in
            [json!(null), json!({"kind": "CreateOptions"}), json!({"fieldManager": "vCluster"}), json!(["vCluster"])]
        {
            assert_eq!(told(&options), None, "{options}");
        }
        assert_eq!(told(&json!({"vCluster": {"namespace": {"metadata": {"labels": 7}}}})), None, "nor is garbage");
    }

    #[test]
    fn only_a_certificate_of_its_own_makes_deeds_of_what_policies_do() {
        let by = |proof| Inside { vcluster: None, proof, told: None }.is_advisory();
        assert!(by(Proof::None) && by(Proof::Token) && !by(Proof::Certificate));
    }
}
