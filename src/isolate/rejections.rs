//! The rejected promises of a run that nobody handles (yet).

use std::collections::HashMap;

use deno_core::v8;

/// Promises of one run that may be rejected and unhandled at once. `Promise.allSettled` over a long list has that many
/// for a moment; far beyond it is a policy that floods.
const MAX_OPEN: usize = 10_000;

/// In the order in which they were rejected.
#[derive(Default)]
pub(super) struct Rejections {
    /// By the promise's identity hash, which two promises may share.
    open: HashMap<i32, Vec<Rejection>>,
    count: usize,
    next: usize,
    overflowed: bool,
}

struct Rejection {
    order: usize,
    promise: v8::Global<v8::Promise>,
    reason: v8::Global<v8::Value>,
}

/// What a run left behind.
pub(super) enum Left {
    /// What the first of them was rejected with.
    Reason(v8::Global<v8::Value>),
    /// More than could be kept track of.
    Flood,
}

impl Rejections {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && !self.overflowed
    }

    pub(super) fn add(
        &mut self,
        scope: &v8::PinScope<'_, '_>,
        promise: v8::Local<v8::Promise>,
        reason: v8::Local<v8::Value>,
    ) {
        if self.count >= MAX_OPEN {
            self.overflowed = true;
            return;
        }
        let (promise_kept, reason) = (v8::Global::new(scope, promise), v8::Global::new(scope, reason));
        let rejection = Rejection { order: self.next, promise: promise_kept, reason };
        self.open.entry(promise.get_identity_hash().get()).or_default().push(rejection);
        self.next += 1;
        self.count += 1;
    }

    /// Somebody handles it after all.
    pub(super) fn handled(&mut self, scope: &v8::PinScope<'_, '_>, promise: v8::Local<v8::Promise>) {
        let hash = promise.get_identity_hash().get();
        let Some(same_hash) = self.open.get_mut(&hash) else { return };
        let before = same_hash.len();
        same_hash.retain(|rejection| v8::Local::new(scope, &rejection.promise) != promise);
        self.count -= before - same_hash.len();
        if same_hash.is_empty() {
            self.open.remove(&hash);
        }
    }

    /// What is left, and forgets all of it.
    pub(super) fn take(&mut self) -> Option<Left> {
        let Self { open, overflowed, .. } = std::mem::take(self);
        let first = open.into_values().flatten().min_by_key(|rejection| rejection.order);
        match first {
            _ if overflowed => Some(Left::Flood),
            Some(Rejection { reason, .. }) => Some(Left::Reason(reason)),
            None => None,
        }
    }
}
