//! The reservations of some keys, and what they come to. No clock, no network: whoever keeps a book says what time it is
//! and writes it down.
//!
//! Objects are counted by what the policy sees of them, reservations only beyond that: one whose object has appeared adds
//! nothing, one that never leads to an object counts until it expires. So what is counted is never less than what there
//! is, as long as objects appear in the caches of all replicas before their reservations expire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::{Answer, Claimed, Exceeded, Reserved};
use super::ask::{Amounts, Ask, LONGEST_TTL, MOST_NAMES, MOST_RESOURCES, Wanted, WantedAmounts, WantedNames};
use super::count::{Count, Shares};
use super::error::LedgerError;
use super::host_name::HostName;
use super::identity::Identity;
use super::quantity::Quantity;

/// Reservations of one book: some hundreds of bytes each, and an object of an API server has at most 1.5 MiB.
pub(super) const MOST_ENTRIES: usize = 2_000;

/// What they may take together, roughly, for names are long.
const MOST_BYTES: usize = 900 << 10;

/// A reservation whose object one replica has seen counts for others this much longer: longer than their caches lag behind
/// and than a review may take that looked before.
pub(super) const SEEN_FOR: u64 = 30_000;

/// Milliseconds since 1970.
pub type Millis = u64;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    #[serde(default)]
    pub(super) reservations: Vec<Entry>,
}

/// What one request holds under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub key: String,
    /// The uid of the request.
    #[serde(default)]
    pub request: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The version of the object that the request changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub amounts: Amounts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    pub expires: Millis,
    /// When a replica first saw the object with all that was reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Millis>,
}

impl Entry {
    pub(super) fn identity(&self) -> Identity {
        Identity { place: self.object.clone(), uid: self.uid.clone(), version: 0 }
    }

    /// Roughly, as JSON.
    fn size(&self) -> usize {
        let amounts = self.amounts.keys().map(|resource| resource.len() + 40);
        let names = self.names.iter().map(|name| name.len() + 3);
        let texts = [&self.key, &self.request, &self.object, &self.uid, &self.owner].map(String::len);
        amounts.chain(names).chain(texts).sum::<usize>() + 150
    }

    pub(super) fn is_of(&self, ask: &Ask) -> bool {
        self.key == ask.key && self.request == ask.request
    }
}

/// The answer to an ask, and whether the book is another one now.
pub(super) struct Applied {
    pub answer: Answer,
    pub is_changed: bool,
}

impl Book {
    /// Drops what has expired, and answers with how many that were.
    pub fn prune(&mut self, now: Millis) -> usize {
        let latest = now + u64::try_from(LONGEST_TTL.as_millis()).unwrap_or(Millis::MAX);
        for entry in &mut self.reservations {
            // By a clock that went far ahead.
            entry.expires = entry.expires.min(latest);
        }
        let before = self.reservations.len();
        self.reservations.retain(|entry| entry.expires > now && entry.seen.is_none_or(|seen| seen + SEEN_FOR > now));
        before - self.reservations.len()
    }

    pub(super) fn apply(&mut self, ask: &Ask, now: Millis) -> Result<Applied, LedgerError> {
        match &ask.wanted {
            Wanted::Amounts(wanted) => self.reserve(ask, wanted, now),
            Wanted::Names(wanted) => self.claim(ask, wanted, now),
            Wanted::Nothing => {
                let before = self.reservations.len();
                self.reservations.retain(|entry| !entry.is_of(ask));
                let is_changed = self.reservations.len() < before;
                Ok(Applied { answer: Answer::Claimed(Claimed::of(Vec::new())), is_changed })
            }
        }
    }

    fn reserve(&mut self, ask: &Ask, wanted: &WantedAmounts, now: Millis) -> Result<Applied, LedgerError> {
        let count = Count::of(self, ask, wanted);
        let (mut used, mut exceeded, mut is_more) = (Amounts::new(), Vec::new(), false);
        for (resource, limit) in &wanted.limits {
            let Shares { others, own, own_seen } = count.of_resource(resource);
            let wanted = wanted.amounts.get(resource).copied().unwrap_or_default();
            let total = others.plus(own);
            // What an object has already is never refused, were the limit lowered since.
            if wanted > own && others.plus(wanted) > *limit {
                let (resource, requested) = (resource.clone(), wanted.beyond(own));
                exceeded.push(Exceeded { resource, requested, used: total, limit: *limit });
            }
            is_more |= wanted > own_seen;
            used.insert(resource.clone(), total);
        }
        let is_allowed = exceeded.is_empty();
        let answer = Answer::Reserved(Reserved::of(used, wanted.limits.clone(), exceeded));
        let mut is_changed = false;
        if is_allowed && is_more && ask.books {
            is_changed |= self.keep(ask, now, |entry| {
                for (resource, amount) in &wanted.amounts {
                    let known = entry.amounts.entry(resource.clone()).or_insert(Quantity::ZERO);
                    *known = (*known).max(*amount);
                }
            })?;
        }
        if is_changed {
            self.mark(&ask.key, now, |entry| count.is_settled(entry));
        }
        Ok(Applied { answer, is_changed })
    }

