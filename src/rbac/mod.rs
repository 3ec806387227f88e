//! The rights that Bylaw needs in its cluster, and not one more: its own (`own`), and what the policies that it runs ask
//! for in their permissions (`asked`), as RBAC objects (`render`).

mod asked;
mod own;
mod render;

use serde::{Deserialize, Serialize};

pub use asked::{Asked, Asker, asked};
pub use own::{Settings, own};
pub use render::{Install, objects, values};

/// A `PolicyRule` of `rbac.authorization.k8s.io/v1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    pub verbs: Vec<String>,
}
