//! Scripts that were proved closed (`bundle/closed`): each is a function in a realm that is locked down like the one of
//! module policies, but has the globals of a script. Nothing a run does outlasts it, for all that it could write to is
//! its own or frozen.
//!
//! Only what comes to its end here is a verdict. Whatever else happens, an error first of all, is found out again in a
//! fresh realm: so texts and places of errors are those of a fresh realm, and the proof need not foresee all of them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use deno_core::v8;

use super::batch::{Batch, measured};
use super::evaluated::Evaluated;
use super::failure::{Failure, killed_verdict};
use super::modules::LOCKDOWN;
use super::realm::{call, close, compile_function, evaluate, install, method, new_context, text};
use super::scripts::{PRELUDE, recorded, too_large};
use super::settle::{checkpoint, left_behind};
use super::slot::KillCause;
use crate::decision::{Cause, Verdict};
use crate::policy::{Code, PolicySpec, Revision};

/// Closed scripts take microseconds. What takes longer has its whole timeout in a realm of its own, where it holds up
/// nobody.
const MAX_CPU: Duration = Duration::from_millis(100);

/// The realm that closed scripts share.
pub(super) struct ClosedRealm {
    context: v8::Global<v8::Context>,
    enter: v8::Global<v8::Function>,
    end: v8::Global<v8::Function>,
    leave: v8::Global<v8::Function>,
    words: v8::Global<v8::Function>,
    loaded: HashMap<*const Code, (Weak<Code>, v8::Global<v8::Function>)>,
    /// A review is still referred to.
    is_holding: bool,
    queue: v8::UniqueRef<v8::MicrotaskQueue>,
}

/// No verdict: the script is to be run again in a realm of its own.
fn open(spec: &PolicySpec) -> Evaluated {
    let verdict = Verdict::error(spec.name.clone(), Cause::Internal, "it needs a realm of its own");
    Evaluated { is_open: true, ..verdict.into() }
}

impl ClosedRealm {
    pub(super) fn new(scope: &mut v8::PinScope<'_, '_, ()>) -> Result<Self, Failure> {
        let mut queue = v8::MicrotaskQueue::new(scope, v8::MicrotasksPolicy::Explicit);
        v8::scope!(let scope, scope);
        let context = new_context(scope, Some(std::ptr::from_mut(&mut *queue)));
        let scope = &mut v8::ContextScope::new(scope, context);
        close(scope)?;
        let prelude = install(scope, "bylaw:script", PRELUDE)?;
        let prelude = prelude.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let share = method(scope, prelude, "share")?;
        call(scope, share, &[])?;
        evaluate(scope, "bylaw:lockdown", LOCKDOWN)?;
        let mut function = |name| method(scope, prelude, name).map(|found| v8::Global::new(scope, found));
        Ok(Self {
            enter: function("enter")?,
            end: function("end")?,
            leave: function("leave")?,
            words: function("words")?,
            context: v8::Global::new(scope, context),
            loaded: HashMap::new(),
            is_holding: false,
            queue,
        })
    }

    /// Runs one script on one review; whether it was killed, so that the isolate must not be used again.
    pub(super) fn run(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        revision: &Revision,
    ) -> (Evaluated, bool) {
        let Revision { spec, code, .. } = revision;
        if batch.limits.shared_prelude.is_some() {
            // What the operator's prelude makes of the globals is known to no proof.
            return (open(spec), false);
        }
        if let Some(verdict) = too_large(batch, spec) {
            return (verdict.into(), false);
        }
        let (mut is_open, mut killed) = (false, None);
        let evaluated = measured(scope, batch.input, |scope, now| {
            let deadline = batch.input.deadline.min(now + spec.timeout);
            batch.state.begin(Rc::new(Arc::clone(spec)), batch.input, deadline);
            batch.state.hold();
            batch.slot.arm(deadline, batch.limits.cpu.min(MAX_CPU));
            let result = self.judge(scope, batch, revision);
            killed = batch.slot.disarm();
            if batch.state.exited.get() || batch.state.gave_up.get() {
                // As in a realm of its own: an end that nobody took note of must not end the next run.
                scope.cancel_terminate_execution();
            }
            let verdict = result.filter(|_| killed.is_none() && !batch.state.gave_up.get());
            let is_over = verdict.is_some() || killed == Some(KillCause::Wall);
            if is_over {
                batch.state.print_held();
            }
            batch.state.end();
            is_open = !is_over;
            verdict.unwrap_or_else(|| killed_verdict(spec, KillCause::Wall))
        });
        if let Some(closed) = code.closed.as_ref().filter(|_| is_open && killed.is_some()) {
            // Alone it may use more; and it shall not cost its neighbours their isolate again.
            closed.refute();
        }
        (if is_open { open(spec) } else { evaluated }, killed.is_some())
    }

