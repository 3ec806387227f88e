//! The rest of what a script found around it: words for the log, the policy's name, `exports`, sloppy globals.

use oxc::ast::AstKind;
use oxc::ast::ast::Expression;
use oxc::span::GetSpan as _;

use super::Refusal;
use super::exits::EXITS;
use super::helpers::Helper;
use super::plan::Plan;
use super::reads::calls;
use super::said::{rename, warn};
use super::script::Script;

/// jsPolicy's own, beside those that end the run.
const OWN: [&str; 25] = [
    "request",
    "warn",
    "print",
    "sleep",
    "env",
    "readFileSync",
    "atob",
    "btoa",
    "get",
    "list",
    "create",
    "update",
    "remove",
    "fetchSync",
    "__policy",
    "exports",
    "__get",
    "__list",
    "__create",
    "__update",
    "__remove",
    "__fetchSync",
    "console",
    "undefined",
    "globalThis",
];

/// What every realm has.
const STANDARD: [&str; 56] = [
    "Object",
    "Array",
    "String",
    "Number",
    "Boolean",
    "Symbol",
    "BigInt",
    "Math",
    "JSON",
    "Date",
    "RegExp",
    "Map",
    "Set",
    "WeakMap",
    "WeakSet",
    "Promise",
    "Proxy",
    "Reflect",
    "Error",
    "TypeError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "EvalError",
    "URIError",
    "AggregateError",
    "parseInt",
    "parseFloat",
    "isNaN",
    "isFinite",
    "NaN",
    "Infinity",
    "encodeURIComponent",
    "decodeURIComponent",
    "encodeURI",
    "decodeURI",
    "Intl",
    "ArrayBuffer",
    "DataView",
    "Uint8Array",
    "Int8Array",
    "Uint16Array",
    "Int16Array",
    "Uint32Array",
    "Int32Array",
    "Float32Array",
    "Float64Array",
    "Uint8ClampedArray",
    "BigInt64Array",
    "BigUint64Array",
    "Function",
    "eval",
    "arguments",
    "WeakRef",
    "Iterator",
    "escape",
];

/// What cannot be carried over, and why.
const REFUSED: [(&str, &str); 4] = [
    ("__response", "it writes jsPolicy's own record `__response`, for which a module has no counterpart"),
    ("__throw", "it calls jsPolicy's internal `__throw`"),
    ("WebAssembly", "WebAssembly is closed to modules, as it is to scripts"),
    ("require", "it uses `require`; write an `import`"),
];

pub(super) fn surroundings(script: &Script<'_, '_>, plan: &mut Plan, policy: &str) -> Result<(), Refusal> {
    for (name, why) in REFUSED {
        if let Some(node) = script.free(name).first() {
            return Err(script.refuse(*node, why));
        }
    }
    for (call, _, callee) in calls(script, &["warn"])? {
        let name = plan.take(script, "warn");
        rename(script, plan, callee, &name);
        warn(script, plan, call);
    }
    for (call, node, _) in calls(script, &["sleep"])? {
        let text = script.raw(call.span).replace("*/", "* /");
        plan.note(format!(
            "line {}: `{text}` is left out: a policy has nothing to wait for",
            script.line(call.span.start)
        ));
        let is_statement = matches!(script.outer(node).0, AstKind::ExpressionStatement(_));
        plan.edits.replace(call.span, if is_statement { format!("/* {text} */") } else { "undefined".to_owned() });
    }
    for node in script.free("print") {
        let name = plan.take(script, "log");
        rename(script, plan, node, &name);
    }
    console(script, plan);
    for node in script.free("__policy") {
        rename(script, plan, node, &format!("{policy:?}"));
    }
    exports(script, plan);
    globals(script, plan, policy);
    code_from_text(script, plan);
    undeclared(script, plan)
}

fn console(script: &Script<'_, '_>, plan: &mut Plan) {
    const SAY: [&str; 6] = ["log", "info", "warn", "error", "debug", "trace"];
    for node in script.free("console") {
        let (kind, _, span) = script.outer(node);
        match kind {
            AstKind::StaticMemberExpression(member)
                if member.object.span() == span && SAY.contains(&member.property.name.as_str()) =>
            {
                let name = plan.take(script, "log");
                plan.edits.replace(member.span, name);
            }
            // The engine's console has the rest of it, but the SDK's types do not.
            _ => declare(plan, "console"),
        }
    }
}

