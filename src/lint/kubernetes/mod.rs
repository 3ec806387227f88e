//! What Kubernetes itself has, as tables: the fields of every built-in type, the resources and what can be done with
//! them, and the API versions that are gone. Taken from the types of the SDK and the API server's own discovery
//! documents (`tables_tests.rs`), never written by hand.

mod removed;
mod resources;
#[cfg(test)]
mod tables_tests;
mod types;

pub(super) use removed::{Served, api_version, api_version_of};
pub(super) use resources::{Resource, resources};
pub(crate) use resources::{groups_of_resource, plural_of_kind};
pub(super) use types::{Shape, joined, types};
