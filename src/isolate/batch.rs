//! Module policies one after another on one review: the request is parsed once and frozen for all of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deno_core::v8;

use super::Limits;
use super::answer::{self, MAX_RECORDED, Recorded};
use super::evaluated::Evaluated;
use super::failure::{Failure, killed_verdict, located};
use super::input::Input;
use super::modules::{LoadLimits, Loaded, ModuleRealm};
use super::realm::{call, guest, text, whole};
use super::settle::{Unsettled, checkpoint, settle};
use super::size::parsed_size;
use super::slot::{KillCause, Slot};
use super::state::State;
use crate::decision::{Cause, Mutation, Verdict};
use crate::policy::{Enforcement, Revision};

/// UTF-16 units of an object that a mutating policy may leave behind: an API server takes 3 MiB.
const MAX_OBJECT: usize = 8 << 20;

/// What a batch needs besides the policies.
pub(super) struct Batch<'a> {
    pub input: &'a Input,
    pub state: &'a State,
    pub slot: &'a Slot,
    pub limits: &'a Limits,
}

/// How far a batch came: `killed` says that the isolate must not be used again.
pub(super) struct Verdicts {
    pub verdicts: Vec<Evaluated>,
    pub killed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Validate,
    Mutate,
}

/// Namespace and tenant of the review that a realm saw last: it keeps what it made of them.
#[derive(Default)]
pub(super) struct Known {
    namespace: Option<Arc<str>>,
    tenant: Option<Arc<str>>,
}

impl Batch<'_> {
    fn load_limits(&self) -> LoadLimits<'_> {
        LoadLimits { state: self.state, slot: self.slot, startup: self.limits.startup, deadline: self.input.deadline }
    }
}

impl ModuleRealm {
    /// Runs the policies one after another on one review. Stops early where the isolate was killed, and, when
    /// mutating, at the first policy whose denial or error ends the request. `is_begun` where the review was read already.
    pub(super) fn run(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        phase: Phase,
        is_begun: bool,
        revisions: &[Arc<Revision>],
    ) -> Verdicts {
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let mut verdicts = Vec::with_capacity(revisions.len());
        let read = if is_begun { Ok(()) } else { self.begin(scope, batch, phase) };
        if let Err((cause, why, killed)) = read {
            verdicts.extend(
                revisions.iter().map(|revision| Verdict::error(revision.spec.name.clone(), cause, &*why).into()),
            );
            return Verdicts { verdicts, killed };
        }
        let mut killed = false;
        let mut begun = Instant::now();
        for revision in revisions {
            let before = batch.input.measure.then(|| Allocated::so_far(scope));
            let loaded = if self.has(revision) {
                Ok(())
            } else {
                let loaded = self.load(scope, &batch.load_limits(), revision);
                begun = Instant::now();
                loaded
            };
            let verdict = match loaded {
                Ok(()) => self.run_one(scope, batch, phase, revision, begun),
                Err(verdict) => *verdict,
            };
            let ended = Instant::now();
            let time = ended.saturating_duration_since(begun);
            begun = ended;
            killed = answer::was_killed(&verdict);
            let ends = phase == Phase::Mutate && answer::ends_chain(&verdict, &revision.spec);
            let allocated = before.map(|before| Allocated::so_far(scope).since(before));
            verdicts.push(Evaluated { verdict, time, allocated, is_open: false });
            if killed || ends {
                break;
            }
        }
        Verdicts { verdicts, killed }
    }

    /// Parses and freezes the request, within the limits of a run. Where that fails: how, why, and whether the isolate
    /// must not be used again.
    fn begin(
        &mut self,
        scope: &mut v8::PinScope<'_, '_>,
        batch: &Batch<'_>,
        phase: Phase,
    ) -> Result<(), (Cause, String, bool)> {
        let view = batch.input.view.as_ref().map_or(0, |view| parsed_size(view.as_str()));
        let size = parsed_size(batch.input.request.as_str()).saturating_add(view);
        if size > batch.limits.heap {
            let why =
                format!("the request would take {} MiB of memory once read, more than an isolate has", size >> 20);
            return Err((Cause::Memory, why, false));
        }
        batch.slot.runs(std::ptr::null());
        batch.slot.arm(batch.input.deadline, batch.limits.cpu);
        let read = self.read(scope, batch.input, phase);
        let killed = batch.slot.disarm();
        self.is_holding = true;
        match (read, killed) {
            (Ok(()), None) => Ok(()),
            (Err(failure), None) => {
                Err((Cause::Internal, format!("the request could not be read: {}", failure.words()), false))
            }
            (_, Some(KillCause::Memory)) => {
                Err((Cause::Memory, "the request takes more memory than a run may use".to_owned(), true))
            }
            (_, Some(_)) => Err((Cause::Timeout, "reading the request took too long".to_owned(), true)),
        }
    }

