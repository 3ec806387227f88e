//! The functions a realm's prelude gets from Rust: `call`, `start`, `log` and `exit`. Text in, text out: what they
//! are asked for is decided in `crate::host`, which knows no V8.

use std::time::{Duration, Instant};

use deno_core::v8;

use super::pure;
use super::state::{MAX_HOST_BYTES, MAX_HOST_CALLS, MAX_WAITING, State};
use crate::host::{Caller, HostError};
use crate::telemetry::ConsoleLevel;

/// jsPolicy's cap on one `sleep`.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The object that a prelude takes as its argument. Its functions belong to the current context, so that nothing of
/// another realm is reachable from them.
pub(super) fn natives<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let object = v8::Object::new(scope);
    let functions = [
        ("call", v8::Function::new(scope, call)?),
        ("start", v8::Function::new(scope, start)?),
        ("log", v8::Function::new(scope, log)?),
        ("exit", v8::Function::new(scope, exit)?),
    ];
    for (name, function) in functions {
        let key = v8::String::new(scope, name)?;
        object.set(scope, key.into(), function.into())?;
    }
    Some(object)
}

fn call(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, mut answer: v8::ReturnValue) {
    let operation = args.get(0).to_rust_string_lossy(scope);
    let request = args.get(1).to_rust_string_lossy(scope);
    let result = match pure::call(&operation, &request) {
        Some(found) => Ok(found),
        None => with_caller(scope, |state, caller| {
            if operation == "sleep" { Ok(sleep(&request, caller.deadline)) } else { state.host.call(caller, &operation, &request) }
        }),
    };
    if let Some(value) = to_value(scope, result) {
        answer.set(value);
    }
}

/// Runs `ask` as the policy that is running, within what it may still use.
fn with_caller(
    isolate: &v8::Isolate,
    ask: impl FnOnce(&State, &Caller<'_>) -> Result<Option<String>, HostError>,
) -> Result<Option<String>, HostError> {
    let refused = |message: &str| HostError::new("LimitExceeded", message);
    let Some(state) = State::of(isolate) else { return Err(refused("no policy is running")) };
    let (spec, dry_run, deadline) = {
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
        (std::sync::Arc::clone(&run.spec), run.dry_run, run.deadline)
    };
    let caller = Caller { policy: &spec.name, permissions: &spec.permissions, dry_run, deadline };
    let result = ask(&state, &caller);
    if let Ok(Some(text)) = &result
        && let Some(run) = state.running.borrow_mut().as_mut()
    {
        run.bytes = run.bytes.saturating_add(text.len());
    }
    result
}

/// A string, `undefined`, or the pair of reason and message that the prelude throws in its own way.
fn to_value<'s>(scope: &mut v8::PinScope<'s, '_>, result: Result<Option<String>, HostError>) -> Option<v8::Local<'s, v8::Value>> {
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
    std::thread::sleep(wanted.min(deadline.saturating_duration_since(Instant::now())));
    None
}

fn start(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, mut answer: v8::ReturnValue) {
    let operation = args.get(0).to_rust_string_lossy(scope);
    let request = args.get(1).to_rust_string_lossy(scope);
    let Some(resolver) = v8::PromiseResolver::new(scope) else { return };
    answer.set(resolver.get_promise(scope).into());
    let Some(state) = State::of(scope) else { return };
    let mut begun = None;
    let refused = with_caller(scope, |state, caller| {
        if state.waiting.borrow().len() >= MAX_WAITING {
            return Err(HostError::new("LimitExceeded", "more than 64 calls of one run wait for an answer"));
        }
        begun = Some(state.host.start(caller, &operation, &request)?);
        Ok(None)
    });
    let Some(future) = begun else {
        if let Some(value) = to_value(scope, refused) {
            resolver.resolve(scope, value);
        }
        return;
    };
    let id = state.next_promise();
    state.waiting.borrow_mut().insert(id, v8::Global::new(scope, resolver));
    let answer_to = state.answer_to.clone();
    state.host.runtime().spawn(async move {
        let result = future.await;
        // There is room for as many answers as may wait; a run that ended took its receiver's backlog with it.
        drop(answer_to.try_send((id, result)));
    });
}

/// Gives an answer of the host to the promise that waits for it.
pub(super) fn deliver(scope: &mut v8::PinScope, state: &State, id: u32, result: Result<Option<String>, HostError>) {
    let Some(resolver) = state.waiting.borrow_mut().remove(&id) else { return };
    let resolver = v8::Local::new(scope, resolver);
    if let Ok(Some(text)) = &result
        && let Some(run) = state.running.borrow_mut().as_mut()
    {
        run.bytes = run.bytes.saturating_add(text.len());
    }
    if let Some(value) = to_value(scope, result) {
        resolver.resolve(scope, value);
    }
}

fn log(scope: &mut v8::PinScope, args: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    let line = args.get(0).to_rust_string_lossy(scope);
    let Some(state) = State::of(scope) else { return };
    if let Some(run) = state.running.borrow().as_ref() {
        state.console(&run.spec.name).print(ConsoleLevel::Info, &line);
    }
}

fn exit(scope: &mut v8::PinScope, _: v8::FunctionCallbackArguments, _: v8::ReturnValue) {
    if let Some(state) = State::of(scope) {
        state.exited.set(true);
    }
    scope.terminate_execution();
}

/// Keeps track of rejections: one that nobody handles by the end of the run is an error of the policy.
pub(super) unsafe extern "C" fn on_rejection(message: v8::PromiseRejectMessage) {
    v8::callback_scope!(unsafe scope, &message);
    let Some(state) = State::of(scope) else { return };
    let promise = message.get_promise();
    let identity = promise.get_identity_hash().get();
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            let reason = message.get_value().unwrap_or_else(|| v8::undefined(scope).into());
            let reason = v8::Global::new(scope, reason);
            let mut unhandled = state.unhandled.borrow_mut();
            // One is enough to fail the run; a bound, for a policy may make any number.
            if unhandled.len() < MAX_WAITING {
                unhandled.insert(identity, reason);
            }
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => {
            state.unhandled.borrow_mut().remove(&identity);
        }
        v8::PromiseRejectEvent::PromiseRejectAfterResolved | v8::PromiseRejectEvent::PromiseResolveAfterResolved => {}
    }
}
