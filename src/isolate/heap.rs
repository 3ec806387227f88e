//! Survives a policy that runs out of memory (measured: research hotpath): a small limit, little headroom,
//! termination; and where V8 would abort the process all the same, the thread is parked for ever instead.

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use deno_core::v8;

use super::slot::Slot;

/// What the limit is raised by when it is reached, so that the termination can take effect. More only makes the
/// bombs bigger: one array that grows may ask for any amount at once.
pub(super) const HEADROOM: usize = 64 << 20;

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

/// Whether policies run on this thread.
pub(super) fn is_isolate_thread() -> bool {
    SLOT.try_with(|slot| slot.try_borrow().is_ok_and(|slot| slot.is_some())).unwrap_or(false)
}

/// Does something with this thread's slot, without a way to panic: V8 cannot be unwound through.
fn with_slot(work: impl FnOnce(&Slot)) {
    // The slot is gone only when the thread is, and its isolates are dropped before.
    SLOT.try_with(|slot| {
        if let Ok(slot) = slot.try_borrow()
            && let Some(slot) = slot.as_ref()
        {
            work(slot);
        }
    })
    .unwrap_or_default();
}

unsafe extern "C" fn near_limit(_data: *mut c_void, _current: usize, initial: usize) -> usize {
    with_slot(Slot::exhaust);
    // `initial` and not the current limit, or the limit would climb with each call.
    initial.saturating_add(HEADROOM)
}

unsafe extern "C" fn out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    // A helper thread that parked would hold up every isolate that waits for it, unwatched.
    if is_isolate_thread() {
        give_up_thread();
    }
}

/// Where returning would mean the end of the process: this thread's stack and heap are given up, and the pool replaces
/// both.
pub(super) fn give_up_thread() -> ! {
    with_slot(Slot::lose);
    loop {
        std::thread::park();
    }
}
