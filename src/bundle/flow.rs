//! Where a value goes from one use of it: what is done to it there, and who holds it, or a part of it, from then on.

use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, AssignmentTarget, BindingPattern, CallExpression, Expression, ForStatementLeft, FormalParameters,
    UnaryOperator,
};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::{GetSpan as _, Span};

use super::lifetimes::Lifetimes;
use super::origin::{Holds, Origin, Origins};

const CHANGED: &str = "is changed after the module was loaded";
const ESCAPES: &str = "starts empty and is handed on after the module was loaded";
const REMEMBERS: &str = "has the flag g or y, so each `test` or `exec` moves its `lastIndex`";
const USED_UP: &str = "is used up by the first who reads it";

/// Methods that change a container, whatever it is.
const CHANGES_ANY: [&str; 10] =
    ["push", "pop", "shift", "unshift", "splice", "sort", "reverse", "set", "clear", "next"];

/// Methods that change a known container, but mean something harmless elsewhere (`quantity.add`).
const CHANGES_CONTAINER: [&str; 5] = ["add", "delete", "fill", "copyWithin", "append"];

/// Methods whose answer is a container of its own, with the same things in it.
const COPIES: [&str; 9] =
    ["slice", "filter", "concat", "flat", "map", "flatMap", "toSorted", "toReversed", "toSpliced"];

/// Methods that answer with what they are called on.
const RETURNS_ITSELF: [&str; 4] = ["sort", "reverse", "fill", "copyWithin"];

/// What becomes of a value at one use.
#[derive(Default)]
pub(super) struct Uses {
    pub changed: Option<&'static str>,
    /// Variables that hold it; whether they hold a copy, of which only the parts are shared.
    pub held: Vec<(SymbolId, bool)>,
    /// Functions that return it, and the same.
    pub returned: Vec<(NodeId, bool)>,
}

pub(super) struct Flow<'s, 'a> {
    pub semantic: &'s Semantic<'a>,
    pub lifetimes: &'s Lifetimes<'s, 'a>,
    pub origins: &'s Origins<'s, 'a>,
    pub origin: Origin,
}

/// The expression that has come out of the value so far.
struct At {
    written: Span,
    /// The last property that was read on the way, if any.
    property: Option<String>,
    /// It is a copy: only its parts are shared.
    is_copy: bool,
    /// The object that `property` was read of is a copy.
    is_owner_copy: bool,
    /// How many properties were read, one for what is but a part of the value from the start.
    depth: u32,
}

