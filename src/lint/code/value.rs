//! What an expression is of the request under way: a part of the object, a function of the context, a Kubernetes type.
//!
//! Values are followed through names, patterns, optional chains, loops, the callbacks of lists and the arguments of
//! functions of the same file. What cannot be followed is [`What::Unknown`], of which no rule says anything.

use std::cell::RefCell;
use std::collections::HashMap;

use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, ArrayExpressionElement, AssignmentTarget, BindingPattern, ChainElement, Expression, FormalParameters,
    IdentifierReference, MemberExpression, SimpleAssignmentTarget,
};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::GetSpan as _;

use crate::lint::kubernetes::{Shape, joined, types};
use crate::lint::source::{Language, Source};

use super::declared::{Declared, HandlerKind, imported, kubernetes_type, string_of};
use super::methods;

/// Steps followed for one expression.
const MAX_DEPTH: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint) enum Part {
    Object,
    OldObject,
    Request,
    Namespace,
    Virtual,
    /// Anything else that the context has.
    Other,
}

/// A function of the context, or a global of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::lint) enum HostFunction {
    Get,
    List,
    Create,
    Update,
    Patch,
    Remove,
    Fetch,
    Env,
    ReadFile,
}

impl HostFunction {
    /// By its name in the context of a module.
    fn of_module(name: &str) -> Option<Self> {
        Some(match name {
            "get" => Self::Get,
            "list" => Self::List,
            "create" => Self::Create,
            "update" => Self::Update,
            "patch" => Self::Patch,
            "remove" => Self::Remove,
            "fetch" => Self::Fetch,
            "env" => Self::Env,
            "readFile" => Self::ReadFile,
            _ => return None,
        })
    }

    /// By its name among the globals of a script.
    fn of_script(name: &str) -> Option<Self> {
        match name {
            "fetchSync" => Some(Self::Fetch),
            "readFileSync" => Some(Self::ReadFile),
            "fetch" | "readFile" | "patch" => None,
            name => Self::of_module(name),
        }
    }
}

/// `policy` is the index of the declared policy whose handler it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lint) enum What {
    Unknown,
    Context { policy: usize },
    /// A part of the request, and the way from there; `[]` is an item of a list.
    Part { policy: usize, part: Part, path: Vec<String> },
    Function { policy: usize, function: HostFunction },
    /// A helper of the SDK.
    Sdk(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lint) struct Value {
    pub what: What,
    pub shape: Shape,
}

impl Value {
    pub(in crate::lint) const UNKNOWN: Self = Self { what: What::Unknown, shape: Shape::Any };

    pub(super) fn of_shape(shape: Shape) -> Self {
        Self { what: What::Unknown, shape }
    }

    /// An item of the list that it is.
    pub(super) fn item(self) -> Self {
        let what = match self.what {
            What::Part { policy, part, mut path } => {
                path.push("[]".to_owned());
                What::Part { policy, part, path }
            }
            _ => What::Unknown,
        };
        let shape = match self.shape {
            Shape::List(item) => *item,
            _ => Shape::Any,
        };
        Self { what, shape }
    }
}

pub(in crate::lint) struct Values<'s, 'a> {
    source: &'s Source,
    semantic: &'s Semantic<'a>,
    declared: &'s [Declared<'a>],
    known: RefCell<HashMap<SymbolId, Option<Value>>>,
}

impl<'s, 'a> Values<'s, 'a> {
    pub(super) fn new(source: &'s Source, semantic: &'s Semantic<'a>, declared: &'s [Declared<'a>]) -> Self {
        Self { source, semantic, declared, known: RefCell::default() }
    }

    pub(in crate::lint) fn of(&self, expression: &'a Expression<'a>) -> Value {
        self.follow(expression, MAX_DEPTH)
    }

    pub(super) fn follow(&self, expression: &'a Expression<'a>, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::UNKNOWN };
        match expression.get_inner_expression() {
            Expression::Identifier(name) => self.name(name, depth),
            Expression::StaticMemberExpression(member) => {
                self.member(&self.follow(&member.object, depth), member.property.name.as_str())
            }
            Expression::ComputedMemberExpression(member) => {
                let of = self.follow(&member.object, depth);
                match string_of(&member.expression) {
                    Some((name, _)) => self.member(&of, name),
                    None => computed(of),
                }
            }
            Expression::ChainExpression(chain) => self.chain(&chain.expression, depth),
            Expression::LogicalExpression(logical) => {
                let (left, right) = (self.follow(&logical.left, depth), self.follow(&logical.right, depth));
                either(left, right)
            }
            Expression::ConditionalExpression(choice) => {
                either(self.follow(&choice.consequent, depth), self.follow(&choice.alternate, depth))
            }
            Expression::AssignmentExpression(assignment) => match &assignment.left {
                AssignmentTarget::StaticMemberExpression(_)
                | AssignmentTarget::ComputedMemberExpression(_)
                | AssignmentTarget::AssignmentTargetIdentifier(_) => self.target(&assignment.left),
                _ => Value::UNKNOWN,
            },
            Expression::AwaitExpression(awaited) => self.follow(&awaited.argument, depth),
            Expression::SequenceExpression(sequence) => {
                sequence.expressions.last().map_or(Value::UNKNOWN, |last| self.follow(last, depth))
            }
            Expression::CallExpression(call) => methods::answer(self, call, depth),
            Expression::ArrayExpression(list) => {
                let items = list.elements.iter().filter_map(|element| match element {
                    ArrayExpressionElement::SpreadElement(spread) => Some(self.follow(&spread.argument, depth)),
                    _ => None,
                });
                let items: Vec<Value> = items.collect();
                if items.len() < list.elements.len() || items.is_empty() {
                    return Value::UNKNOWN;
                }
                // `[...spec.containers, ...spec.initContainers]`: a new list, whose items are the object's own.
                items.into_iter().reduce(either).unwrap_or(Value::UNKNOWN)
            }
            Expression::StringLiteral(_) | Expression::NumericLiteral(_) | Expression::BooleanLiteral(_) => {
                Value::of_shape(Shape::Plain)
            }
            _ => Value::UNKNOWN,
        }
    }

