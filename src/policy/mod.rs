//! Policies: what they declare, checked and typed; read from files and manifests, kept in an immutable catalog, and
//! read again when a file changes.

mod about;
mod account;
mod assemble;
mod bundles;
mod catalog;
mod check;
mod code;
mod conduct;
mod confined;
mod declaration;
mod draft;
mod error;
mod exceptions;
mod fields;
mod files;
mod folder;
mod graph;
mod inline;
mod jspolicy;
pub mod live;
mod loader;
mod locks;
mod manifest;
mod module;
mod names;
mod objects;
mod oversight;
mod packages;
mod parameters;
mod permissions;
mod rules;
pub mod spec;
mod tarballs;
#[cfg(test)]
mod testing;
mod watch;
mod webhook;

pub use about::{About, Severity};
pub use account::Account;
pub use catalog::{Catalog, Note, Problem, Revision, WebhookFailure};
pub use check::{check_bundle, check_policy, check_tenant_policy};
pub use code::{ClosedScript, Code, Inspect, InspectError};
pub use conduct::{Conduct, Standing};
pub use confined::{API_VERSION as TENANT_API_VERSION, KIND as TENANT_KIND, full_name as tenant_policy_name};
pub use error::{FieldError, PolicyError};
pub use exceptions::{Exception, Exceptions, MOST_IN_NAMESPACE as MOST_EXCEPTIONS_IN_NAMESPACE, Pattern};
pub(crate) use fields::closest;
pub use jspolicy::PolicyType;
pub use loader::{LoadOptions, Loader};
pub use manifest::{InlineSource, inline_code};
pub use names::is_policy_name;
pub use oversight::{DEFAULT_LOG_SIZE, OverrideSpec, Oversight, instant};
pub use spec::{
    Dialect, Domain, Enforcement, HostMutations, Isolation, LabelOperator, LabelRequirement, LabelSelector,
    MatchCondition, MatchPolicy, MatchSpec, OnError, Permissions, PolicySpec, Scope, TenantsSpec, Vantage,
};
pub use watch::{PolicyWatcher, Watched, watch};
pub(crate) use webhook::narrows;
pub use webhook::{Webhooks, webhooks};
