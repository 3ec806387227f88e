//! `quota.reserve` and `quota.claim`: may it, and what does the ledger say.

use super::{Begun, Caller, HostError, permission};
use crate::ledger::{Ask, Asker, Ledger, LedgerError};

pub(super) fn begin(caller: &Caller<'_>, op: &str, args: &str, ledger: &Ledger) -> Result<Begun, HostError> {
    let Some(review) = caller.review else {
        let why =
            "only the judging of a request can reserve: what a controller makes asks for itself when it is created";
        return Err(HostError::new("NoRequest", why));
    };
    let books = !caller.dry_run && !review.is_advisory();
    let asker = Asker { request: review.request(), books };
    let ask = if op == "reserve" { Ask::reserve(args, &asker)? } else { Ask::claim(args, &asker)? };
    permission::quota(caller, &ask.key)?;
    let answering = ledger.ask(ask, review, caller.deadline)?;
    Ok(Begun::Waits(Box::pin(async move {
        let answer = answering.await?;
        serde_json::to_string(&answer).map(Some).map_err(|_| HostError::internal())
    })))
}

impl From<LedgerError> for HostError {
    fn from(error: LedgerError) -> Self {
        Self::new(error.reason(), &error)
    }
}
