//! Waits for the promise of an `async` handler: microtasks first, then the answers of the host, until it settles or
//! can never settle.

use std::time::Instant;

use deno_core::v8;

use super::failure::{Failure, author_place};
use super::host::deliver;
use super::realm::{call, clipped};
use super::rejections::Left;
use super::state::State;

/// How a handler ended without a value.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// Its promise was rejected, or one that it left behind was; the text tells with what, the place is in the script.
    Rejected {
        text: String,
        place: Option<(u32, u32)>,
    },
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
                return Err(rejected(scope, explain, reason));
            }
            v8::PromiseState::Pending => {}
        }
        let Some(answers) = state.answers().filter(|_| !state.waiting.borrow().is_empty()) else {
            return Err(Unsettled::Never);
        };
        let Ok((id, answer)) = answers.recv_deadline(deadline) else { return Err(Unsettled::Late) };
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
pub(super) fn left_behind(
    scope: &mut v8::PinScope,
    state: &State,
    explain: v8::Local<v8::Function>,
) -> Option<Unsettled> {
    if state.rejections.borrow().is_empty() {
        return None;
    }
    let left = state.rejections.borrow_mut().take()?;
    Some(match left {
        Left::Reason(reason) => {
            let reason = v8::Local::new(scope, reason);
            rejected(scope, explain, reason)
        }
        Left::Flood => {
            let text = "too many promises were rejected, and nobody handles them".to_owned();
            Unsettled::Rejected { text, place: None }
        }
    })
}

fn rejected(scope: &mut v8::PinScope, explain: v8::Local<v8::Function>, reason: v8::Local<v8::Value>) -> Unsettled {
    // Looks at what V8 kept when the error was made, never at what the policy's own code says of it.
    let message = v8::Exception::create_message(scope, reason);
    let place = if reason.is_native_error() { author_place(scope, message) } else { None };
    let text = match call(scope, explain, &[reason]) {
        Ok(text) => clipped(scope, text),
        Err(Failure::Terminated) => return Unsettled::Failed(Failure::Terminated),
        Err(_) => "something that cannot be told was thrown".to_owned(),
    };
    Unsettled::Rejected { text, place }
}
