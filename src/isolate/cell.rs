//! One isolate and what lives in it. A cell belongs to the thread that made it; between calls it is not entered, so
//! that a thread may hold several.

use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use deno_core::v8;

use super::answer::was_killed;
use super::batch::{Batch, Phase, Verdicts};
use super::buffers::{Quota, allocator};
use super::closed::ClosedRealm;
use super::devtools::Devtools;
use super::entered::Entered;
use super::evaluated::Evaluated;
use super::failure::Failure;
use super::input::Input;
use super::modules::{LoadLimits, ModuleRealm};
use super::scripts::Scripts;
use super::slot::Slot;
use super::state::State;
use super::{IsolateError, Limits, heap, host, platform};
use crate::host::Host;
use crate::policy::{Dialect, Revision};

/// Runs after which an idle cell is replaced: whatever leaks slowly leaks only so far. Under load that is a minute or
/// more, so that the milliseconds it takes are not felt.
const MAX_RUNS: u64 = 1_000_000;

/// What a cell keeps ready for its next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    None,
    /// Realms for jsPolicy scripts.
    Script,
    /// A locked-down realm for a policy that must have one to itself.
    Module,
}

/// An isolate, its realms, and the limits they run under.
pub struct Cell {
    inside: Inside,
    runs: u64,
    condemned: bool,
    /// A number that no other isolate of this process ever has.
    id: u64,
    handle: v8::IsolateHandle,
    isolate: ManuallyDrop<v8::OwnedIsolate>,
}

/// What refers into the isolate, and so must go before it.
pub(super) struct Inside {
    modules: Option<ModuleRealm>,
    closed: Option<ClosedRealm>,
    scripts: Scripts,
    state: Rc<State>,
    slot: Arc<Slot>,
    limits: Arc<Limits>,
}

impl Cell {
    /// A new isolate on this thread, whose `slot` is the thread's own.
    #[must_use]
    pub fn new(host: Host, slot: Arc<Slot>, limits: Arc<Limits>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let params = v8::CreateParams::default()
            .heap_limits(0, limits.heap)
            .array_buffer_allocator(allocator(Quota::new(limits.buffers)).make_shared())
            .allow_atomics_wait(false);
        let mut isolate = v8::Isolate::new(params);
        isolate.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        isolate.set_promise_reject_callback(host::on_rejection);
        isolate.set_capture_stack_trace_for_uncaught_exceptions(true, 10);
        heap::guard(&mut isolate, &slot);
        let state = State::new(host);
        isolate.set_slot(Rc::clone(&state));
        // SAFETY: `new` entered the isolate on this thread; every use below enters it again.
        unsafe { isolate.exit() };
        let inside = Inside { modules: None, closed: None, scripts: Scripts::default(), state, slot, limits };
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let handle = isolate.thread_safe_handle();
        Self { inside, runs: 0, condemned: false, id, handle, isolate: ManuallyDrop::new(isolate) }
    }

    /// Whether it must be thrown away: terminated, or used up.
    #[must_use]
    pub fn condemned(&self) -> bool {
        self.condemned
    }

    /// Whether it is old enough to be replaced when there is nothing else to do.
    #[must_use]
    pub fn worn(&self) -> bool {
        self.runs >= MAX_RUNS
    }

    /// What its heap takes. A heap beyond its limit is cleared of garbage first: V8 lets a large object of any size pass
    /// the limit when it is the first, and an idle isolate would keep it for ever.
    #[must_use]
    pub fn heap_bytes(&mut self) -> usize {
        let size = |isolate: &mut v8::OwnedIsolate| isolate.get_heap_statistics().total_heap_size();
        let (limit, may_collect) = (self.inside.limits.heap, !self.condemned);
        let bytes = self.entered(|isolate, _| {
            if may_collect && size(isolate) > limit {
                isolate.low_memory_notification();
            }
            size(isolate)
        });
        // What is still referred to: the next run is its last.
        self.condemned |= bytes > limit;
        bytes
    }

    /// Runs validating policies one after another: modules on one parsed, frozen request, closed scripts each on a
    /// request of its own. Fewer verdicts than policies mean that the cell is condemned and the rest has not run.
    pub fn validate(&mut self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        self.run_modules(input, Phase::Validate, revisions)
    }

    /// Runs mutating module policies, each on what the last one left; stops where the request is lost anyway. Or one
    /// closed script: what it leaves is for the next call.
    pub fn mutate(&mut self, input: &Input, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        self.run_modules(input, Phase::Mutate, revisions)
    }

    /// Runs one jsPolicy script in a realm of its own.
    pub fn run_script(&mut self, input: &Input, revision: &Revision) -> Evaluated {
        self.runs += 1;
        let (evaluated, killed) = self.entered(|isolate, this| {
            v8::scope!(let scope, isolate);
            let batch = Batch { input, state: &this.state, slot: &this.slot, limits: &this.limits };
            this.scripts.run(scope, &batch, revision)
        });
        self.condemned |= killed;
        evaluated
    }

