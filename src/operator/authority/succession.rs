//! Which leaf a replica serves while the Secret changes.
//!
//! A leaf is served at once where clients were told of its authority before: that is every rotation of ours. Where both
//! came at once (somebody else's rotation, a Secret put back from a copy), the old leaf stays in service for as long as
//! webhook configurations take to show both authorities, and the old authority stays in the bundle for longer than that.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::material::{Ca, Leaf, Material, pem};

/// How long an authority stays in the bundle after it was taken out of the Secret while its leaf was served: replicas may
/// hear of it late.
const HELD_FOR: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(super) struct Succession {
    /// How long a new leaf waits for its authority to be trusted.
    grace: Duration,
    current: Option<Arc<Material>>,
    /// Whether `current` is older than this process: of the state folder, not of the Secret.
    is_kept: bool,
    next: Option<(Arc<Material>, Instant)>,
    held: Vec<(Ca, Instant)>,
}

impl Succession {
    pub(super) const fn new(grace: Duration) -> Self {
        Self { grace, current: None, is_kept: false, next: None, held: Vec::new() }
    }

    /// What was served before this process began, for as long as the Secret cannot be read.
    pub(super) fn keep(&mut self, material: Arc<Material>) {
        if self.current.is_none() {
            self.current = Some(material);
            self.is_kept = true;
        }
    }

    /// What the Secret says, where that can be served.
    pub(super) fn offer(&mut self, material: Arc<Material>, now: Instant, clock: SystemTime) {
        let is_valid = |material: &Material| material.leaf.as_ref().is_some_and(|leaf| leaf.is_valid(clock));
        let Some(current) = self.current.as_ref().filter(|current| !self.is_kept && is_valid(current)) else {
            return self.take(material);
        };
        if !is_valid(&material) {
            return;
        }
        let (Some(old), Some(new)) = (&current.leaf, &material.leaf) else { return self.take(material) };
        let was_trusted = |leaf: &Leaf| leaf.signer(&current.bundle).is_some() || current.bundle.is_empty();
        if new == old || was_trusted(new) {
            return self.take(material);
        }
        if let Some(signer) = old.signer(&current.bundle) {
            self.held.retain(|(ca, _)| ca != signer);
            self.held.push((signer.clone(), now + HELD_FOR));
        }
        let at = self.next.as_ref().map_or(now + self.grace, |(_, at)| *at);
        self.next = Some((material, at));
    }

    fn take(&mut self, material: Arc<Material>) {
        self.current = Some(material);
        self.is_kept = false;
        self.next = None;
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Instant, clock: SystemTime) {
        self.held.retain(|(ca, until)| now < *until && !ca.has_expired(clock));
        let is_lost = self.leaf().is_none_or(|leaf| !leaf.is_valid(clock));
        if let Some((material, _)) = self.next.take_if(|(_, at)| now >= *at || is_lost) {
            self.take(material);
        }
    }

    /// What to serve.
    pub(super) fn leaf(&self) -> Option<&Leaf> {
        self.current.as_ref()?.leaf.as_ref()
    }

    /// Whether a new leaf is there that is not served yet.
    pub(super) const fn is_waiting(&self) -> bool {
        self.next.is_some()
    }

    /// The authority of what is served.
    pub(super) fn signer(&self) -> Option<&Ca> {
        self.leaf()?.signer(&self.current.as_ref()?.bundle)
    }

    /// What clients are to trust; `None` where nothing is known yet.
    pub(super) fn bundle(&self) -> Option<Vec<Ca>> {
        let (current, next) = (self.current.as_ref(), self.next.as_ref().map(|(material, _)| material));
        let mut bundle = next.or(current)?.bundle.clone();
        for (ca, _) in &self.held {
            if !bundle.contains(ca) {
                bundle.push(ca.clone());
            }
        }
        Some(bundle)
    }

    /// The newest of what can be served.
    pub(super) fn last_good(&self) -> Option<&Arc<Material>> {
        self.next.as_ref().map(|(material, _)| material).or(self.current.as_ref())
    }

    /// What is worth keeping for a start without an API server.
    pub(super) fn to_keep(&self) -> Option<Material> {
        let bundle = self.bundle()?;
        let leaf = self.leaf()?.clone();
        Some(Material { bundle, leaf: Some(leaf), ..Material::default() })
    }

    pub(super) fn bundle_pem(&self) -> Option<String> {
        self.bundle().map(|bundle| pem(&bundle))
    }
}

