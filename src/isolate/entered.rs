//! Being inside an isolate, for as long as a value lives.

use deno_core::v8;

/// Leaves the isolate when it goes out of scope, also when a panic unwinds.
pub(super) struct Entered(v8::UnsafeRawIsolatePtr);

impl Entered {
    pub(super) fn new(isolate: &v8::OwnedIsolate) -> Self {
        // SAFETY: an isolate is neither Send nor Sync, so this is the thread that made it; `drop` leaves it exactly
        // once, and the isolate outlives this value: both callers leave it before they give up their borrow.
        unsafe {
            isolate.enter();
            Self(isolate.as_raw_isolate_ptr())
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // SAFETY: see `new`.
        unsafe { v8::Isolate::ref_from_raw_isolate_ptr(&self.0).exit() };
    }
}
