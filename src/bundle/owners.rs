//! Whose `this` it is: an object that lives as long as the realm, or one of a single run.

use std::collections::BTreeSet;

use oxc::ast::AstKind;
use oxc::ast::ast::{AssignmentTarget, Class, Expression};
use oxc::semantic::{AstNode, NodeId, Semantic, SymbolId};
use oxc::span::GetSpan as _;

use super::lifetimes::Lifetimes;

pub(super) struct Owners<'s, 'a> {
    semantic: &'s Semantic<'a>,
    lifetimes: &'s Lifetimes<'s, 'a>,
    /// Classes, and functions used as such, of which an instance may be made at load.
    lasting: BTreeSet<NodeId>,
}

impl<'s, 'a> Owners<'s, 'a> {
    pub(super) fn of(semantic: &'s Semantic<'a>, lifetimes: &'s Lifetimes<'s, 'a>) -> Self {
        let mut owners = Self { semantic, lifetimes, lasting: BTreeSet::new() };
        let nodes = semantic.nodes();
        for node in nodes.iter() {
            let AstKind::NewExpression(made) = node.kind() else { continue };
            if !lifetimes.outlives_a_run(lifetimes.frame(node.id())) {
                continue;
            }
            match made.callee.without_parentheses() {
                Expression::ThisExpression(_) => {
                    let class = nodes.ancestors(node.id()).find(|outer| matches!(outer.kind(), AstKind::Class(_)));
                    owners.lasting.extend(class.map(AstNode::id));
                }
                Expression::ClassExpression(class) => drop(owners.lasting.insert(class.node_id())),
                named => owners.lasting.extend(owners.maker(named)),
            }
        }
        loop {
            let before = owners.lasting.len();
            let supers: Vec<NodeId> = owners
                .lasting
                .iter()
                .filter_map(|class| match nodes.kind(*class) {
                    AstKind::Class(Class { heritage: Some(heritage), .. }) => owners.maker(&heritage.expression),
                    _ => None,
                })
                .collect();
            owners.lasting.extend(supers);
            if owners.lasting.len() == before {
                return owners;
            }
        }
    }

    /// The class or function that a name stands for. The linker writes `class C {}` as `var C = class {}`.
    fn maker(&self, expression: &Expression<'a>) -> Option<NodeId> {
        self.lifetimes.symbol(expression).and_then(|symbol| self.maker_of(symbol))
    }

    fn maker_of(&self, symbol: SymbolId) -> Option<NodeId> {
        let declaration = self.semantic.symbol_declaration(symbol);
        match declaration.kind() {
            AstKind::Class(_) => Some(declaration.id()),
            AstKind::VariableDeclarator(declarator) => match declarator.init.as_ref()?.without_parentheses() {
                Expression::ClassExpression(class) => Some(class.node_id()),
                _ => self.lifetimes.function_of(symbol),
            },
            _ => self.lifetimes.function_of(symbol),
        }
    }

    /// Whether the `this` at `node` may be an object made at load. In a constructor it is new.
    pub(super) fn this_outlives_a_run(&self, node: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let is_made_at_load = |node| self.lifetimes.outlives_a_run(self.lifetimes.frame(node));
        let mut function = None;
        let mut is_later = false;
        let mut is_static = false;
        for ancestor in nodes.ancestors(node) {
            match ancestor.kind() {
                AstKind::ArrowFunctionExpression(_) if function.is_none() => is_later = true,
                AstKind::Function(_) if function.is_none() => {
                    function = Some(ancestor.id());
                    if let Some(owner) = self.assigned_to(ancestor.id()) {
                        return owner;
                    }
                }
                AstKind::MethodDefinition(method) if method.kind.is_constructor() && !is_later => return false,
                AstKind::MethodDefinition(method) => is_static = method.r#static,
                AstKind::PropertyDefinition(property) => is_static = property.r#static,
                AstKind::ObjectExpression(_) if function.is_some() => return is_made_at_load(ancestor.id()),
                AstKind::Class(_) if function.is_some() || is_later => {
                    return self.lasting.contains(&ancestor.id()) || is_static && is_made_at_load(ancestor.id());
                }
                _ => {}
            }
        }
        // A function that is called with `new`: arrows that it leaves behind keep its `this`.
        is_later && function.is_some_and(|function| self.lasting.contains(&function))
    }

    /// Whether the owner of `X.prototype.m = function …` or `x.m = function …` outlives a run; `None` for other functions.
    fn assigned_to(&self, function: NodeId) -> Option<bool> {
        let nodes = self.semantic.nodes();
        let AstKind::AssignmentExpression(assignment) = nodes.parent_kind(function) else { return None };
        if assignment.right.span() != nodes.kind(function).span() {
            return None;
        }
        let AssignmentTarget::StaticMemberExpression(member) = &assignment.left else { return None };
        let (object, is_prototype) = match member.object.without_parentheses() {
            Expression::StaticMemberExpression(inner) if inner.property.name == "prototype" => (&inner.object, true),
            object => (object, false),
        };
        let symbol = self.lifetimes.symbol(object)?;
        if is_prototype {
            return self.maker_of(symbol).map(|maker| self.lasting.contains(&maker));
        }
        Some(self.lifetimes.outlives_a_run(self.lifetimes.frame(self.semantic.scoping().symbol_declaration(symbol))))
    }
}
