//! Who is told of each change of a kind that is watched.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Kind;
use super::object::StoredObject;

/// Is told as the watch goes on, by its task: what it does must be quick.
pub trait Listener: Send + Sync {
    /// The object was there already when somebody began to listen, or to look.
    fn there(&self, kind: &Kind, object: &StoredObject);

    /// The object is there, and was not, or was otherwise.
    fn changed(&self, kind: &Kind, object: &StoredObject);

    /// The object is gone; this is how it last was.
    fn gone(&self, kind: &Kind, object: &StoredObject);
}

/// Those of one kind; who is dropped is told no more.
#[derive(Default)]
pub struct Listeners(Mutex<Vec<Weak<dyn Listener>>>);

impl Listeners {
    pub fn add(&self, listener: Weak<dyn Listener>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(listener);
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub fn tell(&self, tell: impl Fn(&dyn Listener)) {
        let all: Vec<Arc<dyn Listener>> = {
            let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in all {
            tell(&*listener);
        }
    }
}
