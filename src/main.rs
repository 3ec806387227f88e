//! The `bylaw` binary. V8 first, before any other thread exists; then the command line.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = bylaw::bundle::npm::run_bundler() {
        return code;
    }
    bylaw::isolate::init();
    bylaw::isolate::end(bylaw::cli::run())
}
