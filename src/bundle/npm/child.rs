//! The bundler process: reads one job, shuts itself in, answers, ends.
//!
//! It may read files, for packages and certificates are files; write nowhere but to the cache; start nothing. It talks
//! to the network only for a job that needs a registry.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::process::{COMMAND, Job};
use super::{Made, Source, make};
use crate::bundle::diagnostics::BundleError;

/// Sources, options and a lock. The parent is trusted; this only has to be large enough.
const MAX_JOB: u64 = 64 << 20;

/// Addresses: packages unpacked, their syntax trees, and stacks that are reserved and hardly used.
const MAX_ADDRESSES: u64 = 6 << 30;

/// Processor seconds. Bundling takes less than one.
const CPU_SECONDS: u64 = 100;

const MAX_FILES: u64 = 256;

/// Bytes of a file that it writes: a tarball in the cache.
const MAX_FILE: u64 = 64 << 20;

/// Runs the bundler if that is what this process was started for. To be called before anything else: it needs no engine.
#[must_use]
pub fn run() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_bundler = arguments.next().is_some_and(|first| first == COMMAND) && arguments.next().is_none();
    is_bundler.then(|| match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: this command is for `bylaw` itself, which writes a job to its standard input: {error}");
            ExitCode::from(2)
        }
    })
}

fn answer() -> io::Result<()> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX_JOB).read_to_end(&mut bytes)?;
    let Job { source, options } = serde_json::from_slice(&bytes)?;
    if let Some(cache) = &options.cache {
        // Without it everything is fetched each time.
        drop(std::fs::create_dir_all(cache));
    }
    shut_in(options.cache.as_deref(), needs_network(&source));
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let result: Result<Made, BundleError> = make::in_process(&source, &options);
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &result)?;
    stdout.flush()
}

fn needs_network(source: &Source) -> bool {
    match source {
        Source::File(_) | Source::Entry { .. } => false,
        Source::Inline(inline) => !inline.dependencies.is_empty(),
        Source::Locked { .. } | Source::Tarball { .. } | Source::Registry { .. } => true,
    }
}

/// Takes away what a bundler does not need. What the kernel cannot do is left out: no code of a package runs here.
fn shut_in(cache: Option<&Path>, needs_network: bool) {
    drop(restrict_files(cache, needs_network));
    for (resource, limit) in [
        (Resource::As, MAX_ADDRESSES),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Nofile, MAX_FILES),
        (Resource::Fsize, MAX_FILE),
        (Resource::Core, 0),
    ] {
        // A kernel that refuses leaves the deadline, which the parent keeps.
        let _ = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    }
}

fn restrict_files(cache: Option<&Path>, needs_network: bool) -> Result<(), RulesetError> {
    let abi = ABI::V6;
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(abi))?;
    if !needs_network {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?.scope(Scope::from_all(abi))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut created = ruleset.create()?;
    if let Ok(root) = PathFd::new("/") {
        created = created.add_rule(PathBeneath::new(root, read))?;
    }
    if let Some(cache) = cache.and_then(|cache| PathFd::new(cache).ok()) {
        let write = read | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate;
        created = created.add_rule(PathBeneath::new(cache, write))?;
    }
    created.restrict_self().map(drop)
}
