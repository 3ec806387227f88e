//! Making realms and calling into them: the few V8 idioms that everything else here is written with.

use deno_core::v8;

use super::devtools;
use super::failure::Failure;
use super::host::natives;

const LIMITS: &str = include_str!("js/limits.js");

/// A new context in which no text becomes code. [`close`] it before anything else.
pub(super) fn new_context<'s>(
    scope: &v8::PinScope<'s, '_, ()>,
    queue: Option<*mut v8::MicrotaskQueue>,
) -> v8::Local<'s, v8::Context> {
    let options = v8::ContextOptions { microtask_queue: queue, ..Default::default() };
    let context = v8::Context::new(scope, options);
    context.set_allow_generation_from_strings(false);
    devtools::made(scope, context);
    context
}

/// Takes away what no limit covers. The function that it gives begins a new turn for registered symbols.
pub(super) fn close<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>, Failure> {
    evaluate(scope, "bylaw:limits", LIMITS)
}

/// Compiles and runs a classic script for its completion value.
pub(super) fn evaluate<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &str,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    v8::tc_scope!(let scope, scope);
    let script = compile(scope, name, source).map(|script| script.bind_to_current_context(scope));
    match script.and_then(|script| script.run(scope)) {
        Some(value) => Ok(value),
        None => Err(Failure::caught(scope, scope.has_terminated(), scope.message())),
    }
}

/// A script of no realm in particular, to be bound to one realm after another.
pub(super) fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &str,
) -> Option<v8::Local<'s, v8::UnboundScript>> {
    let text = text(scope, source)?;
    let map = devtools::source_map(scope, name);
    let name = v8::String::new(scope, name)?;
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, -1, map, false, false, false, None);
    let mut source = v8::script_compiler::Source::new(text, Some(&origin));
    v8::script_compiler::compile_unbound_script(
        scope,
        &mut source,
        v8::script_compiler::CompileOptions::NoCompileOptions,
        v8::script_compiler::NoCacheReason::NoReason,
    )
}

/// The text of a script as the body of a function of the current realm.
pub(super) fn compile_function<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &str,
) -> Option<v8::Local<'s, v8::Function>> {
    let text = text(scope, source)?;
    let name = v8::String::new(scope, name)?;
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, -1, None, false, false, false, None);
    let mut source = v8::script_compiler::Source::new(text, Some(&origin));
    v8::script_compiler::compile_function(
        scope,
        &mut source,
        &[],
        &[],
        v8::script_compiler::CompileOptions::NoCompileOptions,
        v8::script_compiler::NoCacheReason::NoReason,
    )
}

/// Calls one of our own functions, with an undefined receiver.
pub(super) fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    function: v8::Local<v8::Function>,
    args: &[v8::Local<v8::Value>],
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    v8::tc_scope!(let scope, scope);
    let receiver = v8::undefined(scope);
    match function.call(scope, receiver.into(), args) {
        Some(value) => Ok(value),
        None => Err(Failure::caught(scope, scope.has_terminated(), scope.message())),
    }
}

/// Runs foreign code. What it throws is worded by `words`: V8's own message looks at no accessor, and the errors of a
/// locked-down realm have little else.
pub(super) fn guest<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    words: v8::Local<v8::Function>,
    run: impl FnOnce(&mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Value>>,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let (failure, thrown) = {
        v8::tc_scope!(let scope, scope);
        if let Some(value) = run(scope) {
            return Ok(value);
        }
        (Failure::caught(scope, scope.has_terminated(), scope.message()), scope.exception())
    };
    match (failure, thrown) {
        (Failure::Threw { place, .. }, Some(thrown)) => {
            let text = call(scope, words, &[thrown])?;
            Err(Failure::Threw { text: clipped(scope, text), place })
        }
        (failure, _) => Err(failure),
    }
}

/// JSON text of any length and script as a V8 string.
pub(super) fn text<'s>(scope: &v8::PinScope<'s, '_, ()>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    // One-byte means Latin-1, never UTF-8: the check is for correctness, not only for speed.
    if text.is_ascii() {
        v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Normal)
    } else {
        v8::String::new_from_utf8(scope, text.as_bytes(), v8::NewStringType::Normal)
    }
}

/// The beginning of a text that a policy has a hand in, which may be of any length. Empty for what is no text.
pub(super) fn clipped(scope: &v8::Isolate, value: v8::Local<v8::Value>) -> String {
    const MOST: usize = 4_096;
    let Ok(text) = value.try_cast::<v8::String>() else { return String::new() };
    if text.length() <= MOST {
        return text.to_rust_string_lossy(scope);
    }
    let mut units = [0; MOST];
    text.write_v2(scope, 0, &mut units, v8::WriteFlags::empty());
    String::from_utf16_lossy(&units)
}

/// A text that a policy has a hand in, or its length where that is more than `most` UTF-16 units.
pub(super) fn whole(scope: &v8::Isolate, value: v8::Local<v8::Value>, most: usize) -> Result<String, usize> {
    let Ok(text) = value.try_cast::<v8::String>() else { return Ok(String::new()) };
    if text.length() > most { Err(text.length()) } else { Ok(text.to_rust_string_lossy(scope)) }
}

/// A named function of an object that one of our own preludes made.
pub(super) fn method<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<v8::Object>,
    name: &str,
) -> Result<v8::Local<'s, v8::Function>, Failure> {
    let key = v8::String::new(scope, name).ok_or(Failure::Engine)?;
    let value = object.get(scope, key.into()).ok_or(Failure::Engine)?;
    value.try_cast::<v8::Function>().map_err(|_| Failure::Engine)
}

/// Runs one of our own preludes, which are function expressions that take the host's functions.
pub(super) fn install<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &str,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let undefined = v8::undefined(scope).into();
    install_upon(scope, name, source, undefined)
}

/// The same for one that also takes what an earlier one gave.
pub(super) fn install_upon<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &str,
    earlier: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Value>, Failure> {
    let prelude = evaluate(scope, name, source)?.try_cast::<v8::Function>().map_err(|_| Failure::Engine)?;
    let natives = natives(scope).ok_or(Failure::Engine)?;
    call(scope, prelude, &[natives.into(), earlier])
}
