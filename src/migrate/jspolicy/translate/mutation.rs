//! Whose objects a script edits, and what `mutate(object)` comes to: in a module the draft is edited in place.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BindingPattern, CallExpression, Expression};
use oxc::semantic::{NodeId, SymbolId};
use oxc::span::{GetSpan as _, Span};

use super::exits::Exit;
use super::script::Script;

/// Methods that change what they are called on.
const CHANGES: [&str; 9] = ["push", "pop", "shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin"];

/// Where an edited object came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Made by the script itself.
    Own,
    /// The request, or a part of it.
    Request,
    /// `get` or `list`.
    Read,
    Unknown,
}

/// One place where an object is changed.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub node: NodeId,
    pub source: Source,
}

/// Every change of an object that the script did not make itself.
pub(super) fn changes(script: &Script<'_, '_>) -> Vec<Change> {
    let mut found = Vec::new();
    for node in script.semantic.nodes() {
        let object = match node.kind() {
            AstKind::StaticMemberExpression(member) if is_target(script, node.id()) => &member.object,
            AstKind::ComputedMemberExpression(member) if is_target(script, node.id()) => &member.object,
            AstKind::CallExpression(call) => match changed_by(call) {
                Some(object) => object,
                None => continue,
            },
            _ => continue,
        };
        let source = source(script, object, 0);
        if source != Source::Own {
            found.push(Change { node: node.id(), source });
        }
    }
    found
}

fn is_target(script: &Script<'_, '_>, node: NodeId) -> bool {
    let (kind, _, span) = script.outer(node);
    match kind {
        AstKind::AssignmentExpression(assignment) => assignment.left.span() == span,
        AstKind::UpdateExpression(_) | AstKind::ArrayAssignmentTarget(_) => true,
        AstKind::AssignmentTargetPropertyProperty(property) => property.binding.span() == span,
        AstKind::UnaryExpression(unary) => unary.operator.is_delete(),
        _ => false,
    }
}

fn changed_by<'a>(call: &'a CallExpression<'a>) -> Option<&'a Expression<'a>> {
    let Expression::StaticMemberExpression(member) = &call.callee else { return None };
    let name = member.property.name.as_str();
    if CHANGES.contains(&name) {
        return Some(&member.object);
    }
    let is_object = matches!(&member.object, Expression::Identifier(object) if object.name == "Object");
    if is_object && matches!(name, "assign" | "defineProperty" | "setPrototypeOf" | "defineProperties") {
        return call.arguments.first().and_then(Argument::as_expression);
    }
    None
}

/// Where an object came from.
pub(super) fn source<'a>(script: &Script<'_, 'a>, expression: &'a Expression<'a>, depth: u32) -> Source {
    if depth > 12 {
        return Source::Unknown;
    }
    let of = |expression: &'a Expression<'a>| source(script, expression, depth + 1);
    match expression.get_inner_expression() {
        Expression::Identifier(name) => match script.symbol(name) {
            None if name.name == "request" => Source::Request,
            None if matches!(name.name.as_str(), "exports" | "__response") => Source::Own,
            None => Source::Unknown,
            Some(symbol) => of_symbol(script, symbol, depth + 1),
        },
        Expression::ObjectExpression(_)
        | Expression::ArrayExpression(_)
        | Expression::NewExpression(_)
        | Expression::ArrowFunctionExpression(_)
        | Expression::FunctionExpression(_) => Source::Own,
        Expression::StaticMemberExpression(member) => match of(&member.object) {
            // What a script puts into an object of its own may be anybody's.
            Source::Own => Source::Own,
            other => other,
        },
        Expression::ComputedMemberExpression(member) => of(&member.object),
        Expression::ChainExpression(chain) => match chain.expression.as_member_expression() {
            Some(member) => of(member.object()),
            None => Source::Unknown,
        },
        Expression::LogicalExpression(logical) => match of(&logical.left) {
            Source::Own => of(&logical.right),
            found => found,
        },
        Expression::ConditionalExpression(either) => match of(&either.consequent) {
            Source::Own => of(&either.alternate),
            found => found,
        },
        Expression::AssignmentExpression(assignment) => of(&assignment.right),
        Expression::CallExpression(call) => of_call(script, call, depth + 1),
        _ => Source::Unknown,
    }
}

