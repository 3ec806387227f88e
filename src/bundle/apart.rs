//! Runs parsers on a thread of their own: they recurse, and a panic of theirs must cost one policy, not the server.

use super::diagnostics::BundleError;

/// What nests too deeply for it is refused before it is parsed (`nesting.rs`).
const STACK_BYTES: usize = 64 << 20;

/// The result of `work`, for which the caller waits; `file` is what a failure is about.
pub(crate) fn apart<T: Send>(
    file: &str,
    work: impl FnOnce() -> Result<T, BundleError> + Send,
) -> Result<T, BundleError> {
    let internal = |reason: String| BundleError::Internal { file: file.to_owned(), reason };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("bylaw-bundler".to_owned()).stack_size(STACK_BYTES);
        match builder.spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(internal(panic_message(&*panic))),
            Err(error) => Err(internal(format!("no thread: {error}"))),
        }
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_one_file() {
        let error = apart("p.ts", || -> Result<(), BundleError> { panic!("no") }).unwrap_err();
        assert_eq!(error.to_string(), "p.ts: the bundler failed: no");
    }

    #[test]
    fn deep_recursion_has_room() {
        fn deep(levels: usize) -> usize {
            let frame = std::hint::black_box([levels; 64]);
            if levels == 0 { frame[0] } else { deep(levels - 1) + 1 }
        }
        assert_eq!(apart("p.ts", || Ok(deep(50_000))).unwrap(), 50_000);
    }
}
