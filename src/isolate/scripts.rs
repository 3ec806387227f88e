//! jsPolicy scripts: each run in a realm of its own, taken from a shelf of realms made ahead of time, with the
//! bundle compiled once an isolate. Those that were proved to need none run elsewhere (`closed.rs`), and come here when
//! they fail.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use deno_core::v8;

use super::Limits;
use super::answer::{MAX_RESPONSE, script_verdict};
use super::batch::{Batch, measured};
use super::evaluated::Evaluated;
use super::failure::{Failure, killed_verdict, located};
use super::realm::{call, close, compile, evaluate, guest, install, method, new_context, text, whole};
use super::settle::{Unsettled, checkpoint, left_behind};
use super::size::parsed_size;
use super::slot::Slot;
use crate::decision::{Cause, Verdict};
use crate::policy::{Code, PolicySpec, Revision};

pub(super) const PRELUDE: &str = include_str!("js/script.js");

/// Realms kept ready. One costs about 0.2 MB and 0.25 ms; more only helps bursts.
const SHELF: usize = 8;

/// A realm that no script has seen yet.
struct FreshRealm {
    context: v8::Global<v8::Context>,
    begin: v8::Global<v8::Function>,
    end: v8::Global<v8::Function>,
    words: v8::Global<v8::Function>,
    /// Of its own: what a script leaves behind when it exits must not run in the next one's turn. Last, for the context
    /// knows it by its address, and nothing runs in a context that is let go.
    queue: v8::UniqueRef<v8::MicrotaskQueue>,
}

/// The compiled scripts and spare realms of one isolate.
#[derive(Default)]
pub(super) struct Scripts {
    compiled: HashMap<*const Code, (Weak<Code>, v8::Global<v8::UnboundScript>)>,
    shelf: VecDeque<FreshRealm>,
}

impl Scripts {
    /// Puts one more realm on the shelf; whether there is room for yet another.
    pub(super) fn restock(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        slot: &Slot,
        limits: &Limits,
    ) -> Result<bool, Failure> {
        if self.shelf.len() < SHELF {
            self.shelf.push_back(FreshRealm::new(scope, slot, limits)?);
        }
        Ok(self.shelf.len() < SHELF)
    }

    /// Runs one script on one review; whether it was killed, so that the isolate must not be used again.
    pub(super) fn run(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        revision: &Revision,
    ) -> (Evaluated, bool) {
        let Revision { spec, code, .. } = revision;
        if let Some(verdict) = too_large(batch, spec) {
            return (verdict.into(), false);
        }
        let realm = match self.shelf.pop_front() {
            Some(realm) => Ok(realm),
            None => FreshRealm::new(scope, batch.slot, batch.limits),
        };
        let realm = match realm {
            Ok(realm) => realm,
            Err(failure) => return (failure.into_verdict(spec, code, None).into(), false),
        };
        let mut killed = None;
        batch.slot.runs(revision);
        let evaluated = measured(scope, batch.input, |scope, now| {
            let deadline = batch.input.deadline.min(now + spec.timeout);
            batch.state.begin(Rc::new(Arc::clone(spec)), batch.input, deadline);
            // A script may use all of its time: jsPolicy's limit is the timeout alone.
            batch.slot.arm(deadline, spec.timeout);
            let result = self.judge(scope, batch, revision, &realm);
            killed = batch.slot.disarm();
            if batch.state.exited.get() {
                // An exit so late that nobody took note of it must not end the next run. If there was a kill as well,
                // there is no next run.
                scope.cancel_terminate_execution();
            }
            batch.state.end();
            match killed {
                Some(cause) => killed_verdict(spec, cause),
                None => verdict_of(result, revision),
            }
        });
        (evaluated, killed.is_some())
    }

    fn judge(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        revision: &Revision,
        realm: &FreshRealm,
    ) -> Result<Verdict, Unsettled> {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &realm.context);
        if revision.spec.permissions.codegen {
            context.set_allow_generation_from_strings(true);
        }
        let scope = &mut v8::ContextScope::new(scope, context);
        let script = self.compiled(scope, &revision.code).map_err(Unsettled::Failed)?;
        let request = text(scope, batch.input.request.as_str()).ok_or(Unsettled::Failed(Failure::Engine))?;
        let name = text(scope, &revision.spec.name).ok_or(Unsettled::Failed(Failure::Engine))?;
        let begin = v8::Local::new(scope, &realm.begin);
        call(scope, begin, &[request.into(), name.into()]).map_err(Unsettled::Failed)?;
        let words = v8::Local::new(scope, &realm.words);

