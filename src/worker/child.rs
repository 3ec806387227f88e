//! The worker process: reads what it needs, shuts itself in, and runs what it is given until its supervisor is gone.
//!
//! Three threads: this one reads the socket, one holds the isolates, and the watchdog ends runs. When a run does not end
//! all the same, the process does, and its exit code tells why.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::WorkerError;
use super::frame::Frame;
use super::link::Link;
use super::message::{FromWorker, Load, Mode, Order, Setup, ToWorker, VERSION};
use super::verdict::VerdictHead;
use super::{death, sandbox};
use crate::decision::{Cause, Verdict};
use crate::host::Host;
use crate::isolate::{
    Cell, Evaluated, Input, Limits, STACK, Slot, Spare, Vantage, close_inherited_descriptors, end_process, set_sdk,
};
use crate::matching::Matcher;
use crate::policy::{About, Code, HostMutations, Isolation, MatchSpec, PolicySpec, Revision, WebhookFailure};
use crate::review::JsonText;

/// Messages on their way from one thread to the other. A supervisor has one run under way at a time.
const QUEUE: usize = 64;

/// How far a worker stands back where cores are short: a server that answers for many goes before a policy that may be
/// its enemy, at three shares to one.
const NICE: i32 = 5;

/// Runs this process as a worker. It returns only where it cannot be one; it ends with its supervisor.
///
/// # Errors
/// Where standard input is no socket of a supervisor's.
pub fn run() -> Result<(), WorkerError> {
    let kind = std::fs::metadata("/proc/self/fd/0").map_err(WorkerError::Start)?.file_type();
    if !std::os::unix::fs::FileTypeExt::is_socket(&kind) {
        return Err(WorkerError::NotAWorker);
    }
    // Before anything of our own is opened.
    close_inherited_descriptors().map_err(WorkerError::Start)?;
    let link = Arc::new(Link::new().map_err(WorkerError::Start)?);
    let mut incoming = link.incoming();
    let Some(first) = incoming.wait()? else { return Ok(()) };
    let ToWorker::Setup(setup) = first.head()? else { return Err(WorkerError::NotAWorker) };
    if setup.version != VERSION {
        return Err(WorkerError::Version { theirs: setup.version });
    }
    // Not an error where it is refused: it only means that workers compete with the server as equals.
    rustix::process::nice(NICE).unwrap_or_default();
    let size = sandbox::Size::open().map_err(WorkerError::Start)?;
    // Only threads that are started after it are held by it.
    let landlock = sandbox::restrict_files();
    let work = start(&link, &setup, &first)?;
    let unlimited = sandbox::limit_resources(size);
    let seccomp = sandbox::restrict_calls();
    let confinement = sandbox::confinement(seccomp, landlock, unlimited);
    link.send(&FromWorker::Ready { version: VERSION, confinement }, &[])?;
    while let Ok(Some(frame)) = incoming.wait() {
        match frame.head() {
            Ok(ToWorker::Answer(answered)) => link.answered(answered, &frame),
            Ok(message) => {
                if work.send((message, frame.body)).is_err() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    // The supervisor is gone, or does not make sense. A policy may still be running.
    end_process(0)
}

type Work = (ToWorker, Bytes);

/// Starts the thread with the isolates, and waits until the first is there.
fn start(link: &Arc<Link>, setup: &Setup, first: &Frame) -> Result<Sender<Work>, WorkerError> {
    set_sdk(String::from_utf8_lossy(&first.body).into_owned());
    let (work, to_do) = bounded(QUEUE);
    let (tell, ready) = bounded(1);
    let limits = Arc::new(setup.limits());
    let link = Arc::clone(link);
    let thread = move || {
        let mut bench = Bench::new(link, limits);
        tell.send(()).unwrap_or_default();
        bench.work(&to_do);
    };
    std::thread::Builder::new()
        .name("isolate".to_owned())
        .stack_size(STACK)
        .spawn(thread)
        .map_err(WorkerError::Start)?;
    ready.recv().map_err(|_| WorkerError::Start(std::io::ErrorKind::BrokenPipe.into()))?;
    Ok(work)
}

/// Which isolate a policy runs in: a realm that is kept and one that is thrown away do not go together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Heap {
    Kept,
    Fresh,
    Scripts,
}

impl Heap {
    const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Validate | Mode::Mutate => Self::Kept,
            Mode::Fresh { .. } => Self::Fresh,
            Mode::Script => Self::Scripts,
        }
    }

    const fn spare(self) -> Spare {
        match self {
            Self::Kept => Spare::None,
            Self::Fresh => Spare::Module,
            Self::Scripts => Spare::Script,
        }
    }
}

/// The isolates of a worker and the policies it knows.
struct Bench {
    link: Arc<Link>,
    host: Host,
    slot: Arc<Slot>,
    limits: Arc<Limits>,
    /// Made ahead of time, for whatever comes first.
    spare: Option<Cell>,
    cells: HashMap<Heap, Cell>,
    revisions: HashMap<u64, Arc<Revision>>,
}

impl Bench {
    fn new(link: Arc<Link>, limits: Arc<Limits>) -> Self {
        let host = Host::forwarding(Arc::clone(&link) as _);
        let slot = Slot::register(|fate| {
            if fate.is_final() {
                end_process(death::code_of(fate));
            }
        });
        let spare = Cell::new(host.clone(), Arc::clone(&slot), Arc::clone(&limits));
        let (cells, revisions) = (HashMap::new(), HashMap::new());
        Self { link, host, slot, limits, spare: Some(spare), cells, revisions }
    }

