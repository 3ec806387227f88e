//! What a process does to itself: let go of what it inherited, and end at once.

use std::io::{self, Write as _};

/// Closes every descriptor above standard error.
///
/// # Errors
/// Where the kernel has no `close_range` (before 5.9).
pub(crate) fn close_inherited_descriptors() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: a worker calls this before it has opened anything of its own or started a thread, so that no descriptor
    // above standard error has an owner in this process.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) };
    if closed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends the process without running anything more: a thread may be in the middle of V8, and stay there.
pub(crate) fn end_process(code: i32) -> ! {
    // SAFETY: it does not return, and touches nothing of this process.
    unsafe { libc::_exit(code) }
}

/// Ends the process once the command is done. Its threads may still be making isolates, and must not find V8 taken down
/// under them, as it is where `main` returns.
pub fn end(code: u8) -> ! {
    // Nobody is left to be told that they cannot be written to.
    drop(std::io::stdout().flush());
    drop(std::io::stderr().flush());
    end_process(i32::from(code))
}