/// `exports` was global, and `this` outside of functions.
fn exports(script: &Script<'_, '_>, plan: &mut Plan) {
    let mut is_used = !script.free("exports").is_empty();
    for node in script.semantic.nodes() {
        if !matches!(node.kind(), AstKind::ThisExpression(_)) {
            continue;
        }
        let is_of_the_script =
            script.functions(node.id()).all(|function| script.fun(function).is_some_and(|fun| fun.is_arrow));
        let is_in_class =
            script.semantic.nodes().ancestor_kinds(node.id()).any(|kind| matches!(kind, AstKind::Class(_)));
        if is_of_the_script && !is_in_class {
            plan.edits.replace(node.kind().span(), "exports");
            is_used = true;
        }
    }
    if is_used {
        plan.help(Helper::Dynamic);
        plan.opening.push("const exports: Dynamic = {};".to_owned());
    }
}

/// A module's `globalThis` has nothing of jsPolicy's: an object of the script's own stands in its place.
fn globals(script: &Script<'_, '_>, plan: &mut Plan, policy: &str) {
    let uses = script.free("globalThis");
    if uses.is_empty() {
        return;
    }
    plan.help(Helper::Dynamic);
    let mine = script.fresh("globals");
    let request = plan.whole.clone().unwrap_or_else(|| plan.take(script, "request"));
    let request = if request == "request" { request } else { format!("request: {request}") };
    plan.opening.push(format!("const {mine}: Dynamic = {{ {request}, __policy: {policy:?} }};"));
    for node in uses {
        rename(script, plan, node, &mine);
    }
}

fn code_from_text(script: &Script<'_, '_>, plan: &mut Plan) {
    let is_called = |name: &str| {
        script.free(name).into_iter().any(|node| {
            let (kind, _, span) = script.outer(node);
            match kind {
                AstKind::CallExpression(call) => call.callee.span() == span,
                AstKind::NewExpression(made) => made.callee.span() == span,
                _ => false,
            }
        })
    };
    plan.granted.codegen = is_called("eval") || is_called("Function");
}

/// Sloppy scripts assign what they never declared; others read what is nowhere, and fail over it.
fn undeclared(script: &Script<'_, '_>, plan: &mut Plan) -> Result<(), Refusal> {
    for name in script.free_names() {
        let is_known =
            OWN.contains(&name.as_str()) || STANDARD.contains(&name.as_str()) || EXITS.contains(&name.as_str());
        let uses = script.free(&name);
        let written = uses.iter().find(|node| is_assigned(script, **node));
        match written {
            Some(node) if is_known => {
                return Err(script.refuse(*node, format!("it puts its own in the place of `{name}`")));
            }
            Some(_) => {
                plan.help(Helper::Dynamic);
                plan.opening.push(format!("let {name}: Dynamic;"));
                plan.note(format!("`{name}` was assigned and never declared; it is declared now"));
            }
            None if is_known => {}
            None => declare(plan, &name),
        }
    }
    Ok(())
}

fn declare(plan: &mut Plan, name: &str) {
    plan.help(Helper::Dynamic);
    let line = format!("declare const {name}: Dynamic;");
    if !plan.declared.contains(&line) {
        plan.declared.push(line);
    }
}

fn is_assigned(script: &Script<'_, '_>, node: oxc::semantic::NodeId) -> bool {
    let (kind, _, span) = script.outer(node);
    match kind {
        AstKind::AssignmentExpression(assignment) => assignment.left.span() == span,
        AstKind::UpdateExpression(_)
        | AstKind::ArrayAssignmentTarget(_)
        | AstKind::AssignmentTargetPropertyIdentifier(_) => true,
        AstKind::ForInStatement(statement) => statement.left.span() == span,
        AstKind::ForOfStatement(statement) => statement.left.span() == span,
        _ => false,
    }
}

/// A value that the script returned at its end, of which nobody took notice.
pub(super) fn returned_values(script: &Script<'_, '_>, plan: &mut Plan) {
    for node in script.semantic.nodes() {
        let AstKind::ReturnStatement(statement) = node.kind() else { continue };
        let Some(value) = &statement.argument else { continue };
        if plan.frame(script, node.id()).is_some() {
            continue;
        }
        let is_exit = match value.get_inner_expression() {
            Expression::CallExpression(call) => match &call.callee {
                Expression::Identifier(name) => EXITS.contains(&name.name.as_str()) && script.is_free(name),
                _ => false,
            },
            _ => false,
        };
        if !is_exit {
            plan.edits.wrap(value.span(), "void (", ")");
        }
    }
}
