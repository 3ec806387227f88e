//! The realm of module policies: locked down, filled with the bundles of one domain, asked about one review after
//! another. The request is parsed once and frozen for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use deno_core::v8;

use super::answer::{self, Recorded};
use super::evaluated::Evaluated;
use super::failure::{Failure, located};
use super::input::Input;
use super::realm::{call, compile, evaluate, guest, install, method, new_context, text};
use super::settle::{Unsettled, settle};
use super::state::State;
use super::watchdog::Slot;
use super::{Limits, sdk_script};
use crate::decision::{Cause, Mutation, Verdict};
use crate::policy::{Enforcement, Revision};

const GLOBALS: &str = include_str!("js/globals.js");
const LOCKDOWN: &str = include_str!("js/lockdown.js");
const RUNTIME: &str = include_str!("js/module.js");

/// The name that linked bundles expect the SDK under.
pub const SDK_GLOBAL: &str = "__bylaw_sdk";

/// A realm and the functions of its runtime.
pub(super) struct ModuleRealm {
    context: v8::Global<v8::Context>,
    describe: v8::Global<v8::Function>,
    load: v8::Global<v8::Function>,
    begin: v8::Global<v8::Function>,
    begin_mutations: v8::Global<v8::Function>,
    end: v8::Global<v8::Function>,
    validated: v8::Global<v8::Function>,
    mutated: v8::Global<v8::Function>,
    explain: v8::Global<v8::Function>,
    loaded: HashMap<*const Revision, Loaded>,
    queue: Option<v8::UniqueRef<v8::MicrotaskQueue>>,
}

/// One policy in this realm.
struct Loaded {
    /// Keeps the address from being used again, and tells when nobody serves this revision any more.
    revision: Weak<Revision>,
    validate: v8::Global<v8::Function>,
    mutate: v8::Global<v8::Function>,
}

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

impl ModuleRealm {
    /// A new locked-down realm with the SDK in it. `queue` where its microtasks must not mix with another's.
    pub(super) fn new(
        scope: &mut v8::PinScope<'_, '_, ()>,
        mut queue: Option<v8::UniqueRef<v8::MicrotaskQueue>>,
    ) -> Result<Self, Failure> {
        let context = new_context(scope, queue.as_mut().map(|queue| std::ptr::from_mut(&mut **queue)));
        let scope = &mut v8::ContextScope::new(scope, context);
        install(scope, "bylaw:globals", GLOBALS, None)?;
        let runtime = install(scope, "bylaw:module", RUNTIME, None)?;
        let runtime = runtime.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let sdk = evaluate(scope, "bylaw:sdk", sdk_script())?;
        let key = v8::String::new(scope, SDK_GLOBAL).ok_or(Failure::Engine)?;
        context.global(scope).set(scope, key.into(), sdk).ok_or(Failure::Engine)?;
        evaluate(scope, "bylaw:lockdown", LOCKDOWN)?;
        let mut function = |name| method(scope, runtime, name).map(|found| v8::Global::new(scope, found));
        Ok(Self {
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
            queue,
        })
    }

    /// What the default export of a bundle declares, as JSON; `None` for a module without one.
    pub(super) fn describe(&self, scope: &mut v8::PinScope<'_, '_, ()>, name: &str, script: &str) -> Result<Option<String>, Failure> {
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let namespace = self.namespace(scope, name, script)?;
        let describe = v8::Local::new(scope, &self.describe);
        let explain = v8::Local::new(scope, &self.explain);
        let receiver = v8::undefined(scope).into();
        let declared = guest(scope, explain, |scope| describe.call(scope, receiver, &[namespace]))?;
        Ok(declared.is_string().then(|| declared.to_rust_string_lossy(scope)))
    }

