//! A counting allocator for `ArrayBuffer`s: V8's heap limit does not cover them.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deno_core::v8;

/// The bytes that the `ArrayBuffer`s of one isolate hold, and may hold.
pub(super) struct Quota {
    used: AtomicUsize,
    limit: usize,
}

/// What malloc promises, and what typed arrays need.
const ALIGN: usize = 16;

impl Quota {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    fn take(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn obtain(&self, bytes: usize, how: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
        let Ok(layout) = Layout::from_size_align(bytes.max(1), ALIGN) else { return std::ptr::null_mut() };
        if !self.take(bytes) {
            return std::ptr::null_mut();
        }
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { how(layout) };
        if memory.is_null() {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        memory.cast()
    }
}

/// An allocator that refuses, with V8's own `RangeError`, what goes over the quota.
pub(super) fn allocator(quota: Arc<Quota>) -> v8::UniqueRef<v8::Allocator> {
    static VTABLE: v8::RustAllocatorVtable<Quota> =
        v8::RustAllocatorVtable { allocate, allocate_uninitialized, free, drop };
    // SAFETY: the handle is an Arc turned raw, which `drop` below turns back exactly once; the functions match it.
    unsafe { v8::new_rust_allocator(Arc::into_raw(quota), &VTABLE) }
}

unsafe extern "C" fn allocate(quota: &Quota, bytes: usize) -> *mut c_void {
    quota.obtain(bytes, alloc_zeroed)
}

unsafe extern "C" fn allocate_uninitialized(quota: &Quota, bytes: usize) -> *mut c_void {
    quota.obtain(bytes, alloc)
}

unsafe extern "C" fn free(quota: &Quota, memory: *mut c_void, bytes: usize) {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), ALIGN) else { return };
    if memory.is_null() {
        return;
    }
    // SAFETY: V8 gives back what `obtain` made, with the same size; the layout is made the same way.
    unsafe { dealloc(memory.cast(), layout) };
    quota.used.fetch_sub(bytes, Ordering::Relaxed);
}

unsafe extern "C" fn drop(quota: *const Quota) {
    // SAFETY: V8 drops its allocator once; the pointer came from `Arc::into_raw`.
    unsafe { std::mem::drop(Arc::from_raw(quota)) };
}
