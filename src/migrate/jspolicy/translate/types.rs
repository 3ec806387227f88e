//! Types where strict TypeScript asks for them and the script had none.

use oxc::ast::AstKind;
use oxc::ast::ast::{BindingPattern, Expression, FormalParameters};
use oxc::semantic::{NodeId, SymbolId};
use oxc::span::GetSpan as _;

use super::helpers::Helper;
use super::plan::Plan;
use super::script::Script;

const ANY: &str = ": Dynamic";

pub(super) fn types(script: &Script<'_, '_>, plan: &mut Plan) {
    for node in script.semantic.nodes() {
        match node.kind() {
            AstKind::Function(function) => {
                let least = function.id.as_ref().and_then(|name| fewest_arguments(script, name.symbol_id()));
                parameters(script, plan, &function.params, least);
                if says_this(script, node.id()) {
                    let more =
                        if function.params.items.is_empty() && function.params.rest.is_none() { "" } else { ", " };
                    plan.help(Helper::Dynamic);
                    plan.edits.insert(function.params.span.start + 1, format!("this: Dynamic{more}"));
                }
                let is_recursive =
                    function.id.as_ref().is_some_and(|name| refers(script, name.symbol_id(), function.span));
                let is_plain = !function.generator && !function.r#async && !plan.waits.contains(&Some(node.id()));
                if is_recursive && is_plain && function.return_type.is_none() {
                    plan.edits.insert(function.params.span.end, ANY);
                    plan.help(Helper::Dynamic);
                }
            }
            AstKind::ArrowFunctionExpression(arrow) if !plan.unrolled.contains(&node.id()) => {
                let least = match script.outer(node.id()).0 {
                    AstKind::VariableDeclarator(declarator) => declarator
                        .id
                        .get_binding_identifier()
                        .and_then(|name| fewest_arguments(script, name.symbol_id())),
                    _ => None,
                };
                parameters(script, plan, &arrow.params, least);
            }
            AstKind::VariableDeclarator(declarator) => {
                let BindingPattern::BindingIdentifier(name) = &declarator.id else { continue };
                let is_loop = matches!(
                    script.kind(script.semantic.nodes().parent_id(script.semantic.nodes().parent_id(node.id()))),
                    AstKind::ForOfStatement(_) | AstKind::ForInStatement(_)
                );
                if declarator.type_annotation.is_some() || is_loop {
                    continue;
                }
                if let Some(annotation) = of_variable(script, name.symbol_id(), declarator.init.as_ref()) {
                    plan.edits.insert(name.span.end, annotation);
                    plan.help(Helper::Dynamic);
                }
            }
            AstKind::Class(class) => fields(script, plan, class),
            AstKind::ComputedMemberExpression(member) => {
                let object = member.object.get_inner_expression();
                if matches!(object, Expression::ObjectExpression(_)) {
                    plan.help(Helper::Dynamic);
                    plan.edits.wrap(object.span(), "(", " as Dynamic)");
                }
            }
            AstKind::CatchParameter(caught) => {
                let is_named = caught.pattern.get_binding_identifier().is_some();
                if is_named && caught.type_annotation.is_none() {
                    plan.edits.insert(caught.span.end, ANY);
                    plan.help(Helper::Dynamic);
                }
            }
            _ => {}
        }
    }
}

/// Whether `this` is of the function itself, and nothing says what it is.
fn says_this(script: &Script<'_, '_>, function: NodeId) -> bool {
    let nodes = script.semantic.nodes();
    let is_method = matches!(nodes.parent_kind(function), AstKind::MethodDefinition(_))
        || matches!(nodes.parent_kind(function), AstKind::ObjectProperty(property) if property.method);
    !is_method
        && nodes.iter().any(|node| {
            matches!(node.kind(), AstKind::ThisExpression(_))
                && script.functions(node.id()).find(|id| matches!(script.kind(*id), AstKind::Function(_)))
                    == Some(function)
        })
}