    /// Runs a bundle's top level for the module's namespace.
    fn namespace<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: &str, script: &str) -> Result<v8::Local<'s, v8::Value>, Failure> {
        let explain = v8::Local::new(scope, &self.explain);
        let compiled = {
            v8::tc_scope!(let scope, scope);
            match compile(scope, name, script) {
                Some(compiled) => compiled,
                None => return Err(Failure::caught(scope, scope.has_terminated(), scope.message())),
            }
        };
        guest(scope, explain, |scope| compiled.bind_to_current_context(scope).run(scope))
    }

    /// Loads the policy unless it is there. Start-up has limits of its own.
    pub(super) fn ensure(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        (slot, startup): (&Slot, Duration),
        deadline: Instant,
        revision: &Arc<Revision>,
    ) -> Result<(), Verdict> {
        let key = Arc::as_ptr(revision);
        if self.loaded.contains_key(&key) {
            return Ok(());
        }
        self.loaded.retain(|_, loaded| loaded.revision.strong_count() > 0);
        slot.arm(deadline.min(Instant::now() + startup), startup);
        let made = self.load(scope, revision);
        let killed = slot.disarm();
        match made {
            Ok(loaded) if killed.is_none() => {
                self.loaded.insert(key, loaded);
                Ok(())
            }
            Ok(_) => Err(Failure::Terminated.into_verdict(&revision.spec, &revision.code, killed)),
            Err(failure) => Err(failure.into_verdict(&revision.spec, &revision.code, killed)),
        }
    }

    fn load(&self, scope: &mut v8::PinScope<'_, '_, ()>, revision: &Arc<Revision>) -> Result<Loaded, Failure> {
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let Revision { spec, code, .. } = revision.as_ref();
        let namespace = self.namespace(scope, &code.origin, &code.script)?;
        let entry = v8::Number::new(scope, u32::try_from(code.entry).map_or(f64::NAN, f64::from));
        let workloads = v8::Boolean::new(scope, spec.rules.workloads);
        let parameters = text(scope, &spec.parameters.to_string()).ok_or(Failure::Engine)?;
        let load = v8::Local::new(scope, &self.load);
        let handlers = call(scope, load, &[namespace, entry.into(), workloads.into(), parameters.into()])?;
        let handlers = handlers.try_cast::<v8::Object>().map_err(|_| Failure::Engine)?;
        let validate = method(scope, handlers, "validate")?;
        let mutate = method(scope, handlers, "mutate")?;
        Ok(Loaded {
            revision: Arc::downgrade(revision),
            validate: v8::Global::new(scope, validate),
            mutate: v8::Global::new(scope, mutate),
        })
    }

    /// Runs the policies one after another on one review. Stops early where the isolate was killed, and, when
    /// mutating, at the first policy whose denial or error ends the request.
    pub(super) fn run(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        phase: Phase,
        revisions: &[Arc<Revision>],
    ) -> Verdicts {
        let mut verdicts = Vec::with_capacity(revisions.len());
        if let Err(failure) = self.begin(scope, batch, phase) {
            verdicts.extend(revisions.iter().map(|revision| {
                let why = format!("the request could not be read: {}", describe(&failure));
                Verdict::error(revision.spec.name.clone(), Cause::Internal, why).into()
            }));
            return Verdicts { verdicts, killed: false };
        }
        let mut killed = false;
        for revision in revisions {
            let evaluated = match self.ensure(scope, (batch.slot, batch.limits.startup), batch.input.deadline, revision) {
                Ok(()) => measured(scope, batch.input, |scope, now| self.run_one(scope, batch, phase, revision, now)),
                Err(verdict) => verdict.into(),
            };
            killed = answer::was_killed(&evaluated.verdict);
            let ends = phase == Phase::Mutate && answer::ends_chain(&evaluated.verdict, &revision.spec);
            verdicts.push(evaluated);
            if killed || ends {
                break;
            }
        }
        if !killed {
            self.finish(scope);
        }
        Verdicts { verdicts, killed }
    }

    fn begin(&self, scope: &mut v8::PinScope<'_, '_, ()>, batch: &Batch<'_>, phase: Phase) -> Result<(), Failure> {
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let input = batch.input;
        let request = text(scope, input.request.as_str()).ok_or(Failure::Engine)?;
        let request = v8::json::parse(scope, request).ok_or(Failure::Engine)?;
        let namespace: v8::Local<v8::Value> = match &input.namespace {
            Some(namespace) => text(scope, namespace).ok_or(Failure::Engine)?.into(),
            None => v8::undefined(scope).into(),
        };
        let tenant = text(scope, &input.tenant).ok_or(Failure::Engine)?;
        let vantage = v8::String::new(scope, input.vantage.as_str()).ok_or(Failure::Engine)?;
        let now = v8::Number::new(scope, input.now);
        let begin = v8::Local::new(scope, &self.begin);
        call(scope, begin, &[request, namespace, tenant.into(), vantage.into(), now.into()])?;
        if phase == Phase::Mutate {
            let begin = v8::Local::new(scope, &self.begin_mutations);
            call(scope, begin, &[])?;
        }
        Ok(())
    }

    /// Lets go of the review, so that an idle realm holds no request.
    fn finish(&self, scope: &mut v8::PinScope<'_, '_, ()>) {
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
        let end = v8::Local::new(scope, &self.end);
        drop(call(scope, end, &[]));
    }

    fn run_one(&self, scope: &mut v8::PinScope<'_, '_, ()>, batch: &Batch<'_>, phase: Phase, revision: &Revision, now: Instant) -> Verdict {
        let Revision { spec, code, .. } = revision;
        let Some(loaded) = self.loaded.get(&std::ptr::from_ref(revision)) else {
            return Verdict::error(spec.name.clone(), Cause::Internal, "the policy is not loaded");
        };
        let deadline = batch.input.deadline.min(now + spec.timeout);
        batch.state.begin(spec, batch.input.dry_run, deadline);
        batch.slot.arm(deadline, batch.limits.cpu);
        let result = self.handle(scope, batch, phase, loaded, spec.enforcement != Enforcement::Dry, deadline);
        let killed = batch.slot.disarm();
        batch.state.end();
        match result {
            Ok(recorded) if killed.is_none() => recorded.into_verdict(spec.name.clone()),
            Ok(_) => Failure::Terminated.into_verdict(spec, code, killed),
            Err(Unsettled::Failed(failure)) => failure.into_verdict(spec, code, killed),
            Err(_) if killed.is_some() => Failure::Terminated.into_verdict(spec, code, killed),
            Err(Unsettled::Rejected(words)) => Verdict::error(spec.name.clone(), Cause::Exception, located(&words, None, code)),
            Err(Unsettled::Never) => {
                let why = "its promise waits for something that can never come";
                Verdict::error(spec.name.clone(), Cause::Unsettled, why)
            }
            Err(Unsettled::Late) => Verdict::error(spec.name.clone(), Cause::Timeout, format!("script {} timed out", spec.name)),
        }
    }

    fn handle(
        &self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        batch: &Batch<'_>,
        phase: Phase,
        loaded: &Loaded,
        commit: bool,
        deadline: Instant,
    ) -> Result<Recorded, Unsettled> {
        v8::scope!(let scope, scope);
        let context = v8::Local::new(scope, &self.context);
        let scope = &mut v8::ContextScope::new(scope, context);
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
            Phase::Validate => {
                let validated = v8::Local::new(scope, &self.validated);
                let said = call(scope, validated, &[value]).map_err(Unsettled::Failed)?;
                Ok(recorded(scope, said))
            }
            Phase::Mutate => {
                let mutated = v8::Local::new(scope, &self.mutated);
                let commit = v8::Boolean::new(scope, commit);
                let said = call(scope, mutated, &[value, commit.into()]).map_err(Unsettled::Failed)?;
                mutation(scope, said).ok_or(Unsettled::Failed(Failure::Engine))
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
    let before = input.measure.then(|| scope.get_heap_statistics().total_allocated_bytes());
    let begun = Instant::now();
    let verdict = run(scope, begun);
    let time = begun.elapsed();
    let allocated = before.map(|before| scope.get_heap_statistics().total_allocated_bytes().saturating_sub(before));
    Evaluated { verdict, time, allocated }
}

fn recorded(scope: &mut v8::PinScope, said: v8::Local<v8::Value>) -> Recorded {
    if said.is_string() { Recorded::parse(&said.to_rust_string_lossy(scope)) } else { Recorded::default() }
}

/// `[recorded, before, after]`, the texts absent where nothing changed.
fn mutation(scope: &mut v8::PinScope, said: v8::Local<v8::Value>) -> Option<Recorded> {
    let parts = said.try_cast::<v8::Array>().ok()?;
    let said = parts.get_index(scope, 0)?;
    let before = parts.get_index(scope, 1)?;
    let after = parts.get_index(scope, 2)?;
    let mut answer = recorded(scope, said);
    if before.is_string() && after.is_string() {
        let (before, after) = (before.to_rust_string_lossy(scope), after.to_rust_string_lossy(scope));
        answer.mutation = Some(Mutation { before, after });
    }
    Some(answer)
}

fn describe(failure: &Failure) -> &str {
    match failure {
        Failure::Threw { text, .. } => text,
        Failure::Terminated => "terminated",
        Failure::Engine => "out of memory",
    }
}