    /// The verdict of a run that came to its end.
    fn judge(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        revision: &Revision,
    ) -> Option<Verdict> {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let function = self.compiled(scope, &revision.code)?;
        let request = text(scope, batch.input.request.as_str())?;
        let name = text(scope, &revision.spec.name)?;
        let reads = v8::Boolean::new(scope, revision.code.proof().is_some_and(|proof| proof.reads));
        let enter = v8::Local::new(scope, &self.enter);
        self.is_holding = true;
        call(scope, enter, &[request.into(), name.into(), reads.into()]).ok()?;
        if self.comes_to_an_end(scope, batch, function) {
            let end = v8::Local::new(scope, &self.end);
            let said = call(scope, end, &[]).ok()?;
            return Some(recorded(scope, said, revision));
        }
        None
    }

    /// Whether it returned or called `exit`, and left nothing to be done.
    fn comes_to_an_end(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        batch: &Batch<'_>,
        function: v8::Local<v8::Function>,
    ) -> bool {
        let has_returned = {
            v8::tc_scope!(let scope, scope);
            let global = scope.get_current_context().global(scope);
            function.call(scope, global.into(), &[]).is_some()
        };
        if has_returned {
            let words = v8::Local::new(scope, &self.words);
            return checkpoint(scope, Some(&self.queue)).is_ok() && left_behind(scope, batch.state, words).is_none();
        }
        if !batch.state.exited.get() && !batch.state.gave_up.get() {
            return false;
        }
        // What waits in a queue whose turn is terminated is dropped. No closed script is known to leave any.
        scope.terminate_execution();
        drop(checkpoint(scope, Some(&self.queue)));
        scope.cancel_terminate_execution();
        !batch.slot.is_killed() && !batch.state.gave_up.get()
    }

    /// Makes a script ready, so that no request pays for it.
    pub(super) fn prepare(&mut self, scope: &mut v8::PinScope<'_, '_, ()>, code: &Arc<Code>) {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        self.compiled(scope, code);
    }

    /// The script as a function, strict where the proof wants it. `None` where it is none, or no proof holds.
    fn compiled<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        code: &Arc<Code>,
    ) -> Option<v8::Local<'s, v8::Function>> {
        if let Some((_, function)) = self.loaded.get(&Arc::as_ptr(code)) {
            return Some(v8::Local::new(scope, function));
        }
        let proof = code.proof()?;
        self.loaded.retain(|_, (code, _)| code.strong_count() > 0);
        v8::tc_scope!(let scope, scope);
        let function = compile_function(scope, &code.origin, &proof.body(&code.script))?;
        self.loaded.insert(Arc::as_ptr(code), (Arc::downgrade(code), v8::Global::new(scope, function)));
        Some(function)
    }

    /// Lets go of the last review, so that an idle realm holds no request.
    pub(super) fn release(&mut self, scope: &mut v8::PinScope<'_, '_, ()>) {
        if !std::mem::take(&mut self.is_holding) {
            return;
        }
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let leave = v8::Local::new(scope, &self.leave);
        drop(call(scope, leave, &[]));
    }
}
