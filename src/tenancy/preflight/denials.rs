//! What the host refused lately of what syncers bring to it. A syncer sends a refused object again and again, for as long as
//! its tenant leaves it there; the same object gets the same answer from here.
//!
//! An answer is known by the object's uid in the virtual cluster, by what was sent, and by which policies, exceptions and
//! tenants were in force. The host's own resource version does not help: an object that was refused has none, and what the API
//! server and the syncer put into each attempt anew is left out of what was sent.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::decision::Decision;
use crate::review::{JsonText, Review, tree};
use crate::tenancy::registry::Place;

/// Answers that are kept, and the bytes of the largest.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);
const LARGEST: usize = 8 << 10;
const LONGEST_UID: usize = 128;

/// For how long the answer of policies that look at nothing but the request is as good as a new one.
const FRESH: Duration = Duration::from_secs(30);
/// For how long an answer may be given again at all.
const KEPT: Duration = Duration::from_mins(10);

/// Older answers of one tenant that are found anew: so many at once, and so many a second.
const BURST: f64 = 20.0;
const RATE: f64 = 5.0;
const MOST_TENANTS: usize = 16_384;

const TOKEN: &str = "vcluster.loft.sh/token-";
const TOKEN_FIELD: &str = "metadata.annotations['vcluster.loft.sh/token-";
const MADE_ANEW: [&str; 5] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"];

/// Which attempts are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    place: Place,
    uid: Box<str>,
    /// Who is asked.
    scope: Box<str>,
}

impl Attempt {
    /// `None` for an object that no uid tells from others.
    #[must_use]
    pub fn new(place: Place, uid: &str, scope: &str) -> Option<Self> {
        let is_told_apart = !uid.is_empty() && uid.len() <= LONGEST_UID;
        is_told_apart.then(|| Self { place, uid: uid.into(), scope: scope.into() })
    }
}

/// What was sent.
pub type Print = [u8; 32];

/// What is known of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// It has to be judged.
    Nothing,
    /// It was refused a moment ago.
    Refused(Arc<Decision>),
    /// It was refused a while ago, and its tenant has had so much judged anew that this has to do.
    RefusedBefore(Arc<Decision>),
}

struct Entry {
    print: Print,
    epoch: u64,
    decision: Arc<Decision>,
    at: Instant,
    /// Nothing but the request decided.
    is_pure: bool,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// The answers, and what each tenant has left.
pub struct Denials {
    entries: Mutex<LruCache<Attempt, Entry>>,
    buckets: Mutex<HashMap<Place, Bucket>>,
}

impl Default for Denials {
    fn default() -> Self {
        Self { entries: Mutex::new(LruCache::new(MOST)), buckets: Mutex::default() }
    }
}

impl Denials {
    /// What was answered to this attempt. `print` is asked only where there was one like it.
    pub fn known(&self, attempt: &Attempt, print: impl FnOnce() -> Option<Print>, epoch: u64, now: Instant) -> Known {
        let found = |entries: &mut LruCache<Attempt, Entry>| {
            let entry = entries.get(attempt)?;
            let age = now.saturating_duration_since(entry.at);
            let is_valid = entry.epoch == epoch && age < KEPT;
            if !is_valid {
                entries.pop(attempt);
                return None;
            }
            Some((entry.print, Arc::clone(&entry.decision), entry.is_pure && age < FRESH))
        };
        let Some((sent, decision, is_fresh)) = found(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
        else {
            return Known::Nothing;
        };
        match print() {
            Some(print) if print == sent && is_fresh => Known::Refused(decision),
            Some(print) if print == sent && !self.may_ask(&attempt.place, now) => Known::RefusedBefore(decision),
            _ => Known::Nothing,
        }
    }

    /// Keeps a denial.
    pub fn keep(&self, attempt: Attempt, print: Print, epoch: u64, decision: &Decision, is_pure: bool, now: Instant) {
        if decision.allowed || size(decision) > LARGEST {
            return;
        }
        let entry = Entry { print, epoch, decision: Arc::new(decision.clone()), at: now, is_pure };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).put(attempt, entry);
    }

    /// Takes one of what a tenant has left, where there is one.
    fn may_ask(&self, place: &Place, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |bucket: &Bucket| {
            let left = bucket.left + now.saturating_duration_since(bucket.at).as_secs_f64() * RATE;
            left.min(BURST)
        };
        if buckets.len() >= MOST_TENANTS && !buckets.contains_key(place) {
            // Who has all that there is to have is as one who never asked.
            buckets.retain(|_, bucket| filled(bucket) < BURST);
        }
        if buckets.len() >= MOST_TENANTS && !buckets.contains_key(place) {
            return true;
        }
        let bucket = buckets.entry(place.clone()).or_insert(Bucket { left: BURST, at: now });
        let left = filled(bucket);
        let may = left >= 1.0;
        *bucket = Bucket { left: if may { left - 1.0 } else { left }, at: now };
        may
    }
}

fn size(decision: &Decision) -> usize {
    let status = decision.status.as_ref();
    let causes = status.map(|status| status.causes.iter()).into_iter().flatten();
    let of_causes: usize = causes.map(|one| one.message.len() + one.field.as_ref().map_or(0, String::len)).sum();
    let of_audit: usize = decision.audit.iter().map(|(key, value)| key.len() + value.len()).sum();
    let of_warnings: usize = decision.warnings.iter().map(String::len).sum();
    status.map_or(0, |status| status.message.len()) + of_causes + of_audit + of_warnings
}

/// What an attempt sends, without what is new in each. `beside` is whatever else policies are told.
#[must_use]
pub fn print(review: &Review, beside: &[&str]) -> Option<Print> {
    let request = &review.request;
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(text);
    };
    for text in [
        &*request.kind.group,
        &request.kind.version,
        &request.kind.kind,
        &request.resource.resource,
        &request.sub_resource,
        &request.name,
        &request.namespace,
        request.operation.as_str(),
        &request.user.username,
    ] {
        add(text);
    }
    for text in beside {
        add(text);
    }
    for object in [&request.object, &request.old_object] {
        add(&object.as_ref().map_or(Some(String::new()), sent)?);
    }
    Some(hash.finalize().into())
}

/// An object without what the API server and the syncer make anew each time.
fn sent(object: &JsonText) -> Option<String> {
    let mut object = tree(object.as_str()).ok()?;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in MADE_ANEW {
            metadata.shift_remove(key);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with(TOKEN));
        }
    }
    if let Some(volumes) = object.pointer_mut("/spec/volumes") {
        nameless(volumes);
    }
    Some(object.to_string())
}

/// The name of a token ends at random.
fn nameless(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with(TOKEN_FIELD) => text.truncate(TOKEN_FIELD.len()),
        Value::Array(items) => items.iter_mut().for_each(nameless),
        Value::Object(fields) => fields.values_mut().for_each(nameless),
        _ => {}
    }
}

#[cfg(test)]
#[path = "denials_tests.rs"]
mod tests;
