//! What one review holds in the ledger: kept where the request goes through, given back where it does not.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Ledger, LedgerError};

/// Keys that one review may use: policies together.
const MOST_KEYS: usize = 256;

/// The reservations of one review. Whatever is still held when this goes is given back: a review whose caller hung up has
/// not been allowed.
pub struct Reserving {
    request: String,
    /// Whoever asks proved too little to take anything from others.
    is_advisory: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Vec<(Ledger, String)>,
    /// The review is decided.
    is_over: bool,
}

impl Reserving {
    #[must_use]
    pub fn of(request: &str, is_advisory: bool) -> Arc<Self> {
        Arc::new(Self { request: request.to_owned(), is_advisory, state: Mutex::default() })
    }

    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    #[must_use]
    pub const fn is_advisory(&self) -> bool {
        self.is_advisory
    }

    /// Notes that something may be held from now on. Before it is: a reservation whose answer nobody waits for any more is
    /// given back all the same.
    ///
    /// # Errors
    /// Where the review was decided meanwhile.
    pub(super) fn note(&self, ledger: &Ledger, key: &str) -> Result<(), LedgerError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_over {
            return Err(LedgerError::Over);
        }
        if !state.held.iter().any(|(_, known)| known == key) {
            if state.held.len() >= MOST_KEYS {
                return Err(LedgerError::Arguments(format!("one request may use {MOST_KEYS} keys at most")));
            }
            state.held.push((ledger.clone(), key.to_owned()));
        }
        Ok(())
    }

    /// The review is decided.
    pub fn conclude(&self, is_allowed: bool) {
        let held = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_over = true;
            std::mem::take(&mut state.held)
        };
        if !is_allowed {
            for (ledger, key) in held {
                ledger.release(&key, &self.request);
            }
        }
    }
}

impl Drop for Reserving {
    fn drop(&mut self) {
        self.conclude(false);
    }
}

impl fmt::Debug for Reserving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserving").field("request", &self.request).finish_non_exhaustive()
    }
}
