//! `deny allow exit mutate requeue` ended a script at once, wherever they stood. A module returns from its handler, which
//! is a plain `return` where nothing is in between, and a throw that the handler catches elsewhere.

use oxc::ast::AstKind;
use oxc::ast::ast::{CallExpression, Expression, MethodDefinitionKind, PropertyKind};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};
use oxc::syntax::operator::LogicalOperator;

use super::Refusal;
use super::helpers::Helper;
use super::plan::Plan;
use super::script::{Body, Script};

pub(super) const EXITS: [&str; 6] = ["deny", "allow", "exit", "__exit", "mutate", "requeue"];

/// One call that ends the run.
#[derive(Clone, Copy)]
pub(super) struct Exit<'a> {
    pub name: &'static str,
    pub call: &'a CallExpression<'a>,
    pub node: NodeId,
    pub callee: NodeId,
}

/// How a call stands among the statements.
enum Position<'a> {
    /// A statement of its own, of this span.
    Alone(Span),
    /// The right side of a statement `left && call` or `left || call`.
    After { left: &'a Expression<'a>, operator: LogicalOperator, statement: Span },
    /// `return call`.
    Returned,
    /// The body of an arrow function.
    Body,
    /// Its value is asked for.
    Inside,
}

/// Every call that ends the run.
pub(super) fn exits<'a>(script: &Script<'_, 'a>) -> Result<Vec<Exit<'a>>, Refusal> {
    let mut found = Vec::new();
    for name in EXITS {
        for callee in script.free(name) {
            let Some((call, node)) = script.call_of(callee) else {
                return Err(
                    script.refuse(callee, format!("`{name}` is handed on as a value; call it where it is meant"))
                );
            };
            if call.arguments.iter().any(|argument| argument.as_expression().is_none()) {
                return Err(script.refuse(callee, format!("`{name}(...)` is called with a list of arguments")));
            }
            found.push(Exit { name, call, node, callee });
        }
    }
    found.sort_by_key(|exit| exit.call.span.start);
    Ok(found)
}

