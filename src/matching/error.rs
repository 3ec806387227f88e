//! What keeps a policy from being matched.

use thiserror::Error;

use crate::review::clip::quoted;

/// A rule that can not be compiled, or a match that can not be decided. The latter counts as a failure of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MatchError {
    #[error("{field}: {message}")]
    Invalid { field: String, message: String },
    #[error(
        "the labels of namespace {} are not known: give --inventory, --namespace-labels or a cluster",
        quoted(namespace)
    )]
    UnknownNamespace { namespace: String },
    #[error("it is not known yet which virtual clusters there are")]
    UnknownTenant,
    #[error("the labels of request.{field} can not be read: {message}")]
    Labels { field: &'static str, message: String },
    #[error("match condition {} could not be evaluated: {message}", quoted(name))]
    Condition { name: String, message: String },
}

impl MatchError {
    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }
}