    fn chain(&self, element: &'a ChainElement<'a>, depth: usize) -> Value {
        match element {
            ChainElement::CallExpression(call) => methods::answer(self, call, depth),
            ChainElement::TSNonNullExpression(inner) => self.follow(&inner.expression, depth),
            ChainElement::StaticMemberExpression(member) => {
                self.member(&self.follow(&member.object, depth), member.property.name.as_str())
            }
            ChainElement::ComputedMemberExpression(member) => {
                let of = self.follow(&member.object, depth);
                match string_of(&member.expression) {
                    Some((name, _)) => self.member(&of, name),
                    None => computed(of),
                }
            }
            ChainElement::PrivateFieldExpression(_) => Value::UNKNOWN,
        }
    }

    /// What is assigned to.
    pub(in crate::lint) fn target(&self, target: &'a AssignmentTarget<'a>) -> Value {
        target.as_simple_assignment_target().map_or(Value::UNKNOWN, |target| self.simple_target(target))
    }

    pub(in crate::lint) fn simple_target(&self, target: &'a SimpleAssignmentTarget<'a>) -> Value {
        if let Some(member) = target.as_member_expression() {
            return self.of_member(member);
        }
        match target {
            SimpleAssignmentTarget::AssignmentTargetIdentifier(name) => self.name(name, MAX_DEPTH),
            other => other.get_expression().map_or(Value::UNKNOWN, |inner| self.of(inner)),
        }
    }

    fn of_member(&self, member: &'a MemberExpression<'a>) -> Value {
        let of = self.of(member.object());
        match member.static_property_info() {
            Some((_, name)) => self.member(&of, name),
            None => computed(of),
        }
    }

    fn name(&self, name: &'a IdentifierReference<'a>, depth: usize) -> Value {
        match self.semantic.scoping().get_reference(name.reference_id()).symbol_id() {
            Some(symbol) => self.symbol(symbol, depth),
            None if self.source.language == Language::Script => global(name.name.as_str(), &self.declared_shape(0)),
            None => Value::UNKNOWN,
        }
    }

    fn declared_shape(&self, policy: usize) -> Shape {
        self.declared.get(policy).map_or(Shape::Any, |declared| declared.shape.clone())
    }

    fn symbol(&self, symbol: SymbolId, depth: usize) -> Value {
        if let Some(known) = self.known.borrow().get(&symbol) {
            // `None`: it is being looked at, and is made of itself.
            return known.clone().unwrap_or(Value::UNKNOWN);
        }
        self.known.borrow_mut().insert(symbol, None);
        let value = self.declared_value(symbol, depth);
        // What ran out of depth here may be known from nearer.
        let kept = if value == Value::UNKNOWN && depth < MAX_DEPTH / 2 { None } else { Some(value.clone()) };
        match kept {
            Some(kept) => drop(self.known.borrow_mut().insert(symbol, Some(kept))),
            None => drop(self.known.borrow_mut().remove(&symbol)),
        }
        value
    }

