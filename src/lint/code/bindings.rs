//! What names are: variables by what they are declared with, parameters by what functions are given.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BindingPattern, FormalParameters};
use oxc::semantic::{NodeId, SymbolId};
use oxc::span::GetSpan as _;

use crate::lint::kubernetes::Shape;

use super::declared::{Declared, HandlerKind, imported, kubernetes_type};
use super::methods;
use super::value::{Value, Values, What, computed, either};

impl<'a> Values<'_, 'a> {
    pub(super) fn declared_value(&self, symbol: SymbolId, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::UNKNOWN };
        if let Some((module, name)) = imported(self.semantic, symbol) {
            let what = if module == "@bylaw/sdk" { What::Sdk(name.to_owned()) } else { What::Unknown };
            return Value { what, shape: Shape::Any };
        }
        // A variable that is given another value holds anything.
        if self.semantic.scoping().symbol_is_mutated(symbol) {
            return Value::UNKNOWN;
        }
        let declaration = self.semantic.symbol_declaration(symbol).id();
        let taken = self.taken_apart(declaration, depth);
        taken.and_then(|(pattern, value)| self.find(pattern, &value, symbol)).unwrap_or(Value::UNKNOWN)
    }

    /// The pattern of a declaration, and what it takes apart.
    pub(in crate::lint) fn taken_apart(&self, node: NodeId, depth: usize) -> Option<(&'a BindingPattern<'a>, Value)> {
        let (pattern, annotation, value) = match self.semantic.nodes().kind(node) {
            AstKind::VariableDeclarator(declarator) => {
                let value = match &declarator.init {
                    Some(init) => self.follow(init, depth),
                    None => self.looped(node, depth),
                };
                (&declarator.id, &declarator.type_annotation, value)
            }
            AstKind::FormalParameter(parameter) => {
                (&parameter.pattern, &parameter.type_annotation, self.parameter(node, depth))
            }
            _ => return None,
        };
        let typed = annotation.as_ref().and_then(|of| kubernetes_type(self.semantic, &of.type_annotation));
        Some((pattern, typed_as(value, typed)))
    }

    /// The variable of `for (const item of list)`.
    fn looped(&self, declarator: NodeId, depth: usize) -> Value {
        match self.semantic.nodes().ancestor_kinds(declarator).nth(1) {
            Some(AstKind::ForOfStatement(statement)) => self.follow(&statement.right, depth).item(),
            _ => Value::UNKNOWN,
        }
    }

    /// What a function gets: the context of a handler, an item of the list that a callback is for, or the argument of
    /// the only call.
    fn parameter(&self, parameter: NodeId, depth: usize) -> Value {
        let nodes = self.semantic.nodes();
        let list = nodes.parent_id(parameter);
        let AstKind::FormalParameters(parameters) = nodes.kind(list) else { return Value::UNKNOWN };
        let span = nodes.kind(parameter).span();
        let Some(index) = parameters.items.iter().position(|item| item.span == span) else { return Value::UNKNOWN };
        let function = nodes.parent_id(list);
        if let Some(value) = self.handler_context(function, parameters) {
            return if index == 0 { value } else { Value::UNKNOWN };
        }
        methods::callback(self, function, index, depth)
            .or_else(|| self.called(function, index, depth))
            .unwrap_or(Value::UNKNOWN)
    }

    fn handler_context(&self, function: NodeId, parameters: &FormalParameters<'_>) -> Option<Value> {
        let is_own = |declared: &Declared<'a>| {
            declared
                .handlers
                .iter()
                .any(|handler| handler.node == function && handler.parameters.span == parameters.span)
        };
        let policy = self.declared.iter().position(is_own)?;
        Some(Value { what: What::Context { policy }, shape: Shape::Any })
    }

    /// The kind of the handler that a node is in.
    pub(in crate::lint) fn handler_of(&self, node: NodeId) -> Option<(usize, HandlerKind)> {
        let ids = std::iter::once(node).chain(self.semantic.nodes().ancestor_ids(node));
        ids.into_iter().find_map(|id| {
            self.declared.iter().enumerate().find_map(|(policy, declared)| {
                let handler = declared.handlers.iter().find(|handler| handler.node == id)?;
                Some((policy, handler.kind))
            })
        })
    }

    /// A function of this file: what all of its calls give it, if that is one thing.
    fn called(&self, function: NodeId, index: usize, depth: usize) -> Option<Value> {
        let nodes = self.semantic.nodes();
        let name = match nodes.kind(function) {
            AstKind::Function(function) if function.id.is_some() => function.id.as_ref()?.symbol_id(),
            AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => match nodes.parent_kind(function) {
                AstKind::VariableDeclarator(declarator) => declarator.id.get_binding_identifier()?.symbol_id(),
                _ => return None,
            },
            _ => return None,
        };
        let mut given: Option<Value> = None;
        for reference in self.semantic.symbol_references(name) {
            let node = reference.node_id();
            let AstKind::CallExpression(call) = nodes.parent_kind(node) else { return None };
            if call.callee.span() != nodes.kind(node).span() {
                return None;
            }
            let argument = call.arguments.get(index).and_then(Argument::as_expression)?;
            let value = self.follow(argument, depth);
            match &given {
                Some(before) if *before != value => {
                    let joined = either(before.clone(), value);
                    given = Some(joined);
                }
                _ => given = Some(value),
            }
        }
        given
    }

    /// What `symbol` is where `pattern` takes `value` apart.
    fn find(&self, pattern: &'a BindingPattern<'a>, value: &Value, symbol: SymbolId) -> Option<Value> {
        match pattern {
            BindingPattern::BindingIdentifier(name) => (name.symbol_id() == symbol).then(|| value.clone()),
            BindingPattern::AssignmentPattern(pattern) => self.find(&pattern.left, value, symbol),
            BindingPattern::ArrayPattern(pattern) => {
                let item = value.clone().item();
                let elements = pattern.elements.iter().flatten();
                elements.into_iter().find_map(|element| self.find(element, &item, symbol))
            }
            BindingPattern::ObjectPattern(pattern) => {
                let found = pattern.properties.iter().find_map(|property| {
                    let part = match property.key.static_name() {
                        Some(name) if !property.computed => self.member(value, &name),
                        _ => computed(value.clone()),
                    };
                    self.find(&property.value, &part, symbol)
                });
                // `{ deny, ...context }` is a context without some of it.
                let rest = || match (&value.what, &pattern.rest) {
                    (What::Context { .. }, Some(rest)) => self.find(&rest.argument, value, symbol),
                    _ => None,
                };
                found.or_else(rest)
            }
        }
    }
}

/// A type that the author wrote stands over what was found, where nothing was.
fn typed_as(value: Value, typed: Option<Shape>) -> Value {
    match (&value.shape, typed) {
        (Shape::Any, Some(shape)) => Value { shape, ..value },
        _ => value,
    }
}
