//! Why a call into a realm gave no value, told without running the policy's code where that can be helped.

use deno_core::v8;

use super::realm::clipped;
use super::slot::KillCause;
use crate::decision::{Cause, Verdict};
use crate::policy::{Code, PolicySpec};

/// A call that did not return.
#[derive(Debug)]
pub(super) enum Failure {
    /// JavaScript threw; the text is what V8 says of it, the place is in the bundled script.
    Threw { text: String, place: Option<(u32, u32)> },
    /// Terminated: by the watchdog, by the memory guard, or by the script's own `exit`.
    Terminated,
    /// V8 could not make a value: it is out of memory or shutting down.
    Engine,
}

/// Bytes of what the policy's author is told; longer texts are cut.
const MAX_MESSAGE: usize = 2_048;

impl Failure {
    /// Reads what a `TryCatch` caught.
    pub(super) fn caught<'s>(
        scope: &v8::PinScope<'s, '_>,
        terminated: bool,
        message: Option<v8::Local<'s, v8::Message>>,
    ) -> Self {
        if terminated {
            return Self::Terminated;
        }
        let Some(message) = message else { return Self::Engine };
        let text = clipped(scope, message.get(scope).into());
        let text = text.strip_prefix("Uncaught ").unwrap_or(&text).to_owned();
        Self::Threw { text, place: author_place(scope, message) }
    }

    /// In a few words.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Threw { text, .. } => text,
            Self::Terminated => "terminated",
            Self::Engine => "the engine could not make a value",
        }
    }

    /// The policy's verdict: an error that names the place in the author's own file.
    pub(super) fn into_verdict(self, spec: &PolicySpec, code: &Code, killed: Option<KillCause>) -> Verdict {
        if let Some(cause) = killed {
            return killed_verdict(spec, cause);
        }
        let (cause, message) = match &self {
            Self::Threw { text, place } => (Cause::Exception, located(text, *place, code)),
            Self::Terminated | Self::Engine => (Cause::Internal, self.words().to_owned()),
        };
        Verdict::error(spec.name.clone(), cause, message)
    }
}

/// Where in the author's script it happened: what our own preludes throw on a policy's behalf counts where the policy
/// called them.
pub(super) fn author_place<'s>(
    scope: &v8::PinScope<'s, '_>,
    message: v8::Local<'s, v8::Message>,
) -> Option<(u32, u32)> {
    // What has no name is the text that a built-in such as `JSON.parse` stumbled over.
    let theirs = |name: Option<v8::Local<v8::Value>>| {
        let name = name.filter(|name| name.is_string()).map(|name| name.to_rust_string_lossy(scope));
        name.is_some_and(|name| !name.is_empty() && !name.starts_with(OWN_SCRIPTS))
    };
    if theirs(message.get_script_resource_name(scope)) {
        let line = message.get_line_number(scope).and_then(|line| u32::try_from(line).ok());
        return line.filter(|line| *line > 0).zip(u32::try_from(message.get_start_column()).ok());
    }
    let trace = message.get_stack_trace(scope)?;
    let frames = (0..trace.get_frame_count()).filter_map(|at| trace.get_frame(scope, at));
    let frame = frames.into_iter().find(|frame| theirs(frame.get_script_name(scope).map(Into::into)))?;
    let column = u32::try_from(frame.get_column()).ok()?.saturating_sub(1);
    u32::try_from(frame.get_line_number()).ok().filter(|line| *line > 0).map(|line| (line, column))
}

/// What the names of our own scripts begin with.
const OWN_SCRIPTS: &str = "bylaw:";

/// `text (at file:line:column)`, the place mapped back through the source map.
pub(super) fn located(text: &str, place: Option<(u32, u32)>, code: &Code) -> String {
    let text = cut(text);
    let Some((line, column)) = place else { return text.to_owned() };
    match code.locate(line, column) {
        Some((file, line, column)) => format!("{text} (at {file}:{line}:{column})"),
        None => format!("{text} (at {}:{line}:{})", code.origin, column + 1),
    }
}

/// The verdict of a policy that was ended from outside.
pub(super) fn killed_verdict(spec: &PolicySpec, cause: KillCause) -> Verdict {
    let name = spec.name.clone();
    match cause {
        KillCause::Wall => Verdict::error(name, Cause::Timeout, format!("script {} timed out", spec.name)),
        KillCause::Cpu => Verdict::error(name, Cause::Cpu, "used more processor time than a run may"),
        KillCause::Memory => Verdict::error(name, Cause::Memory, "used more memory than a run may"),
    }
}

fn cut(text: &str) -> &str {
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MAX_MESSAGE) {
        Some((at, _)) => text.get(..at).unwrap_or(text),
        None => text,
    }
}
