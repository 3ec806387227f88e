//! The realm of module policies: locked down, and filled with the bundles of one domain. `batch` runs them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::batch::Known;
use super::failure::Failure;
use super::realm::{call, close, compile, evaluate, guest, install, install_upon, method, new_context, text, whole};
use super::sdk_script;
use super::settle::{Unsettled, checkpoint, left_behind};
use super::slot::Slot;
use super::state::{OwnSpec, State};
use crate::decision::Verdict;
use crate::policy::Revision;

const CLOCK: &str = include_str!("js/clock.js");
const GLOBALS: &str = include_str!("js/globals.js");
pub(super) const LOCKDOWN: &str = include_str!("js/lockdown.js");
const QUOTA: &str = include_str!("js/quota.js");
const RUNTIME: &str = include_str!("js/module.js");

/// The name that linked bundles expect the SDK under.
pub const SDK_GLOBAL: &str = "__bylaw_sdk";

/// UTF-16 units of what a module declares of itself, schemas included.
const MAX_DECLARED: usize = 1 << 20;

/// A realm and the functions of its runtime.
pub(super) struct ModuleRealm {
    pub(super) context: v8::Global<v8::Context>,
    pub(super) begin: v8::Global<v8::Function>,
    pub(super) begin_mutations: v8::Global<v8::Function>,
    pub(super) end: v8::Global<v8::Function>,
    pub(super) validated: v8::Global<v8::Function>,
    pub(super) mutated: v8::Global<v8::Function>,
    pub(super) explain: v8::Global<v8::Function>,
    /// Stops the clock at the beginning of time, before a bundle's top level runs.
    loading: v8::Global<v8::Function>,
    describe: v8::Global<v8::Function>,
    load: v8::Global<v8::Function>,
    pub(super) loaded: HashMap<*const Revision, Loaded>,
    pub(super) known: Known,
    /// A review is still referred to.
    pub(super) is_holding: bool,
    pub(super) queue: Option<v8::UniqueRef<v8::MicrotaskQueue>>,
}

/// One policy in this realm.
pub(super) struct Loaded {
    /// Keeps the address from being used again, and tells when nobody serves this revision any more.
    revision: Weak<Revision>,
    pub(super) spec: OwnSpec,
    pub(super) validate: v8::Global<v8::Function>,
    pub(super) mutate: v8::Global<v8::Function>,
}

/// What loading a policy is done within.
pub(super) struct LoadLimits<'a> {
    pub state: &'a State,
    pub slot: &'a Slot,
    pub startup: Duration,
    /// Of the review that waits for it.
    pub deadline: Instant,
}

impl ModuleRealm {
    /// A new locked-down realm with the SDK in it. `queue` where its microtasks must not mix with another's.
    pub(super) fn new(
        scope: &mut v8::PinScope<'_, '_, ()>,
        mut queue: Option<v8::UniqueRef<v8::MicrotaskQueue>>,
    ) -> Result<Self, Failure> {
        v8::scope!(let scope, scope);
        let context = new_context(scope, queue.as_mut().map(|queue| std::ptr::from_mut(&mut **queue)));
        let scope = &mut v8::ContextScope::new(scope, context);
        let forget = close(scope)?;
        let clock = install_upon(scope, "bylaw:clock", CLOCK, forget)?;
        install(scope, "bylaw:globals", GLOBALS)?;
        let runtime = {
            let around = install_upon(scope, "bylaw:quota", QUOTA, clock)?;
            install_upon(scope, "bylaw:module", RUNTIME, around)?
        };
        let clock = clock.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let runtime = runtime.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let sdk = evaluate(scope, "bylaw:sdk", sdk_script())?;
        let key = v8::String::new(scope, SDK_GLOBAL).ok_or(Failure::Engine)?;
        context.global(scope).set(scope, key.into(), sdk).ok_or(Failure::Engine)?;
        evaluate(scope, "bylaw:lockdown", LOCKDOWN)?;
        let loading = method(scope, clock, "load")?;
        let loading = v8::Global::new(scope, loading);
        let mut function = |name| method(scope, runtime, name).map(|found| v8::Global::new(scope, found));
        Ok(Self {
            loading,
            describe: function("describe")?,
            load: function("load")?,
            begin: function("begin")?,
            begin_mutations: function("beginMutations")?,
            end: function("end")?,
            validated: function("validated")?,
            mutated: function("mutated")?,
            explain: function("explain")?,
            context: v8::Global::new(scope, context),
            loaded: HashMap::new(),
            known: Known::default(),
            is_holding: false,
            queue,
        })
    }

