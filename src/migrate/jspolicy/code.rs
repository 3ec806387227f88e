//! The source of a policy: written into its object, or packed into a bundle.

use std::collections::BTreeMap;
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Expression, Statement};
use oxc::codegen::Codegen;
use oxc::parser::{ParseOptions, Parser};
use oxc::span::{GetSpan as _, SourceType};
use serde_json::Value;

use super::imports::{packages, with_imports};
use super::input::Found;
use super::package::Joined;
use crate::bundle::{BundleLimits, scan, unpack};

/// What is translated, and what it is compared with.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub source: String,
    pub is_typescript: bool,
    /// The script that the object has to be given to run at all.
    pub script: Option<String>,
    pub note: Option<String>,
    /// What the source imports of npm packages, and in which versions.
    pub packages: BTreeMap<String, String>,
}

/// The code of one policy, or why there is none to translate.
pub(super) fn code(found: &Found, bundle: Option<&Found>) -> Result<Code, String> {
    let text = |field: &str| {
        let text = found.object.pointer("/spec")?.get(field)?.as_str()?;
        (!text.trim().is_empty()).then(|| text.replace("\r\n", "\n"))
    };
    if text("typescript").is_some() {
        return Err("it is a module already (spec.typescript)".to_owned());
    }
    if let Some(source) = text("javascript") {
        readable(found, &source)?;
        let source = super::apart(|| with_imports(&source))?;
        let packages = asked_for(found, &source)?;
        return Ok(Code { source, is_typescript: false, script: None, note: None, packages });
    }
    if let Some(bundle) = bundle {
        return packed(found, bundle);
    }
    if let Some(entry) = super::package::entry(&found.path) {
        let Joined { imports, script } = super::package::linked(&entry)?;
        let source = super::apart(|| opened(&script)).unwrap_or_else(|_| script.clone());
        let note = Some(format!("{} and what it imports are one file now, without their types", entry.display()));
        let (source, script) = (format!("{imports}{source}"), Some(imports + &script));
        let packages = asked_for(found, &source)?;
        return Ok(Code { source, is_typescript: false, script, note, packages });
    }
    Err("it has no source here: neither spec.javascript, nor a JsPolicyBundle of its name, nor an index.ts beside it"
        .to_owned())
}

/// The packages that a source imports, as `spec.dependencies` or the package around it ask for them; any version where
/// nobody says.
fn asked_for(found: &Found, source: &str) -> Result<BTreeMap<String, String>, String> {
    let imported = super::apart(|| packages(source))?;
    if imported.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut ranges = super::package::dependencies(&found.path);
    let given = found.object.pointer("/spec/dependencies").and_then(Value::as_object);
    let given =
        given.into_iter().flatten().filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned())));
    ranges.extend(given);
    let range = |name: String| {
        let range = ranges.get(&name).cloned().unwrap_or_else(|| "*".to_owned());
        (name, range)
    };
    Ok(imported.into_iter().map(range).collect())
}

/// Whether a source parses, and is not nested beyond all reason.
fn readable(found: &Found, source: &str) -> Result<(), String> {
    let file = format!("{} (JsPolicy {})", found.path.display(), found.name);
    scan(&file, Path::new("policy.js"), source).map(drop).map_err(|error| error.to_string())
}

fn packed(found: &Found, bundle: &Found) -> Result<Code, String> {
    let encoded = bundle.object.pointer("/spec/bundle").and_then(Value::as_str).unwrap_or_default();
    let script = unpack(encoded, BundleLimits::default())
        .map_err(|error| format!("{}: JsPolicyBundle {} {error}", bundle.path.display(), bundle.name))?;
    readable(found, &script)?;
    let source = super::apart(|| opened(&script))?;
    let note = Some("its source is what webpack left in the bundle: names and comments may be lost".to_owned());
    Ok(Code { source, is_typescript: false, script: None, note, packages: BTreeMap::new() })
}

/// The source in a bundle, with line breaks, and out of the function that webpack wraps it in.
fn opened(script: &str) -> String {
    let mut source = printed(script).unwrap_or_else(|| script.to_owned());
    for _ in 0..3 {
        match inner(&source) {
            Some(inside) => source = inside,
            None => break,
        }
    }
    source
}

fn printed(script: &str) -> Option<String> {
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, script, SourceType::script()).with_options(options).parse();
    (!parsed.panicked && parsed.diagnostics.errors().next().is_none())
        .then(|| Codegen::new().build(&parsed.program).code)
}

/// The body of the one function that the script is a call of.
fn inner(source: &str) -> Option<String> {
    let allocator = Allocator::default();
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, source, SourceType::script()).with_options(options).parse();
    let [Statement::ExpressionStatement(statement)] = parsed.program.body.as_slice() else { return None };
    let Expression::CallExpression(call) = statement.expression.get_inner_expression() else { return None };
    let (is_plain, params, body) = match call.callee.get_inner_expression() {
        Expression::FunctionExpression(function) => {
            (!function.r#async && !function.generator, &function.params, function.body.as_ref()?.span)
        }
        Expression::ArrowFunctionExpression(arrow) => match &arrow.body {
            oxc::ast::ast::ArrowFunctionBody::FunctionBody(body) => (!arrow.r#async, &arrow.params, body.span),
            _ => return None,
        },
        _ => return None,
    };
    if !is_plain || !params.items.is_empty() || !call.arguments.is_empty() {
        return None;
    }
    let _ = call.span();
    let inside = source.get(body.start as usize + 1..body.end as usize - 1)?;
    let lines = inside.trim_matches('\n').lines().map(|line| line.strip_prefix('\t').unwrap_or(line));
    Some(lines.collect::<Vec<_>>().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_opened_and_printed() {
        let source = opened("(()=>{\"use strict\";var e=request.object;if(!e.a)deny(\"no\")})();");
        assert_eq!(source, "\"use strict\";\nvar e = request.object;\nif (!e.a) deny(\"no\");\n");
    }

    #[test]
    fn what_is_no_function_stays() {
        assert_eq!(opened("deny('x')"), "deny(\"x\");\n");
    }
}
