//! Waits for the promise of an `async` handler: microtasks first, then the answers of the host, until it settles or
//! can never settle.

use std::time::Instant;

use deno_core::v8;

use super::failure::Failure;
use super::host::deliver;
use super::realm::call;
use super::state::State;

/// How a handler ended without a value.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// Its promise was rejected, or one that it left behind was; the text tells with what.
    Rejected(String),
    /// It waits for something that can never come: no call to the host is under way.
    Never,
    /// Out of time while the host was still at work.
    Late,
    Failed(Failure),
}

/// The value that a handler's result stands for. `explain` words what a promise was rejected with.
pub(super) fn settle<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &State,
    value: v8::Local<'s, v8::Value>,
    explain: v8::Local<v8::Function>,
    queue: Option<&v8::MicrotaskQueue>,
    deadline: Instant,
) -> Result<v8::Local<'s, v8::Value>, Unsettled> {
    checkpoint(scope, queue)?;
    let Ok(promise) = value.try_cast::<v8::Promise>() else {
        return left_behind(scope, state, explain).map_or(Ok(value), Err);
    };
    loop {
        match promise.state() {
            v8::PromiseState::Fulfilled => {
                return left_behind(scope, state, explain).map_or_else(|| Ok(promise.result(scope)), Err);
            }
            v8::PromiseState::Rejected => {
                promise.mark_as_handled();
                let reason = promise.result(scope);
                return Err(Unsettled::Rejected(words(scope, explain, reason)));
            }
            v8::PromiseState::Pending => {}
        }
        if state.waiting.borrow().is_empty() {
            return Err(Unsettled::Never);
        }
        let Ok((id, answer)) = state.answers.recv_deadline(deadline) else { return Err(Unsettled::Late) };
        deliver(scope, state, id, answer);
        checkpoint(scope, queue)?;
    }
}

/// Runs the microtasks of the isolate, or those of a realm with a queue of its own.
pub(super) fn checkpoint(scope: &mut v8::PinScope, queue: Option<&v8::MicrotaskQueue>) -> Result<(), Unsettled> {
    v8::tc_scope!(let scope, scope);
    match queue {
        Some(queue) => queue.perform_checkpoint(scope),
        None => scope.perform_microtask_checkpoint(),
    }
    if scope.has_terminated() || scope.is_execution_terminating() {
        return Err(Unsettled::Failed(Failure::Terminated));
    }
    Ok(())
}

/// A rejection that nobody handled: jsPolicy let such a request pass (research jspolicy §3.1), which was a hole.
pub(super) fn left_behind(scope: &mut v8::PinScope, state: &State, explain: v8::Local<v8::Function>) -> Option<Unsettled> {
    if state.unhandled.borrow().is_empty() {
        return None;
    }
    let reason = state.unhandled.borrow_mut().drain().map(|(_, reason)| reason).next()?;
    let reason = v8::Local::new(scope, reason);
    Some(Unsettled::Rejected(words(scope, explain, reason)))
}

fn words(scope: &mut v8::PinScope, explain: v8::Local<v8::Function>, reason: v8::Local<v8::Value>) -> String {
    match call(scope, explain, &[reason]) {
        Ok(text) => text.to_rust_string_lossy(scope),
        Err(_) => "something that cannot be told was thrown".to_owned(),
    }
}
