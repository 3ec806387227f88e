//! What an expression is of the request under way: a part of the object, a function of the context, a Kubernetes type.
//!
//! Values are followed through names, patterns, optional chains, loops, the callbacks of lists and the arguments of
//! functions of the same file. What cannot be followed is [`What::Unknown`], of which no rule says anything.

use std::cell::RefCell;
use std::collections::HashMap;

use oxc::ast::ast::{
    ArrayExpressionElement, AssignmentTarget, ChainElement, Expression, IdentifierReference, MemberExpression,
    SimpleAssignmentTarget,
};
use oxc::semantic::{Semantic, SymbolId};

use crate::lint::kubernetes::{Shape, joined, types};
use crate::lint::source::{Language, Source};

use super::declared::{Declared, string_of};
use super::methods;

/// Steps followed for one expression.
pub(in crate::lint) const MAX_DEPTH: usize = 48;

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
    Apply,
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
            "apply" => Self::Apply,
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
            "fetch" | "readFile" | "patch" | "apply" => None,
            name => Self::of_module(name),
        }
    }
}

/// `policy` is the index of the declared policy whose handler it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lint) enum What {
    Unknown,
    Context {
        policy: usize,
    },
    /// A part of the request, and the way from there; `[]` is an item of a list.
    Part {
        policy: usize,
        part: Part,
        path: Vec<String>,
    },
    Function {
        policy: usize,
        function: HostFunction,
    },
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
    pub(in crate::lint) fn item(self) -> Self {
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
    pub(super) source: &'s Source,
    pub(super) semantic: &'s Semantic<'a>,
    pub(super) declared: &'s [Declared<'a>],
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

    pub(in crate::lint) fn of_name(&self, name: &'a IdentifierReference<'a>) -> Value {
        self.name(name, MAX_DEPTH)
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

    pub(in crate::lint) fn is_script(&self) -> bool {
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
            None => {
                Value { what: What::Part { policy, part: Part::Other, path: vec![name.to_owned()] }, shape: Shape::Any }
            }
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
pub(super) fn computed(of: Value) -> Value {
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
pub(super) fn either(left: Value, right: Value) -> Value {
    let shape = match (left.shape, right.shape) {
        (Shape::Any, known) | (known, Shape::Any) => known,
        (left, right) => joined(vec![left, right]).unwrap_or(Shape::Any),
    };
    let what = if left.what == What::Unknown { right.what } else { left.what };
    Value { what, shape }
}
