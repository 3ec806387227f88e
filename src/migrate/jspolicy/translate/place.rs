//! jsPolicy's `"namespace/name"` as `{ namespace, name }`.

use oxc::ast::ast::{Expression, TemplateLiteral};
use oxc::span::GetSpan as _;
use oxc::syntax::operator::BinaryOperator;

use super::helpers::Helper;
use super::plan::Plan;
use super::script::Script;

/// Rewrites the name that `get` is given.
pub(super) fn place<'a>(script: &Script<'_, 'a>, plan: &mut Plan, name: &'a Expression<'a>) {
    let span = name.span();
    let done = match name {
        Expression::StringLiteral(text) => {
            let text = text.value.as_str();
            let made = match text.split_once('/') {
                Some((namespace, name)) if !name.contains('/') => {
                    format!("{{ namespace: {namespace:?}, name: {name:?} }}")
                }
                _ => format!("{{ name: {text:?} }}"),
            };
            plan.edits.replace(span, made);
            true
        }
        Expression::TemplateLiteral(template) => split_template(script, plan, template),
        Expression::BinaryExpression(_) => split_sum(script, plan, name),
        _ => false,
    };
    if done {
        return;
    }
    if has_no_slash(script, name) {
        plan.edits.wrap(span, "{ name: ", " }");
    } else {
        plan.help(Helper::Place);
        plan.edits.wrap(span, "place(", ")");
    }
}

/// Names of objects have no slash.
fn has_no_slash<'a>(script: &Script<'_, 'a>, name: &'a Expression<'a>) -> bool {
    let is_name =
        |word: &str| word == "name" || word == "namespace" || word.ends_with("Name") || word.ends_with("Namespace");
    match name.get_inner_expression() {
        Expression::StaticMemberExpression(member) => is_name(&member.property.name),
        Expression::ChainExpression(chain) => chain
            .expression
            .as_member_expression()
            .and_then(oxc::ast::ast::MemberExpression::static_property_name)
            .is_some_and(is_name),
        Expression::Identifier(known) => match script.symbol(known) {
            None => false,
            Some(symbol) => match script.init(symbol) {
                Some(init) if !matches!(init, Expression::Identifier(_)) => has_no_slash(script, init),
                Some(_) => false,
                // Taken out of an object by its name.
                None => is_name(&known.name) && !script.semantic.scoping().symbol_is_mutated(symbol),
            },
        },
        Expression::StringLiteral(text) => !text.value.contains('/'),
        _ => false,
    }
}

/// `` `${namespace}/name` ``: cut at the only slash.
fn split_template(script: &Script<'_, '_>, plan: &mut Plan, template: &TemplateLiteral<'_>) -> bool {
    let slashes: usize = template.quasis.iter().map(|quasi| quasi.value.raw.matches('/').count()).sum();
    if slashes > 1 {
        return false;
    }
    let Some((at, quasi)) = template.quasis.iter().enumerate().find(|(_, quasi)| quasi.value.raw.contains('/')) else {
        if template.quasis.iter().any(|quasi| !quasi.value.raw.is_empty()) || template.expressions.len() != 1 {
            plan.edits.wrap(template.span, "{ name: ", " }");
            return true;
        }
        return false;
    };
    let expressions = &template.expressions;
    let Some((before, after)) = quasi.value.raw.split_once('/') else { return false };
    let slash = quasi.span.start + u32::try_from(before.len()).unwrap_or_default();
    let (start, end) = (template.span.start, template.span.end);
    // Left of the slash: one expression alone, text alone, or a template.
    let left_empty = template.quasis.iter().take(at).all(|quasi| quasi.value.raw.is_empty()) && before.is_empty();
    let close = match expressions.first() {
        Some(only) if at == 1 && left_empty => {
            plan.edits.replace_between(start, only.span().start, "{ namespace: ");
            (only.span().end, String::new())
        }
        _ if at == 0 => {
            plan.edits.replace_between(start, slash, format!("{{ namespace: {before:?}"));
            (slash, String::new())
        }
        _ => {
            plan.edits.insert(start, "{ namespace: ");
            (slash, "`".to_owned())
        }
    };
    let right_empty = template.quasis.iter().skip(at + 1).all(|quasi| quasi.value.raw.is_empty()) && after.is_empty();
    match expressions.get(at) {
        Some(only) if expressions.len() == at + 1 && right_empty => {
            plan.edits.replace_between(close.0, only.span().start, format!("{}, name: ", close.1));
            plan.edits.replace_between(only.span().end, end, " }");
        }
        None => plan.edits.replace_between(close.0, end, format!("{}, name: {after:?} }}", close.1)),
        Some(_) => {
            plan.edits.replace_between(close.0, slash + 1, format!("{}, name: `", close.1));
            plan.edits.insert(end, " }");
        }
    }
    let _ = script;
    true
}

/// `namespace + "/name"`, `namespace + "/" + name`, `"namespace/" + name`.
fn split_sum<'a>(script: &Script<'_, 'a>, plan: &mut Plan, sum: &'a Expression<'a>) -> bool {
    let mut operands = Vec::new();
    flatten(sum, &mut operands);
    let with_slash: Vec<usize> = operands
        .iter()
        .enumerate()
        .filter(|(_, operand)| matches!(operand, Expression::StringLiteral(text) if text.value.contains('/')))
        .map(|(at, _)| at)
        .collect();
    let [at] = with_slash.as_slice() else { return false };
    let Some(Expression::StringLiteral(literal)) = operands.get(*at) else { return false };
    let Some((before, after)) = literal.value.split_once('/') else { return false };
    if after.contains('/') || operands.iter().any(|operand| matches!(operand, Expression::ParenthesizedExpression(_))) {
        return false;
    }
    let left_end = at.checked_sub(1).and_then(|left| operands.get(left)).map(|left| left.span().end);
    let right_start = operands.get(at + 1).map(|right| right.span().start);
    let namespace = match (left_end, before) {
        (Some(_), "") => String::new(),
        (Some(_), text) => format!(" + {text:?}"),
        (None, text) => format!("{text:?}"),
    };
    let name = match (right_start, after) {
        (Some(_), "") => String::new(),
        (Some(_), text) => format!("{text:?} + "),
        (None, text) => format!("{text:?}"),
    };
    let span = sum.span();
    plan.edits.insert(span.start, "{ namespace: ");
    let (from, to) = (left_end.unwrap_or(span.start), right_start.unwrap_or(span.end));
    plan.edits.replace_between(from, to, format!("{namespace}, name: {name}"));
    plan.edits.insert(span.end, " }");
    let _ = script;
    true
}

fn flatten<'a>(expression: &'a Expression<'a>, operands: &mut Vec<&'a Expression<'a>>) {
    match expression {
        Expression::BinaryExpression(sum) if sum.operator == BinaryOperator::Addition => {
            flatten(&sum.left, operands);
            flatten(&sum.right, operands);
        }
        other => operands.push(other),
    }
}