    fn declared_value(&self, symbol: SymbolId, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::UNKNOWN };
        if let Some((module, name)) = imported(self.semantic, symbol) {
            let what = if module == "@bylaw/sdk" { What::Sdk(name.to_owned()) } else { What::Unknown };
            return Value { what, shape: Shape::Any };
        }
        // A variable that is given another value holds anything.
        if self.semantic.scoping().symbol_is_mutated(symbol) {
            return Value::UNKNOWN;
        }
        let declaration = self.semantic.symbol_declaration(symbol);
        match declaration.kind() {
            AstKind::VariableDeclarator(declarator) => {
                let typed = declarator.type_annotation.as_ref();
                let typed = typed.and_then(|of| kubernetes_type(self.semantic, &of.type_annotation));
                let value = match &declarator.init {
                    Some(init) => self.follow(init, depth),
                    None => self.looped(declaration.id(), depth),
                };
                self.bound(&declarator.id, &typed_as(value, typed), symbol)
            }
            AstKind::FormalParameter(parameter) => {
                let typed = parameter.type_annotation.as_ref();
                let typed = typed.and_then(|of| kubernetes_type(self.semantic, &of.type_annotation));
                let value = self.parameter(declaration.id(), depth);
                self.bound(&parameter.pattern, &typed_as(value, typed), symbol)
            }
            _ => Value::UNKNOWN,
        }
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
        methods::callback(self, function, index, depth).or_else(|| self.called(function, index, depth)).unwrap_or(Value::UNKNOWN)
    }

    fn handler_context(&self, function: NodeId, parameters: &FormalParameters<'_>) -> Option<Value> {
        let is_own = |declared: &Declared<'a>| {
            declared.handlers.iter().any(|handler| handler.node == function && handler.parameters.span == parameters.span)
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
    fn bound(&self, pattern: &'a BindingPattern<'a>, value: &Value, symbol: SymbolId) -> Value {
        self.find(pattern, value, symbol).unwrap_or(Value::UNKNOWN)
    }

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

    /// A member of a value, by its name.
    pub(in crate::lint) fn member(&self, of: &Value, name: &str) -> Value {
        match &of.what {
            What::Context { policy } => context_member(*policy, name, &self.declared_shape(*policy)),
            What::Part { policy, part: Part::Request, path } if path.is_empty() => {
                request_member(*policy, name, &self.declared_shape(*policy))
            }
            What::Part { policy, part, path } => {
                let mut path = path.clone();
                path.push(if name.bytes().all(|byte| byte.is_ascii_digit()) { "[]" } else { name }.to_owned());
                let shape = types().field(&of.shape, name).unwrap_or(Shape::Any);
                Value { what: What::Part { policy: *policy, part: *part, path }, shape }
            }
            _ => Value::of_shape(types().field(&of.shape, name).unwrap_or(Shape::Any)),
        }
    }

    pub(super) fn semantic(&self) -> &'s Semantic<'a> {
        self.semantic
    }

    pub(super) fn is_script(&self) -> bool {
        self.source.language == Language::Script
    }
}

fn part(policy: usize, part: Part, shape: Shape) -> Value {
    Value { what: What::Part { policy, part, path: Vec::new() }, shape }
}

fn context_member(policy: usize, name: &str, object: &Shape) -> Value {
    match name {
        "object" => part(policy, Part::Object, object.clone()),
        "oldObject" => part(policy, Part::OldObject, object.clone()),
        "virtual" => part(policy, Part::Virtual, object.clone()),
        "request" => part(policy, Part::Request, Shape::Any),
        "namespace" => part(policy, Part::Namespace, Shape::Any),
        // The same as the request's own.
        "operation" => Value {
            what: What::Part { policy, part: Part::Request, path: vec!["operation".to_owned()] },
            shape: Shape::Plain,
        },
        name => match HostFunction::of_module(name) {
            Some(function) => Value { what: What::Function { policy, function }, shape: Shape::Any },
            None => Value { what: What::Part { policy, part: Part::Other, path: vec![name.to_owned()] }, shape: Shape::Any },
        },
    }
}

fn request_member(policy: usize, name: &str, object: &Shape) -> Value {
    match name {
        "object" => part(policy, Part::Object, object.clone()),
        "oldObject" => part(policy, Part::OldObject, object.clone()),
        _ => Value { what: What::Part { policy, part: Part::Request, path: vec![name.to_owned()] }, shape: Shape::Any },
    }
}

/// A global of a script.
fn global(name: &str, object: &Shape) -> Value {
    if name == "request" {
        return context_member(0, name, object);
    }
    match HostFunction::of_script(name) {
        Some(function) => Value { what: What::Function { policy: 0, function }, shape: Shape::Any },
        None => Value::UNKNOWN,
    }
}

/// `list[index]`, `map[key]`.
fn computed(of: Value) -> Value {
    if let Shape::Map(value) = &of.shape {
        let shape = (**value).clone();
        let what = match of.what {
            What::Part { policy, part, mut path } => {
                path.push("*".to_owned());
                What::Part { policy, part, path }
            }
            _ => What::Unknown,
        };
        return Value { what, shape };
    }
    of.item()
}

/// One of two: what is known of one stands where nothing is known of the other, as in `spec ?? {}`.
fn either(left: Value, right: Value) -> Value {
    let shape = match (left.shape, right.shape) {
        (Shape::Any, known) | (known, Shape::Any) => known,
        (left, right) => joined(vec![left, right]).unwrap_or(Shape::Any),
    };
    let what = if left.what == What::Unknown { right.what } else { left.what };
    Value { what, shape }
}

/// A type that the author wrote stands over what was found, where nothing was.
fn typed_as(value: Value, typed: Option<Shape>) -> Value {
    match (&value.shape, typed) {
        (Shape::Any, Some(shape)) => Value { shape, ..value },
        _ => value,
    }
}
