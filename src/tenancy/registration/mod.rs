//! Makes the API servers of virtual clusters ask Bylaw. Only the replica that leads writes there.
//!
//! ```text
//! kubeconfig  what of a Secret is believed      desired   the configurations, and what protects them
//! client      a bounded way in                  stands    whether they are there, and as they should be
//! clients     those that are used now           look      one look at one virtual cluster
//! labels      namespaces inside                 registrar  who is looked at next
//! files       the same, where nobody can reach it
//! status      what is said of it                wanted    who is to be looked at
//! ```
//!
//! A virtual cluster is its tenant's: its Secret may be garbage, its API server dead, slow, or a liar. Each costs its own
//! turn and no other's.

mod client;
mod clients;
mod desired;
mod files;
mod kubeconfig;
mod labels;
mod look;
mod registrar;
mod stands;
mod status;
mod wanted;

pub use clients::Clients;
pub use files::{Files, Pair, files};
pub use labels::ClientLabels;
pub use registrar::{Registrar, Setup};

use super::VirtualCluster;

/// Why there is no way into a virtual cluster, or it was of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the Secret {0} cannot be read: {1}")]
    Unreadable(String, String),
    #[error("there is no Secret {0}; vCluster writes it once it runs, or name another in spec.kubeconfigSecret")]
    NoSecret(String),
    #[error("the Secret {0} is of no use: {1}")]
    BadSecret(String, String),
    #[error("its API server cannot be reached at {0}: {1}")]
    Unreachable(String, String),
    #[error("its API server refuses: {0}")]
    Refused(String),
}

impl AccessError {
    /// For a condition.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => "SecretUnreadable",
            Self::NoSecret(_) => "NoSecret",
            Self::BadSecret(..) => "BadKubeconfig",
            Self::Unreachable(..) => "Unreachable",
            Self::Refused(_) => "Refused",
        }
    }
}

/// Where a virtual cluster is, as people write it.
fn place(vcluster: &VirtualCluster) -> String {
    format!("{}/{}", vcluster.namespace, vcluster.name)
}
