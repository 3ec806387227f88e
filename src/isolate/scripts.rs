//! jsPolicy scripts: each run in a realm of its own, taken from a shelf of realms made ahead of time, with the
//! bundle compiled once an isolate.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use deno_core::v8;

use super::answer::script_verdict;
use super::failure::{Failure, located};
use super::evaluated::Evaluated;
use super::modules::{Batch, measured};
use super::realm::{call, compile, evaluate, guest, install, method, new_context, text};
use super::settle::{Unsettled, checkpoint, left_behind};
use super::watchdog::KillCause;
use crate::decision::{Cause, Verdict};
use crate::policy::{Code, Revision};

const PRELUDE: &str = include_str!("js/script.js");

/// Realms kept ready. One costs about 0.2 MB and 0.25 ms; more only helps bursts.
const SHELF: usize = 8;

/// A realm that no script has seen yet.
struct FreshRealm {
    context: v8::Global<v8::Context>,
    begin: v8::Global<v8::Function>,
    end: v8::Global<v8::Function>,
    words: v8::Global<v8::Function>,
    /// Of its own: what a script leaves behind when it exits must not run in the next one's turn.
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
    pub(super) fn restock(&mut self, scope: &mut v8::PinScope<'_, '_, ()>, shared_prelude: Option<&str>) -> Result<bool, Failure> {
        if self.shelf.len() < SHELF {
            self.shelf.push_back(FreshRealm::new(scope, shared_prelude)?);
        }
        Ok(self.shelf.len() < SHELF)
    }

    /// Runs one script on one review.
    pub(super) fn run(&mut self, scope: &mut v8::PinScope<'_, '_, ()>, batch: &Batch<'_>, revision: &Revision) -> Evaluated {
        let Revision { spec, code, .. } = revision;
        let realm = match self.shelf.pop_front().map_or_else(|| FreshRealm::new(scope, batch.limits.shared_prelude.as_deref()), Ok) {
            Ok(realm) => realm,
            Err(failure) => return failure.into_verdict(spec, code, None).into(),
        };
        measured(scope, batch.input, |scope, now| {
            let deadline = batch.input.deadline.min(now + spec.timeout);
            batch.state.begin(spec, batch.input.dry_run, deadline);
            // A script may use all of its time: jsPolicy's limit is the timeout alone.
            batch.slot.arm(deadline, spec.timeout);
            let result = self.judge(scope, batch, revision, &realm);
            let killed = batch.slot.disarm();
            batch.state.end();
            verdict_of(result, revision, killed)
        })
    }

    fn judge(&mut self, scope: &mut v8::PinScope<'_, '_, ()>, batch: &Batch<'_>, revision: &Revision, realm: &FreshRealm) -> Result<String, Unsettled> {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &realm.context);
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
            }
            other => other?,
        }
        let end = v8::Local::new(scope, &realm.end);
        let said = call(scope, end, &[]).map_err(Unsettled::Failed)?;
        Ok(said.to_rust_string_lossy(scope))
    }

    fn compiled<'s>(&mut self, scope: &mut v8::PinScope<'s, '_>, code: &Arc<Code>) -> Result<v8::Local<'s, v8::UnboundScript>, Failure> {
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

impl FreshRealm {
    fn new(scope: &mut v8::PinScope<'_, '_, ()>, shared_prelude: Option<&str>) -> Result<Self, Failure> {
        let mut queue = v8::MicrotaskQueue::new(scope, v8::MicrotasksPolicy::Explicit);
        v8::scope!(let scope, scope);
        let context = new_context(scope, Some(std::ptr::from_mut(&mut *queue)));
        let scope = &mut v8::ContextScope::new(scope, context);
        let prelude = install(scope, "bylaw:script", PRELUDE, None)?;
        let prelude = prelude.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        if let Some(shared) = shared_prelude {
            evaluate(scope, "GLOBAL_CONTEXT", shared)?;
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

fn verdict_of(result: Result<String, Unsettled>, revision: &Revision, killed: Option<KillCause>) -> Verdict {
    let Revision { spec, code, .. } = revision;
    let exception = |message: String| Verdict::error(spec.name.clone(), Cause::Exception, format!("Uncaught {message}"));
    match result {
        _ if killed.is_some() => Failure::Terminated.into_verdict(spec, code, killed),
        Ok(text) => script_verdict(spec, &text),
        Err(Unsettled::Failed(Failure::Threw { text, place })) => exception(located(&text, place, code)),
        Err(Unsettled::Failed(failure)) => failure.into_verdict(spec, code, None),
        Err(Unsettled::Rejected(words)) => exception(located(&words, None, code)),
        Err(Unsettled::Never | Unsettled::Late) => Verdict::error(spec.name.clone(), Cause::Unsettled, "it never ended"),
    }
}
