//! A function that awaits is awaited by whoever calls it, up to the handler.

use std::collections::HashSet;

use oxc::ast::AstKind;
use oxc::ast::ast::{Expression, FormalParameter};
use oxc::semantic::{NodeId, SymbolId};
use oxc::span::GetSpan as _;

use super::Refusal;
use super::exits::unroll;
use super::plan::Plan;
use super::script::Script;
use super::writes::await_it;

/// Marks every function that has to wait because of `calls`, and awaits its calls.
pub(super) fn spread(script: &Script<'_, '_>, plan: &mut Plan, calls: &[NodeId]) -> Result<(), Refusal> {
    let mut spread = Spread { script, plan, awaited: HashSet::new(), work: Vec::new() };
    for call in calls {
        spread.waits_in(*call);
    }
    while let Some(function) = spread.work.pop() {
        spread.callers(function)?;
    }
    Ok(())
}

struct Spread<'r, 's, 'a> {
    script: &'r Script<'s, 'a>,
    plan: &'r mut Plan,
    awaited: HashSet<NodeId>,
    work: Vec<NodeId>,
}

impl<'a> Spread<'_, '_, 'a> {
    /// Something at this node is awaited.
    fn waits_in(&mut self, node: NodeId) {
        unroll(self.script, self.plan, node);
        let frame = self.plan.frame(self.script, node);
        if !self.plan.waits.insert(frame) {
            return;
        }
        let Some(function) = frame else { return };
        let Some(fun) = self.script.fun(function) else { return };
        if !fun.is_async {
            // A method has no keyword to stand before.
            let at = match self.script.semantic.nodes().parent_kind(function) {
                AstKind::ObjectProperty(property) if property.method => property.span.start,
                _ => fun.span.start,
            };
            self.plan.edits.insert(at, "async ");
        }
        self.work.push(function);
    }

    fn await_call(&mut self, call: NodeId) {
        let is_awaited = matches!(self.script.outer(call).0, AstKind::AwaitExpression(_));
        if self.awaited.insert(call) && !is_awaited {
            await_it(self.script, self.plan, call);
        }
        self.waits_in(call);
    }

    /// Awaits every call of a function.
    fn callers(&mut self, function: NodeId) -> Result<(), Refusal> {
        let (kind, at, span) = self.script.outer(function);
        if self.script.fun(function).is_some_and(|fun| fun.is_generator) {
            return Err(self.cannot(function, "a generator"));
        }
        match kind {
            AstKind::VariableDeclarator(declarator) => match declarator.id.get_binding_identifier() {
                Some(name) => self.uses(name.symbol_id(), function),
                None => Err(self.cannot(function, "a function that is taken apart")),
            },
            AstKind::ObjectProperty(_) => self.table(at, function),
            AstKind::CallExpression(call) if call.callee.span() == span => {
                self.await_call(at);
                Ok(())
            }
            AstKind::CallExpression(call) => {
                let index = call.arguments.iter().position(|argument| argument.span() == span);
                self.handed(&call.callee, index, function)
            }
            _ => match self.script.kind(function) {
                AstKind::Function(declared) => match &declared.id {
                    Some(name) => self.uses(name.symbol_id(), function),
                    None => Err(self.cannot(function, "a function without a name")),
                },
                _ => Err(self.cannot(function, "a function that is handed on")),
            },
        }
    }

    fn uses(&mut self, symbol: SymbolId, function: NodeId) -> Result<(), Refusal> {
        let uses: Vec<NodeId> = self
            .script
            .semantic
            .scoping()
            .get_resolved_references(symbol)
            .map(oxc::semantic::Reference::node_id)
            .collect();
        for node in uses {
            if let Some((_, call)) = self.script.call_of(node) {
                self.await_call(call);
                continue;
            }
            let (kind, _, span) = self.script.outer(node);
            match kind {
                AstKind::CallExpression(call) => {
                    let index = call.arguments.iter().position(|argument| argument.span() == span);
                    self.handed(&call.callee, index, function)?;
                }
                _ => return Err(self.cannot(function, "a function that is handed on")),
            }
        }
        Ok(())
    }

    /// An object of functions by name: every call out of it is awaited.
    fn table(&mut self, property: NodeId, function: NodeId) -> Result<(), Refusal> {
        let nodes = self.script.semantic.nodes();
        let object = nodes.parent_id(property);
        let (AstKind::VariableDeclarator(declarator), ..) = self.script.outer(object) else {
            return Err(self.cannot(function, "a function of an object"));
        };
        let Some(name) = declarator.id.get_binding_identifier() else {
            return Err(self.cannot(function, "a function of an object"));
        };
        let uses: Vec<NodeId> = self
            .script
            .semantic
            .scoping()
            .get_resolved_references(name.symbol_id())
            .map(oxc::semantic::Reference::node_id)
            .collect();
        for node in uses {
            let (kind, at, span) = self.script.outer(node);
            let is_member = match kind {
                AstKind::StaticMemberExpression(member) => member.object.span() == span,
                AstKind::ComputedMemberExpression(member) => member.object.span() == span,
                _ => false,
            };
            if let (true, Some((_, call))) = (is_member, self.script.call_of(at)) {
                self.await_call(call);
            }
        }
        Ok(())
    }

    /// A function that is given to one of the script's own, which calls it by the name of a parameter.
    fn handed(&mut self, callee: &Expression<'a>, index: Option<usize>, function: NodeId) -> Result<(), Refusal> {
        let method = match callee {
            Expression::StaticMemberExpression(member) => member.property.name.to_string(),
            _ => String::new(),
        };
        if matches!(method.as_str(), "then" | "catch" | "finally") {
            return Ok(());
        }
        let target = match callee {
            Expression::Identifier(name) => self.script.symbol(name).and_then(|symbol| self.function_of(symbol)),
            _ => None,
        };
        let param = target.and_then(|target| self.script.fun(target)).and_then(|fun| {
            let param: &FormalParameter<'_> = fun.params.items.get(index?)?;
            Some(param.pattern.get_binding_identifier()?.symbol_id())
        });
        if let Some(param) = param {
            return self.uses(param, function);
        }
        let what = if method.is_empty() {
            "a function that is handed on".to_owned()
        } else {
            format!("the callback of `{method}`")
        };
        Err(self.cannot(function, &what))
    }

    fn function_of(&self, symbol: SymbolId) -> Option<NodeId> {
        let declared = self.script.semantic.scoping().symbol_declaration(symbol);
        if self.script.is_function(declared) {
            return Some(declared);
        }
        match self.script.init(symbol)?.get_inner_expression() {
            Expression::ArrowFunctionExpression(arrow) => Some(arrow.node_id.get()),
            Expression::FunctionExpression(function) => Some(function.node_id.get()),
            _ => None,
        }
    }

    fn cannot(&self, function: NodeId, what: &str) -> Refusal {
        self.script
            .refuse(function, format!("it waits for a write or a request inside {what}, which nobody there awaits"))
    }
}
