//! `bylaw migrate`: policies from elsewhere as modules of ours, each said to be carried over only where it was seen to say
//! what the original says. A folder for each origin; what they share stands here.

mod cases;
pub mod compare;
pub mod folder;
pub mod jspolicy;
pub mod packages;
pub mod report;

use std::collections::BTreeSet;

/// Permissions that a migrated policy really uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    pub read: BTreeSet<String>,
    pub write: BTreeSet<String>,
    pub net: BTreeSet<String>,
    pub env: BTreeSet<String>,
    pub files: BTreeSet<String>,
    pub codegen: bool,
}
