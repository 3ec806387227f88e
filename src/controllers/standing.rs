//! How each controller stands, for its status.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// How one controller stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It sees its objects.
    Running,
    /// Not yet, and why.
    Starting(String),
    /// It cannot, and why: in one word, and in a sentence.
    Stopped { reason: &'static str, message: String },
}

/// jsPolicy's word for a controller that could not be started.
pub const NOT_STARTED: &str = "InitControllerPolicy";
pub const TOO_MANY_OBJECTS: &str = "TooManyObjects";
pub const LOOP_DETECTED: &str = "LoopDetected";

impl Standing {
    pub(super) fn not_started(message: impl Into<String>) -> Self {
        Self::Stopped { reason: NOT_STARTED, message: message.into() }
    }
}

/// By policy. Empty on a replica that does not lead.
pub type Standings = Arc<BTreeMap<Arc<str>, Standing>>;

/// Where controllers say how they stand.
#[derive(Clone, Default)]
pub(super) struct Board(watch::Sender<Standings>);

impl Board {
    pub fn watched(&self) -> watch::Receiver<Standings> {
        self.0.subscribe()
    }

    pub fn set(&self, policy: &Arc<str>, standing: Standing) {
        self.change(|all| {
            let is_other = all.get(policy) != Some(&standing);
            if is_other {
                Arc::make_mut(all).insert(Arc::clone(policy), standing);
            }
            is_other
        });
    }

    /// Only these still exist.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.change(|all| {
            let is_other = all.keys().any(|policy| !is_kept(policy));
            if is_other {
                Arc::make_mut(all).retain(|policy, _| is_kept(policy));
            }
            is_other
        });
    }

    fn change(&self, change: impl FnOnce(&mut Standings) -> bool) {
        self.0.send_if_modified(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_watches_is_told_of_what_is_new_alone() {
        let board = Board::default();
        let mut watched = board.watched();
        let name: Arc<str> = "a.b.c".into();
        board.set(&name, Standing::Running);
        assert!(watched.has_changed().unwrap());
        assert_eq!(watched.borrow_and_update().get(&name), Some(&Standing::Running));
        board.set(&name, Standing::Running);
        board.retain(|_| true);
        assert!(!watched.has_changed().unwrap());
        board.retain(|_| false);
        assert!(watched.borrow_and_update().is_empty());
    }
}
