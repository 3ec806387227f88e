//! The functions a realm's prelude gets from Rust: `call`, `start`, `log`, `said`, `exit` and `giveUp`. Text in, text out: what
//! they are asked for is decided in `crate::host`, which knows no V8.
//!
//! V8 calls them, and cannot be unwound through: a panic here would end the process. So whatever leaves this folder is
//! `shielded`, and what is left does nothing that panics.
#![allow(clippy::needless_pass_by_value, reason = "V8 decides what it calls them with")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deno_core::v8;

use super::pure;
use super::realm::clipped;
use super::state::{MAX_HOST_BYTES, MAX_HOST_CALLS, MAX_WAITING, State};
use crate::host::{Caller, HostError};

/// jsPolicy's cap on one `sleep`.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// Longer than the watchdog takes to see a deadline.
const UNTIL_ENDED: Duration = Duration::from_millis(10);

/// UTF-16 units of one argument of a host call: an object of an API server has at most 3 MiB.
const MAX_ARGUMENT: usize = 16 << 20;

/// The object that a prelude takes as its argument. Its functions belong to the current context, so that nothing of
/// another realm is reachable from them.
pub(super) fn natives<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let object = v8::Object::new(scope);
    let functions = [
        ("call", v8::Function::new(scope, call)?),
        ("start", v8::Function::new(scope, start)?),
        ("log", v8::Function::new(scope, log)?),
        ("said", v8::Function::new(scope, said)?),
        ("exit", v8::Function::new(scope, exit)?),
        ("giveUp", v8::Function::new(scope, give_up)?),
    ];
    for (name, function) in functions {
        let key = v8::String::new(scope, name)?;
        object.set(scope, key.into(), function.into())?;
    }
    Some(object)
}

fn call(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, mut answer: v8::ReturnValue) {
    let Some((operation, request)) = arguments(scope, &args) else { return };
    let result = shielded(|| match pure::call(&operation, &request) {
        Ok(found) => Ok(found),
        Err(pure::NotPure) => with_caller(scope, |state, caller| {
            if operation == "sleep" {
                Ok(sleep(&request, caller.deadline))
            } else {
                state.host.call(caller, &operation, &request)
            }
        }),
    });
    if let Some(value) = to_value(scope, result) {
        answer.set(value);
    }
}

/// What is asked for, and its argument. Throws where a policy made the argument too long to be copied.
fn arguments(scope: &mut v8::PinScope, args: &v8::FunctionCallbackArguments) -> Option<(String, String)> {
    let (operation, request) = (args.get(0), args.get(1));
    let request = request.to_string(scope)?;
    if request.length() > MAX_ARGUMENT {
        let message = v8::String::new(scope, "the argument is longer than 16 Mi characters")?;
        let error = v8::Exception::range_error(scope, message);
        scope.throw_exception(error);
        return None;
    }
    Some((clipped(scope, operation), request.to_rust_string_lossy(scope)))
}

/// Turns a fault of ours into an error of the policy's.
fn shielded<T>(work: impl FnOnce() -> Result<T, HostError>) -> Result<T, HostError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("a host function panicked");
        Err(HostError::new("InternalError", "the host function broke off"))
    })
}

/// Runs `ask` as the policy that is running, within what it may still use.
fn with_caller(
    isolate: &v8::Isolate,
    ask: impl FnOnce(&State, &Caller<'_>) -> Result<Option<String>, HostError>,
) -> Result<Option<String>, HostError> {
    let refused = |message: &str| HostError::new("LimitExceeded", message);
    let Some(state) = State::of(isolate) else { return Err(refused("no policy is running")) };
    let (spec, dry_run, reserving, deadline) = {
        let mut running = state.running.borrow_mut();
        let Some(run) = running.as_mut() else {
            return Err(refused("host functions are for handlers: the module itself may not call them"));
        };
        run.calls += 1;
        if run.calls > MAX_HOST_CALLS {
            return Err(refused("more than 1000 host calls in one run"));
        }
        if run.bytes > MAX_HOST_BYTES {
            return Err(refused("more than 64 MiB read through host calls in one run"));
        }
        (Arc::clone(&run.spec), run.dry_run, run.reserving.clone(), run.deadline)
    };
    let (policy, permissions, reconciles) = (&*spec.name, &spec.permissions, spec.reconciles);
    let caller = Caller { policy, permissions, dry_run, reconciles, review: reserving.as_ref(), deadline };
    let result = ask(&state, &caller);
    count_bytes(&state, &result);
    result
}

fn count_bytes(state: &State, result: &Result<Option<String>, HostError>) {
    if let Ok(Some(text)) = result
        && let Some(run) = state.running.borrow_mut().as_mut()
    {
        run.bytes = run.bytes.saturating_add(text.len());
    }
}

/// A string, `undefined`, or the pair of reason and message that the prelude throws in its own way.
fn to_value<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    result: Result<Option<String>, HostError>,
) -> Option<v8::Local<'s, v8::Value>> {
    match result {
        Ok(None) => Some(v8::undefined(scope).into()),
        Ok(Some(text)) => v8::String::new(scope, &text).map(Into::into),
        Err(error) => {
            let reason = v8::String::new(scope, &error.reason)?;
            let message = v8::String::new(scope, &error.message)?;
            Some(v8::Array::new_with_elements(scope, &[reason.into(), message.into()]).into())
        }
    }
}

