//! What the leader does about the Secret, decided from its content alone: whoever leads next goes on where this one
//! stopped.
//!
//! The order of a rotation: a new authority is trusted beside the old one; when the webhook configurations show both,
//! it signs the leaf; when that is renewed the next time, two thirds of its life later, the old one is dropped. The key of
//! the old authority goes with the switch, so nobody can sign with it meanwhile.

use std::time::{Duration, SystemTime};

use super::material::{Leaf, Material, Signing};
use crate::http::HttpError;

/// How long certificates live, and for what names.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub subjects: Vec<String>,
    pub authority_life: Duration,
    pub leaf_life: Duration,
}

/// What there is to decide on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// The content of the Secret; none where there is no Secret.
    pub secret: Option<&'a Material>,
    /// What this replica knows to have been good.
    pub last_good: Option<&'a Material>,
    /// Whether clients trust the whole of the bundle by now.
    pub is_shown: bool,
}

/// What the Secret should hold from now on, and why.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub to: Material,
    pub why: &'static str,
}

pub(super) const DELETED: &str = "it was deleted: the last good content is back, and a new authority will follow";

/// What is to be written, if anything.
pub(super) fn plan(found: Found<'_>, terms: &Terms, now: SystemTime) -> Result<Option<Change>, HttpError> {
    let changed = |to: Material, why| Ok(Some(Change { to, why }));
    let Some(secret) = found.secret else {
        return match found.last_good {
            // Clients trust what they trust until they are told, so even who wants new keys gets them in the safe order.
            Some(good) if good.next.is_none() => changed(announce(good, terms, now)?, DELETED),
            Some(good) => changed(good.clone(), DELETED),
            None => changed(first(terms, now)?, "there was none"),
        };
    };
    if !secret.is_whole() {
        if let Some(good) = found.last_good {
            return changed(good.clone(), "it could not be used: the last good content is back");
        }
        return match usable(secret.signer.as_ref(), now) {
            Some(signer) => changed(renewed(secret, signer, terms, now)?, "its leaf could not be used"),
            None => changed(first(terms, now)?, "it could not be used, and nothing better is known"),
        };
    }
    let Some(leaf) = &secret.leaf else { return Ok(None) };
    if let Some(good) = found.last_good.filter(|good| good.is_good(now) && !leaf.is_valid(now)) {
        return changed(good.clone(), "it has expired: the last good content is back");
    }
    if let Some(signer) = usable(secret.signer.as_ref(), now)
        && let Some(why) = renewal(leaf, signer, terms, now)
    {
        return changed(renewed(secret, signer, terms, now)?, why);
    }
    if !leaf.is_valid(now) && usable(secret.next.as_ref(), now).is_none() {
        return changed(first(terms, now)?, "it has expired with its authority");
    }
    if let Some(next) = &secret.next {
        // Where nobody can be served any more, there is nothing to be lost by being early.
        let is_lost = !leaf.is_valid(now);
        return if found.is_shown || is_lost {
            changed(switched(secret, next, terms, now)?, "clients trust the new authority: it has signed the leaf")
        } else {
            Ok(None)
        };
    }
    let why = match &secret.signer {
        None => "the key of its authority is not there: a new authority is to be trusted",
        Some(signer) if signer.ca.is_due(now) => {
            "two thirds of its authority's life are over: a new one is to be trusted"
        }
        Some(_) => return Ok(None),
    };
    changed(announce(secret, terms, now)?, why)
}

fn usable(signer: Option<&Signing>, now: SystemTime) -> Option<&Signing> {
    signer.filter(|signer| !signer.ca.has_expired(now))
}

/// Why there should be another leaf of the same authority, if so.
fn renewal(leaf: &Leaf, signer: &Signing, terms: &Terms, now: SystemTime) -> Option<&'static str> {
    let is_own = leaf.signer(std::slice::from_ref(&signer.ca)).is_some();
    if !is_own {
        // Only a rotation may change who signs.
        return None;
    }
    // One that ends with its authority cannot be made to live longer.
    let can_last = leaf.pair.not_after < signer.ca.not_after;
    if crate::http::issue::unix(now) >= leaf.pair.renew_at() && can_last {
        return Some("two thirds of its life are over");
    }
    (!leaf.covers(&terms.subjects)).then_some("it is to be for other names")
}

/// All anew.
pub(super) fn first(terms: &Terms, now: SystemTime) -> Result<Material, HttpError> {
    let signer = Signing::make(now, terms.authority_life)?;
    let leaf = signer.leaf(&terms.subjects, now, terms.leaf_life)?;
    Ok(Material { bundle: vec![signer.ca.clone()], leaf: Some(leaf), signer: Some(signer), ..Material::default() })
}

/// A new authority beside the old.
fn announce(old: &Material, terms: &Terms, now: SystemTime) -> Result<Material, HttpError> {
    let next = Signing::make(now, terms.authority_life)?;
    let mut material = Material { faults: Vec::new(), ..old.clone() };
    material.bundle.push(next.ca.clone());
    // Clients and people look at the first one first.
    material.bundle.rotate_right(1);
    material.next = Some(next);
    Ok(material)
}

/// The new authority has signed.
fn switched(old: &Material, next: &Signing, terms: &Terms, now: SystemTime) -> Result<Material, HttpError> {
    let leaf = next.leaf(&terms.subjects, now, terms.leaf_life)?;
    Ok(Material { leaf: Some(leaf), signer: Some(next.clone()), next: None, faults: Vec::new(), ..old.clone() })
}

/// A new leaf of the same authority. No replica has served a leaf of another one for long, unless a rotation is under way.
fn renewed(old: &Material, signer: &Signing, terms: &Terms, now: SystemTime) -> Result<Material, HttpError> {
    let leaf = signer.leaf(&terms.subjects, now, terms.leaf_life)?;
    let bundle = if old.next.is_some() { old.bundle.clone() } else { vec![signer.ca.clone()] };
    Ok(Material { bundle, leaf: Some(leaf), faults: Vec::new(), ..old.clone() })
}
