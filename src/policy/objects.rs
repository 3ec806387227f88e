//! The JsPolicy objects of a manifest made into policies; those without code wait for their bundle.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bundle::{BundleLimits, content_hash, unpack};

use super::catalog::Revision;
use super::code::{ClosedScript, Code, Inspect};
use super::declaration::declaration;
use super::draft::Draft;
use super::error::PolicyError;
use super::inline::Inline;
use super::jspolicy::{CodeSource, JsPolicy, PolicyType};
use super::manifest::{BundleItem, PolicyItem};
use super::module::{Built, Given, declarations, finish_module};
use super::spec::{Dialect, Permissions};

/// Where a manifest's objects come from and what applies to all of them.
pub(super) struct Context<'c> {
    pub source: Arc<PathBuf>,
    /// The file's name and text.
    pub file: &'c str,
    pub text: &'c str,
    pub inspect: &'c dyn Inspect,
    pub given: &'c Given,
    /// jsPolicy's ambient rights, for scripts that ask for none (`--compat jspolicy`).
    pub compat: bool,
    pub scripts_apart: bool,
}

/// A JsPolicy with inline code made ready. `None`: its code is in a bundle.
pub(super) fn build_inline(context: &Context<'_>, item: &PolicyItem) -> Option<Result<Built, PolicyError>> {
    let JsPolicy { draft, kind, code } = &item.policy;
    match code {
        CodeSource::JavaScript(source) => {
            let inline = Inline::new(context.file, context.text, &item.name, source, &item.places);
            let code = inline.script().map_err(PolicyError::from);
            Some(code.and_then(|code| script(context, draft.clone(), *kind, Arc::new(code), Some(inline.text()))))
        }
        CodeSource::TypeScript(source) => {
            let inline = Inline::new(context.file, context.text, &item.name, source, &item.places);
            Some(module(context, draft.clone(), &inline))
        }
        CodeSource::Bundle => None,
    }
}

/// The script of a `JsPolicyBundle`.
pub(super) fn bundle_code(bundle: &BundleItem) -> Result<Code, PolicyError> {
    let script = unpack(&bundle.encoded, BundleLimits::default()).map_err(|error| {
        let field = "spec.bundle".to_owned();
        let errors = vec![super::error::FieldError { field, message: error.to_string() }];
        PolicyError::Invalid { subject: format!("JsPolicyBundle {}", bundle.name), errors }
    })?;
    let hash = content_hash(&script).into();
    let origin = bundle.name.as_str().into();
    let closed = ClosedScript::of(&script);
    Ok(Code { dialect: Dialect::Script, origin, script: script.into(), hash, entry: 0, source_map: None, closed })
}

/// A JsPolicy whose script comes from its bundle.
pub(super) fn build_bundled(context: &Context<'_>, item: &PolicyItem, code: Arc<Code>) -> Result<Built, PolicyError> {
    script(context, item.policy.draft.clone(), item.policy.kind, code, None)
}

fn script(
    context: &Context<'_>,
    mut draft: Draft,
    kind: PolicyType,
    code: Arc<Code>,
    file: Option<&str>,
) -> Result<Built, PolicyError> {
    context
        .inspect
        .inspect(&code.origin, &code.script, Dialect::Script)
        .map_err(|error| code.diagnose(&error, file))?;
    let name = draft.name.clone().unwrap_or_default();
    let mut notes: Vec<(String, String)> = draft.notes.iter().map(|note| (name.clone(), note.clone())).collect();
    if kind == PolicyType::Controller {
        notes.push((name, "is loaded, but type Controller is not run yet".to_owned()));
        return Ok(Built { revisions: Vec::new(), notes });
    }
    if let Some(closed) = code.closed.as_ref().filter(|_| context.scripts_apart) {
        closed.refute();
    }
    if context.compat {
        draft.permissions = draft.permissions.or_else(|| Some(Permissions::ambient()));
    }
    let given = context.given.of(&name, false);
    let complete = draft.complete(Dialect::Script, given)?;
    let revision = Revision::new(complete, code, Arc::clone(&context.source))?;
    Ok(Built { revisions: vec![Arc::new(revision)], notes })
}

fn module(context: &Context<'_>, over: Draft, inline: &Inline<'_>) -> Result<Built, PolicyError> {
    let (code, state) = inline.module()?;
    let declared = declarations(&code, context.inspect, Some(inline.text()))?;
    let [value] = declared.as_slice() else {
        let reason = format!("exports {} policies; a JsPolicy object holds one", declared.len());
        return Err(PolicyError::NotAPolicy { file: code.origin.to_string(), reason });
    };
    let draft = over.over(declaration(value, &code.origin)?);
    let mut built = Built::default();
    finish_module(draft, Arc::new(code), &state, &context.source, context.given, &mut built)?;
    Ok(built)
}
