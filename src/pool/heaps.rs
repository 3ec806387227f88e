//! The isolates of one thread, by whose code is in them: those used least go first when there are too many or they
//! take too much memory. That of the host's own policies stays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;

use super::lane::Shared;
use crate::isolate::{Cell, Slot, Spare};
use crate::policy::Domain;

/// The memory of an isolate with a few policies in it, for the number of those that a thread may keep.
const ISOLATE: usize = 2 << 20;

/// An isolate that nobody asked for so long goes before any that is in use, whatever its thread's share is.
const AT_REST: Duration = Duration::from_secs(1);

/// What those in use may take beyond the budget, as a part of it, before they go: whoever comes back at once makes
/// another, which costs all of them milliseconds.
const LEEWAY: usize = 8;

/// What the code in an isolate has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Module policies in one locked-down realm.
    Modules,
    /// Script policies, a realm a run.
    Scripts,
    /// Module policies that keep state, a realm a run.
    Fresh,
}

impl Kind {
    const fn spare(self) -> Spare {
        match self {
            Self::Modules => Spare::None,
            Self::Scripts => Spare::Script,
            Self::Fresh => Spare::Module,
        }
    }
}

/// Which isolate a policy runs in. Policies of different keys never share a heap.
pub(super) type Key = (Domain, Kind);

/// An isolate, when it was last asked for, and whether it was tended since.
struct Kept {
    cell: Cell,
    used: Instant,
    is_tidy: bool,
}

pub(super) struct Heaps {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    cells: LruCache<Key, Kept>,
    /// Made ahead for a domain that has no isolate on this thread yet.
    blank: Option<Cell>,
    /// Isolates to be disposed of once the reply is out.
    condemned: Vec<Cell>,
    /// Isolates that all threads may have together, and those that this one may have whatever the others do.
    most: i64,
    share: usize,
}

impl Heaps {
    pub(super) fn new(shared: Arc<Shared>, slot: Arc<Slot>) -> Self {
        let most = i64::try_from(shared.size.memory / ISOLATE).unwrap_or(i64::MAX);
        let share = (shared.size.memory_a_thread() / ISOLATE).max(4);
        Self { shared, slot, cells: LruCache::unbounded(), blank: None, condemned: Vec::new(), most, share }
    }

    /// Runs something in the isolate of this key, which is made where there is none.
    pub(super) fn within<R>(&mut self, key: &Key, run: impl FnOnce(&mut Cell) -> R) -> R {
        // A thread that serves many domains may use what the others leave: who asks in turn must not always find that
        // its isolate has just gone.
        if !self.cells.contains(key)
            && self.cells.len() >= self.share
            && self.shared.metrics.isolates.get() >= self.most
        {
            let least_used = self.of_tenants().next();
            self.condemned.extend(least_used.and_then(|key| self.cells.pop(&key)).map(|kept| kept.cell));
        }
        let (shared, slot, blank) = (&self.shared, &self.slot, &mut self.blank);
        let new = || {
            let made = blank.take().filter(|_| key.1 == Kind::Modules);
            let new = || Cell::new(shared.host.clone(), Arc::clone(slot), Arc::clone(&shared.limits));
            Kept { cell: made.unwrap_or_else(new), used: Instant::now(), is_tidy: false }
        };
        let kept = self.cells.get_or_insert_mut(key.clone(), new);
        if key.0 != Domain::Host {
            kept.used = Instant::now();
        }
        kept.is_tidy = false;
        let result = run(&mut kept.cell);
        if kept.cell.condemned() {
            self.condemned.extend(self.cells.pop(key).map(|kept| kept.cell));
        }
        result
    }

    /// Disposes of what was given up: after the reply, for it takes a millisecond. Whether there was anything.
    pub(super) fn dispose(&mut self) -> bool {
        let is_something = !self.condemned.is_empty();
        self.condemned.clear();
        is_something
    }

    /// Throws everything away.
    pub(super) fn clear(&mut self) {
        self.blank = None;
        self.condemned.clear();
        self.cells.clear();
    }

    pub(super) fn has_scripts(&self) -> bool {
        self.cells.iter().any(|((_, kind), _)| *kind == Kind::Scripts)
    }

    pub(super) fn cells(&mut self) -> impl ExactSizeIterator<Item = &mut Cell> {
        self.cells.iter_mut().map(|(_, kept)| &mut kept.cell)
    }

    /// Restocks shelves, and replaces what is worn unless somebody waits. Whether there is more to do, and whether an
    /// isolate went that policies had been loaded into.
    pub(super) fn tend(&mut self, somebody_waits: bool) -> (bool, bool) {
        let (mut is_more, mut is_gone) = (false, false);
        let mut worn = Vec::new();
        // To enter each of dozens of isolates after each review would take longer than the review.
        for (key, Kept { cell, is_tidy, .. }) in self.cells.iter_mut().filter(|(_, kept)| !kept.is_tidy) {
            if cell.worn() && !somebody_waits {
                worn.push(key.clone());
                (is_more, is_gone) = (true, true);
            } else {
                let is_more_here = cell.tend(key.1.spare());
                *is_tidy = !is_more_here && !cell.worn();
                is_more |= is_more_here;
            }
            if cell.condemned() {
                worn.push(key.clone());
            }
        }
        for key in worn {
            self.cells.pop(&key);
        }
        (is_more, is_gone)
    }

    /// Makes the isolate for the next new domain.
    pub(super) fn make_blank(&mut self) {
        if self.blank.is_none() {
            let mut cell = Cell::new(self.shared.host.clone(), Arc::clone(&self.slot), Arc::clone(&self.shared.limits));
            cell.tend(Spare::Module);
            self.blank = Some(cell);
        }
    }

    /// Where all isolates together take too much, lets go of as many of this thread's, the least used first: any that
    /// is at rest; of those in use only what is beyond the thread's share, and only where it is far too much.
    pub(super) fn fit(&mut self) {
        let budget = self.shared.size.memory;
        let all = usize::try_from(self.shared.metrics.isolate_heap_bytes.get()).unwrap_or_default();
        let Some(mut excess) = all.checked_sub(budget).filter(|excess| *excess > 0) else { return };
        let share = self.shared.size.memory_a_thread();
        let least_used: Vec<Key> = self.of_tenants().collect();
        let mut used = None;
        for key in least_used {
            let Some(kept) = self.cells.peek(&key) else { continue };
            let is_at_rest = kept.used.elapsed() >= AT_REST;
            // Asked for only where it matters: to ask each isolate takes longer than a review.
            let mut is_far_too_much = || excess > budget / LEEWAY && *used.get_or_insert_with(|| self.bytes()) > share;
            if excess == 0 || !(is_at_rest || is_far_too_much()) {
                return;
            }
            let bytes = self.cells.pop(&key).map_or(0, |mut kept| kept.cell.heap_bytes());
            used = used.map(|used: usize| used.saturating_sub(bytes));
            excess = excess.saturating_sub(bytes);
        }
    }

    fn bytes(&mut self) -> usize {
        self.cells.iter_mut().map(|(_, kept)| kept.cell.heap_bytes()).sum()
    }

    /// The least used first.
    fn of_tenants(&self) -> impl Iterator<Item = Key> {
        self.cells.iter().rev().map(|(key, _)| key).filter(|key| key.0 != Domain::Host).cloned()
    }
}
