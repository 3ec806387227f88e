//! A policy as the rest of Bylaw sees it, whatever it was written as: a JsPolicy object or a module in a folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Account;
use crate::review::Operation;

/// How a policy's code is run (design §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// jsPolicy: a classic script with globals, a fresh realm each run.
    Script,
    /// An ES module whose default export is `policy({…})`.
    Module,
}

/// One policy, ready to be indexed.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each handler is there or not, and state is kept or not")]
pub struct PolicySpec {
    pub name: Arc<str>,
    pub dialect: Dialect,
    pub validates: bool,
    pub mutates: bool,
    /// It is asked about no request: it keeps the objects that it matches as they should be.
    pub reconciles: bool,
    pub rules: MatchSpec,
    /// Order of mutating policies: lower first, then by name.
    pub priority: i32,
    pub enforcement: Enforcement,
    pub on_error: OnError,
    /// Longest wall time of one run; also the webhook's timeout.
    pub timeout: Duration,
    pub parameters: Arc<Value>,
    pub permissions: Permissions,
    pub isolation: Isolation,
    /// What its module keeps must not be seen by its next run: it gets a realm of its own each time, in whatever heap.
    pub keeps_state: bool,
    /// What becomes of its changes to what a syncer copied, where that syncer would not leave them be.
    pub host_mutations: HostMutations,
    /// Whose policy it is; `None` for the host's own.
    pub tenant: Option<Arc<str>>,
}

/// Who must not share a heap with whom: the policies of one domain share isolates, those of different ones never do
/// (design §1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// The host's own policies.
    #[default]
    Host,
    /// All policies of one tenant.
    Tenant(Arc<str>),
    /// One policy that asked for a heap of its own.
    Policy(Arc<str>),
    /// Those of the host's own that reconcile: no review waits behind them.
    Controllers,
}

impl PolicySpec {
    /// The domain that the policy belongs to.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match (&self.tenant, self.isolation) {
            (_, Isolation::Dedicated) => Domain::Policy(Arc::clone(&self.name)),
            (Some(tenant), _) => Domain::Tenant(Arc::clone(tenant)),
            (None, _) if self.reconciles => Domain::Controllers,
            (None, _) => Domain::Host,
        }
    }
}

/// What to do with a denial (jsPolicy's `violationPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Enforcement {
    #[default]
    Deny,
    /// Allow, and turn what would have been denied into a warning.
    Warn,
    /// Allow, say nothing to the client; a mutation is dropped.
    Dry,
}

/// What becomes of a change to an object on the host that its syncer would undo or choke on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum HostMutations {
    /// What breaks the syncing is refused, of the rest its author is warned.
    #[default]
    Refuse,
    /// Its author knows better: it is made, and counted.
    Allow,
}

/// What a policy that fails means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum OnError {
    #[default]
    Deny,
    Allow,
}

/// What a policy shares with others (contract §6), from the most to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Isolation {
    /// The locked-down realm that the policies of a domain share.
    #[default]
    Shared,
    /// A realm of its own for each run. Scripts say this, and those proved closed share one all the same.
    Fresh,
    /// A heap of its own.
    Dedicated,
    /// A process of its own.
    Process,
}

/// Which requests a policy wants to see. Empty lists of groups and versions mean all of them.
#[derive(Debug, Clone, Default)]
pub struct MatchSpec {
    /// Empty means every operation.
    pub operations: Vec<Operation>,
    pub api_groups: Vec<String>,
    pub api_versions: Vec<String>,
    /// `pods`, `pods/log`, `pods/*`, `*/scale`, `*`, `*/*`.
    pub resources: Vec<String>,
    pub scope: Scope,
    pub namespace_selector: LabelSelector,
    pub object_selector: LabelSelector,
    pub match_policy: MatchPolicy,
    /// User names, exact or ending in `*`; `group:NAME` for everyone in a group.
    pub exclude_users: Vec<String>,
    pub match_conditions: Vec<MatchCondition>,
    /// Also the workloads whose pod template the policy judges.
    pub workloads: bool,
    /// Which API server must ask; `None` means either.
    pub vantage: Option<Vantage>,
    /// Whose request it must be; `None` means anybody's.
    pub tenants: Option<TenantsSpec>,
}

/// `match.tenants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantsSpec {
    /// Names of tenants; `NAMESPACE/NAME` of a virtual cluster, or its owner.
    Names(Vec<String>),
    /// By the labels of the tenant.
    Selector(LabelSelector),
}

/// Who asks: the host cluster's API server or a virtual cluster's (design §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    Host,
    Virtual,
    /// The same as nothing said.
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Scope {
    Cluster,
    Namespaced,
    #[default]
    #[serde(rename = "*")]
    All,
}

/// `Exact` compares with what the client sent, `Equivalent` with what the API server converted it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum MatchPolicy {
    Exact,
    #[default]
    Equivalent,
}

/// `metav1.LabelSelector`; the default selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelSelector {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    pub key: String,
    pub operator: LabelOperator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A CEL expression over `object`, `oldObject` and `request` (KEP-3716).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchCondition {
    pub name: String,
    pub expression: String,
}

/// What a policy may ask of the world. Nothing by default (design §4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// Kinds that `get` and `list` may read: `v1/ConfigMap`, `apps/v1/*`, `*`.
    pub read: Vec<String>,
    /// Kinds that may be created, updated, patched, removed.
    pub write: Vec<String>,
    /// Hosts that `fetch` may reach: `host`, `host:port`, `*.example.com`, `*`.
    pub net: Vec<String>,
    /// Names of environment variables, or `*`.
    pub env: Vec<String>,
    /// Paths of files, or folders ending in `/`, or `*`.
    pub files: Vec<String>,
    /// Keys of the ledger: `hosts`, `namespaces/*`, `*`.
    pub quota: Vec<String>,
    /// `eval` and `Function`: text may become code. Never in a shared realm.
    pub codegen: bool,
    /// Who reads and writes in the cluster; Bylaw itself where nobody is named.
    #[serde(rename = "serviceAccount")]
    pub service_account: Option<Account>,
    /// The only namespace that objects may be read in: that of a tenant's own policy. Nobody may ask for it.
    #[serde(skip)]
    pub within: Option<Arc<str>>,
}

impl Permissions {
    /// What jsPolicy gave every policy (`--compat jspolicy`).
    #[must_use]
    pub fn ambient() -> Self {
        let all = || vec!["*".to_owned()];
        let (read, write, net, env, files) = (all(), all(), all(), all(), all());
        // There was no ledger.
        let quota = Vec::new();
        Self { read, write, net, env, files, quota, codegen: true, service_account: None, within: None }
    }
}
