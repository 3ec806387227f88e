//! `nondeterminism`: the clock and the dice, where the request has a time of its own.

use oxc::ast::AstKind;
use oxc::ast::ast::{BindingPattern, CallExpression, Expression, IdentifierReference};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::super::code::{Code, method};
use super::super::finding::{Edit, Finding};
use super::super::rule::Rule;

/// What a use gives, and what stands for it.
enum Use {
    /// `new Date()`.
    Date,
    /// `Date.now()`.
    Millis,
    Random,
}

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        let used = match node.kind() {
            AstKind::NewExpression(made) if made.arguments.is_empty() && is_global(code, &made.callee, "Date") => {
                Some((Use::Date, made.span))
            }
            AstKind::CallExpression(call) => of_call(code, call).map(|used| (used, call.span)),
            _ => None,
        };
        let Some((used, span)) = used else { continue };
        // A script has the clock and nothing else.
        if code.values.is_script() && !matches!(used, Use::Random) {
            continue;
        }
        found.push(finding(code, node.id(), &used, span));
    }
}

fn of_call<'a>(code: &Code<'_, 'a>, call: &'a CallExpression<'a>) -> Option<Use> {
    let (of, name) = method(call)?;
    if name == "now" && is_global(code, of, "Date") {
        return Some(Use::Millis);
    }
    if name == "random" && is_global(code, of, "Math") {
        return Some(Use::Random);
    }
    let is_crypto = is_global(code, of, "crypto");
    (is_crypto && matches!(name, "randomUUID" | "getRandomValues")).then_some(Use::Random)
}

fn is_global(code: &Code<'_, '_>, expression: &Expression<'_>, name: &str) -> bool {
    let is_unresolved = |found: &IdentifierReference<'_>| code.semantic.is_reference_to_global_variable(found);
    expression.get_identifier_reference().is_some_and(|found| found.name == name && is_unresolved(found))
}

fn finding(code: &Code<'_, '_>, node: NodeId, used: &Use, span: Span) -> Finding {
    let at_load = !code.values.is_script()
        && !code
            .semantic
            .nodes()
            .ancestor_kinds(node)
            .any(|kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_)));
    let (message, help) = match (used, at_load) {
        (Use::Random, _) => (
            "the answer depends on chance: a request that is sent again may get another",
            "take what must differ from the request: its `uid`, or the object's name",
        ),
        (_, true) => (
            "while a module is loaded it is 1970",
            "ask for the time in the handler: `now` of its context is that of the request",
        ),
        (_, false) => (
            "the clock is read where the request has a time of its own",
            "use `now` of the handler's context, which a case can set",
        ),
    };
    let mut finding = Finding::new(Rule::Nondeterminism, code.source.diagnostic(span, message)).with_help(help);
    if let (Use::Date | Use::Millis, false) = (used, at_load) {
        let text = if matches!(used, Use::Date) { "now" } else { "now.getTime()" };
        finding = finding.with_fix(mend(code, node, span, text).unwrap_or_default());
    }
    finding
}

/// Takes `now` out of the context that the handler takes apart, and uses it.
fn mend(code: &Code<'_, '_>, node: NodeId, span: Span, text: &str) -> Option<Vec<Edit>> {
    let (policy, kind) = code.values.handler_of(node)?;
    let handler = code.declared.get(policy)?.handlers.iter().find(|handler| handler.kind == kind)?;
    let BindingPattern::ObjectPattern(pattern) = &handler.parameters.items.first()?.pattern else { return None };
    let use_it = code.source.edit(span, text)?;
    let scoping = code.semantic.scoping();
    let named_now = scoping.symbol_ids().filter(|symbol| scoping.symbol_name(*symbol) == "now").count();
    let has_now = pattern
        .properties
        .iter()
        .any(|property| property.shorthand && property.key.static_name().is_some_and(|name| name == "now"));
    match (has_now, named_now) {
        (true, 1) => Some(vec![use_it]),
        (false, 0) => {
            let last = pattern.properties.last()?;
            let after = Span::empty(last.span().end);
            Some(vec![code.source.edit(after, ", now")?, use_it])
        }
        // Another `now` may be in the way.
        _ => None,
    }
}