    /// Runs module policies in a locked-down realm that is thrown away afterwards: the one that [`Cell::tend`] made,
    /// where it did.
    pub fn run_fresh(&mut self, input: &Input, mutating: bool, revision: &Arc<Revision>) -> Vec<Evaluated> {
        let phase = if mutating { Phase::Mutate } else { Phase::Validate };
        let codegen = revision.spec.permissions.codegen;
        let verdicts = self.run_in_realm(input, phase, std::slice::from_ref(revision), codegen);
        self.entered(|_, this| this.modules = None);
        verdicts
    }

    fn run_modules(&mut self, input: &Input, phase: Phase, revisions: &[Arc<Revision>]) -> Vec<Evaluated> {
        self.run_in_realm(input, phase, revisions, false)
    }

    /// `codegen` only where the realm is thrown away afterwards.
    fn run_in_realm(
        &mut self,
        input: &Input,
        phase: Phase,
        revisions: &[Arc<Revision>],
        codegen: bool,
    ) -> Vec<Evaluated> {
        self.runs += 1;
        let result = self.entered(|isolate, this| {
            v8::scope!(let scope, isolate);
            if codegen {
                let realm = this.module_realm(scope)?;
                realm.allow_code_generation(scope);
            }
            this.run(scope, input, phase, revisions)
        });
        match result {
            Ok(Verdicts { verdicts, killed }) => {
                self.condemned |= killed;
                verdicts
            }
            Err(failure) => {
                self.condemned = true;
                tracing::error!(?failure, "a realm could not be made");
                Vec::new()
            }
        }
    }

    /// Makes a policy ready, so that no request pays for it. Errors show up when the policy is run.
    pub fn prepare(&mut self, revision: &Arc<Revision>) {
        if revision.code.dialect != Dialect::Module {
            self.entered(|isolate, this| {
                v8::scope!(let scope, isolate);
                if let Ok(realm) = this.closed_realm(scope) {
                    realm.prepare(scope, &revision.code);
                }
            });
            return;
        }
        let killed = self.entered(|isolate, this| {
            v8::scope!(let scope, isolate);
            let mut realm = match this.modules.take() {
                Some(realm) => realm,
                None => ModuleRealm::new(scope, None)?,
            };
            let startup = this.limits.startup;
            let limits =
                LoadLimits { state: &this.state, slot: &this.slot, startup, deadline: Instant::now() + startup };
            let loaded = realm.prepare(scope, &limits, revision);
            this.modules = Some(realm);
            Ok::<bool, Failure>(loaded.is_err_and(|verdict| was_killed(&verdict)))
        });
        self.condemned |= killed.unwrap_or(true);
    }

    /// After the reply: V8's own put-off work, and one realm for the shelf. Whether there is more to do.
    pub fn tend(&mut self, spare: Spare) -> bool {
        self.entered(|isolate, this| {
            platform::run_pending_tasks(isolate);
            v8::scope!(let scope, isolate);
            if let Some(realm) = &mut this.modules {
                realm.release(scope);
            }
            if let Some(realm) = &mut this.closed {
                realm.release(scope);
            }
            match spare {
                Spare::Script => return this.scripts.restock(scope, &this.slot, &this.limits).unwrap_or(false),
                Spare::Module if this.modules.is_none() => this.modules = ModuleRealm::new(scope, None).ok(),
                Spare::Module | Spare::None => {}
            }
            false
        })
    }

    /// What the default export of a module declares: a JSON array, or `None` for a module that is no policy.
    ///
    /// # Errors
    /// What the module threw, with the place in its script; or that it took too long.
    pub fn describe(&mut self, origin: &str, script: &str) -> Result<Option<String>, IsolateError> {
        self.tend(Spare::Module);
        self.bounded(|scope, this| {
            let realm = this.modules.take().ok_or(Failure::Engine)?;
            let declared = realm.describe(scope, &this.state, origin, script);
            this.modules = Some(realm);
            declared
        })
    }

    /// The same in a realm of its own in which text becomes code: for modules that need it to say that they do.
    ///
    /// # Errors
    /// As [`Cell::describe`].
    pub fn describe_with_codegen(&mut self, origin: &str, script: &str) -> Result<Option<String>, IsolateError> {
        self.bounded(|scope, this| {
            let realm = ModuleRealm::new(scope, None)?;
            realm.allow_code_generation(scope);
            realm.describe(scope, &this.state, origin, script)
        })
    }

