//! What a worker process may still do once it has read what it needs: compute, and use the socket it has.
//!
//! Everything is set by the process itself, before any policy code is there, and cannot be taken back. Then it is tried:
//! what counts is not which calls succeeded but what cannot be done any more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, getpid, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::message::Confinement;

/// What a worker may grow by from where it stands with V8 and an isolate in place: a second isolate's reservation for
/// code (128 MiB), its heap with the headroom in which it is ended (128 MiB), array buffers (32 MiB), and frames on
/// their way (a hundred or so). V8 reserves gigabytes of addresses before that, so an absolute number would say nothing.
const GROWTH: u64 = 640 << 20;

/// Processor seconds of the whole life of a worker; it is replaced at half of that (`LIFE`). The hard limit stands a
/// little above the signal, whose handler nobody has.
pub const CPU_SECONDS: u64 = 1_200;

/// Open files: those that are there. A lower number of them would not close one.
const FILES: u64 = 4;

/// Takes away files and the network, for this thread and those that it starts. Whether the kernel can.
pub fn restrict_files() -> bool {
    // The newest that the crate knows; on an older kernel as much of it as there is.
    let abi = ABI::V6;
    let ruleset = || -> Result<_, landlock::RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .restrict_self()
    };
    let is_restricted = ruleset().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced);
    is_restricted && File::open("/proc/self/exe").is_err()
}

/// Sets the limits of the process; those that the kernel refused.
pub fn limit_resources(size: Size) -> Vec<String> {
    let wanted = [
        ("address space", Resource::As, size.address_space().map(|now| (now + GROWTH, now + GROWTH))),
        ("processor time", Resource::Cpu, Some((CPU_SECONDS, CPU_SECONDS + 5))),
        ("open files", Resource::Nofile, Some((FILES, FILES))),
        // Threads count as well: there are those that there are.
        ("processes", Resource::Nproc, Some((0, 0))),
        ("file size", Resource::Fsize, Some((0, 0))),
        ("core size", Resource::Core, Some((0, 0))),
    ];
    let refused = wanted.into_iter().filter(|(_, resource, limit)| {
        limit.is_none_or(|(soft, hard)| {
            setrlimit(*resource, Rlimit { current: Some(soft), maximum: Some(hard) }).is_err()
        })
    });
    refused.map(|(name, _, _)| name.to_owned()).collect()
}

/// The size of this process, to be read once files cannot be opened any more.
pub struct Size(File);

impl Size {
    /// # Errors
    /// Where `/proc` is not there.
    pub fn open() -> io::Result<Self> {
        File::open("/proc/self/status").map(Self)
    }

    /// Bytes of addresses in use, those that V8 only reserved included.
    fn address_space(mut self) -> Option<u64> {
        let mut status = String::new();
        self.0.read_to_string(&mut status).ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
        let kib: u64 = size.split_whitespace().next()?.parse().ok()?;
        Some(kib << 10)
    }
}

/// Takes away every system call but those below, from all threads. Whether the kernel can.
pub fn restrict_calls() -> bool {
    filter().is_ok_and(|program| seccompiler::apply_filter_all_threads(&program).is_ok())
}

/// Memory, threads that are there, clocks, randomness, the descriptors that are open, and the end. Nothing that makes
/// or opens something: no process, thread, file, socket, mapping of another process.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_pkey_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrusage,
    // What a thread does first. One that was started may not have come so far, and the C library ends the process
    // where it is refused.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    // `abort` sends itself a signal. Nobody else gets one.
    let own = u64::try_from(getpid().as_raw_nonzero().get()).unwrap_or(u64::MAX);
    let to_itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?;
    let abort = u64::from(libc::SIGABRT.unsigned_abs());
    let to_abort = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, abort)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![to_itself, to_abort])?]);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Tries what must not be possible, and reports what holds this process.
pub fn confinement(seccomp: bool, landlock: bool, unlimited: Vec<String>) -> Confinement {
    let mut open = Vec::new();
    let mut attempt = |what: &str, done: io::Result<()>| {
        if done.is_ok() {
            open.push(what.to_owned());
        }
    };
    attempt("open a file", File::open("/proc/self/exe").map(drop));
    attempt("make a socket", UnixDatagram::unbound().map(drop));
    attempt("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop));
    let mut itself = Command::new("/proc/self/exe");
    itself.arg("--version").stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    attempt("start a process", itself.status().map(drop));
    Confinement { seccomp, landlock, unlimited, open }
}