/// Fields that a class has only because a method assigns them.
fn fields(script: &Script<'_, '_>, plan: &mut Plan, class: &oxc::ast::ast::Class<'_>) {
    let declared: Vec<String> =
        class.body.body.iter().filter_map(|element| Some(element.static_name()?.to_string())).collect();
    let inside = class.body.span;
    let mut found: Vec<String> = Vec::new();
    for node in script.semantic.nodes() {
        let AstKind::StaticMemberExpression(member) = node.kind() else { continue };
        let is_own = matches!(member.object, Expression::ThisExpression(_));
        let is_inside = inside.start <= member.span.start && member.span.end <= inside.end;
        let name = member.property.name.to_string();
        if is_own && is_inside && !declared.contains(&name) && !found.contains(&name) {
            found.push(name);
        }
    }
    if !found.is_empty() {
        plan.help(Helper::Dynamic);
        let text: Vec<String> = found.iter().map(|name| format!(" declare {name}: Dynamic;")).collect();
        plan.edits.insert(inside.start + 1, text.concat());
    }
}

fn parameters(script: &Script<'_, '_>, plan: &mut Plan, params: &FormalParameters<'_>, least: Option<usize>) {
    for (at, param) in params.items.iter().enumerate() {
        if param.type_annotation.is_some() {
            continue;
        }
        let is_name = param.pattern.get_binding_identifier().is_some();
        if param.initializer.is_some() && is_name {
            continue;
        }
        plan.help(Helper::Dynamic);
        let is_left_out = param.initializer.is_none() && is_name && least.is_some_and(|least| at >= least);
        let annotation = if is_left_out { "?: Dynamic" } else { ANY };
        let has_brackets = script.raw(params.span).starts_with('(');
        let end = param.pattern.span().end;
        if has_brackets {
            plan.edits.insert(end, annotation);
        } else {
            plan.edits.insert(param.span.start, "(");
            plan.edits.insert(end, format!("{annotation})"));
        }
    }
    if let Some(rest) = params.rest.as_ref().filter(|rest| rest.type_annotation.is_none()) {
        plan.help(Helper::Dynamic);
        plan.edits.insert(rest.span.end, ": Dynamic[]");
    }
}

/// With how few arguments a function of the script is called.
fn fewest_arguments(script: &Script<'_, '_>, symbol: SymbolId) -> Option<usize> {
    let uses = script.semantic.scoping().get_resolved_references(symbol);
    uses.filter_map(|reference| script.call_of(reference.node_id())).map(|(call, _)| call.arguments.len()).min()
}

fn refers(script: &Script<'_, '_>, symbol: SymbolId, inside: oxc::span::Span) -> bool {
    script.semantic.scoping().get_resolved_references(symbol).any(|reference| {
        let span = script.kind(reference.node_id()).span();
        inside.start <= span.start && span.end <= inside.end
    })
}

fn of_variable(script: &Script<'_, '_>, symbol: SymbolId, init: Option<&Expression<'_>>) -> Option<&'static str> {
    match init {
        None | Some(Expression::NullLiteral(_)) => Some(ANY),
        Some(Expression::ArrayExpression(list)) if list.elements.is_empty() || is_open(script, symbol) => {
            Some(": Dynamic[]")
        }
        Some(Expression::CallExpression(call)) if may_find_nothing(call) => Some(ANY),
        Some(Expression::ObjectExpression(object)) => {
            (object.properties.is_empty() || is_open(script, symbol)).then_some(ANY)
        }
        Some(function @ (Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_))) => {
            refers(script, symbol, function.span()).then_some(ANY)
        }
        // A variable that is given something else later.
        Some(_) => script.semantic.scoping().symbol_is_mutated(symbol).then_some(ANY),
    }
}

/// Methods that answer with nothing where there is none.
fn may_find_nothing(call: &oxc::ast::ast::CallExpression<'_>) -> bool {
    let Expression::StaticMemberExpression(member) = &call.callee else { return false };
    matches!(
        member.property.name.as_str(),
        "exec" | "match" | "find" | "pop" | "shift" | "at" | "get" | "split" | "reduce" | "fromEntries"
    )
}

/// Whether an object is read by computed names, or gets fields that it was not made with.
fn is_open(script: &Script<'_, '_>, symbol: SymbolId) -> bool {
    let uses: Vec<NodeId> =
        script.semantic.scoping().get_resolved_references(symbol).map(oxc::semantic::Reference::node_id).collect();
    uses.into_iter().any(|node| {
        let (kind, at, span) = script.outer(node);
        match kind {
            AstKind::ComputedMemberExpression(member) => member.object.span() == span,
            AstKind::StaticMemberExpression(member) => {
                member.object.span() == span && matches!(script.outer(at).0, AstKind::AssignmentExpression(_))
            }
            _ => false,
        }
    })
}
