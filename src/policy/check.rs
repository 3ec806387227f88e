//! Whether a JsPolicy or `JsPolicyBundle` object can become a policy, as far as that can be told without running anything
//! and without a registry: what `POST /crds` refuses, so that it never gets into the cluster.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::bundle::artifact::{Artifact, is_bundle_text};
use crate::bundle::{BundleError, BundleLimits, Diagnostic, Import, scan, unpack};
use crate::matching::{MatchError, Matcher};

use super::confined::tenant_policy;
use super::draft::Draft;
use super::error::{FieldError, PolicyError};
use super::jspolicy::{CodeSource, JsPolicy, js_policy_of_cluster};
use super::spec::Dialect;

/// Everything that is wrong with a JsPolicy object; nothing where it can be served.
#[must_use]
pub fn check_policy(object: &Value) -> Vec<FieldError> {
    js_policy_of_cluster(object).map_or_else(|faults| faults, check)
}

/// Everything that is wrong with a `TenantPolicy` object.
#[must_use]
pub fn check_tenant_policy(object: &Value) -> Vec<FieldError> {
    tenant_policy(object, js_policy_of_cluster).map_or_else(|faults| faults, check)
}

fn check(policy: JsPolicy) -> Vec<FieldError> {
    let JsPolicy { draft, code, dependencies, .. } = policy;
    let mut faults = Vec::new();
    let dialect = match &code {
        CodeSource::JavaScript(_) | CodeSource::Bundle => Dialect::Script,
        CodeSource::TypeScript(_) | CodeSource::Package(_) | CodeSource::BundleRef(_) => Dialect::Module,
    };
    check_rules(draft, dialect, &mut faults);
    match &code {
        CodeSource::JavaScript(text) => check_script("spec.javascript", text, &dependencies, &mut faults),
        CodeSource::TypeScript(text) => check_module("spec.typescript", text, &dependencies, &mut faults),
        CodeSource::Package(_) | CodeSource::Bundle | CodeSource::BundleRef(_) => {}
    }
    faults
}

/// Everything that is wrong with a `JsPolicyBundle` object.
#[must_use]
pub fn check_bundle(object: &Value) -> Vec<FieldError> {
    const FIELD: &str = "spec.bundle";
    let encoded = object.pointer("/spec/bundle").and_then(Value::as_str).unwrap_or_default();
    let script = match unpack(encoded, BundleLimits::default()) {
        Ok(script) => script,
        Err(error) => return vec![fault(FIELD, error.to_string())],
    };
    let mut faults = Vec::new();
    if is_bundle_text(&script) {
        faults.extend(Artifact::parse(&script).err().map(|error| fault(FIELD, error.to_string())));
    } else if let Err(error) = scan(FIELD, Path::new("bundle.js"), &script) {
        faults.push(in_code(FIELD, &error));
    }
    faults
}

fn fault(field: &str, message: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), message: message.into() }
}

/// What becomes of the fields once they are together, and CEL.
fn check_rules(draft: Draft, dialect: Dialect, faults: &mut Vec<FieldError>) {
    // A module may bring its own.
    let any = if draft.home.is_some() { "pods" } else { "*" };
    let resources = draft.resources.clone().or_else(|| Some(vec![any.to_owned()]));
    match (Draft { resources, ..draft }).complete(dialect, None) {
        Err(PolicyError::Invalid { errors, .. }) => faults.extend(errors.into_iter().map(|error| under_spec(&error))),
        Err(other) => faults.push(fault("spec", other.to_string())),
        Ok(complete) => {
            if let Err(MatchError::Invalid { field, message }) = Matcher::compile(&complete.spec.rules) {
                faults.push(fault(&format!("spec.{field}"), message));
            }
        }
    }
}

fn under_spec(error: &FieldError) -> FieldError {
    fault(&format!("spec.{}", error.field), error.message.as_str())
}

fn check_script(field: &str, text: &str, dependencies: &BTreeMap<String, String>, faults: &mut Vec<FieldError>) {
    match scan(field, Path::new("policy.js"), text) {
        Err(error) => faults.push(in_code(field, &error)),
        Ok(found) => {
            if let Some(what) = found.unsupported {
                let told = Diagnostic::at_bytes(field, text, what.start, what.end, what.what).with_help(what.help);
                faults.push(at_place(field, &told));
            }
            check_imports(field, text, &found.imports, dependencies, faults);
        }
    }
}

fn check_module(field: &str, text: &str, dependencies: &BTreeMap<String, String>, faults: &mut Vec<FieldError>) {
    match scan(field, Path::new("policy.ts"), text) {
        Err(error) => faults.push(in_code(field, &error)),
        Ok(found) => {
            if !found.has_default_export {
                faults.push(fault(field, "has no default export; write `export default policy({ … })`"));
            }
            check_imports(field, text, &found.imports, dependencies, faults);
        }
    }
}

/// Imports that lead nowhere in a cluster.
fn check_imports(
    field: &str,
    text: &str,
    imports: &[Import],
    dependencies: &BTreeMap<String, String>,
    faults: &mut Vec<FieldError>,
) {
    for import in imports {
        let package = package_of(&import.specifier);
        let message = match import.specifier.as_str() {
            "@bylaw/sdk" => continue,
            file if file.starts_with(['.', '/']) => {
                "a file cannot be imported: an object has none beside it. Make a package of it, or a bundle".to_owned()
            }
            _ if package == "@bylaw/sdk" || dependencies.contains_key(package) => continue,
            _ => format!("`{package}` is not among spec.dependencies; add it there with a range of versions"),
        };
        let told = Diagnostic::at_bytes(field, text, import.start, import.end, message);
        faults.push(at_place(field, &told));
    }
}

/// `@scope/name` of `@scope/name/part`, `name` of `name/part`.
fn package_of(specifier: &str) -> &str {
    let parts = if specifier.starts_with('@') { 2 } else { 1 };
    let end = specifier.match_indices('/').nth(parts - 1).map_or(specifier.len(), |(at, _)| at);
    specifier.get(..end).unwrap_or(specifier)
}

fn in_code(field: &str, error: &BundleError) -> FieldError {
    match error.diagnostic() {
        Some(diagnostic) => at_place(field, diagnostic),
        None => fault(field, error.to_string()),
    }
}

/// Line and column count within the field: an API server keeps nothing of the file that it came from.
fn at_place(field: &str, diagnostic: &Diagnostic) -> FieldError {
    let Diagnostic { message, place, frame, help } = diagnostic;
    let place = place.as_ref().map(|place| format!("line {}, column {}: ", place.line, place.column));
    let frame = if frame.is_empty() { String::new() } else { format!("\n{frame}") };
    let help = help.as_ref().map(|help| format!("\n  help: {help}"));
    fault(field, format!("{}{message}{frame}{}", place.unwrap_or_default(), help.unwrap_or_default()))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