    fn work(&mut self, to_do: &Receiver<Work>) {
        if let Some(spare) = &mut self.spare {
            spare.tend(Spare::Module);
        }
        while let Ok((message, body)) = to_do.recv() {
            match message {
                ToWorker::Load(load) => {
                    let id = load.revision;
                    self.revisions.extend(revision(*load, &body).map(|revision| (id, Arc::new(revision))));
                }
                ToWorker::Forget { revision } => drop(self.revisions.remove(&revision)),
                ToWorker::Run(run) => {
                    let heap = Heap::of(run.mode);
                    self.answer(&run, body);
                    self.tidy(heap, to_do);
                }
                // Setup is over, and answers never come here.
                ToWorker::Setup(_) | ToWorker::Answer(_) => end_process(death::BROKEN),
            }
        }
    }

    fn answer(&mut self, run: &Order, body: Bytes) {
        let Some(revision) = self.revisions.get(&run.revision).cloned() else { end_process(death::BROKEN) };
        let Some(input) = input(run, body) else { end_process(death::BROKEN) };
        let evaluated = self.judge(run.mode, &input, &revision);
        self.link.end_run();
        let (head, [before, after]) = VerdictHead::of(evaluated);
        let done = FromWorker::Done { run: run.run, verdict: Box::new(head) };
        if self.link.send(&done, &[before.as_bytes(), after.as_bytes()]).is_err() {
            let why = "its verdict is longer than any may be";
            let (head, _) = VerdictHead::of(Verdict::error("".into(), Cause::BadResult, why).into());
            drop(self.link.send(&FromWorker::Done { run: run.run, verdict: Box::new(head) }, &[]));
        }
    }

    fn judge(&mut self, mode: Mode, input: &Input, revision: &Arc<Revision>) -> Evaluated {
        let (host, slot, limits) = (&self.host, &self.slot, &self.limits);
        let spare = self.spare.take();
        let new = || spare.unwrap_or_else(|| Cell::new(host.clone(), Arc::clone(slot), Arc::clone(limits)));
        let cell = self.cells.entry(Heap::of(mode)).or_insert_with(new);
        let one = std::slice::from_ref(revision);
        let evaluated = match mode {
            Mode::Validate => cell.validate(input, one).pop(),
            Mode::Mutate => cell.mutate(input, one).pop(),
            Mode::Fresh { mutating } => cell.run_fresh(input, mutating, revision).pop(),
            Mode::Script => Some(cell.run_script(input, revision)),
        };
        let failed = || Verdict::error("".into(), Cause::Internal, "no isolate could be made").into();
        evaluated.unwrap_or_else(failed)
    }

    /// After the answer: an isolate that must not be used again is replaced, and realms are made while nothing waits.
    fn tidy(&mut self, heap: Heap, to_do: &Receiver<Work>) {
        if self.cells.get(&heap).is_some_and(Cell::condemned) {
            // The old one goes first: both together are more than there is room for.
            self.cells.remove(&heap);
            let new = Cell::new(self.host.clone(), Arc::clone(&self.slot), Arc::clone(&self.limits));
            self.cells.insert(heap, new);
        }
        let Some(cell) = self.cells.get_mut(&heap) else { return };
        while cell.tend(heap.spare()) && to_do.is_empty() {}
        if cell.condemned() {
            self.cells.remove(&heap);
        }
    }
}

/// A policy as far as an isolate needs it. `None` where the frame makes no sense.
fn revision(load: Load, body: &Bytes) -> Option<Revision> {
    let dialect = load.dialect;
    let (script, map) = body.split_at_checked(load.script)?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Arc::<str>::from);
    let rules = MatchSpec { workloads: load.workloads, ..MatchSpec::default() };
    let matcher = Arc::new(Matcher::compile(&rules).ok()?);
    let code = Code {
        dialect,
        origin: Arc::clone(&load.origin),
        script: text(script)?,
        hash: load.hash,
        entry: load.entry,
        source_map: if map.is_empty() { None } else { text(map) },
        // A worker has no neighbours to share a realm with.
        closed: None,
    };
    let spec = PolicySpec {
        name: load.name,
        dialect,
        validates: true,
        mutates: load.mutates,
        // Its module says which handler there is.
        reconciles: false,
        rules,
        priority: 0,
        enforcement: load.enforcement,
        on_error: load.on_error,
        timeout: load.timeout,
        parameters: load.parameters,
        permissions: load.permissions,
        isolation: Isolation::Process,
        keeps_state: load.keeps_state,
        host_mutations: HostMutations::default(),
        tenant: None,
    };
    Some(Revision {
        domain: spec.domain(),
        spec: Arc::new(spec),
        code: Arc::new(code),
        about: About::default(),
        webhook_failure: WebhookFailure::Fail,
        is_reinvoked: false,
        oversight: Arc::default(),
        matcher,
        source: Arc::new(PathBuf::from(&*load.origin)),
        schema: None,
        may_wait: true,
        conduct: Arc::default(),
    })
}

fn input(run: &Order, body: Bytes) -> Option<Input> {
    let mut body = body;
    let view = match run.view {
        Some(length) => Some(body.split_off(body.len().checked_sub(length)?)),
        None => None,
    };
    Some(Input {
        request: JsonText::parse(body).ok()?,
        view: view.map(JsonText::parse).transpose().ok()?,
        namespace: run.namespace.clone(),
        tenant: Arc::clone(&run.tenant),
        vantage: if run.is_virtual { Vantage::Virtual } else { Vantage::Host },
        dry_run: run.dry_run,
        now: run.now,
        measure: run.measure,
        // What is asked of it is asked of the supervisor, who knows.
        reserving: None,
        deadline: Instant::now() + run.left,
    })
}