fn sleep(request: &str, deadline: Instant) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Sleep {
        milliseconds: f64,
    }
    let asked = serde_json::from_str::<Sleep>(request).map_or(0.0, |sleep| sleep.milliseconds.clamp(0.0, 1e6));
    let wanted = Duration::from_secs_f64(asked / 1e3).min(MAX_SLEEP);
    // Past the deadline it goes on for a moment, in which the run is ended: sleeping must not use up its calls instead.
    let left = deadline.saturating_duration_since(Instant::now()) + UNTIL_ENDED;
    std::thread::sleep(wanted.min(left));
    None
}

fn start(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, mut answer: v8::ReturnValue) {
    let Some((operation, request)) = arguments(scope, &args) else { return };
    let Some(resolver) = v8::PromiseResolver::new(scope) else { return };
    answer.set(resolver.get_promise(scope).into());
    let Some(state) = State::of(scope) else { return };
    let refused = |message: &str| Err(HostError::new("LimitExceeded", message));
    let id = state.next_promise();
    let result = shielded(|| {
        with_caller(scope, |state, caller| {
            if state.waiting.borrow().len() >= MAX_WAITING {
                return refused("more than 64 calls of one run wait for an answer");
            }
            let Some(admitted) = state.admit() else {
                return refused("too many calls are under way that no run waits for");
            };
            let answer_to = state.answer_to();
            let tell = move |answer| {
                drop(admitted);
                // There is room for as many answers as may wait; that of a run which has ended finds nobody.
                drop(answer_to.try_send((id, answer)));
            };
            state.host.start_telling(caller, &operation, &request, Box::new(tell))?;
            Ok(None)
        })
    });
    if result.is_err() {
        if let Some(value) = to_value(scope, result) {
            resolver.resolve(scope, value);
        }
        return;
    }
    state.waiting.borrow_mut().insert(id, v8::Global::new(scope, resolver));
}

/// Gives an answer of the host to the promise that waits for it.
pub(super) fn deliver(scope: &mut v8::PinScope, state: &State, id: u32, result: Result<Option<String>, HostError>) {
    let Some(resolver) = state.waiting.borrow_mut().remove(&id) else { return };
    let resolver = v8::Local::new(scope, resolver);
    count_bytes(state, &result);
    if let Some(value) = to_value(scope, result) {
        resolver.resolve(scope, value);
    }
}

fn log(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    let line = clipped(scope, args.get(0));
    let Some(state) = State::of(scope) else { return };
    // A line that cannot be printed is no reason to stop a policy.
    if let Ok(false) = shielded(|| Ok(state.print(line))) {
        state.gave_up.set(true);
        scope.terminate_execution();
    }
}

fn said(scope: &mut v8::PinScope, _: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    if let Some(state) = State::of(scope) {
        state.said.set(true);
    }
}

fn exit(scope: &mut v8::PinScope, _: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    if let Some(state) = State::of(scope) {
        state.exited.set(true);
    }
    scope.terminate_execution();
}

fn give_up(scope: &mut v8::PinScope, _: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    if let Some(state) = State::of(scope) {
        state.gave_up.set(true);
    }
    scope.terminate_execution();
}

/// Keeps track of rejections: one that nobody handles by the end of the run is an error of the policy.
pub(super) unsafe extern "C" fn on_rejection(message: v8::PromiseRejectMessage) {
    v8::callback_scope!(unsafe scope, &message);
    let Some(state) = State::of(scope) else { return };
    let promise = message.get_promise();
    // V8 calls this only from within JavaScript, while nothing of ours holds the rejections.
    let Ok(mut rejections) = state.rejections.try_borrow_mut() else { return };
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            let reason = message.get_value().unwrap_or_else(|| v8::undefined(scope).into());
            rejections.add(scope, promise, reason);
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => rejections.handled(scope, promise),
        v8::PromiseRejectEvent::PromiseRejectAfterResolved | v8::PromiseRejectEvent::PromiseResolveAfterResolved => {}
    }
}
