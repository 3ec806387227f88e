//! Which functions of a script run while it is loaded, so that what they declare may outlive a request.

use std::collections::BTreeSet;

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, Expression};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::GetSpan as _;

/// The part of a program that one call runs: a function, or all that runs once when the script is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frame {
    /// The top level, and functions that are called where they are written.
    Load,
    Function(NodeId),
}

pub(super) struct Lifetimes<'s, 'a> {
    semantic: &'s Semantic<'a>,
    /// Frames entered at load: closures made in them live as long as the realm.
    lasting: BTreeSet<Frame>,
}

impl<'s, 'a> Lifetimes<'s, 'a> {
    pub(super) fn of(semantic: &'s Semantic<'a>) -> Self {
        let mut lifetimes = Self { semantic, lasting: BTreeSet::from([Frame::Load]) };
        let calls: Vec<(Frame, Vec<NodeId>)> = semantic
            .nodes()
            .iter()
            .map(|node| (node.id(), lifetimes.called_functions(node.kind())))
            .filter(|(_, functions)| !functions.is_empty())
            .map(|(call, functions)| (lifetimes.frame(call), functions))
            .collect();
        loop {
            let before = lifetimes.lasting.len();
            for (caller, functions) in &calls {
                if lifetimes.lasting.contains(caller) {
                    lifetimes.lasting.extend(functions.iter().copied().map(Frame::Function));
                }
            }
            if lifetimes.lasting.len() == before {
                return lifetimes;
            }
        }
    }

    /// Whether what this frame declares may still be there at the next request.
    pub(super) fn outlives_a_run(&self, frame: Frame) -> bool {
        self.lasting.contains(&frame)
    }

    /// The frame that runs a node.
    pub(super) fn frame(&self, node: NodeId) -> Frame {
        let function = self
            .semantic
            .nodes()
            .ancestors(node)
            .find(|ancestor| is_function(ancestor.kind()) && !self.is_called_where_it_stands(ancestor.id()));
        function.map_or(Frame::Load, |function| Frame::Function(function.id()))
    }

    /// `(function () { … })()`, with `.call(exports)` or not, and the linker's wrappers of `CommonJS` and cyclic
    /// modules. Such a function is a part of what surrounds it.
    fn is_called_where_it_stands(&self, function: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut written = nodes.kind(function).span();
        for parent in nodes.ancestor_kinds(function) {
            match parent {
                AstKind::ParenthesizedExpression(outer) => written = outer.span,
                AstKind::StaticMemberExpression(member)
                    if matches!(member.property.name.as_str(), "call" | "apply") =>
                {
                    written = member.span;
                }
                AstKind::CallExpression(call) => {
                    return call.callee.span() == written || is_module_wrapper(&call.callee);
                }
                _ => return false,
            }
        }
        false
    }

    /// The functions of this script that a call certainly or possibly runs: the callee, and functions passed to it.
    fn called_functions(&self, call: AstKind<'a>) -> Vec<NodeId> {
        let (callee, arguments) = match call {
            AstKind::CallExpression(call) => (&call.callee, call.arguments.as_slice()),
            AstKind::NewExpression(call) => (&call.callee, call.arguments.as_slice()),
            _ => return Vec::new(),
        };
        let named = self.symbol(callee).and_then(|symbol| self.function_of(symbol));
        let passed = arguments.iter().filter_map(|argument| match argument {
            Argument::ArrowFunctionExpression(function) => Some(function.node_id()),
            Argument::FunctionExpression(function) => Some(function.node_id()),
            _ => None,
        });
        named.into_iter().chain(passed).collect()
    }

    pub(super) fn symbol(&self, expression: &Expression<'a>) -> Option<SymbolId> {
        let Expression::Identifier(identifier) = expression.without_parentheses() else { return None };
        self.semantic.scoping().get_reference(identifier.reference_id()).symbol_id()
    }

    fn function_of(&self, symbol: SymbolId) -> Option<NodeId> {
        let declaration = self.semantic.symbol_declaration(symbol);
        match declaration.kind() {
            AstKind::Function(_) => Some(declaration.id()),
            AstKind::VariableDeclarator(declarator) => match declarator.init.as_ref()?.without_parentheses() {
                Expression::ArrowFunctionExpression(function) => Some(function.node_id()),
                Expression::FunctionExpression(function) => Some(function.node_id()),
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_function(kind: AstKind<'_>) -> bool {
    matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_))
}

fn is_module_wrapper(callee: &Expression<'_>) -> bool {
    let Expression::Identifier(identifier) = callee else { return false };
    identifier.name.starts_with("__commonJS") || identifier.name.starts_with("__esm")
}
