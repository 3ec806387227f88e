//! The JsPolicy objects of a manifest made into policies; those without code wait for their bundle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::artifact::{Artifact, is_bundle_text};
use crate::bundle::npm::{Request, Source};
use crate::bundle::{BundleLimits, Linked, content_hash, module_state, normalise, unpack};

use super::catalog::Revision;
use super::code::{ClosedScript, Code, Inspect};
use super::declaration::declaration;
use super::draft::Draft;
use super::error::PolicyError;
use super::inline::{Around, Inline};
use super::jspolicy::{CodeSource, JsPolicy, PackageFrom, PackageRef};
use super::manifest::{BundleItem, PolicyItem};
use super::module::{Built, Given, at_entry, declarations, finish_module, linked_module};
use super::packages::Orders;
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
    pub orders: Orders<'c>,
}

/// A JsPolicy with inline code made ready. `None`: its code is in a bundle.
pub(super) fn build_inline(context: &Context<'_>, item: &PolicyItem) -> Option<Result<Built, PolicyError>> {
    let JsPolicy { draft, code, dependencies, .. } = &item.policy;
    let around = Around { orders: &context.orders, folder: folder_of(&context.source), dependencies };
    match code {
        CodeSource::JavaScript(source) => {
            let inline = Inline::new(context.file, context.text, &item.name, source, &item.places);
            Some(
                inline
                    .script(&around)
                    .and_then(|code| script(context, draft.clone(), Arc::new(code), Some(inline.text()))),
            )
        }
        CodeSource::TypeScript(source) => {
            let inline = Inline::new(context.file, context.text, &item.name, source, &item.places);
            Some(module(context, draft.clone(), &inline, &around))
        }
        CodeSource::Package(package) => Some(from_package(context, draft.clone(), &item.name, package)),
        CodeSource::Bundle | CodeSource::BundleRef(_) => None,
    }
}