    fn read(&mut self, scope: &mut v8::PinScope<'_, '_>, input: &Input, phase: Phase) -> Result<(), Failure> {
        v8::scope!(let scope, scope);
        let request = text(scope, input.request.as_str()).ok_or(Failure::Engine)?;
        let request = v8::json::parse(scope, request).ok_or(Failure::Engine)?;
        let undefined: v8::Local<v8::Value> = v8::undefined(scope).into();
        // `null` is JSON for no namespace at all.
        let is_new = self.known.tenant.is_none() || self.known.namespace != input.namespace;
        let namespace = match &input.namespace {
            _ if !is_new => undefined,
            namespace => text(scope, namespace.as_deref().unwrap_or("null")).ok_or(Failure::Engine)?.into(),
        };
        let tenant = match &self.known.tenant {
            Some(known) if *known == input.tenant => undefined,
            _ => text(scope, &input.tenant).ok_or(Failure::Engine)?.into(),
        };
        let is_virtual = v8::Boolean::new(scope, input.vantage == super::Vantage::Virtual);
        let now = v8::Number::new(scope, input.now);
        let view = match &input.view {
            Some(view) => text(scope, view.as_str()).ok_or(Failure::Engine)?.into(),
            None => undefined,
        };
        let begin = v8::Local::new(scope, &self.begin);
        call(scope, begin, &[request, namespace, tenant, is_virtual.into(), now.into(), view])?;
        if phase == Phase::Mutate {
            let begin = v8::Local::new(scope, &self.begin_mutations);
            call(scope, begin, &[])?;
        }
        self.known.namespace.clone_from(&input.namespace);
        self.known.tenant = Some(Arc::clone(&input.tenant));
        Ok(())
    }

    /// Lets go of the last review, so that an idle realm holds no request.
    pub(super) fn release(&mut self, scope: &mut v8::PinScope<'_, '_, ()>) {
        if !std::mem::take(&mut self.is_holding) {
            return;
        }
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let end = v8::Local::new(scope, &self.end);
        drop(call(scope, end, &[]));
    }

    fn run_one(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        batch: &Batch<'_>,
        phase: Phase,
        revision: &Revision,
        now: Instant,
    ) -> Verdict {
        let Revision { spec, code, .. } = revision;
        let Some(loaded) = self.loaded.get(&std::ptr::from_ref(revision)) else {
            return Verdict::error(spec.name.clone(), Cause::Internal, "the policy is not loaded");
        };
        let deadline = batch.input.deadline.min(now + spec.timeout);
        batch.state.begin(Rc::clone(&loaded.spec), batch.input, deadline);
        batch.slot.runs(revision);
        batch.slot.arm(deadline, batch.limits.cpu);
        let result = {
            v8::scope!(let scope, scope);
            let result = self.handle(scope, batch, phase, loaded, spec.enforcement != Enforcement::Dry, deadline);
            // Code of this policy may have run since the last checkpoint. What it left to be done later must not
            // happen in the run of its neighbour.
            match result {
                Ok(None) => Ok(Recorded::default()),
                Ok(Some(recorded)) => checkpoint(scope, self.queue.as_deref()).map(|()| recorded),
                Err(error) => Err(checkpoint(scope, self.queue.as_deref()).err().unwrap_or(error)),
            }
        };
        let killed = batch.slot.disarm();
        batch.state.end();
        if let Some(cause) = killed {
            return killed_verdict(spec, cause);
        }
        match result {
            Ok(recorded) => recorded.into_verdict(spec.name.clone()),
            Err(Unsettled::Failed(failure)) => failure.into_verdict(spec, code, None),
            Err(Unsettled::Rejected { text, place }) => {
                Verdict::error(spec.name.clone(), Cause::Exception, located(&text, place, code))
            }
            Err(Unsettled::Never) => {
                let why = "its promise waits for something that can never come";
                Verdict::error(spec.name.clone(), Cause::Unsettled, why)
            }
            Err(Unsettled::Late) => killed_verdict(spec, KillCause::Wall),
        }
    }

