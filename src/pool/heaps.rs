//! The isolates of one thread, by whose code is in them: those used least go first when there are too many or they
//! take too much memory.

use std::sync::Arc;

use lru::LruCache;

use super::lane::Shared;
use crate::isolate::{Cell, Slot, Spare};
use crate::policy::Domain;

/// The memory of an isolate with a few policies in it, for the number of those that a thread may keep.
const ISOLATE: usize = 2 << 20;

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

pub(super) struct Heaps {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    cells: LruCache<Key, Cell>,
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
            self.condemned.extend(self.cells.pop_lru().map(|(_, cell)| cell));
        }
        let (shared, slot, blank) = (&self.shared, &self.slot, &mut self.blank);
        let new = || {
            let made = blank.take().filter(|_| key.1 == Kind::Modules);
            made.unwrap_or_else(|| Cell::new(shared.host.clone(), Arc::clone(slot), Arc::clone(&shared.limits)))
        };
        let cell = self.cells.get_or_insert_mut(key.clone(), new);
        let result = run(cell);
        if cell.condemned() {
            self.condemned.extend(self.cells.pop(key));
        }
        result
    }

    /// Disposes of what was given up: after the reply, for it takes a millisecond.
    pub(super) fn dispose(&mut self) {
        self.condemned.clear();
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
        self.cells.iter_mut().map(|(_, cell)| cell)
    }

    /// Restocks shelves, and replaces what is worn unless somebody waits. Whether there is more to do, and whether an
    /// isolate went that policies had been loaded into.
    pub(super) fn tend(&mut self, somebody_waits: bool) -> (bool, bool) {
        let (mut is_more, mut is_gone) = (false, false);
        let mut worn = Vec::new();
        for (key, cell) in &mut self.cells {
            if cell.worn() && !somebody_waits {
                worn.push(key.clone());
                (is_more, is_gone) = (true, true);
            } else {
                is_more |= cell.tend(key.1.spare());
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

    /// Where all isolates together take too much, lets go of as many of this thread's, the least used first, but keeps
    /// its share of the memory. The last one stays.
    pub(super) fn fit(&mut self) {
        let budget = i64::try_from(self.shared.size.memory).unwrap_or(i64::MAX);
        let excess = self.shared.metrics.isolate_heap_bytes.get().saturating_sub(budget);
        let Ok(mut excess @ 1..) = usize::try_from(excess) else { return };
        let share = self.shared.size.memory_a_thread();
        let mut used: usize = self.cells.iter_mut().map(|(_, cell)| cell.heap_bytes()).sum();
        while excess > 0 && used > share && self.cells.len() > 1 {
            let Some((_, mut cell)) = self.cells.pop_lru() else { return };
            let bytes = cell.heap_bytes();
            used = used.saturating_sub(bytes);
            excess = excess.saturating_sub(bytes);
        }
    }
}
