//! Survives V8's own fatal errors where they harm nothing but one isolate.
//!
//! A policy that asks for more elements than any array has, such as `Object.keys("x".repeat(2 ** 29 - 25))`, makes V8
//! end the process with an error "with no security impact" (crbug.com/1201626). That path has no handler of its own, but
//! it does print a stack trace first, by a function that V8 takes from its platform and that can be replaced. After a
//! failed check, on the other hand, nothing can be trusted any more: those end the process, as they should.

use std::cell::Cell;

use deno_core::v8;

use super::heap;

unsafe extern "C" {
    /// `v8::base::SetPrintStackTrace(void (*)())`, which is no part of V8's public interface: an upgrade that drops it
    /// shows when the binary is linked.
    #[link_name = "_ZN2v84base18SetPrintStackTraceEPFvvE"]
    fn set_print_stack_trace(print: extern "C" fn());
}

thread_local! {
    /// A check of V8 failed on this thread.
    static IS_BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Sets the handlers, once per process, after V8 has set its own.
pub(super) fn guard_process() {
    v8::V8::set_fatal_error_handler(check_failed);
    // SAFETY: the function stores the pointer, which is valid for ever, and nothing else.
    unsafe { set_print_stack_trace(last_words) };
}

/// Called before `last_words` where a check failed, and only there.
fn check_failed(_file: &str, _line: i32, _message: &str) {
    // Without the mark the thread would be parked, and a broken process would go on.
    if IS_BROKEN.try_with(|broken| broken.set(true)).is_err() {
        std::process::abort();
    }
}

/// The last thing that V8 does before it ends the process.
extern "C" fn last_words() {
    let is_broken = IS_BROKEN.try_with(Cell::get).unwrap_or(true);
    if !is_broken && heap::is_isolate_thread() {
        heap::give_up_thread();
    }
}