/// The folder that a policy's source is in; an object of a cluster is in none.
pub(super) fn folder_of(source: &Path) -> Option<&Path> {
    source.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// The script of a `JsPolicyBundle`.
pub(super) fn bundle_code(bundle: &BundleItem) -> Result<Code, PolicyError> {
    let wrong = |message: String| {
        let errors = vec![super::error::FieldError { field: "spec.bundle".to_owned(), message }];
        PolicyError::Invalid { subject: format!("JsPolicyBundle {}", bundle.name), errors }
    };
    let script = unpack(&bundle.encoded, BundleLimits::default()).map_err(|error| wrong(error.to_string()))?;
    let origin: Arc<str> = bundle.name.as_str().into();
    if is_bundle_text(&script) {
        let Artifact { script, source_map, .. } = Artifact::parse(&script).map_err(|error| wrong(error.to_string()))?;
        let (hash, source_map) = (content_hash(&script).into(), source_map.map(Arc::from));
        let dialect = Dialect::Module;
        return Ok(Code { dialect, origin, script: script.into(), hash, entry: 0, source_map, closed: None });
    }
    let hash = content_hash(&script).into();
    let closed = ClosedScript::of(&script);
    Ok(Code { dialect: Dialect::Script, origin, script: script.into(), hash, entry: 0, source_map: None, closed })
}

/// A JsPolicy whose code comes from its bundle.
pub(super) fn build_bundled(context: &Context<'_>, item: &PolicyItem, code: Arc<Code>) -> Result<Built, PolicyError> {
    let over = item.policy.draft.clone();
    match code.dialect {
        Dialect::Script => script(context, over, code, None),
        Dialect::Module => {
            let chosen = match &item.policy.code {
                CodeSource::Package(package) => package.policy.as_deref(),
                _ => None,
            };
            bundled_module(context, over, chosen.unwrap_or(&item.name), &code)
        }
    }
}

/// A module in a bundle: the policy of its name, over which the fields of the JsPolicy stand.
fn bundled_module(context: &Context<'_>, over: Draft, policy: &str, code: &Code) -> Result<Built, PolicyError> {
    let declared = declarations(code, context.inspect, None)?;
    let is_named = |value: &Value| value.get("name").and_then(Value::as_str) == Some(policy);
    let found = declared.iter().position(is_named).or((declared.len() == 1).then_some(0));
    let entry = found.ok_or_else(|| {
        let reason = format!("holds {} policies, and none of this name", declared.len());
        PolicyError::NotAPolicy { file: format!("JsPolicyBundle {policy}"), reason }
    })?;
    let value = declared.get(entry).unwrap_or(&Value::Null);
    let draft = over.over(declaration(value, &format!("JsPolicyBundle {policy}"))?);
    let state = module_state(&linked_again(code))?;
    let mut built = Built::default();
    finish_module(draft, Arc::new(at_entry(code, entry)), &state, &context.source, context.given, &mut built)?;
    Ok(built)
}

fn linked_again(code: &Code) -> Linked {
    Linked {
        script: code.script.to_string(),
        hash: code.hash.to_string(),
        source_map: code.source_map.as_deref().map(str::to_owned),
        inputs: Vec::new(),
        installed: Vec::new(),
        exports: Vec::new(),
    }
}

fn script(context: &Context<'_>, mut draft: Draft, code: Arc<Code>, file: Option<&str>) -> Result<Built, PolicyError> {
    context
        .inspect
        .inspect(&code.origin, &code.script, Dialect::Script)
        .map_err(|error| code.diagnose(&error, file))?;
    let name = draft.name.clone().unwrap_or_default();
    let notes: Vec<(String, String)> = draft.notes.iter().map(|note| (name.clone(), note.clone())).collect();
    if let Some(closed) = code.closed.as_ref().filter(|_| context.scripts_apart) {
        closed.refute();
    }
    // A tenant's script never had rights.
    if context.compat && draft.home.is_none() {
        draft.permissions = draft.permissions.or_else(|| Some(Permissions::ambient()));
    }
    let given = context.given.of(&name, false);
    let complete = draft.complete(Dialect::Script, given)?;
    let revision = Revision::new(complete, code, Arc::clone(&context.source))?;
    Ok(Built { revisions: vec![Arc::new(revision)], notes })
}

fn module(context: &Context<'_>, over: Draft, inline: &Inline<'_>, around: &Around<'_>) -> Result<Built, PolicyError> {
    let (code, state) = inline.module(around)?;
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

/// A policy of an npm package, over which the fields of the JsPolicy stand.
fn from_package(context: &Context<'_>, over: Draft, policy: &str, package: &PackageRef) -> Result<Built, PolicyError> {
    let integrity = package.integrity.clone();
    let (source, origin) = match &package.from {
        PackageFrom::Registry { name, version } => {
            let source = Source::Registry { name: name.clone(), range: version.clone(), integrity };
            (source, format!("{name}@{version}"))
        }
        PackageFrom::File(file) => (Source::Tarball { path: beside(&context.source, file), integrity }, file.clone()),
    };
    let subject = format!("{} (JsPolicy {policy})", context.file);
    let made = context.orders.made(&source, &subject)?;
    let linked = linked_module(&made.linked, &origin)?;
    let declared = declarations(&linked.code, context.inspect, None)?;
    let entry = chosen(&declared, package.policy.as_deref())
        .map_err(|reason| PolicyError::NotAPolicy { file: subject.clone(), reason: format!("{origin} {reason}") })?;
    let value = declared.get(entry).unwrap_or(&Value::Null);
    let draft = over.over(declaration(value, &format!("{subject}: {origin}"))?);
    let mut built = Built::default();
    let code = Arc::new(at_entry(&linked.code, entry));
    finish_module(draft, code, &linked.state, &context.source, context.given, &mut built)?;
    Ok(built)
}

/// Which of a package's policies is meant.
fn chosen(declared: &[Value], wanted: Option<&str>) -> Result<usize, String> {
    let names: Vec<&str> =
        declared.iter().map(|value| value.get("name").and_then(Value::as_str).unwrap_or_default()).collect();
    let listed = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match wanted {
        Some(wanted) => names
            .iter()
            .position(|name| *name == wanted)
            .ok_or_else(|| format!("has no policy `{wanted}`; spec.package.policy must be one of {}", listed())),
        None if declared.len() == 1 => Ok(0),
        None => Err(format!("holds {} policies; name one in spec.package.policy: {}", declared.len(), listed())),
    }
}

fn beside(manifest: &Path, file: &str) -> PathBuf {
    normalise(&manifest.parent().unwrap_or(manifest).join(file))
}

/// The tarball that a policy is in, if it is in one.
pub(super) fn tarball_of(item: &PolicyItem, manifest: &Path) -> Option<PathBuf> {
    match &item.policy.code {
        CodeSource::Package(PackageRef { from: PackageFrom::File(file), .. }) => Some(beside(manifest, file)),
        _ => None,
    }
}

/// What a policy asks of registries (`name@range`); `None` where that is not known before it has been bundled.
pub(super) fn asked_by(policy: &JsPolicy) -> Option<BTreeSet<String>> {
    let named = |name: &str, range: &str| Request::parse(name, range).ok().map(|request| request.to_string());
    match &policy.code {
        CodeSource::Package(PackageRef { from: PackageFrom::Registry { name, version }, .. }) => {
            Some(named(name, version).into_iter().collect())
        }
        CodeSource::Package(_) => None,
        _ => Some(policy.dependencies.iter().filter_map(|(name, range)| named(name, range)).collect()),
    }
}
