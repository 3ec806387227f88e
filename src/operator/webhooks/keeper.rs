//! Keeps the configurations in the cluster as the policies want them, and knows since when they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};

use super::drawn::{Asked, Drawn};
use super::observed::{Configurations, Observed};
use super::pace::Pace;
use super::render::{About, Desired, INSTANCE, MANAGED_BY, Phase, Registration};
use super::stands::{corrections, is_clean, stands};
use super::takeover::{Obsolete, obsolete, obsolete_checks};
use super::way::Way;
use super::write::{Write, WriteError};
use crate::engine::Registered;
use crate::operator::Leadership;
use crate::policy::Catalog;
use crate::policy::live::Live;

/// How long after a configuration was seen in the cluster every API server may be taken to know it: policies are said to be
/// ready …
const READY_AFTER: Duration = Duration::from_millis(500);

/// … and what did the same before is taken away, or not asked any more.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// How long after a write that failed it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Changes of policies come in crowds.
const TOGETHER: Duration = Duration::from_millis(5);

/// What is known of the configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// The policies that the API server asks for, and with what.
    pub ready: Asked,
    /// Why they are not as they should be.
    pub error: Option<String>,
    /// They have been looked at.
    pub is_known: bool,
    /// The authority that the API server is told to trust, in PEM; empty until it is.
    pub authority: Arc<[u8]>,
}

/// What the keeper listens to.
pub(in crate::operator) struct Sources {
    pub catalogs: watch::Receiver<Arc<Catalog>>,
    /// In PEM; empty where clients trust it anyway. Until it is known, nothing is written: configurations that stand may
    /// show what is right.
    pub authority: watch::Receiver<Option<Arc<[u8]>>>,
    pub leadership: Leadership,
    /// Whether the policies of the cluster have all been seen: until then nothing is taken away.
    pub is_open: watch::Receiver<bool>,
    /// Whether the cluster has tenants.
    pub has_tenants: watch::Receiver<bool>,
}

pub(in crate::operator) struct Keeper {
    pub registration: Registration,
    pub observed: Observed,
    pub live: Live,
    pub write: Write,
    pub sources: Sources,
    pub tell: watch::Sender<Registry>,
    /// Tells the engine which webhook asks for each policy.
    pub register: Box<dyn Fn(Arc<Registered>) + Send + Sync>,
    pub pace: Pace<(Phase, String)>,
    /// Since when what is wanted (by its hash) stands.
    pub standing: Option<(String, Instant)>,
    /// Since when the configuration for Bylaw's own kinds stands.
    pub aside: Option<Instant>,
    pub wanted: String,
    pub is_registered: bool,
    pub drawn: Option<Arc<Drawn>>,
    pub way: Way,
}