#[cfg(test)]
mod tests {
    use super::super::material::Signing;
    use super::super::material::tests::{HOUR, whole};
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> (Instant, SystemTime) {
        thread_local!(static START: (Instant, SystemTime) = (Instant::now(), SystemTime::now()));
        let (now, clock) = START.with(|start| *start);
        (now + Duration::from_secs(seconds), clock + Duration::from_secs(seconds))
    }

    fn offered(succession: &mut Succession, material: &Material, seconds: u64) {
        let (now, clock) = at(seconds);
        succession.offer(Arc::new(material.clone()), now, clock);
    }

    fn advanced(succession: &mut Succession, seconds: u64) {
        let (now, clock) = at(seconds);
        succession.advance(now, clock);
    }

    #[test]
    fn a_leaf_of_an_authority_that_was_announced_is_served_at_once() {
        let (_, clock) = at(0);
        let mut material = whole(clock);
        let mut succession = Succession::new(GRACE);
        offered(&mut succession, &material, 0);
        assert_eq!(succession.leaf(), material.leaf.as_ref());
        let next = Signing::make(clock, HOUR).unwrap();
        material.bundle.insert(0, next.ca.clone());
        offered(&mut succession, &material, 1);
        assert_eq!(succession.bundle().unwrap(), material.bundle);
        material.leaf = Some(next.leaf(&["a.example.com".to_owned()], clock, HOUR).unwrap());
        offered(&mut succession, &material, 2);
        assert_eq!(succession.leaf(), material.leaf.as_ref());
        assert_eq!(succession.signer(), Some(&next.ca));
        material.bundle.truncate(1);
        offered(&mut succession, &material, 3);
        assert_eq!(succession.bundle().unwrap(), [next.ca], "nobody serves a leaf of the other one");
    }

    #[test]
    fn a_leaf_that_comes_with_its_authority_waits_while_clients_are_told_of_both() {
        let (_, clock) = at(0);
        let (old, new) = (whole(clock), whole(clock));
        let mut succession = Succession::new(GRACE);
        offered(&mut succession, &old, 0);
        offered(&mut succession, &new, 100);
        advanced(&mut succession, 109);
        assert_eq!(succession.leaf(), old.leaf.as_ref());
        let both = vec![new.bundle[0].clone(), old.bundle[0].clone()];
        assert_eq!(succession.bundle().unwrap(), both);
        assert_eq!(succession.to_keep().unwrap().bundle, both);
        // Said again, as a watch that begins anew does, it waits no longer.
        offered(&mut succession, &new, 109);
        advanced(&mut succession, 110);
        assert_eq!(succession.leaf(), new.leaf.as_ref());
        assert_eq!(succession.bundle().unwrap(), both, "other replicas may be late");
        advanced(&mut succession, 100 + HELD_FOR.as_secs() + 10);
        assert_eq!(succession.bundle().unwrap(), new.bundle);
    }

    #[test]
    fn nothing_waits_where_nothing_is_served_or_what_is_has_expired() {
        let (_, clock) = at(0);
        let (old, new) = (whole(clock), whole(clock));
        let mut succession = Succession::new(GRACE);
        offered(&mut succession, &old, 0);
        let hour = HOUR.as_secs();
        let late = Material {
            leaf: Some(
                new.signer.as_ref().unwrap().leaf(&["a.example.com".to_owned()], at(hour - 60).1, HOUR).unwrap(),
            ),
            ..new
        };
        offered(&mut succession, &late, hour - 5);
        advanced(&mut succession, hour - 1);
        assert_eq!(succession.leaf(), old.leaf.as_ref());
        advanced(&mut succession, hour);
        assert_eq!(succession.leaf(), late.leaf.as_ref());
    }

    #[test]
    fn an_expired_secret_takes_no_good_leaf_out_of_service() {
        let (_, clock) = at(0);
        let (old, expired) = (whole(clock), whole(clock - HOUR * 2));
        let mut succession = Succession::new(GRACE);
        offered(&mut succession, &old, 0);
        offered(&mut succession, &expired, 1);
        advanced(&mut succession, 60);
        assert_eq!(succession.leaf(), old.leaf.as_ref());
        assert_eq!(succession.bundle().unwrap(), old.bundle);
    }

    #[test]
    fn what_was_kept_on_disk_gives_way_to_the_secret_at_once() {
        let (_, clock) = at(0);
        let (kept, current) = (whole(clock), whole(clock));
        let mut succession = Succession::new(GRACE);
        succession.keep(Arc::new(kept.clone()));
        assert_eq!(succession.leaf(), kept.leaf.as_ref());
        offered(&mut succession, &current, 1);
        assert_eq!(succession.leaf(), current.leaf.as_ref());
        succession.keep(Arc::new(kept));
        assert_eq!(succession.leaf(), current.leaf.as_ref());
    }
}
