//! Why the ledger gave no answer.

use super::quantity::NotAQuantity;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("{0}")]
    Arguments(String),
    #[error("{field}: {cause}")]
    Quantity { field: String, cause: NotAQuantity },
    #[error("the ledger holds {entries} reservations that have not expired, and takes no more: {mend}", mend = FULL)]
    Full { entries: usize },
    #[error("the ledger could not be reached: {0}")]
    Unreachable(String),
    #[error("the cluster does not know the kind QuotaLedger: apply the output of `bylaw crd`")]
    NotInstalled,
    #[error("others changed the ledger each of {0} times that it was to be written")]
    Contended(u32),
    #[error("the ledger did not answer before the deadline of the request")]
    Timeout,
    #[error("the request that this is for was answered already")]
    Over,
}

const FULL: &str = "use shorter ttl, or more keys";

impl LedgerError {
    /// One word to branch on.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Arguments(_) | Self::Quantity { .. } => "WrongArguments",
            Self::Full { .. } => "LedgerFull",
            Self::Unreachable(_) | Self::NotInstalled | Self::Contended(_) => "LedgerUnavailable",
            Self::Timeout | Self::Over => "Timeout",
        }
    }
}
