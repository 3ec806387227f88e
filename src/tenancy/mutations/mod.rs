//! What becomes of a change that a policy makes to a copy on the host, while the tenant's object stays as it was. A syncer
//! remembers what it sent, not what came of it: what a webhook changed looks to it like a change by somebody on the host.
//!
//! `table` says it field by field, by kind and by what the versions of syncers differ in; `change` takes a patch apart and
//! asks the table, with what only the whole object tells. The tables were read off the sources of 0.30.0 and 0.36.0, and
//! where both were seen at work, off what was seen.

mod change;
mod field;
mod table;

use std::fmt;

pub use change::{Finding, Judged, MEND, Mutated};
pub use table::{Written, is_known, of_field};

/// What becomes of a change, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It stays on the host, and the tenant's object stays as it is.
    Safe,
    /// It stays, and is copied into the tenant's object.
    Leaks,
    /// The syncer puts back what the tenant wrote.
    Reverted,
    /// The syncer cannot go on: the object is not synced any more, is lost, or differs from the tenant's for ever.
    BreaksSync,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Safe, Self::Leaks, Self::Reverted, Self::BreaksSync];

    /// The label `class` of the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Leaks => "leaks",
            Self::Reverted => "reverted",
            Self::BreaksSync => "breaks_sync",
        }
    }

    /// Whether the change is still there a moment later.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Safe | Self::Leaks)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Leaks => "leaks to the tenant",
            Self::Reverted => "reverted",
            Self::BreaksSync => "breaks sync",
        })
    }
}

/// Which syncer it is, as far as that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncer {
    /// 0.21 to 0.30: tolerations and resources are never compared.
    UpTo030,
    /// Later ones, and all that are not known: nothing is safer with these than with those.
    Later,
}

impl Syncer {
    /// By its version, as a virtual cluster has it.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        match (number(), number()) {
            (Some(0), Some(21..=30)) => Self::UpTo030,
            _ => Self::Later,
        }
    }
}

/// API groups that the kinds of the table are in. A resource of the same name in another group is another kind.
const GROUPS: [&str; 6] =
    ["", "networking.k8s.io", "policy", "discovery.k8s.io", "storage.k8s.io", "gateway.networking.k8s.io"];

/// By what the table knows a resource; empty for one that it does not know.
#[must_use]
pub fn known_name<'r>(group: &str, resource: &'r str) -> &'r str {
    if GROUPS.contains(&group) { resource } else { "" }
}

#[cfg(test)]
mod tests;
