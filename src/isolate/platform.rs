//! Starts V8, once per process, before any other thread exists.
//!
//! Threads inherit memory-protection rights when they are made: an isolate entered on a thread older than V8 dies of
//! SIGSEGV on some CPUs (`rusty_v8` #1381, `deno_core` #549). Hence the first line of `main`.

use std::sync::OnceLock;

use deno_core::v8;

use super::fatal;

static PLATFORM: OnceLock<v8::SharedRef<v8::Platform>> = OnceLock::new();

/// Flags that stand for the life of the process (engine notes §1.11).
const FLAGS: &str = concat!(
    // A hash seed of this process instead of the library's constant: keys of objects come from tenants.
    "--rehash-snapshot ",
    // JSON.parse interns short string values with an unseeded hash up to this many; real reviews have hundreds.
    "--json-parse-max-heuristically-internalized-strings=1000 ",
    // No callback is set, so no realm ever has a SharedArrayBuffer.
    "--enable-sharedarraybuffer-per-context ",
    // Absent from some builds of the library, so that policies had better not find it.
    "--no-harmony-temporal ",
    // No collection and no compilation on helper threads: they do not count towards a policy's CPU time, and out of
    // memory on one of them cannot be survived.
    "--single-threaded ",
    // No marking steps inside a request.
    "--no-incremental-marking ",
    // An idle policy must not be compiled again on its next request.
    "--no-flush-bytecode ",
);

/// The test harness makes its threads before V8 is there.
const FLAGS_FOR_TESTS: &str = if cfg!(test) { "--no-memory-protection-keys " } else { "" };

/// Initialises V8. Later calls do nothing.
pub fn init() {
    PLATFORM.get_or_init(|| {
        v8::V8::set_entropy_source(entropy);
        v8::V8::set_flags_from_string(FLAGS);
        v8::V8::set_flags_from_string(FLAGS_FOR_TESTS);
        // Without worker threads: V8 hands them pieces of a collection even where it was told to be single-threaded.
        let platform = v8::new_single_threaded_default_platform(false).make_shared();
        v8::V8::initialize_platform(platform.clone());
        v8::V8::initialize();
        fatal::guard_process();
        platform
    });
}

/// Seeds of hashes and of `Math.random`, from the kernel. V8's own way is to open a file, which a worker process cannot;
/// it would then seed them with the time.
fn entropy(buffer: &mut [u8]) -> bool {
    // SAFETY: the kernel writes no more than the length of the buffer, which is borrowed for the call.
    let filled = unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    usize::try_from(filled) == Ok(buffer.len())
}

/// The version of V8.
#[must_use]
pub fn version() -> &'static str {
    split(v8::V8::get_version()).0
}

/// Who built V8's library, by what the library says of itself.
#[must_use]
pub fn origin() -> Origin {
    split(v8::V8::get_version()).1
}

/// Who built V8's library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The releases of the `v8` crate.
    Upstream,
    /// `cargo xtask v8`, out of the crate's sources.
    Source,
}

impl Origin {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Source => "source",
        }
    }
}

/// What `cargo xtask v8` has the libraries that it builds add to their version, where upstream's add `-rusty`.
const BUILT_FROM_SOURCE: &str = "rusty-source";

fn split(told: &'static str) -> (&'static str, Origin) {
    let (version, embedder) = told.split_once('-').unwrap_or((told, ""));
    (version, if embedder == BUILT_FROM_SOURCE { Origin::Source } else { Origin::Upstream })
}

/// Runs what V8 put off (finishing a collection, compiled code) for this isolate: after the reply, not before.
pub(super) fn run_pending_tasks(isolate: &mut v8::Isolate) {
    if let Some(platform) = PLATFORM.get() {
        while v8::Platform::pump_message_loop(platform, isolate, false) {}
    }
}

#[test]
fn a_library_says_by_its_version_who_built_it() {
    assert_eq!(split("15.0.245.2-rusty"), ("15.0.245.2", Origin::Upstream));
    assert_eq!(split("15.0.245.2-rusty-source"), ("15.0.245.2", Origin::Source));
}
