//! What the ledger says, as the policy is given it.

use std::fmt::Write as _;

use serde::Serialize;

use super::ask::Amounts;
use super::quantity::Quantity;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Reserved(Reserved),
    Claimed(Claimed),
}

impl Answer {
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        match self {
            Self::Reserved(answer) => answer.allowed,
            Self::Claimed(answer) => answer.allowed,
        }
    }
}

/// Of the resources that are limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reserved {
    pub allowed: bool,
    /// What is used now, what others have reserved included.
    pub used: Amounts,
    pub limit: Amounts,
    /// What there is for this request.
    pub remaining: Amounts,
    pub exceeded: Vec<Exceeded>,
    /// What is exceeded, in the words of a `ResourceQuota`; empty where nothing is.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    pub resource: String,
    /// How much more than now.
    pub requested: Quantity,
    pub used: Quantity,
    pub limit: Quantity,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claimed {
    pub allowed: bool,
    /// Those of the names that somebody else has, as they are compared. Whose they are is not told.
    pub conflicts: Vec<String>,
    pub message: String,
}

impl Reserved {
    pub(super) fn of(used: Amounts, limit: Amounts, exceeded: Vec<Exceeded>) -> Self {
        let left = |(resource, limit): (&String, &Quantity)| {
            (resource.clone(), limit.beyond(used.get(resource).copied().unwrap_or_default()))
        };
        let mut message = String::new();
        for Exceeded { resource, requested, used, limit } in &exceeded {
            let separator = if message.is_empty() { "exceeded quota: " } else { "; " };
            // Writing into a String cannot fail.
            let _ = write!(message, "{separator}{resource}: requested {requested}, used {used}, limited to {limit}");
        }
        let remaining = limit.iter().map(left).collect();
        Self { allowed: exceeded.is_empty(), used, limit, remaining, exceeded, message }
    }
}

impl Claimed {
    pub(super) fn of(conflicts: Vec<String>) -> Self {
        let message = match conflicts.as_slice() {
            [] => String::new(),
            [one] => format!("{one} is already in use"),
            several => format!("{} are already in use", several.join(", ")),
        };
        Self { allowed: conflicts.is_empty(), conflicts, message }
    }
}