        let ran = guest(scope, words, |scope| script.bind_to_current_context(scope).run(scope));
        let ran = ran.map_err(Unsettled::Failed).and_then(|_| {
            checkpoint(scope, Some(&realm.queue))?;
            left_behind(scope, batch.state, words).map_or(Ok(()), Err)
        });
        match ran {
            Err(Unsettled::Failed(Failure::Terminated)) if batch.state.exited.get() => {
                scope.cancel_terminate_execution();
                // A kill before this line was cancelled with the exit; one after it takes effect.
                if batch.slot.is_killed() {
                    return Err(Unsettled::Failed(Failure::Terminated));
                }
            }
            other => other?,
        }
        let end = v8::Local::new(scope, &realm.end);
        let said = call(scope, end, &[]).map_err(Unsettled::Failed)?;
        Ok(recorded(scope, said, revision))
    }

    fn compiled<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        code: &Arc<Code>,
    ) -> Result<v8::Local<'s, v8::UnboundScript>, Failure> {
        if let Some((_, script)) = self.compiled.get(&Arc::as_ptr(code)) {
            return Ok(v8::Local::new(scope, script));
        }
        self.compiled.retain(|_, (code, _)| code.strong_count() > 0);
        v8::tc_scope!(let scope, scope);
        let Some(script) = compile(scope, &code.origin, &code.script) else {
            return Err(Failure::caught(scope, scope.has_terminated(), scope.message()));
        };
        self.compiled.insert(Arc::as_ptr(code), (Arc::downgrade(code), v8::Global::new(scope, script)));
        Ok(script)
    }
}

/// The verdict on a request that no isolate can hold.
pub(super) fn too_large(batch: &Batch<'_>, spec: &PolicySpec) -> Option<Verdict> {
    let size = parsed_size(batch.input.request.as_str());
    let why = || format!("the request would take {} MiB of memory once read, more than an isolate has", size >> 20);
    (size > batch.limits.heap).then(|| Verdict::error(spec.name.clone(), Cause::Memory, why()))
}

/// The verdict of a script that came to its end, from what the prelude says it recorded.
pub(super) fn recorded(scope: &v8::Isolate, said: v8::Local<v8::Value>, revision: &Revision) -> Verdict {
    if said.is_undefined() {
        return Verdict::allow(revision.spec.name.clone());
    }
    match whole(scope, said, MAX_RESPONSE) {
        Ok(text) => script_verdict(&revision.spec, &text),
        Err(length) => {
            let why = format!("its response of {length} characters is longer than {MAX_RESPONSE}");
            Verdict::error(revision.spec.name.clone(), Cause::BadResult, why)
        }
    }
}

impl FreshRealm {
    /// A new realm, with what every script finds in it. The operator's prelude runs within the limits of a start-up.
    fn new(scope: &mut v8::PinScope<'_, '_, ()>, slot: &Slot, limits: &Limits) -> Result<Self, Failure> {
        let mut queue = v8::MicrotaskQueue::new(scope, v8::MicrotasksPolicy::Explicit);
        v8::scope!(let scope, scope);
        let context = new_context(scope, Some(std::ptr::from_mut(&mut *queue)));
        let scope = &mut v8::ContextScope::new(scope, context);
        close(scope)?;
        let prelude = install(scope, "bylaw:script", PRELUDE)?;
        let prelude = prelude.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        if let Some(shared) = &limits.shared_prelude {
            slot.loads(std::ptr::null());
            slot.arm(Instant::now() + limits.startup, limits.startup);
            let ran = evaluate(scope, "GLOBAL_CONTEXT", shared).map(drop);
            let killed = slot.disarm();
            named_prelude(ran, killed.is_some())?;
        }
        let mut function = |name| method(scope, prelude, name).map(|found| v8::Global::new(scope, found));
        Ok(Self {
            begin: function("begin")?,
            end: function("end")?,
            words: function("words")?,
            context: v8::Global::new(scope, context),
            queue,
        })
    }
}

/// Tells the policy's author that it is not the policy that failed.
fn named_prelude(ran: Result<(), Failure>, killed: bool) -> Result<(), Failure> {
    let threw = |text: String| Failure::Threw { text: format!("GLOBAL_CONTEXT: {text}"), place: None };
    match ran {
        _ if killed => Err(threw("does not end".to_owned())),
        Err(Failure::Threw { text, place: Some((line, column)) }) => Err(threw(format!("{text} (at {line}:{column})"))),
        Err(Failure::Threw { text, place: None }) => Err(threw(text)),
        other => other,
    }
}

fn verdict_of(result: Result<Verdict, Unsettled>, revision: &Revision) -> Verdict {
    let Revision { spec, code, .. } = revision;
    let exception =
        |message: String| Verdict::error(spec.name.clone(), Cause::Exception, format!("Uncaught {message}"));
    match result {
        Ok(verdict) => verdict,
        Err(Unsettled::Failed(Failure::Threw { text, place }) | Unsettled::Rejected { text, place }) => {
            exception(located(&text, place, code))
        }
        Err(Unsettled::Failed(failure)) => failure.into_verdict(spec, code, None),
        Err(Unsettled::Never | Unsettled::Late) => {
            Verdict::error(spec.name.clone(), Cause::Unsettled, "it never ended")
        }
    }
}