    /// What the policy recorded; `None` where it said nothing, and nothing of it ran after its microtasks.
    fn handle(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        batch: &Batch<'_>,
        phase: Phase,
        loaded: &Loaded,
        commit: bool,
        deadline: Instant,
    ) -> Result<Option<Recorded>, Unsettled> {
        let handler = match phase {
            Phase::Validate => &loaded.validate,
            Phase::Mutate => &loaded.mutate,
        };
        let handler = v8::Local::new(scope, handler);
        let explain = v8::Local::new(scope, &self.explain);
        let receiver = v8::undefined(scope).into();
        let value = guest(scope, explain, |scope| handler.call(scope, receiver, &[])).map_err(Unsettled::Failed)?;
        let value = settle(scope, batch.state, value, explain, self.queue.as_deref(), deadline)?;
        match phase {
            Phase::Validate if value.is_undefined() && !batch.state.said.get() => Ok(None),
            Phase::Validate => {
                let validated = v8::Local::new(scope, &self.validated);
                let said = guest(scope, explain, |scope| validated.call(scope, receiver, &[value]));
                let said = said.map_err(Unsettled::Failed)?;
                Ok(Some(recorded(scope, said)))
            }
            Phase::Mutate => {
                let mutated = v8::Local::new(scope, &self.mutated);
                let commit = v8::Boolean::new(scope, commit);
                // It calls what a draft may hold of the policy's own: getters, `toJSON`.
                let said = guest(scope, explain, |scope| mutated.call(scope, receiver, &[value, commit.into()]));
                let said = said.map_err(Unsettled::Failed)?;
                mutation(scope, said).map(Some).ok_or(Unsettled::Failed(Failure::Engine))
            }
        }
    }
}

/// Runs a policy and takes its time, and its allocations where asked for.
pub(super) fn measured(
    scope: &mut v8::PinScope<'_, '_, ()>,
    input: &Input,
    run: impl FnOnce(&mut v8::PinScope<'_, '_, ()>, Instant) -> Verdict,
) -> Evaluated {
    let before = input.measure.then(|| Allocated::so_far(scope));
    let begun = Instant::now();
    let verdict = run(scope, begun);
    let time: Duration = begun.elapsed();
    let allocated = before.map(|before| Allocated::so_far(scope).since(before));
    Evaluated { verdict, time, allocated, is_open: false }
}

/// What the heap has handed out so far. V8 hands out buffers of hundreds of KiB, in which a policy then allocates: the
/// sum of those says nothing of a small policy, and what is in use says nothing of one that has garbage collected.
#[derive(Clone, Copy)]
struct Allocated {
    handed_out: usize,
    used: usize,
}

impl Allocated {
    fn so_far(isolate: &mut v8::Isolate) -> Self {
        let heap = isolate.get_heap_statistics();
        let handed_out = usize::try_from(heap.total_allocated_bytes()).unwrap_or(usize::MAX);
        Self { handed_out, used: heap.used_heap_size() }
    }

    fn since(self, before: Self) -> u64 {
        const BUFFERS: usize = 1 << 20;
        let handed_out = self.handed_out.saturating_sub(before.handed_out);
        let bytes = if handed_out < BUFFERS { self.used.saturating_sub(before.used) } else { handed_out };
        bytes as u64
    }
}

fn recorded(scope: &mut v8::PinScope, said: v8::Local<v8::Value>) -> Recorded {
    if !said.is_string() {
        return Recorded::default();
    }
    match whole(scope, said, MAX_RECORDED) {
        Ok(text) => Recorded::parse(&text),
        Err(length) => Recorded::fault(format!("recorded {length} characters, more than {MAX_RECORDED}")),
    }
}

/// `[recorded, before, after]`, the texts absent where nothing changed.
fn mutation(scope: &mut v8::PinScope, said: v8::Local<v8::Value>) -> Option<Recorded> {
    let parts = said.try_cast::<v8::Array>().ok()?;
    let said = parts.get_index(scope, 0)?;
    let before = parts.get_index(scope, 1)?;
    let after = parts.get_index(scope, 2)?;
    let mut answer = recorded(scope, said);
    if before.is_string() && after.is_string() {
        match (whole(scope, before, usize::MAX), whole(scope, after, MAX_OBJECT)) {
            (Ok(before), Ok(after)) => answer.mutation = Some(Mutation { before, after }),
            (_, Err(length)) | (Err(length), _) => {
                let fault = format!("left an object of {length} characters, more than {MAX_OBJECT}");
                return Some(Recorded::fault(fault));
            }
        }
    }
    Some(answer)
}
