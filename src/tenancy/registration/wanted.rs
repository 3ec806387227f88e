//! Who is to be looked at, when, and in which lane: those that fail wait for each other, never those that do not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::look::Memory;
use crate::tenancy::{Register, Registry, VirtualCluster};

/// How often one is looked at that stands …
const AGAIN: Duration = Duration::from_secs(20);
/// … or less often where there are many: so many looks in a second are enough for a host.
const LOOKS_PER_SECOND: u32 = 20;
/// After a look that failed, doubled each time …
const RETRY: Duration = Duration::from_secs(2);
/// … up to this.
const LONGEST_RETRY: Duration = Duration::from_mins(5);
/// How often it is tried to take away what is of one that is gone.
const FAREWELLS: u32 = 5;

/// By place.
pub(super) type Who = (Arc<str>, Arc<str>);

/// What is to be done about one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Look,
    /// It is not to be registered any more.
    TakeAway,
}

#[derive(Debug)]
struct Entry {
    vcluster: Arc<VirtualCluster>,
    task: Task,
    due: Instant,
    /// `None` while somebody looks.
    memory: Option<Memory>,
    failures: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeMap<Who, Entry>);

impl Wanted {
    /// Takes in what is registered now.
    pub(super) fn update(&mut self, registry: &Registry, now: Instant) {
        for vcluster in registry.vclusters() {
            let Some(access) = &vcluster.access else { continue };
            let who = (Arc::clone(&vcluster.namespace), Arc::clone(&vcluster.name));
            let task = if access.register == Register::Webhook { Task::Look } else { Task::TakeAway };
            match self.0.get_mut(&who) {
                Some(entry) if entry.vcluster == *vcluster && entry.task == task => {}
                Some(entry) if entry.vcluster.uid == vcluster.uid => {
                    (entry.vcluster, entry.task) = (Arc::clone(vcluster), task);
                    (entry.due, entry.failures) = (now, 0);
                    if let Some(memory) = &mut entry.memory {
                        memory.vcluster = Arc::clone(vcluster);
                    }
                }
                // Of one that is none of ours and never was there is nothing to take away.
                None if task == Task::TakeAway && !access.is_registered => {}
                _ => drop(self.0.insert(who, Entry::new(vcluster, task, now))),
            }
        }
        for (who, entry) in &mut self.0 {
            let is_there = registry.at(&who.0, &who.1).is_some_and(|known| known.access.is_some());
            if !is_there && entry.task == Task::Look {
                (entry.task, entry.due, entry.failures) = (Task::TakeAway, now, 0);
            }
        }
    }

    /// All are looked at again: something else is wanted of them.
    pub(super) fn wake(&mut self, now: Instant) {
        for entry in self.0.values_mut() {
            entry.due = entry.due.min(now);
        }
    }

    /// Somebody to look at now, of those that fail or of those that do not.
    pub(super) fn take(&mut self, is_failing: bool, now: Instant) -> Option<(Who, Task, Memory)> {
        let is_next = |entry: &Entry| entry.memory.is_some() && entry.due <= now && (entry.failures > 0) == is_failing;
        let entries = self.0.iter_mut().filter(|(_, entry)| is_next(entry));
        let (who, entry) = entries.min_by_key(|(_, entry)| entry.due)?;
        Some((who.clone(), entry.task, entry.memory.take()?))
    }

    /// It was looked at.
    pub(super) fn done(&mut self, who: &Who, task: Task, mut memory: Memory, is_good: bool, now: Instant) {
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let Some(entry) = self.0.get_mut(who) else { return };
        if entry.vcluster.uid != memory.vcluster.uid {
            return;
        }
        memory.vcluster = Arc::clone(&entry.vcluster);
        entry.memory = Some(memory);
        if entry.task != task {
            return;
        }
        if is_good {
            entry.failures = 0;
            entry.due = now + AGAIN.max(Duration::from_secs(1) * count / LOOKS_PER_SECOND);
        } else {
            let doubled = 1_u32.checked_shl(entry.failures).unwrap_or(u32::MAX);
            entry.failures = entry.failures.saturating_add(1);
            entry.due = now + RETRY.saturating_mul(doubled).min(LONGEST_RETRY);
        }
        if task == Task::TakeAway && (is_good || entry.failures >= FAREWELLS) {
            self.0.remove(who);
        }
    }

    /// When somebody is to be looked at next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter(|entry| entry.memory.is_some()).map(|entry| entry.due).min()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Entry {
    fn new(vcluster: &Arc<VirtualCluster>, task: Task, now: Instant) -> Self {
        let memory = Some(Memory::of(Arc::clone(vcluster)));
        Self { vcluster: Arc::clone(vcluster), task, due: now, memory, failures: 0 }
    }
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;
