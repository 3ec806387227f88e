//! What objects use and have reserved under one key, without what the request itself has reserved before.
//!
//! A reservation is settled for whoever sees what came of its request: an object that it made, or a later version of one
//! that it changed. Then what the object is seen to use is the truth. Until then it counts for the larger of both.

use std::collections::HashMap;

use super::ask::{Amounts, Ask, WantedAmounts};
use super::book::{Book, Entry};
use super::identity::Identity;
use super::quantity::Quantity;

type Seen<'a> = (&'a Identity, &'a Amounts);

pub(super) struct Count<'a> {
    ask: &'a Ask,
    used: &'a [(Identity, Amounts)],
    by_uid: HashMap<&'a str, Seen<'a>>,
    by_place: HashMap<&'a str, Seen<'a>>,
    /// The most that was reserved for each object, of what is not settled.
    reserved: Vec<(Identity, Amounts)>,
}

/// Of one resource.
pub(super) struct Shares {
    pub others: Quantity,
    /// What the request's own object has, as far as that is known for sure.
    pub own: Quantity,
    /// What of that is there to be seen.
    pub own_seen: Quantity,
}

impl<'a> Count<'a> {
    pub fn of(book: &Book, ask: &'a Ask, wanted: &'a WantedAmounts) -> Self {
        let used = &wanted.used[..];
        let seen = || used.iter().map(|(object, amounts)| (object, amounts));
        let by_uid = seen().map(|one| (&*one.0.uid, one)).filter(|(uid, _)| !uid.is_empty()).collect();
        let by_place = seen().map(|one| (&*one.0.place, one)).filter(|(place, _)| !place.is_empty()).collect();
        let mut count = Self { ask, used, by_uid, by_place, reserved: Vec::new() };
        let mut places: HashMap<String, usize> = HashMap::new();
        for entry in book.reservations.iter().filter(|entry| entry.key == ask.key && !entry.is_of(ask)) {
            if count.is_settled(entry) {
                continue;
            }
            let identity = entry.identity();
            let name = if identity.uid.is_empty() { &identity.place } else { &identity.uid };
            let known = places.get(name).filter(|_| !name.is_empty()).and_then(|at| count.reserved.get_mut(*at));
            if let Some((_, most)) = known {
                for (resource, amount) in &entry.amounts {
                    let known = most.entry(resource.clone()).or_insert(Quantity::ZERO);
                    *known = (*known).max(*amount);
                }
            } else {
                places.insert(name.clone(), count.reserved.len());
                count.reserved.push((identity, entry.amounts.clone()));
            }
        }
        count
    }

    /// Whether it can be seen what came of the request, or the request at hand proves it.
    pub fn is_settled(&self, entry: &Entry) -> bool {
        let Some(over) = entry.over.filter(|_| !entry.uid.is_empty()) else { return self.is_used(entry) };
        let is_seen = self.by_uid.get(&*entry.uid).is_some_and(|(object, _)| object.version > over);
        // What is changed now is the object as it came out of all requests before.
        let is_outdated = entry.uid == self.ask.object.uid && self.ask.over.is_some_and(|now| now > over);
        is_seen || is_outdated || over == 0 && self.is_used(entry)
    }

    /// The object uses all that was reserved.
    fn is_used(&self, entry: &Entry) -> bool {
        let object = entry.identity();
        let has = |(resource, amount): (&String, &Quantity)| self.seen(&object, resource) >= *amount;
        !entry.amounts.is_empty() && entry.amounts.iter().all(has)
    }

    fn find(&self, object: &Identity) -> Option<Seen<'a>> {
        let by_uid = self.by_uid.get(&*object.uid).filter(|_| !object.uid.is_empty());
        by_uid.or_else(|| self.by_place.get(&*object.place).filter(|(seen, _)| seen.is(object))).copied()
    }

    /// What the policy sees an object use.
    fn seen(&self, object: &Identity, resource: &str) -> Quantity {
        self.find(object).and_then(|(_, amounts)| amounts.get(resource)).copied().unwrap_or_default()
    }

    pub fn of_resource(&self, resource: &str) -> Shares {
        let of = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or_default();
        let own = &self.ask.object;
        let found = self.find(own);
        // A cache that lags behind shows an object that is no more, and may have used more.
        let is_current = found.is_none_or(|(seen, _)| match self.ask.over {
            Some(over) => seen.version == 0 || seen.version == over,
            None => true,
        });
        let own_seen = found.filter(|_| is_current).map(|(_, amounts)| of(amounts)).unwrap_or_default();
        let others = self.used.iter().filter(|(object, _)| !object.is(own));
        let mut others = others.fold(Quantity::ZERO, |sum, (_, amounts)| sum.plus(of(amounts)));
        let mut own_most = own_seen;
        for (object, amounts) in &self.reserved {
            if object.is(own) {
                own_most = own_most.max(of(amounts));
            } else {
                others = others.plus(of(amounts).beyond(self.seen(object, resource)));
            }
        }
        Shares { others, own: own_most, own_seen }
    }
}
