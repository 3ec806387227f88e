//! What stands between a controller and the cluster that it writes to.

use std::sync::Arc;

use super::{Caller, Pending};
use crate::cluster::Kind;

/// The object that is about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenObject {
    pub kind: Kind,
    pub namespace: String,
    /// `None` where only the answer tells it.
    pub name: Option<String>,
    pub is_removed: bool,
}

/// Lets the writes of controllers through, or not.
pub trait Gate: Send + Sync {
    /// The write as it may go ahead. Its permission was looked up already.
    fn pass(&self, caller: &Caller<'_>, what: WrittenObject, write: Pending) -> Pending;
}

pub(super) type OptionalGate<'g> = Option<&'g Arc<dyn Gate>>;