    /// Compiles a classic script without running it.
    ///
    /// # Errors
    /// The syntax error, with its place.
    pub fn check(&mut self, origin: &str, script: &str) -> Result<(), IsolateError> {
        self.bounded(|scope, _| {
            let context = super::realm::new_context(scope, None);
            let scope = &mut v8::ContextScope::new(scope, context);
            v8::tc_scope!(let scope, scope);
            match super::realm::compile(scope, origin, script) {
                Some(_) => Ok(()),
                None => Err(Failure::caught(scope, scope.has_terminated(), scope.message())),
            }
        })
    }

    /// Runs something of a policy that is not a review, within the start-up limits.
    fn bounded<R>(
        &mut self,
        work: impl FnOnce(&mut v8::PinScope<'_, '_, ()>, &mut Inside) -> Result<R, Failure>,
    ) -> Result<R, IsolateError> {
        let startup = self.inside.limits.startup;
        let result = self.entered(|isolate, this| {
            v8::scope!(let scope, isolate);
            this.slot.arm(Instant::now() + startup, startup);
            let result = work(scope, this);
            let killed = this.slot.disarm();
            this.state.end();
            (result, killed)
        });
        let (result, killed) = result;
        self.condemned |= killed.is_some();
        match (result, killed) {
            (_, Some(cause)) => Err(IsolateError::Killed { cause, limit: startup }),
            (Ok(value), None) => Ok(value),
            (Err(Failure::Threw { text, place }), None) => Err(IsolateError::Threw { text, place }),
            (Err(failure), None) => Err(IsolateError::Engine(format!("{failure:?}"))),
        }
    }

    pub(super) fn entered<R>(&mut self, work: impl FnOnce(&mut v8::OwnedIsolate, &mut Inside) -> R) -> R {
        self.inside.slot.watch(self.id, &self.handle);
        let entered = Entered::new(&self.isolate);
        let result = work(&mut self.isolate, &mut self.inside);
        drop(entered);
        // Its limit stays raised: the next run would go on to V8's fatal error without a warning.
        self.condemned |= self.inside.slot.take_exhausted();
        result
    }
}

impl Inside {
    /// Policies of one dialect after another share its realm; the order is the one given.
    fn run(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        input: &Input,
        phase: Phase,
        revisions: &[Arc<Revision>],
    ) -> Result<Verdicts, Failure> {
        let mut all = Verdicts { verdicts: Vec::with_capacity(revisions.len()), killed: false };
        let mut is_begun = false;
        for some in revisions.chunk_by(|one, next| one.code.dialect == next.code.dialect) {
            let is_script = some.first().is_some_and(|first| first.code.dialect == Dialect::Script);
            let Verdicts { verdicts, killed } = if is_script {
                self.run_closed(scope, input, some)?
            } else {
                self.module_realm(scope)?;
                let Some(realm) = &mut self.modules else { return Err(Failure::Engine) };
                let batch = Batch { input, state: &self.state, slot: &self.slot, limits: &self.limits };
                let verdicts = realm.run(scope, &batch, phase, is_begun, some);
                is_begun = true;
                verdicts
            };
            let is_whole = verdicts.len() == some.len();
            all.verdicts.extend(verdicts);
            all.killed = killed;
            if killed || !is_whole {
                break;
            }
        }
        Ok(all)
    }

    fn run_closed(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        input: &Input,
        revisions: &[Arc<Revision>],
    ) -> Result<Verdicts, Failure> {
        self.closed_realm(scope)?;
        let Some(realm) = &mut self.closed else { return Err(Failure::Engine) };
        let batch = Batch { input, state: &self.state, slot: &self.slot, limits: &self.limits };
        let mut verdicts = Vec::with_capacity(revisions.len());
        let mut killed = false;
        for revision in revisions {
            let (evaluated, was_killed) = realm.run(scope, &batch, revision);
            verdicts.push(evaluated);
            killed = was_killed;
            if killed {
                break;
            }
        }
        Ok(Verdicts { verdicts, killed })
    }

    fn module_realm(&mut self, scope: &mut v8::PinScope<'_, '_, ()>) -> Result<&mut ModuleRealm, Failure> {
        match self.modules {
            Some(ref mut realm) => Ok(realm),
            None => Ok(self.modules.insert(ModuleRealm::new(scope, None)?)),
        }
    }

    fn closed_realm(&mut self, scope: &mut v8::PinScope<'_, '_, ()>) -> Result<&mut ClosedRealm, Failure> {
        match self.closed {
            Some(ref mut realm) => Ok(realm),
            None => Ok(self.closed.insert(ClosedRealm::new(scope)?)),
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // SAFETY: the isolate must be current to be dropped, and everything that refers into it goes first. It is
        // not used afterwards.
        unsafe {
            self.isolate.enter();
            self.inside.modules = None;
            self.inside.closed = None;
            self.inside.scripts = Scripts::default();
            self.inside.state.end();
            Devtools::detach(&mut self.isolate);
            ManuallyDrop::drop(&mut self.isolate);
        }
    }
}
