//! What is said: `deny(message, reason, code)` in jsPolicy's order, and `warn(message)`.

use oxc::ast::ast::{CallExpression, Expression};
use oxc::span::{GetSpan as _, Span};

use super::Refusal;
use super::exits::Exit;
use super::helpers::Helper;
use super::plan::Plan;
use super::script::Script;

/// What an argument says that can be known.
enum Known {
    /// As good as not there.
    Nothing,
    Something,
}

pub(super) fn deny<'a>(script: &Script<'_, 'a>, plan: &mut Plan, exit: &Exit<'a>) -> Result<(), Refusal> {
    let name = plan.take(script, "deny");
    rename(script, plan, exit.callee, &name);
    let arguments: Vec<&'a Expression<'a>> =
        exit.call.arguments.iter().filter_map(|argument| argument.as_expression()).collect();
    let close = exit.call.span.end - 1;
    let Some(message) = arguments.first().copied() else {
        plan.edits.insert(close, "\"\"");
        return Ok(());
    };
    text(script, plan, message);
    let reason = arguments.get(1).copied().filter(|reason| matches!(known_reason(script, reason), Known::Something));
    let code = match arguments.get(2).copied() {
        Some(code) => match known_code(script, code) {
            Ok(Known::Something) => Some(code),
            Ok(Known::Nothing) => None,
            Err(number) => {
                let reason = format!("a denial with code {number}: a module's codes are from 400 to 599");
                return Err(script.refuse(exit.node, reason));
            }
        },
        None => None,
    };
    let mut at = message.span().end;
    let mut open = ", { ";
    for (field, value) in [("reason", reason), ("code", code)] {
        let Some(value) = value else { continue };
        let span = value.span();
        plan.edits.replace_between(at, span.start, format!("{open}{field}: "));
        if !is_plain(value) {
            plan.edits.wrap(span, "(", ") || undefined");
        }
        at = span.end;
        open = ", ";
    }
    plan.edits.replace_between(at, close, if open == ", " { " }" } else { "" });
    Ok(())
}

/// What jsPolicy took for an empty text is an error of a module.
pub(super) fn text<'a>(script: &Script<'_, 'a>, plan: &mut Plan, message: &'a Expression<'a>) {
    if script.is_text(message) {
        return;
    }
    match message {
        Expression::NullLiteral(_) => return plan.edits.replace(message.span(), "\"\""),
        Expression::Identifier(name) if name.name == "undefined" => {
            return plan.edits.replace(message.span(), "\"\"");
        }
        // No text, which fails there as here; TypeScript is not to stop it before.
        Expression::NumericLiteral(_)
        | Expression::BooleanLiteral(_)
        | Expression::ObjectExpression(_)
        | Expression::ArrayExpression(_)
        | Expression::NewExpression(_) => {
            plan.help(Helper::Dynamic);
            return plan.edits.insert(message.span().end, " as Dynamic");
        }
        _ => {}
    }
    let is_simple = matches!(
        message,
        Expression::Identifier(_)
            | Expression::StaticMemberExpression(_)
            | Expression::ComputedMemberExpression(_)
            | Expression::CallExpression(_)
            | Expression::ChainExpression(_)
            | Expression::ParenthesizedExpression(_)
    );
    let (before, after) = if is_simple { ("", " ?? \"\"") } else { ("(", ") ?? \"\"") };
    plan.edits.wrap(message.span(), before, after);
}

pub(super) fn warn<'a>(script: &Script<'_, 'a>, plan: &mut Plan, call: &'a CallExpression<'a>) {
    match call.arguments.first().and_then(|argument| argument.as_expression()) {
        Some(message) => text(script, plan, message),
        None => plan.edits.insert(call.span.end - 1, "\"\""),
    }
}

/// Gives one use of a name another; a shorthand property keeps its key.
pub(super) fn rename(script: &Script<'_, '_>, plan: &mut Plan, node: oxc::semantic::NodeId, name: &str) {
    let span = script.kind(node).span();
    replace_name(script, plan, node, span, name);
}

pub(super) fn replace_name(
    script: &Script<'_, '_>,
    plan: &mut Plan,
    node: oxc::semantic::NodeId,
    span: Span,
    name: &str,
) {
    if script.raw(span) == name {
        return;
    }
    let is_shorthand = match script.semantic.nodes().parent_kind(node) {
        oxc::ast::AstKind::ObjectProperty(property) => property.shorthand,
        _ => false,
    };
    let text = if is_shorthand { format!("{}: {name}", script.raw(span)) } else { name.to_owned() };
    plan.edits.replace(span, text);
}

fn known_reason(script: &Script<'_, '_>, reason: &Expression<'_>) -> Known {
    match reason {
        Expression::NullLiteral(_) => Known::Nothing,
        Expression::StringLiteral(text) if text.value.is_empty() => Known::Nothing,
        Expression::Identifier(name) if name.name == "undefined" => Known::Nothing,
        _ => {
            let _ = script;
            Known::Something
        }
    }
}

/// The number where a module has no such code.
fn known_code<'a>(script: &Script<'_, 'a>, code: &'a Expression<'a>) -> Result<Known, String> {
    let shown = || script.raw(code.span()).to_owned();
    match code {
        Expression::NullLiteral(_) => Ok(Known::Nothing),
        Expression::Identifier(name) if name.name == "undefined" => Ok(Known::Nothing),
        Expression::NumericLiteral(number) if number.value <= 0.0 => Ok(Known::Nothing),
        Expression::NumericLiteral(number)
            if number.value.fract() == 0.0 && !(400.0..=599.0).contains(&number.value) =>
        {
            // What is no 32-bit integer failed there as it fails here.
            if number.value > f64::from(i32::MAX) { Ok(Known::Something) } else { Err(shown()) }
        }
        Expression::UnaryExpression(minus)
            if minus.operator == oxc::syntax::operator::UnaryOperator::UnaryNegation
                && matches!(minus.argument, Expression::NumericLiteral(_)) =>
        {
            Ok(Known::Nothing)
        }
        _ => Ok(Known::Something),
    }
}

fn is_plain(value: &Expression<'_>) -> bool {
    matches!(value, Expression::StringLiteral(_) | Expression::TemplateLiteral(_) | Expression::NumericLiteral(_))
}
