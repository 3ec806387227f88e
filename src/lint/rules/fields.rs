//! `unknown-field`: what is read or written of an object must be a field of its Kubernetes type.

use oxc::ast::AstKind;
use oxc::ast::ast::{BindingPattern, Expression, ObjectExpression, ObjectPropertyKind};
use oxc::span::{GetSpan as _, Span};

use super::super::code::{Code, MAX_DEPTH, Value, string_of};
use super::super::finding::Finding;
use super::super::kubernetes::{Shape, types};
use super::super::rule::Rule;

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        match node.kind() {
            AstKind::StaticMemberExpression(member) => {
                let of = code.values.of(&member.object);
                let name = member.property.name.as_str();
                found.extend(look(code, &of.shape, name, member.property.span, str::to_owned));
            }
            AstKind::ComputedMemberExpression(member) => {
                if let Some((name, span)) = string_of(&member.expression) {
                    let of = code.values.of(&member.object);
                    found.extend(look(code, &of.shape, name, span, |near| format!("{near:?}")));
                }
            }
            AstKind::VariableDeclarator(_) | AstKind::FormalParameter(_) => {
                if let Some((pattern, value)) = code.values.taken_apart(node.id(), MAX_DEPTH) {
                    check_pattern(code, pattern, &value, found);
                }
            }
            AstKind::AssignmentExpression(assignment) => {
                if let Expression::ObjectExpression(object) = assignment.right.get_inner_expression() {
                    check_literal(code, object, &code.values.target(&assignment.left).shape, found);
                }
            }
            _ => {}
        }
    }
}

fn check_pattern<'a>(code: &Code<'_, 'a>, pattern: &'a BindingPattern<'a>, value: &Value, found: &mut Vec<Finding>) {
    match pattern {
        BindingPattern::AssignmentPattern(inner) => check_pattern(code, &inner.left, value, found),
        BindingPattern::ArrayPattern(list) => {
            let item = value.clone().item();
            for element in list.elements.iter().flatten() {
                check_pattern(code, element, &item, found);
            }
        }
        BindingPattern::ObjectPattern(object) => {
            for property in object.properties.iter().filter(|property| !property.computed) {
                let Some(name) = property.key.static_name() else { continue };
                let mend = |near: &str| if property.shorthand { format!("{near}: {name}") } else { near.to_owned() };
                found.extend(look(code, &value.shape, &name, property.key.span(), mend));
                check_pattern(code, &property.value, &code.values.member(value, &name), found);
            }
        }
        BindingPattern::BindingIdentifier(_) => {}
    }
}

/// A literal that is given to a field of a known type.
fn check_literal(code: &Code<'_, '_>, object: &ObjectExpression<'_>, shape: &Shape, found: &mut Vec<Finding>) {
    if !matches!(shape, Shape::Of(_)) {
        return;
    }
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
        let Some(name) = property.key.static_name().filter(|_| !property.computed) else { continue };
        let mend = |near: &str| if property.shorthand { format!("{near}: {name}") } else { near.to_owned() };
        found.extend(look(code, shape, &name, property.key.span(), mend));
        if let Expression::ObjectExpression(inner) = property.value.get_inner_expression() {
            check_literal(code, inner, &types().field(shape, &name).unwrap_or(Shape::Any), found);
        }
    }
}

fn look(code: &Code<'_, '_>, shape: &Shape, name: &str, span: Span, mend: impl Fn(&str) -> String) -> Option<Finding> {
    if types().field(shape, name).is_some() {
        return None;
    }
    let told = types().told(shape);
    let message = match shape {
        Shape::List(_) => format!("`{name}` is not a field: this is {told}"),
        _ => format!("`{name}` is not a field of {told}"),
    };
    let finding = Finding::new(Rule::UnknownField, code.source.diagnostic(span, message));
    Some(match (types().near(shape, name), shape) {
        (Some(near), _) => finding.with_help(format!("write `{near}`")).with_fix(code.source.edit(span, mend(near))),
        (None, Shape::List(_)) => finding.with_help("take an item of it, `[0]`, or go through all of them"),
        (None, _) => finding.with_help("see the type in @bylaw/sdk/k8s for the fields that there are"),
    })
}