/// Rewrites the calls. `said` makes the text of what is said before the end: nothing where that is nothing.
pub(super) fn end_runs<'a>(
    script: &Script<'_, 'a>,
    plan: &mut Plan,
    exits: &[Exit<'a>],
    mut said: impl FnMut(&mut Plan, &Exit<'a>) -> Result<bool, Refusal>,
) -> Result<(), Refusal> {
    plan.ends_later = exits.iter().any(|exit| {
        let position = position(script, plan, exit.node);
        plan.frame(script, exit.node).is_some_and(|function| ends_its_promise(script, function, &position))
    });
    plan.guards |= plan.ends_later;
    for exit in exits {
        let speaks = said(plan, exit)?;
        let position = position(script, plan, exit.node);
        let frame = plan.frame(script, exit.node);
        if let Some(function) = frame.filter(|_| plan.ends_later)
            && ends_its_promise(script, function, &position)
        {
            // Who comes after the end of the run is not heard any more.
            let open = if matches!(position, Position::Alone(_)) { "return last(() => " } else { "last(() => " };
            let call = exit.call.span;
            if speaks {
                plan.edits.wrap(call, open, ")");
            } else {
                plan.edits.replace(call, format!("{open}undefined)"));
            }
            continue;
        }
        let must_throw = match frame {
            Some(function) => !ends_its_promise(script, function, &position),
            None => {
                plan.ends_later
                    || matches!(position, Position::Inside | Position::Body)
                    || is_guarded(script, exit.node)
            }
        };
        let call = exit.call.span;
        if must_throw {
            plan.throws = true;
            plan.help(Helper::End);
            // TypeScript wants a getter to return.
            if matches!(position, Position::Alone(_)) && frame.is_some_and(|function| is_getter(script, function)) {
                plan.edits.insert(call.start, "return ");
            }
            let (open, close) = if speaks { ("end(", ")") } else { ("end()", "") };
            if speaks {
                plan.edits.wrap(call, open, close);
            } else {
                plan.edits.replace(call, open);
            }
            continue;
        }
        if !speaks && !matches!(position, Position::Returned) {
            plan.edits.replace(call, "");
        }
        match position {
            Position::Alone(statement) if !speaks && is_last(script, statement) => plan.edits.replace(statement, ""),
            Position::Alone(_) => plan.edits.insert(call.start, if speaks { "return " } else { "return" }),
            Position::After { left, operator, statement } => {
                let (open, close) =
                    if operator == LogicalOperator::And { ("if (", ") return") } else { ("if (!(", ")) return") };
                plan.edits.insert(statement.start, open);
                let close = format!("{close}{}", if speaks { " " } else { "" });
                plan.edits.replace_between(left.span().end, call.start, close);
            }
            Position::Returned if !speaks => plan.edits.replace(call, ""),
            Position::Returned | Position::Inside | Position::Body => {}
        }
    }
    Ok(())
}

fn position<'a>(script: &Script<'_, 'a>, plan: &Plan, node: NodeId) -> Position<'a> {
    let (kind, at, span) = script.outer(node);
    match kind {
        AstKind::ExpressionStatement(statement) => Position::Alone(statement.span),
        AstKind::ReturnStatement(_) => Position::Returned,
        AstKind::ArrowFunctionExpression(_) if plan.unrolled.contains(&at) => Position::Alone(span),
        AstKind::ArrowFunctionExpression(_) => Position::Body,
        AstKind::LogicalExpression(logical)
            if logical.right.span() == span && logical.operator != LogicalOperator::Coalesce =>
        {
            let after = |statement| Position::After { left: &logical.left, operator: logical.operator, statement };
            match script.outer(at) {
                (AstKind::ExpressionStatement(statement), ..) => after(statement.span),
                (AstKind::ArrowFunctionExpression(_), around, span) if plan.unrolled.contains(&around) => after(span),
                _ => Position::Inside,
            }
        }
        _ => Position::Inside,
    }
}

/// Whether nothing comes after a statement, and nothing has to be skipped.
fn is_last(script: &Script<'_, '_>, statement: Span) -> bool {
    script.semantic.nodes().iter().any(|node| match node.kind() {
        AstKind::Program(program) => program.body.last().is_some_and(|last| last.span() == statement),
        _ => false,
    })
}

/// In a promise's callback the end of the function is as far as the run gets.
fn ends_its_promise(script: &Script<'_, '_>, function: NodeId, position: &Position<'_>) -> bool {
    if matches!(position, Position::Inside) {
        return false;
    }
    let is_async = script.fun(function).is_some_and(|fun| fun.is_async);
    is_async || is_promise_callback(script, function)
}

fn is_getter(script: &Script<'_, '_>, function: NodeId) -> bool {
    match script.semantic.nodes().parent_kind(function) {
        AstKind::ObjectProperty(property) => property.kind == PropertyKind::Get,
        AstKind::MethodDefinition(method) => method.kind == MethodDefinitionKind::Get,
        _ => false,
    }
}

fn is_promise_callback(script: &Script<'_, '_>, function: NodeId) -> bool {
    let (kind, _, span) = script.outer(function);
    let AstKind::CallExpression(call) = kind else { return false };
    let is_argument = call.callee.span() != span;
    let name = match &call.callee {
        Expression::StaticMemberExpression(member) => member.property.name.as_str(),
        _ => "",
    };
    is_argument && matches!(name, "then" | "catch")
}

/// Whether a `finally` stands around: it would run after a `return`.
fn is_guarded(script: &Script<'_, '_>, node: NodeId) -> bool {
    let span = script.kind(node).span();
    script.semantic.nodes().ancestor_kinds(node).any(|kind| match kind {
        AstKind::TryStatement(found) => {
            found.finalizer.as_ref().is_some_and(|last| !(last.span.start <= span.start && span.end <= last.span.end))
        }
        _ => false,
    })
}

/// A throw that ends the run must pass every `catch`, and skip every `finally`.
pub(super) fn let_ends_pass(script: &Script<'_, '_>, plan: &mut Plan) {
    if !plan.throws {
        return;
    }
    for node in script.semantic.nodes() {
        let AstKind::TryStatement(tried) = node.kind() else { continue };
        if let Some(handler) = &tried.handler {
            let open = handler.body.span.start + 1;
            let error = match &handler.param {
                Some(param) => match param.pattern.get_binding_identifier() {
                    Some(name) => name.name.to_string(),
                    None => script.fresh("error"),
                },
                None => script.fresh("error"),
            };
            match &handler.param {
                None => plan.edits.replace_between(handler.span.start, open, format!("catch ({error}) {{")),
                Some(param) if param.pattern.get_binding_identifier().is_none() => {
                    plan.edits.replace(param.span, error.clone());
                    let pattern = script.raw(param.span);
                    plan.help(Helper::Dynamic);
                    plan.edits.insert(open, format!(" const {pattern} = {error} as Dynamic;"));
                }
                Some(_) => {}
            }
            plan.edits.insert(open, format!(" if ({error} instanceof Ended) throw {error};"));
        }
        if let Some(last) = &tried.finalizer {
            plan.guards = true;
            plan.edits.insert(last.span.start + 1, " if (!ended) {");
            plan.edits.insert(last.span.end - 1, "} ");
        }
    }
}

/// `list.forEach((item) => { … })` as a loop, where something inside must get out of it, or must be awaited.
pub(super) fn unroll(script: &Script<'_, '_>, plan: &mut Plan, node: NodeId) {
    for function in script.functions(node).collect::<Vec<_>>() {
        if !plan.unrolled.contains(&function) && !unroll_one(script, plan, function) {
            return;
        }
    }
}

fn unroll_one(script: &Script<'_, '_>, plan: &mut Plan, function: NodeId) -> bool {
    let Some(fun) = script.fun(function) else { return false };
    let (AstKind::CallExpression(call), at, span) = script.outer(function) else { return false };
    let (AstKind::ExpressionStatement(statement), ..) = script.outer(at) else { return false };
    let Expression::StaticMemberExpression(member) = &call.callee else { return false };
    let is_plain = !fun.is_async && !fun.is_generator && fun.params.rest.is_none() && fun.params.items.len() <= 2;
    let is_the_argument = call.arguments.len() == 1 && call.callee.span() != span && !call.optional;
    if member.property.name != "forEach" || !is_plain || !is_the_argument || fun.params.items.is_empty() {
        return false;
    }
    if !fun.is_arrow && uses_this(script, function) {
        return false;
    }
    let Some(returns) = returns(script, function) else { return false };
    plan.unrolled.insert(function);
    let params: Vec<&str> = fun.params.items.iter().map(|param| script.raw(param.span)).collect();
    let (param, list) = match params.as_slice() {
        [item] => ((*item).to_owned(), ""),
        [item, index] => (format!("[{index}, {item}]"), ".entries()"),
        _ => return false,
    };
    let list = if member.optional { " ?? []".to_owned() + list } else { list.to_owned() };
    let list = if member.optional && params.len() == 2 { format!(" ?? []){}", ".entries()") } else { list };
    let open = if member.optional && params.len() == 2 { "(" } else { "" };
    plan.edits.insert(statement.span.start, format!("for (const {param} of {open}"));
    let object = member.object.span();
    match fun.body {
        Body::Block(body) => {
            plan.edits.replace_between(object.end, body.span.start, format!("{list}) "));
            plan.edits.replace_between(body.span.end, statement.span.end, "");
        }
        Body::Expression(body) => {
            plan.edits.replace_between(object.end, body.span().start, format!("{list}) {{ "));
            plan.edits.replace_between(body.span().end, statement.span.end, "; }");
        }
    }
    for (span, is_last) in returns {
        plan.edits.replace(span, if is_last { "" } else { "continue;" });
    }
    true
}

fn uses_this(script: &Script<'_, '_>, function: NodeId) -> bool {
    let inside = script.kind(function).span();
    script.semantic.nodes().iter().any(|node| {
        let span = node.kind().span();
        let is_inside = inside.start <= span.start && span.end <= inside.end;
        is_inside
            && match node.kind() {
                AstKind::ThisExpression(_) => true,
                AstKind::IdentifierReference(name) => name.name == "arguments",
                _ => false,
            }
    })
}

/// The plain `return`s of a function; nothing where one of them has a value, or stands in a loop of its own.
fn returns(script: &Script<'_, '_>, function: NodeId) -> Option<Vec<(Span, bool)>> {
    let mut found = Vec::new();
    for node in script.semantic.nodes() {
        let AstKind::ReturnStatement(statement) = node.kind() else { continue };
        if script.functions(node.id()).next() != Some(function) {
            continue;
        }
        match &statement.argument {
            None => found.push((statement.span, false)),
            Some(Expression::CallExpression(call)) => {
                let Expression::Identifier(name) = &call.callee else { return None };
                if !EXITS.contains(&name.name.as_str()) || !script.is_free(name) {
                    return None;
                }
                continue;
            }
            Some(_) => return None,
        }
        let between = script.semantic.nodes().ancestor_ids(node.id()).take_while(|id| *id != function);
        let is_nested = between.into_iter().any(|id| {
            matches!(
                script.kind(id),
                AstKind::ForStatement(_)
                    | AstKind::ForInStatement(_)
                    | AstKind::ForOfStatement(_)
                    | AstKind::WhileStatement(_)
                    | AstKind::DoWhileStatement(_)
                    | AstKind::SwitchStatement(_)
            )
        });
        if is_nested {
            return None;
        }
    }
    Some(found)
}