    /// Lets text become code: for a realm that one policy has to itself, and only once.
    pub(super) fn allow_code_generation(&self, scope: &mut v8::PinScope<'_, '_, ()>) {
        v8::scope!(let scope, scope);
        v8::Local::new(scope, &self.context).set_allow_generation_from_strings(true);
    }

    /// What the default export of a bundle declares, as JSON; `None` for a module without one.
    pub(super) fn describe(
        &self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        state: &State,
        name: &str,
        script: &str,
    ) -> Result<Option<String>, Failure> {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let namespace = self.namespace(scope, state, name, script)?;
        let describe = v8::Local::new(scope, &self.describe);
        let explain = v8::Local::new(scope, &self.explain);
        let receiver = v8::undefined(scope).into();
        let declared = guest(scope, explain, |scope| describe.call(scope, receiver, &[namespace]))?;
        if !declared.is_string() {
            return Ok(None);
        }
        let too_long = |length| Failure::Threw {
            text: format!("its declaration of {length} characters is longer than {MAX_DECLARED}"),
            place: None,
        };
        whole(scope, declared, MAX_DECLARED).map(Some).map_err(too_long)
    }

    /// Runs a bundle's top level for the module's namespace, and what it put off to a microtask.
    fn namespace<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        state: &State,
        name: &str,
        script: &str,
    ) -> Result<v8::Local<'s, v8::Value>, Failure> {
        let loading = v8::Local::new(scope, &self.loading);
        call(scope, loading, &[])?;
        let explain = v8::Local::new(scope, &self.explain);
        let namespace =
            guest(scope, explain, |scope| compile(scope, name, script)?.bind_to_current_context(scope).run(scope));
        let settled = checkpoint(scope, self.queue.as_deref());
        let left = left_behind(scope, state, explain);
        match (settled, left) {
            (Err(Unsettled::Failed(failure)), _) => Err(failure),
            (_, Some(Unsettled::Rejected { text, place })) => Err(Failure::Threw { text, place }),
            _ => namespace,
        }
    }

    pub(super) fn has(&self, revision: &Arc<Revision>) -> bool {
        self.loaded.contains_key(&Arc::as_ptr(revision))
    }

    /// Loads a policy ahead of its first run.
    pub(super) fn prepare(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        limits: &LoadLimits<'_>,
        revision: &Arc<Revision>,
    ) -> Result<(), Box<Verdict>> {
        if self.has(revision) {
            return Ok(());
        }
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        self.load(scope, limits, revision)
    }

    /// Loads a policy that is not there. Start-up has limits of its own.
    pub(super) fn load(
        &mut self,
        scope: &mut v8::PinScope<'_, '_>,
        limits: &LoadLimits<'_>,
        revision: &Arc<Revision>,
    ) -> Result<(), Box<Verdict>> {
        let LoadLimits { state, slot, startup, deadline } = *limits;
        self.loaded.retain(|_, loaded| loaded.revision.strong_count() > 0);
        slot.loads(Arc::as_ptr(revision));
        slot.arm(deadline.min(Instant::now() + startup), startup);
        let made = self.make(scope, state, revision);
        let killed = slot.disarm();
        // What it began and never finished must not count against whoever runs next.
        state.end();
        match made {
            Ok(loaded) if killed.is_none() => {
                self.loaded.insert(Arc::as_ptr(revision), loaded);
                Ok(())
            }
            Ok(_) => Err(Box::new(Failure::Terminated.into_verdict(&revision.spec, &revision.code, killed))),
            Err(failure) => Err(Box::new(failure.into_verdict(&revision.spec, &revision.code, killed))),
        }
    }

    fn make(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        state: &State,
        revision: &Arc<Revision>,
    ) -> Result<Loaded, Failure> {
        v8::scope!(let scope, scope);
        let Revision { spec, code, .. } = revision.as_ref();
        let namespace = self.namespace(scope, state, &code.origin, &code.script)?;
        let entry = v8::Number::new(scope, u32::try_from(code.entry).map_or(f64::NAN, f64::from));
        let workloads = v8::Boolean::new(scope, spec.rules.workloads);
        let parameters = text(scope, &spec.parameters.to_string()).ok_or(Failure::Engine)?;
        let load = v8::Local::new(scope, &self.load);
        let policy = text(scope, &spec.name).ok_or(Failure::Engine)?;
        let about = [namespace, entry.into(), workloads.into(), parameters.into(), policy.into()];
        let handlers = call(scope, load, &about)?;
        let handlers = handlers.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let validate = method(scope, handlers, "validate")?;
        let mutate = method(scope, handlers, "mutate")?;
        Ok(Loaded {
            revision: Arc::downgrade(revision),
            spec: Rc::new(Arc::clone(spec)),
            validate: v8::Global::new(scope, validate),
            mutate: v8::Global::new(scope, mutate),
        })
    }
}