fn of_call<'a>(script: &Script<'_, 'a>, call: &'a CallExpression<'a>, depth: u32) -> Source {
    match &call.callee {
        Expression::Identifier(name) if script.is_free(name) => match name.name.as_str() {
            "get" | "list" | "__get" | "__list" => Source::Read,
            "Array" | "Object" | "String" | "fetchSync" | "create" | "update" => Source::Own,
            _ => Source::Unknown,
        },
        Expression::StaticMemberExpression(member) => match member.property.name.as_str() {
            // A new list; what is in it may be anybody's, which a deeper change would show as unknown.
            "map" | "keys" | "entries" | "split" | "fromEntries" | "parse" | "match" | "stringify" => Source::Own,
            "find" | "at" | "pop" | "shift" | "filter" | "slice" | "concat" | "flat" | "sort" | "reverse" => {
                match source(script, &member.object, depth) {
                    Source::Own if matches!(member.property.name.as_str(), "concat" | "find") => Source::Unknown,
                    Source::Own => Source::Own,
                    _ if matches!(member.property.name.as_str(), "filter" | "slice" | "concat" | "flat") => Source::Own,
                    found => found,
                }
            }
            "assign" => call
                .arguments
                .first()
                .and_then(Argument::as_expression)
                .map_or(Source::Unknown, |first| source(script, first, depth)),
            _ => Source::Unknown,
        },
        _ => Source::Unknown,
    }
}

fn of_symbol(script: &Script<'_, '_>, symbol: SymbolId, depth: u32) -> Source {
    let declared = script.semantic.scoping().symbol_declaration(symbol);
    let around = std::iter::once(declared).chain(script.semantic.nodes().ancestor_ids(declared)).take(12);
    for node in around {
        match script.kind(node) {
            AstKind::VariableDeclarator(declarator) => {
                let Some(init) = &declarator.init else { continue };
                let found = source(script, init, depth);
                let is_reassigned = script.semantic.scoping().symbol_is_mutated(symbol);
                let is_part = !matches!(declarator.id, BindingPattern::BindingIdentifier(_));
                return if found == Source::Own && (is_reassigned || is_part) { Source::Unknown } else { found };
            }
            AstKind::ForOfStatement(statement) => return source(script, &statement.right, depth),
            AstKind::ForInStatement(_) | AstKind::Program(_) => return Source::Unknown,
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => {
                let (kind, _, span) = script.outer(node);
                if let AstKind::CallExpression(call) = kind
                    && call.callee.span() != span
                    && let Expression::StaticMemberExpression(member) = &call.callee
                {
                    let found = source(script, &member.object, depth);
                    // The items of a list of the script's own may be anybody's.
                    return if found == Source::Own { Source::Unknown } else { found };
                }
                return Source::Unknown;
            }
            _ => {}
        }
    }
    Source::Unknown
}

/// Whether an expression is the object of the request itself.
pub(super) fn is_the_object<'a>(script: &Script<'_, 'a>, expression: &'a Expression<'a>) -> bool {
    match script.resolved(expression) {
        Expression::StaticMemberExpression(member) => {
            let is_request = matches!(&member.object, Expression::Identifier(name) if name.name == "request" && script.is_free(name));
            is_request && member.property.name == "object"
        }
        Expression::Identifier(name) => script.symbol(name).is_some_and(|symbol| is_taken_out(script, symbol)),
        _ => false,
    }
}

