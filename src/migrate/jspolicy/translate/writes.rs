//! `create`, `update`, `remove` and `fetchSync`: they made a script wait, and make promises in a module.

use oxc::ast::ast::{CallExpression, Expression, ObjectPropertyKind};
use oxc::semantic::NodeId;
use oxc::span::GetSpan as _;

use super::Refusal;
use super::helpers::Helper;
use super::plan::Plan;
use super::reads::{calls, is_kind, wrong};
use super::script::Script;

const WRITES: [(&str, &str); 6] = [
    ("create", "create"),
    ("update", "update"),
    ("remove", "remove"),
    ("__create", "create"),
    ("__update", "update"),
    ("__remove", "remove"),
];

/// The calls that have to be awaited.
pub(super) fn waiting(script: &Script<'_, '_>) -> Result<Vec<NodeId>, Refusal> {
    let names = ["create", "update", "remove", "fetchSync", "__create", "__update", "__remove", "__fetchSync"];
    Ok(calls(script, &names)?.into_iter().map(|(_, node, _)| node).collect())
}

pub(super) fn writes(script: &Script<'_, '_>, plan: &mut Plan) -> Result<(), Refusal> {
    for (old, new) in WRITES {
        for (call, node, _) in calls(script, &[old])? {
            let object = match call.arguments.as_slice() {
                [one] => one.as_expression(),
                _ => None,
            };
            let Some(object) = object.filter(|object| may_be_object(object)) else {
                let message = format!("{new}: expects one object");
                if new == "remove" {
                    plan.help(Helper::Dynamic);
                    plan.edits.replace(call.span, format!("({{ ok: false, message: {message:?} }} as Dynamic)"));
                } else {
                    wrong(plan, call, &message);
                }
                continue;
            };
            grant_write(script, plan, call, object);
            let name = plan.take(script, new);
            let (helper, by) =
                if new == "remove" { (Helper::Removal, "removal") } else { (Helper::Attempt, "attempt") };
            plan.help(helper);
            plan.edits.replace_between(call.span.start, object.span().start, format!("{by}({name}, "));
            await_it(script, plan, node);
        }
    }
    for (call, node, _) in calls(script, &["fetchSync", "__fetchSync"])? {
        fetch(script, plan, call, node);
    }
    Ok(())
}

fn may_be_object(argument: &Expression<'_>) -> bool {
    !matches!(
        argument,
        Expression::NullLiteral(_)
            | Expression::StringLiteral(_)
            | Expression::NumericLiteral(_)
            | Expression::ArrayExpression(_)
    )
}

/// Awaits a call, in brackets where something is done with what comes of it.
pub(super) fn await_it(script: &Script<'_, '_>, plan: &mut Plan, node: NodeId) {
    use oxc::ast::AstKind;
    let (kind, _, span) = script.outer(node);
    let is_operand = match kind {
        AstKind::StaticMemberExpression(member) => member.object.span() == span,
        AstKind::ComputedMemberExpression(member) => member.object.span() == span,
        AstKind::CallExpression(call) => call.callee.span() == span,
        _ => false,
    };
    let span = script.kind(node).span();
    if is_operand {
        plan.edits.wrap(span, "(await ", ")");
    } else {
        plan.edits.insert(span.start, "await ");
    }
}

fn grant_write<'a>(script: &Script<'_, 'a>, plan: &mut Plan, call: &CallExpression<'a>, object: &'a Expression<'a>) {
    match kind_of(script, object, 0) {
        Some(kind) if !is_kind(&kind) => {}
        Some(kind) => drop(plan.granted.write.insert(kind)),
        None => {
            let line = script.line(call.span.start);
            plan.note(format!(
                "line {line}: which kind is written shows only when it runs, so it may write every kind"
            ));
            plan.granted.write.insert("*".to_owned());
        }
    }
}

/// `v1/ConfigMap` of an object that is written out, or was read by `get`.
fn kind_of<'a>(script: &Script<'_, 'a>, object: &'a Expression<'a>, depth: u32) -> Option<String> {
    if depth > 4 {
        return None;
    }
    match script.resolved(object) {
        Expression::ObjectExpression(object) => {
            let text = |wanted: &str| {
                object.properties.iter().find_map(|property| match property {
                    ObjectPropertyKind::ObjectProperty(property)
                        if property.key.static_name().as_deref() == Some(wanted) =>
                    {
                        script.text_of(&property.value)
                    }
                    _ => None,
                })
            };
            if let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) {
                return Some(format!("{version}/{kind}"));
            }
            let has_own_kind = object.properties.iter().any(|property| match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    matches!(property.key.static_name().as_deref(), Some("kind" | "apiVersion"))
                }
                ObjectPropertyKind::SpreadProperty(_) => false,
            });
            object.properties.iter().filter(|_| !has_own_kind).find_map(|property| match property {
                ObjectPropertyKind::SpreadProperty(spread) => kind_of(script, &spread.argument, depth + 1),
                ObjectPropertyKind::ObjectProperty(_) => None,
            })
        }
        Expression::CallExpression(call) => match &call.callee {
            Expression::Identifier(name) if name.name == "get" && script.is_free(name) => {
                let text = |at: usize| script.text_of(call.arguments.get(at)?.as_expression()?);
                Some(format!("{}/{}", text(1)?, text(0)?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn fetch<'a>(script: &Script<'_, 'a>, plan: &mut Plan, call: &'a CallExpression<'a>, node: NodeId) {
    let Some(url) = call.arguments.first().and_then(|argument| argument.as_expression()) else {
        wrong(plan, call, "fetchSync: expects a url");
        return;
    };
    if let Some(host) = host_of(script, url) {
        plan.granted.net.insert(host);
    } else {
        let line = script.line(call.span.start);
        plan.note(format!("line {line}: which host is asked shows only when it runs, so it may ask every one"));
        plan.granted.net.insert("*".to_owned());
    }
    plan.help(Helper::Fetched);
    let name = plan.take(script, "fetch");
    plan.edits.replace_between(call.span.start, url.span().start, format!("fetched({name}("));
    if let Some(options) = call.arguments.get(1).and_then(|argument| argument.as_expression()) {
        plan.edits.wrap(options.span(), "(", ") as Dynamic");
    }
    plan.edits.insert(call.span.end, ")");
    await_it(script, plan, node);
}

/// The host and port of a URL whose beginning is known.
fn host_of<'a>(script: &Script<'_, 'a>, url: &'a Expression<'a>) -> Option<String> {
    let (text, is_whole) = match script.resolved(url) {
        Expression::StringLiteral(text) => (text.value.to_string(), true),
        Expression::TemplateLiteral(template) => {
            let first = template.quasis.first()?.value.cooked.as_ref()?.to_string();
            if first.is_empty() {
                let service = template.expressions.first()?;
                return host_of(script, service);
            }
            (first, template.expressions.is_empty())
        }
        Expression::BinaryExpression(sum) => return host_of(script, &sum.left),
        _ => return None,
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let end = rest.find(['/', '?', '#']);
    if end.is_none() && !is_whole {
        return None;
    }
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    (!authority.is_empty() && !authority.contains('@')).then(|| authority.to_ascii_lowercase())
}
