//! Survives a policy that runs out of memory (measured: research hotpath): a small limit, little headroom,
//! termination; and where V8 would abort the process all the same, the thread is parked for ever instead.

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use deno_core::v8;

use super::watchdog::{KillCause, Slot};

/// What the limit is raised by when it is reached, so that the termination can take effect. More only makes the
/// bombs bigger: one array that grows may ask for any amount at once.
const HEADROOM: usize = 64 << 20;

thread_local! {
    /// The slot of this thread, for the handler that V8 calls without any context.
    static SLOT: RefCell<Option<Arc<Slot>>> = const { RefCell::new(None) };
}

/// Sets both handlers on an isolate that lives on this thread.
pub(super) fn guard(isolate: &mut v8::Isolate, slot: &Arc<Slot>) {
    SLOT.with_borrow_mut(|current| *current = Some(Arc::clone(slot)));
    isolate.add_near_heap_limit_callback(near_limit, std::ptr::null_mut());
    isolate.set_oom_error_handler(out_of_memory);
}

unsafe extern "C" fn near_limit(_data: *mut c_void, _current: usize, initial: usize) -> usize {
    SLOT.with(|slot| {
        if let Ok(slot) = slot.try_borrow()
            && let Some(slot) = slot.as_ref()
        {
            slot.kill(KillCause::Memory);
        }
    });
    // `initial` and not the current limit, or the limit would climb with each call.
    initial.saturating_add(HEADROOM)
}

unsafe extern "C" fn out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    SLOT.with(|slot| {
        if let Ok(slot) = slot.try_borrow()
            && let Some(slot) = slot.as_ref()
        {
            slot.lose();
        }
    });
    // Returning makes V8 abort. This thread's stack and heap are given up; the pool replaces both.
    loop {
        std::thread::park();
    }
}