impl Keeper {
    pub(in crate::operator) async fn run(mut self) {
        let mut configurations = self.observed.changes();
        let mut leadership = self.sources.leadership.clone();
        loop {
            configurations.borrow_and_update();
            let leads = leadership.is_leader();
            let next = self.look().await;
            let sources = &mut self.sources;
            let woken = async {
                tokio::select! {
                    changed = sources.catalogs.changed() => changed.is_ok(),
                    changed = sources.authority.changed() => changed.is_ok(),
                    changed = sources.is_open.changed() => changed.is_ok(),
                    changed = sources.has_tenants.changed() => changed.is_ok(),
                    changed = configurations.changed() => changed.is_ok(),
                    () = until(next) => true,
                    Some(()) = leadership.wait_for(!leads) => true,
                }
            };
            if !woken.await {
                return;
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }

    /// Looks at everything once. When to look again, if nothing happens before.
    async fn look(&mut self) -> Option<Instant> {
        let catalog = self.sources.catalogs.borrow_and_update().clone();
        let authority = self.sources.authority.borrow_and_update().clone();
        let is_open = *self.sources.is_open.borrow_and_update();
        self.registration.tenants = *self.sources.has_tenants.borrow_and_update();
        let authority = authority?;
        let observed = self.observed.all().filter(|_| is_open)?;
        let drawn = self.draw(&catalog, &authority);
        let desired = &drawn.desired;
        let (standing, surplus) = (standing(desired, &observed), self.surplus(desired, &observed));
        let (mut next, mut error) = (None, None);
        let stand = |about: About| {
            let of = desired.iter().zip(&standing).filter(|(one, _)| one.about == about);
            of.map(|(_, stands)| *stands).collect::<Vec<_>>()
        };
        let since = match &self.standing {
            Some((hash, since)) if *hash == self.wanted => *since,
            _ => Instant::now(),
        };
        self.standing = stand(About::Policies).iter().all(|stands| *stands).then(|| (self.wanted.clone(), since));
        self.aside = stand(About::OwnKinds).contains(&true).then(|| self.aside.unwrap_or_else(Instant::now));
        if standing.contains(&false) && self.sources.leadership.is_leader() {
            (next, error) = self.repair(desired, &standing, (&observed, &authority)).await;
        }
        self.conclude(&drawn.asked, &authority, error, &mut next);
        if self.is_settled() {
            let cleared = self.clear(&surplus, &drawn.registered, &observed).await;
            next = earlier(next, cleared);
            if !self.is_registered {
                (self.register)(Arc::clone(&drawn.registered));
                self.is_registered = true;
            }
        }
        next
    }

    /// What there should be.
    fn draw(&mut self, catalog: &Arc<Catalog>, authority: &Arc<[u8]>) -> Arc<Drawn> {
        let with_authority = |registration: &Registration| {
            let mut registration = registration.clone();
            if let (false, Some(client)) = (authority.is_empty(), registration.client.as_object_mut()) {
                client.insert("caBundle".to_owned(), STANDARD.encode(authority).into());
            }
            registration
        };
        let from = (&self.registration, &self.live);
        let drawn = Drawn::of(self.drawn.take(), catalog, authority, from, with_authority);
        if drawn.wanted != self.wanted {
            self.wanted.clone_from(&drawn.wanted);
            self.is_registered = false;
            self.pace.forgive();
        }
        self.drawn = Some(Arc::clone(&drawn));
        drawn
    }

    /// Whether nobody but ours needs to check Bylaw's own kinds.
    fn are_own_kinds_checked(&self) -> bool {
        self.aside.is_some_and(|since| since.elapsed() >= SETTLED_AFTER)
    }

    fn is_settled(&self) -> bool {
        self.standing.as_ref().is_some_and(|(_, since)| since.elapsed() >= SETTLED_AFTER)
    }

    /// Tells what is known now, and when it will be more.
    fn conclude(&self, asked: &Asked, authority: &Arc<[u8]>, error: Option<String>, next: &mut Option<Instant>) {
        let since = self.standing.as_ref().map(|(_, since)| *since);
        let is_ready = since.is_some_and(|since| since.elapsed() >= READY_AFTER);
        let aside = self.aside.map(|since| since + SETTLED_AFTER);
        let steps = [READY_AFTER, SETTLED_AFTER].map(|step| since.map(|since| since + step));
        for due in steps.into_iter().chain([aside]) {
            *next = earlier(*next, due.filter(|due| *due > Instant::now()));
        }
        self.tell.send_if_modified(|registry| {
            let before = registry.clone();
            registry.is_known = true;
            registry.error = error;
            if is_ready {
                registry.ready = Arc::clone(asked);
                registry.authority = Arc::clone(authority);
            } else if !registry.ready.iter().all(|(name, how)| asked.get(name) == Some(how)) {
                // What was ready before a change still is, unless it is gone or to be asked for in another way.
                Arc::make_mut(&mut registry.ready).retain(|name, how| asked.get(name) == Some(how));
            }
            *registry != before
        });
    }

    /// Ours that are not wanted.
    fn surplus(&self, desired: &[Desired], observed: &Configurations) -> Vec<(Phase, String, String)> {
        let is_ours = |object: &Value| {
            let label = |name: &str| object.get("metadata")?.get("labels")?.get(name)?.as_str();
            label(MANAGED_BY.0) == Some(MANAGED_BY.1) && label(INSTANCE) == Some(&self.registration.name)
        };
        let is_wanted = |phase: Phase, name: &str| desired.iter().any(|one| one.phase == phase && one.name == name);
        let uid =
            |object: &Value| object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
        let ours = observed.iter().filter(|((phase, name), object)| is_ours(object) && !is_wanted(*phase, name));
        ours.map(|((phase, name), object)| (*phase, name.clone(), uid(object))).collect()
    }

    async fn repair(
        &mut self,
        desired: &[Desired],
        standing: &[bool],
        (observed, authority): (&Configurations, &[u8]),
    ) -> (Option<Instant>, Option<String>) {
        let (mut next, mut error) = (None, None);
        let is_new = |one: &Desired| !observed.contains_key(&(one.phase, one.name.clone()));
        let closed =
            if desired.iter().any(is_new) { self.way.closed(&self.registration.client, authority).await } else { None };
        for (one, _) in desired.iter().zip(standing).filter(|(_, stands)| !**stands) {
            let key = (one.phase, one.name.clone());
            if closed.is_some() && is_new(one) {
                next = earlier(next, closed);
                continue;
            }
            if let Err(due) = self.pace.may(&key, Instant::now()) {
                next = earlier(next, Some(due));
                error = Some(format!("{} {}: somebody keeps changing it", one.phase.kind(), one.name));
                continue;
            }
            self.pace.written(&key, Instant::now());
            match self.apply(one).await {
                Ok(()) => info!(kind = one.phase.kind(), name = one.name, "applied"),
                Err(WriteError::Invalid(reason)) if self.registration.narrows => {
                    warn!(reason, "the API server refuses a selector or a condition: they are left to the engine");
                    self.registration.narrows = false;
                    next = Some(Instant::now());
                }
                Err(WriteError::NotLeading) => return (next, error),
                Err(failed) => {
                    warn!(kind = one.phase.kind(), name = one.name, "cannot be applied: {failed}");
                    error = Some(format!("{} {}: {failed}", one.phase.kind(), one.name));
                    next = earlier(next, Some(Instant::now() + RETRY));
                }
            }
        }
        (next, error)
    }

    /// Applying leaves in place what somebody else has put beside: where that weakens a webhook, it is written over.
    async fn apply(&self, desired: &Desired) -> Result<(), WriteError> {
        let Desired { phase, name, object, .. } = desired;
        let applied = self.write.apply(*phase, name, object).await?;
        let operations = corrections(object, &applied);
        if operations.is_empty() {
            return Ok(());
        }
        self.write.edit(*phase, name, operations).await
    }

    /// Takes away what ours stand in the place of.
    async fn clear(
        &mut self,
        surplus: &[(Phase, String, String)],
        registered: &Registered,
        observed: &Configurations,
    ) -> Option<Instant> {
        if !self.sources.leadership.is_leader() {
            return None;
        }
        let checks = self.are_own_kinds_checked().then(|| obsolete_checks(observed)).flatten();
        let theirs = obsolete(observed, registered, &self.live).into_iter().chain(checks);
        let theirs = theirs.map(|Obsolete { phase, name, uid, about }| {
            info!(about = &*about, name, "jsPolicy's configuration is taken away: Bylaw's stands");
            (phase, name, uid)
        });
        let mut next = None;
        for (phase, name, uid) in surplus.iter().cloned().chain(theirs).collect::<Vec<_>>() {
            let key = (phase, name);
            if let Err(due) = self.pace.may(&key, Instant::now()) {
                next = earlier(next, Some(due));
                continue;
            }
            self.pace.written(&key, Instant::now());
            if let Err(failed) = self.write.delete(phase, &key.1, &uid).await {
                warn!(kind = phase.kind(), name = key.1, "cannot be deleted: {failed}");
                next = earlier(next, Some(Instant::now() + RETRY));
            }
        }
        next
    }
}

fn standing(desired: &[Desired], observed: &Configurations) -> Vec<bool> {
    let is_there = |one: &Desired| {
        let found = observed.get(&(one.phase, one.name.clone()));
        found.is_some_and(|found| stands(&one.object, found) && is_clean(&one.object, found))
    };
    desired.iter().map(is_there).collect()
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