impl<'a> Flow<'_, 'a> {
    /// Follows the value of the expression at `node`, which may be `is_part` of the one whose origin is known.
    pub(super) fn follow(&self, node: NodeId, is_copy: bool, is_part: bool) -> Uses {
        let nodes = self.semantic.nodes();
        let written = nodes.kind(node).span();
        let depth = u32::from(is_part);
        let mut at = At { written, property: None, is_copy, is_owner_copy: false, depth };
        let mut uses = Uses::default();
        for parent in nodes.ancestors(node) {
            if !self.step(parent.id(), &mut at, &mut uses) {
                break;
            }
        }
        uses
    }

    /// One expression outwards; whether the value goes on to the next.
    fn step(&self, parent: NodeId, at: &mut At, uses: &mut Uses) -> bool {
        let written = at.written;
        let kind = self.semantic.nodes().kind(parent);
        match kind {
            AstKind::StaticMemberExpression(member) if member.object.span() == written => {
                at.enter(&member.property.name, member.span);
            }
            AstKind::ComputedMemberExpression(member) if member.object.span() == written => {
                at.enter("[]", member.span);
            }
            AstKind::PrivateFieldExpression(member) if member.object.span() == written => at.enter("#", member.span),
            AstKind::ChainExpression(_)
            | AstKind::ParenthesizedExpression(_)
            | AstKind::AwaitExpression(_)
            | AstKind::LogicalExpression(_) => {}
            AstKind::ConditionalExpression(condition) if condition.test.span() != written => {}
            AstKind::SequenceExpression(sequence)
                if sequence.expressions.last().is_some_and(|last| last.span() == written) => {}
            AstKind::AssignmentExpression(assignment) if assignment.right.span() == written => {
                self.assigned(&assignment.left, at, uses);
            }
            AstKind::CallExpression(call) if call.callee.span() == written => return self.called(call, at, uses),
            AstKind::CallExpression(call) => return self.passed(&call.callee, &call.arguments, kind.span(), at, uses),
            AstKind::NewExpression(made) => return self.passed(&made.callee, &made.arguments, kind.span(), at, uses),
            AstKind::SpreadElement(_) => {
                self.read_through(at, uses);
                at.is_copy = true;
            }
            AstKind::ArrayExpression(_) | AstKind::ObjectExpression(_) => at.is_copy = true,
            AstKind::ObjectProperty(property) if property.value.span() == written => self.escapes(at, uses),
            _ => {
                self.ended(parent, at, uses);
                return false;
            }
        }
        at.written = kind.span();
        true
    }

    /// What is no expression, or makes something else of the value.
    fn ended(&self, parent: NodeId, at: &At, uses: &mut Uses) {
        let written = at.written;
        let is_target = match self.semantic.nodes().kind(parent) {
            AstKind::AssignmentExpression(assignment) => assignment.left.span() == written,
            AstKind::UpdateExpression(_)
            | AstKind::ArrayAssignmentTarget(_)
            | AstKind::AssignmentTargetPropertyProperty(_)
            | AstKind::AssignmentTargetWithDefault(_)
            | AstKind::AssignmentTargetRest(_) => true,
            AstKind::UnaryExpression(unary) => unary.operator == UnaryOperator::Delete,
            AstKind::ForInStatement(statement) => statement.left.span() == written,
            AstKind::ForOfStatement(statement) => {
                if statement.right.span() == written {
                    self.read_through(at, uses);
                    match &statement.left {
                        ForStatementLeft::VariableDeclaration(declared) => {
                            declared.declarations.iter().for_each(|one| hold(&one.id, false, uses));
                        }
                        left => self.assigned(left.to_assignment_target(), at, uses),
                    }
                }
                statement.left.span() == written
            }
            AstKind::VariableDeclarator(declarator) => {
                if declarator.id.is_array_pattern() {
                    self.read_through(at, uses);
                }
                hold(&declarator.id, at.is_copy && declarator.id.get_binding_identifier().is_some(), uses);
                false
            }
            AstKind::FormalParameter(parameter) => {
                hold(&parameter.pattern, at.is_copy, uses);
                false
            }
            AstKind::AssignmentPattern(pattern) => {
                hold(&pattern.left, at.is_copy, uses);
                false
            }
            AstKind::ReturnStatement(_) => {
                let function =
                    self.semantic.nodes().ancestors(parent).find(|outer| {
                        matches!(outer.kind(), AstKind::Function(_) | AstKind::ArrowFunctionExpression(_))
                    });
                uses.returned.extend(function.map(|function| (function.id(), at.is_copy)));
                false
            }
            AstKind::ArrowFunctionExpression(_) => {
                uses.returned.push((parent, at.is_copy));
                false
            }
            AstKind::BinaryExpression(_)
            | AstKind::TemplateLiteral(_)
            | AstKind::IfStatement(_)
            | AstKind::ConditionalExpression(_)
            | AstKind::ExpressionStatement(_)
            | AstKind::SequenceExpression(_)
            | AstKind::ComputedMemberExpression(_) => false,
            _ => {
                self.escapes(at, uses);
                false
            }
        };
        if is_target && at.property.is_some() && !at.is_owner_copy {
            uses.changed = Some(CHANGED);
        }
    }

    /// A method of the value, or the value itself, is called.
    fn called(&self, call: &CallExpression<'a>, at: &mut At, uses: &mut Uses) -> bool {
        let Some(method) = at.property.take() else { return false };
        let is_shared = !at.is_owner_copy;
        let is_inner = at.depth > 1;
        let method = method.as_str();
        let is_setter = method.strip_prefix("set").is_some_and(|rest| rest.starts_with(char::is_uppercase));
        let is_container = || self.origins.may_be_container(self.origin, is_inner);
        if is_shared
            && (CHANGES_ANY.contains(&method) || (is_setter || CHANGES_CONTAINER.contains(&method)) && is_container())
        {
            uses.changed = Some(CHANGED);
        } else if is_shared && matches!(method, "test" | "exec") && self.origins.may_be_sticky(self.origin) {
            uses.changed = Some(REMEMBERS);
        }
        // What the method gives its callbacks is a part of the value, but for what `reduce` began with.
        let own = usize::from(method.starts_with("reduce") && call.arguments.len() > 1);
        for callback in call.arguments.iter().filter_map(|argument| self.function(argument)) {
            if let Some(parameters) = self.parameters(callback) {
                parameters.items.iter().take(3).skip(own).for_each(|parameter| hold(&parameter.pattern, false, uses));
            }
        }
        at.is_copy = COPIES.contains(&method) || !is_shared && RETURNS_ITSELF.contains(&method) || own > 0;
        at.is_owner_copy = false;
        at.written = call.span;
        true
    }

    /// The value is an argument of a call.
    fn passed(
        &self,
        callee: &Expression<'a>,
        arguments: &[Argument<'a>],
        call: Span,
        at: &mut At,
        uses: &mut Uses,
    ) -> bool {
        let Some(index) = arguments.iter().position(|argument| argument.span() == at.written) else { return false };
        let is_shared = !at.is_copy;
        let path = path_of(callee);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["Object", "assign" | "defineProperty" | "defineProperties" | "setPrototypeOf"]
            | ["Reflect", "set" | "defineProperty" | "deleteProperty" | "setPrototypeOf"] => {
                if index == 0 && is_shared {
                    uses.changed = Some(CHANGED);
                } else if index > 0 {
                    self.escapes(at, uses);
                }
                false
            }
            [.., method, "call" | "apply"] if index == 0 && CHANGES_ANY.contains(method) => {
                if is_shared {
                    uses.changed = Some(CHANGED);
                }
                false
            }
            ["Object", "values" | "entries"] | ["Array", "from"] | ["Map" | "Set" | "WeakMap" | "WeakSet"] => {
                self.read_through(at, uses);
                at.is_copy = true;
                at.property = None;
                at.written = call;
                true
            }
            ["Object", "keys" | "freeze" | "getPrototypeOf"]
            | ["JSON", _]
            | ["structuredClone" | "String" | "Boolean"] => false,
            _ => {
                let parameters = self.lifetimes.symbol(callee).and_then(|symbol| self.lifetimes.function_of(symbol));
                match parameters.and_then(|function| self.parameters(function)) {
                    Some(parameters) => {
                        if let Some(parameter) = parameters.items.get(index) {
                            hold(&parameter.pattern, at.is_copy, uses);
                        } else {
                            self.escapes(at, uses);
                        }
                    }
                    None => self.escapes(at, uses),
                }
                false
            }
        }
    }

    fn assigned(&self, target: &AssignmentTarget<'a>, at: &At, uses: &mut Uses) {
        match target {
            AssignmentTarget::AssignmentTargetIdentifier(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id();
                uses.held.extend(symbol.map(|symbol| (symbol, at.is_copy)));
            }
            _ => self.escapes(at, uses),
        }
    }

    /// Nobody hands on what is empty but to have it filled.
    fn escapes(&self, at: &At, uses: &mut Uses) {
        if self.origin.holds == Holds::EmptyContainer && at.property.is_none() && !at.is_copy {
            uses.changed = Some(ESCAPES);
        }
    }

    fn read_through(&self, at: &At, uses: &mut Uses) {
        if self.origin.holds == Holds::Iterator && at.property.is_none() && !at.is_copy {
            uses.changed = Some(USED_UP);
        }
    }

    fn function(&self, argument: &Argument<'a>) -> Option<NodeId> {
        match argument.as_expression()?.without_parentheses() {
            Expression::ArrowFunctionExpression(function) => Some(function.node_id()),
            Expression::FunctionExpression(function) => Some(function.node_id()),
            other => self.lifetimes.symbol(other).and_then(|symbol| self.lifetimes.function_of(symbol)),
        }
    }

    fn parameters(&self, function: NodeId) -> Option<&FormalParameters<'a>> {
        match self.semantic.nodes().kind(function) {
            AstKind::Function(function) => Some(&function.params),
            AstKind::ArrowFunctionExpression(function) => Some(&function.params),
            _ => None,
        }
    }
}

impl At {
    fn enter(&mut self, property: &str, member: Span) {
        self.is_owner_copy = self.is_copy;
        self.depth += 1;
        self.is_copy = false;
        self.property = Some(property.to_owned());
        self.written = member;
    }
}

fn hold(pattern: &BindingPattern<'_>, is_copy: bool, uses: &mut Uses) {
    uses.held.extend(pattern.get_binding_identifiers().iter().map(|name| (name.symbol_id(), is_copy)));
}

/// `["Array", "prototype", "push", "call"]`, as far as it is names.
fn path_of(callee: &Expression<'_>) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = callee.without_parentheses();
    loop {
        match rest {
            Expression::StaticMemberExpression(member) => {
                path.push(member.property.name.to_string());
                rest = member.object.without_parentheses();
            }
            Expression::Identifier(name) => {
                path.push(name.name.to_string());
                break;
            }
            _ => break,
        }
    }
    path.reverse();
    path
}
