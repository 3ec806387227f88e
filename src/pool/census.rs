//! The isolates of one thread and the size of their heaps, as `/metrics` shows them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::isolate::Cell;
use crate::telemetry::Metrics;

/// How old the figures may be. Asking V8 takes microseconds: too much for each review.
const OLDEST: Duration = Duration::from_secs(1);

/// What a new isolate is taken for until it is asked.
const NEW: i64 = 3 << 20;

/// What a thread last told of its isolates; taken back when the thread ends.
pub(super) struct Census {
    metrics: Arc<Metrics>,
    taken: Instant,
    isolates: i64,
    bytes: i64,
}

impl Census {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, taken: Instant::now(), isolates: 0, bytes: 0 }
    }

    /// Counts again where an isolate came or went; asks for their sizes where the last answers are old.
    pub(super) fn keep<'c>(&mut self, cells: impl ExactSizeIterator<Item = &'c mut Cell>) {
        let isolates = i64::try_from(cells.len()).unwrap_or(i64::MAX);
        if self.taken.elapsed() >= OLDEST || isolates < self.isolates {
            let bytes: usize = cells.map(Cell::heap_bytes).sum();
            self.tell(isolates, i64::try_from(bytes).unwrap_or(i64::MAX));
            self.taken = Instant::now();
        } else if isolates != self.isolates {
            self.tell(isolates, self.bytes + (isolates - self.isolates) * NEW);
        }
    }

    fn tell(&mut self, isolates: i64, bytes: i64) {
        self.metrics.isolates.add(isolates - self.isolates);
        self.metrics.isolate_heap_bytes.add(bytes - self.bytes);
        (self.isolates, self.bytes) = (isolates, bytes);
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.tell(0, 0);
    }
}
