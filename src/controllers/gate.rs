//! The gate that the writes of controllers go through: no write without the leadership, each on the account of its
//! controller, and none of a controller that is in a loop.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::causes::{Causes, Changes, LONGEST_CHAIN, Left, told};
use super::pace::Pace;
use super::queue::Key;
use crate::cluster::{Kind, StoredObject};
use crate::host::{Answer, Caller, Gate, HostError, Pending, WrittenObject};
use crate::operator::{Leadership, NotLeading};

/// What the API server says of an object that somebody else changed meanwhile.
const CONFLICT: &str = "Conflict";

/// Seconds' worth of writes that a controller may do at once.
const BURST: f64 = 5.0;

/// The accounts of all controllers.
#[derive(Clone)]
pub struct Writes {
    leadership: Leadership,
    books: Arc<Mutex<Books>>,
    /// Writes a second of each controller.
    rate: f64,
}

#[derive(Default)]
struct Books {
    causes: Causes,
    accounts: HashMap<Arc<str>, Account>,
}

struct Account {
    watched: BTreeSet<Kind>,
    /// Writes that led to the run under way.
    length: u32,
    has_conflict: bool,
    changes: Changes,
    pace: Pace,
    looped: Option<Arc<str>>,
    is_open: bool,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// A write came too late: somebody else had changed the object.
    pub has_conflict: bool,
    /// It is in a loop, and this is to be said of it.
    pub looped: Option<Arc<str>>,
}

impl Writes {
    #[must_use]
    pub fn new(leadership: Leadership, rate: f64) -> Self {
        Self { leadership, books: Arc::default(), rate }
    }

    /// A controller begins anew. What it wrote too much of before it still has to wait for.
    pub fn open(&self, policy: &Arc<str>) {
        let pace = Pace::new(self.rate, self.rate * BURST);
        let mut books = self.books();
        let account = books.accounts.entry(Arc::clone(policy)).or_insert_with(|| Account::new(pace));
        *account = Account { is_open: true, ..Account::new(account.pace) };
    }

    /// It ends: nothing that it left under way is written any more.
    pub fn close(&self, policy: &str) {
        if let Some(account) = self.books().accounts.get_mut(policy) {
            account.is_open = false;
        }
    }

    /// Only these still exist.
    pub fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.books().accounts.retain(|policy, account| account.is_open || is_kept(policy));
    }

    pub fn watches(&self, policy: &str, kind: &Kind) {
        if let Some(account) = self.books().accounts.get_mut(policy) {
            account.watched.insert(kind.clone());
        }
    }

    /// How long a controller has to wait before it may write again.
    pub fn wait(&self, policy: &str) -> Duration {
        let now = Instant::now();
        self.books().accounts.get_mut(policy).map_or(Duration::ZERO, |account| account.pace.wait(now))
    }

    /// A run about an object begins, which is like this now; `is_change` where a change of it led to the run.
    pub fn begin(&self, policy: &str, key: &Key, now: Left, is_change: bool) {
        let mut books = self.books();
        let length = if is_change { books.causes.length(key, now) } else { 0 };
        if let Some(account) = books.accounts.get_mut(policy) {
            (account.length, account.has_conflict) = (length, false);
        }
    }

    pub fn end(&self, policy: &str) -> Done {
        let books = self.books();
        let account = books.accounts.get(policy);
        Done {
            has_conflict: account.is_some_and(|account| account.has_conflict),
            looped: account.and_then(|account| account.looped.clone()),
        }
    }

    fn refusal(&self, policy: &str) -> Option<HostError> {
        let mut books = self.books();
        match books.accounts.get_mut(policy).filter(|account| account.is_open) {
            None => Some(not_leading()),
            Some(Account { looped: Some(why), .. }) => Some(HostError::new("LoopDetected", why)),
            Some(account) => {
                account.pace.spend(Instant::now());
                None
            }
        }
    }

    fn note(&self, policy: &str, what: &WrittenObject, is_dry: bool, answer: &Answer) {
        let mut books = self.books();
        let Books { causes, accounts } = &mut *books;
        let Some(account) = accounts.get_mut(policy) else { return };
        match answer {
            Err(error) => account.has_conflict |= error.reason == CONFLICT,
            Ok(Some(text)) if !is_dry => {
                let Some((key, left)) = left(what, text) else { return };
                if !causes.note(&key, left, account.length) {
                    return;
                }
                let is_chain = account.length >= LONGEST_CHAIN;
                let is_watched = account.watched.contains(&what.kind);
                if is_chain || is_watched && account.changes.is_too_many(&key, Instant::now()) {
                    account.looped.get_or_insert_with(|| told(&key, is_chain));
                }
            }
            Ok(_) => {}
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn new(pace: Pace) -> Self {
        let (watched, changes) = Default::default();
        Self { watched, length: 0, has_conflict: false, changes, pace, looped: None, is_open: false }
    }
}

impl Gate for Writes {
    fn pass(&self, caller: &Caller<'_>, what: WrittenObject, write: Pending) -> Pending {
        if let Some(refusal) = self.refusal(caller.policy) {
            return Box::pin(std::future::ready(Err(refusal)));
        }
        let (this, policy, is_dry) = (self.clone(), caller.policy.to_owned(), caller.dry_run);
        Box::pin(async move {
            let answer = this.leadership.guard(write).await.unwrap_or_else(|NotLeading| Err(not_leading()));
            this.note(&policy, &what, is_dry, &answer);
            answer
        })
    }
}

fn not_leading() -> HostError {
    HostError::new("NotLeading", "this replica does not write any more; another sees to the object")
}

/// Which object was written, and how it is now.
fn left(what: &WrittenObject, text: &str) -> Option<(Key, Left)> {
    let key =
        |namespace: &str, name: &str| Key { kind: what.kind.clone(), namespace: namespace.into(), name: name.into() };
    let object = StoredObject::from_text(text, &what.kind).ok();
    let Some(name) = what.name.as_deref().filter(|_| what.is_removed) else {
        let object = object?;
        return Some((key(&object.namespace, &object.name), Left::Version(object.revision)));
    };
    // A removal is answered with a `Status`, or with the object, which stays for as long as it has finalizers.
    let stays = object.filter(|object| object.revision > 0 && is_going(text));
    Some((key(&what.namespace, name), stays.map_or(Left::Gone, |object| Left::Version(object.revision))))
}

/// Whether the object waits to be gone.
#[must_use]
pub fn is_going(object: &str) -> bool {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        deletion_timestamp: Option<String>,
    }
    serde_json::from_str::<Object>(object).is_ok_and(|object| object.metadata.deletion_timestamp.is_some())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
