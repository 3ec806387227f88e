//! The global `request`: its parts are the context's, and the whole is the AdmissionRequest.

use oxc::ast::AstKind;
use oxc::ast::ast::{BindingPattern, Expression};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::helpers::Helper;
use super::plan::Plan;
use super::said::{rename, replace_name};
use super::script::Script;

/// Parts of the request that the context has under a name of their own.
const PARTS: [(&str, &str); 4] =
    [("object", "object"), ("oldObject", "oldObject"), ("operation", "operation"), ("userInfo", "user")];

/// Fields that may be absent, so that strict TypeScript asks about them.
const OPTIONAL: [&str; 11] = [
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "dryRun",
    "username",
    "uid",
    "groups",
    "extra",
];

/// Rewrites every use of `request`. A script that uses it as a whole in a way that would show a frozen or an unedited
/// object gets a copy of its own by the old name.
pub(super) fn request(script: &Script<'_, '_>, plan: &mut Plan, is_mutating: bool) {
    let uses = script.free("request");
    let is_copied = is_mutating || plan.copies_object;
    let is_shown = !script.free("globalThis").is_empty() || uses.iter().any(|node| shows_the_whole(script, *node));
    if is_copied && is_shown {
        return copy(script, plan, is_mutating, &uses);
    }
    for node in uses {
        rewrite(script, plan, node, is_mutating);
    }
}

/// Whether a use of the request shows more than a field of it, or writes to it.
fn shows_the_whole(script: &Script<'_, '_>, node: NodeId) -> bool {
    let (kind, at, span) = script.outer(node);
    match kind {
        AstKind::StaticMemberExpression(member) if member.object.span() == span => is_written(script, at),
        AstKind::VariableDeclarator(declarator) => match &declarator.id {
            BindingPattern::ObjectPattern(pattern) => {
                pattern.rest.is_some()
                    || pattern.properties.iter().any(|property| {
                        property.key.static_name().is_none_or(|name| name == "object" || name == "options")
                    })
            }
            _ => true,
        },
        _ => true,
    }
}

fn is_written(script: &Script<'_, '_>, member: NodeId) -> bool {
    let (kind, _, span) = script.outer(member);
    match kind {
        AstKind::AssignmentExpression(assignment) => assignment.left.span() == span,
        AstKind::UpdateExpression(_) => true,
        AstKind::UnaryExpression(unary) => unary.operator.is_delete(),
        _ => false,
    }
}

fn copy(script: &Script<'_, '_>, plan: &mut Plan, is_mutating: bool, uses: &[NodeId]) {
    plan.help(Helper::Dynamic);
    let given = script.fresh("admission");
    plan.context.insert("request", given.clone());
    let mine = if script.declares("request") { script.fresh("asked") } else { "request".to_owned() };
    if is_mutating {
        let object = object_of(script, plan, true);
        let object = if object == "object" { object } else { format!("object: {object}") };
        plan.opening.push(format!("const {mine}: Dynamic = {{ ...structuredClone({given}), {object} }};"));
    } else {
        plan.opening.push(format!("const {mine}: Dynamic = structuredClone({given});"));
    }
    for node in uses {
        rename(script, plan, *node, &mine);
    }
    plan.whole = Some(mine);
}

/// The name of the object: a script that edits what it only judges has a copy of it.
pub(super) fn object_of(script: &Script<'_, '_>, plan: &mut Plan, is_mutating: bool) -> String {
    if plan.copies_object && !is_mutating {
        plan.copy_object(script, "judged");
    }
    plan.take(script, "object")
}

fn rewrite(script: &Script<'_, '_>, plan: &mut Plan, node: NodeId, is_mutating: bool) {
    let (kind, at, span) = script.outer(node);
    if let AstKind::StaticMemberExpression(member) = kind
        && member.object.span() == span
    {
        let field = member.property.name.as_str();
        let part = PARTS.iter().find(|(name, _)| *name == field).map(|(_, part)| *part);
        let name = match part {
            Some("object") => object_of(script, plan, is_mutating),
            Some(part) => plan.take(script, part),
            None => {
                let request = plan.take(script, "request");
                rename(script, plan, node, &request);
                format!("{request}.{field}")
            }
        };
        if part.is_some() {
            let written = member.span;
            replace_name(script, plan, at, written, &name);
        }
        return assure(script, plan, at, field, part);
    }
    let name = plan.take(script, "request");
    rename(script, plan, node, &name);
    loosen(script, plan, node);
}

/// Says to TypeScript that what a script took to be there is there.
fn assure(script: &Script<'_, '_>, plan: &mut Plan, member: NodeId, field: &str, part: Option<&str>) {
    match part {
        Some("object" | "oldObject" | "operation") => {}
        Some(_) => {
            // `user.name`: the field of the user is what may be absent.
            let (kind, at, span) = script.outer(member);
            match kind {
                AstKind::StaticMemberExpression(inner) if inner.object.span() == span => {
                    assert_there(script, plan, at, inner.property.name.as_str());
                }
                _ => loosen(script, plan, member),
            }
        }
        None => assert_there(script, plan, member, field),
    }
}

fn assert_there(script: &Script<'_, '_>, plan: &mut Plan, member: NodeId, field: &str) {
    if !OPTIONAL.contains(&field) {
        return;
    }
    let (kind, _, span) = script.outer(member);
    let is_needed = match kind {
        AstKind::StaticMemberExpression(outer) => outer.object.span() == span && !outer.optional,
        AstKind::ComputedMemberExpression(outer) => !outer.optional,
        AstKind::VariableDeclarator(declarator) => declarator.init.as_ref().is_some_and(|init| init.span() == span),
        AstKind::CallExpression(_)
        | AstKind::AssignmentExpression(_)
        | AstKind::ObjectProperty(_)
        | AstKind::ForOfStatement(_)
        | AstKind::SpreadElement(_)
        | AstKind::ReturnStatement(_)
        | AstKind::ArrowFunctionExpression(_)
        | AstKind::ArrayExpression(_) => true,
        _ => false,
    };
    if is_needed {
        plan.edits.insert(script.kind(member).span().end, "!");
    }
}

/// A whole that is handed on loses its type, for the script reads from it as it likes.
fn loosen(script: &Script<'_, '_>, plan: &mut Plan, node: NodeId) {
    let (kind, _, span) = script.outer(node);
    let is_handed_on = match kind {
        AstKind::VariableDeclarator(_) | AstKind::AssignmentExpression(_) | AstKind::ReturnStatement(_) => true,
        AstKind::CallExpression(call) => call.callee.span() != span,
        AstKind::ComputedMemberExpression(member) => {
            member.object.span() == span && !matches!(member.expression, Expression::StringLiteral(_))
        }
        _ => false,
    };
    if is_handed_on {
        plan.help(Helper::Dynamic);
        let span: Span = script.kind(node).span();
        plan.edits.wrap(span, "(", " as Dynamic)");
    }
}