    fn claim(&mut self, ask: &Ask, wanted: &WantedNames, now: Millis) -> Result<Applied, LedgerError> {
        let of_others =
            wanted.taken.iter().filter(|taken| taken.owner != wanted.owner && !taken.object.is(&ask.object));
        let mut others: Vec<HostName> = of_others.map(|taken| taken.name.clone()).collect();
        let entries = self.reservations.iter().filter(|entry| entry.key == ask.key && !entry.is_of(ask));
        let entries = entries.filter(|entry| entry.owner != wanted.owner);
        others.extend(entries.flat_map(|entry| &entry.names).filter_map(|name| HostName::read(name).ok()));
        let is_taken = |name: &&HostName| others.iter().any(|other| other.overlaps(name));
        let conflicts: Vec<String> =
            wanted.names.iter().filter(is_taken).map(|name| name.as_str().to_owned()).collect();
        let has = |name: &&HostName| {
            wanted
                .taken
                .iter()
                .any(|taken| taken.object.is(&ask.object) && taken.name == **name && taken.owner == wanted.owner)
        };
        let is_more = !wanted.names.iter().all(|name| has(&name));
        let mut is_changed = false;
        if conflicts.is_empty() && is_more && ask.books {
            is_changed |= self.keep(ask, now, |entry| {
                entry.owner.clone_from(&wanted.owner);
                for name in &wanted.names {
                    if !entry.names.iter().any(|known| known == name.as_str()) {
                        entry.names.push(name.as_str().to_owned());
                    }
                }
            })?;
        }
        if is_changed {
            self.mark(&ask.key, now, |entry| {
                let own: Vec<&str> = wanted
                    .taken
                    .iter()
                    .filter(|taken| taken.object.is(&entry.identity()))
                    .map(|taken| taken.name.as_str())
                    .collect();
                !entry.names.is_empty() && entry.names.iter().all(|name| own.contains(&name.as_str()))
            });
        }
        Ok(Applied { answer: Answer::Claimed(Claimed::of(conflicts)), is_changed })
    }

    /// Lets the request's entry under the key be at least this. False where it was already.
    fn keep(&mut self, ask: &Ask, now: Millis, fill: impl Fn(&mut Entry)) -> Result<bool, LedgerError> {
        if let Some(known) = self.reservations.iter_mut().find(|entry| entry.is_of(ask)) {
            let before = known.clone();
            fill(known);
            if known.amounts.len() > MOST_RESOURCES || known.names.len() > MOST_NAMES {
                *known = before;
                let most =
                    format!("one request may reserve {MOST_RESOURCES} resources and {MOST_NAMES} names under one key");
                return Err(LedgerError::Arguments(most));
            }
            return Ok(*known != before);
        }
        let bytes: usize = self.reservations.iter().map(Entry::size).sum();
        if self.reservations.len() >= MOST_ENTRIES || bytes >= MOST_BYTES {
            return Err(LedgerError::Full { entries: self.reservations.len() });
        }
        let mut entry = Entry {
            key: ask.key.clone(),
            request: ask.request.clone(),
            object: ask.object.place.clone(),
            uid: ask.object.uid.clone(),
            over: ask.over,
            expires: now + u64::try_from(ask.ttl.as_millis()).unwrap_or(Millis::MAX),
            ..Entry::default()
        };
        fill(&mut entry);
        self.reservations.push(entry);
        Ok(true)
    }

    /// Notes which objects have appeared: when a book is written anyway, for that alone is no reason to write it.
    fn mark(&mut self, key: &str, now: Millis, has_appeared: impl Fn(&Entry) -> bool) {
        for entry in self.reservations.iter_mut().filter(|entry| entry.key == key && entry.seen.is_none()) {
            if has_appeared(entry) {
                entry.seen = Some(now);
            }
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
