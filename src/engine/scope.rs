//! Which policies a request asks.

use crate::http::Endpoint;
use crate::matching::Phase;

/// The webhook that asks no policy.
pub const TENANCY_WEBHOOK: &str = "tenancy";

/// Which policies are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every validating policy that matches.
    Validate,
    /// Every mutating policy that matches.
    Mutate,
    /// Those of one webhook, as `bylaw webhook` registers it. A name that no policy in force has stands for all that match:
    /// an outdated registration must not take enforcement away.
    Webhook { name: String, phase: Phase },
    /// None at all: it is only looked whether the request is one that tenants may make.
    Tenancy,
    /// First all that mutate, then all that validate what came of it: what the API server does with both webhooks.
    Both,
    /// One policy, whatever it matches: who calls it by name has matched already (jsPolicy's semantics).
    Only(String),
}

impl Scope {
    /// Those that an endpoint stands for. `None` where it stands for none: no policy is asked about policies.
    pub(super) fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Validate => Some(Self::Validate),
            Endpoint::Mutate => Some(Self::Mutate),
            Endpoint::Webhook { name, mutate: false } if name == TENANCY_WEBHOOK => Some(Self::Tenancy),
            Endpoint::Webhook { name, mutate } | Endpoint::VirtualCluster { webhook: Some(name), mutate, .. } => {
                Some(Self::Webhook { name, phase: if mutate { Phase::Mutate } else { Phase::Validate } })
            }
            Endpoint::Policy(name) => Some(Self::Only(name)),
            Endpoint::VirtualCluster { webhook: None, mutate, .. } => {
                Some(if mutate { Self::Mutate } else { Self::Validate })
            }
            Endpoint::Crds => None,
        }
    }
}