/// `const { object } = request`.
fn is_taken_out(script: &Script<'_, '_>, symbol: SymbolId) -> bool {
    let scoping = script.semantic.scoping();
    let declared = scoping.symbol_declaration(symbol);
    let mut around = std::iter::once(declared).chain(script.semantic.nodes().ancestor_ids(declared)).take(4);
    let found = around.find_map(|node| match script.kind(node) {
        AstKind::VariableDeclarator(declarator) => Some(declarator),
        _ => None,
    });
    let Some(declarator) = found.filter(|_| !scoping.symbol_is_mutated(symbol)) else { return false };
    let (BindingPattern::ObjectPattern(pattern), Some(init)) = (&declarator.id, &declarator.init) else { return false };
    let is_request = matches!(init.get_inner_expression(), Expression::Identifier(name) if name.name == "request" && script.is_free(name));
    is_request
        && pattern.properties.iter().any(|property| {
            property.key.static_name().as_deref() == Some("object")
                && property.value.get_binding_identifier().is_some_and(|name| name.symbol_id() == symbol)
        })
}

/// Whether editing the draft where the script edits its object comes to the same: every `mutate` is given the object,
/// and whoever edits it certainly comes to a `mutate` afterwards, or to an end that drops all changes.
pub(super) fn in_place(script: &Script<'_, '_>, exits: &[Exit<'_>], changes: &[Change]) -> bool {
    let mutations: Vec<&Exit<'_>> = exits.iter().filter(|exit| exit.name == "mutate").collect();
    let all_its_own = mutations.iter().all(|exit| {
        exit.call.arguments.first().and_then(Argument::as_expression).is_some_and(|given| is_the_object(script, given))
    });
    let is_replaced = changes.iter().any(|change| is_request_field(script, change.node));
    if !all_its_own || is_replaced {
        return false;
    }
    changes.iter().filter(|change| change.source != Source::Read).all(|change| is_kept(script, exits, *change))
}

/// `request.object = …`: the draft cannot be another object.
fn is_request_field(script: &Script<'_, '_>, node: NodeId) -> bool {
    matches!(script.kind(node), AstKind::StaticMemberExpression(member)
        if matches!(&member.object, Expression::Identifier(name) if name.name == "request" && script.is_free(name)))
}

/// After the change, in one of the blocks around it, stands `mutate(object);`, with no other good end in between.
fn is_kept(script: &Script<'_, '_>, exits: &[Exit<'_>], change: Change) -> bool {
    let at = script.kind(change.node).span();
    // A function of the script's own may be called from anywhere.
    let mut inside = at;
    for node in script.semantic.nodes().ancestor_ids(change.node) {
        let kind = script.kind(node);
        if script.is_function(node) && !is_callback(script, node) {
            return false;
        }
        let statements: Vec<Span> = match kind {
            AstKind::BlockStatement(block) => block.body.iter().map(oxc::span::GetSpan::span).collect(),
            AstKind::FunctionBody(body) => body.statements.iter().map(oxc::span::GetSpan::span).collect(),
            AstKind::Program(program) => program.body.iter().map(oxc::span::GetSpan::span).collect(),
            _ => Vec::new(),
        };
        let mutation = exits.iter().find(|exit| {
            exit.name == "mutate"
                && exit.call.span.start > at.end
                && statements
                    .iter()
                    .any(|statement| statement.start == exit.call.span.start && statement.start >= inside.end)
        });
        if let Some(mutation) = mutation {
            return !ends_between(script, exits, at.start, mutation.call.span.start);
        }
        inside = kind.span();
    }
    false
}

fn is_callback(script: &Script<'_, '_>, function: NodeId) -> bool {
    let (kind, _, span) = script.outer(function);
    matches!(kind, AstKind::CallExpression(call) if call.callee.span() != span
        && matches!(&call.callee, Expression::StaticMemberExpression(_)))
}

/// `allow()`, `exit()` or a `return` of the script itself between two places.
fn ends_between(script: &Script<'_, '_>, exits: &[Exit<'_>], from: u32, to: u32) -> bool {
    let is_between = |span: Span| span.start > from && span.start < to;
    exits.iter().any(|exit| !matches!(exit.name, "deny" | "mutate") && is_between(exit.call.span))
        || script.semantic.nodes().iter().any(|node| {
            matches!(node.kind(), AstKind::ReturnStatement(statement) if is_between(statement.span))
                && script.functions(node.id()).next().is_none()
        })
}
