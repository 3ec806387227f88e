//! Which functions of a script run while it is loaded, so that what they declare may outlive a request.

use std::collections::{BTreeMap, BTreeSet};

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, AssignmentTarget, BindingIdentifier, Expression};
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
        let methods = Methods::of(semantic);
        let nodes = semantic.nodes();
        let calls: Vec<(Frame, Vec<NodeId>)> = nodes
            .iter()
            .map(|node| (node.id(), lifetimes.called_functions(node.kind(), &methods)))
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
                    return call.callee.span() == written
                        || is_module_wrapper(&call.callee)
                        || calls_at_once(&call.callee);
                }
                _ => return false,
            }
        }
        false
    }

    /// The functions of this script that a call certainly or possibly runs: the callee, functions passed to it, and
    /// methods by their name alone.
    fn called_functions(&self, call: AstKind<'a>, methods: &Methods) -> Vec<NodeId> {
        let (callee, arguments) = match call {
            AstKind::CallExpression(call) => (&call.callee, call.arguments.as_slice()),
            AstKind::NewExpression(call) => (&call.callee, call.arguments.as_slice()),
            _ => return Vec::new(),
        };
        let mut functions = self.functions_at(callee, methods);
        if matches!(call, AstKind::NewExpression(_)) || matches!(callee, Expression::Super(_)) {
            functions.extend(methods.named("constructor"));
        }
        for argument in arguments {
            match argument {
                Argument::ArrowFunctionExpression(function) => functions.push(function.node_id()),
                Argument::FunctionExpression(function) => functions.push(function.node_id()),
                Argument::Identifier(_) => {
                    let named = argument.as_expression().and_then(|name| self.symbol(name));
                    functions.extend(named.and_then(|symbol| self.function_of(symbol)));
                }
                _ => {}
            }
        }
        functions
    }

    /// The functions that an expression in the place of a callee may stand for.
    fn functions_at(&self, callee: &Expression<'a>, methods: &Methods) -> Vec<NodeId> {
        match callee.without_parentheses() {
            Expression::StaticMemberExpression(member) => methods.named(&member.property.name).to_vec(),
            Expression::PrivateFieldExpression(member) => methods.named(&member.field.name).to_vec(),
            // What a function of this script returned: any that is written inside of it.
            Expression::CallExpression(inner) => {
                self.functions_at(&inner.callee, methods).into_iter().flat_map(|outer| self.within(outer)).collect()
            }
            Expression::Identifier(_) => {
                let Some(symbol) = self.symbol(callee) else { return Vec::new() };
                if let Some(function) = self.function_of(symbol) {
                    return vec![function];
                }
                match self.semantic.symbol_declaration(symbol).kind() {
                    AstKind::VariableDeclarator(declarator) => {
                        match declarator.init.as_ref().map(Expression::without_parentheses) {
                            Some(Expression::CallExpression(inner))
                                if inner.callee.get_identifier_reference().is_some_and(|name| {
                                    Some(name.name.as_str()) != declarator.id.get_identifier_name().as_deref()
                                }) =>
                            {
                                let outer = self.symbol(&inner.callee).and_then(|symbol| self.function_of(symbol));
                                outer.map(|outer| self.within(outer)).unwrap_or_default()
                            }
                            _ => Vec::new(),
                        }
                    }
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    /// The functions written inside of another.
    fn within(&self, outer: NodeId) -> Vec<NodeId> {
        let nodes = self.semantic.nodes();
        let span = nodes.kind(outer).span();
        let is_within = |node: &&oxc::semantic::AstNode<'a>| {
            let here = node.kind().span();
            is_function(node.kind()) && node.id() != outer && span.start <= here.start && here.end <= span.end
        };
        nodes.iter().filter(is_within).map(oxc::semantic::AstNode::id).collect()
    }

    /// The variable that a function is known by.
    pub(super) fn name_of(&self, function: NodeId) -> Option<SymbolId> {
        let nodes = self.semantic.nodes();
        let named = match nodes.kind(function) {
            AstKind::Function(function) => function.id.as_ref().map(BindingIdentifier::symbol_id),
            _ => None,
        };
        named.or_else(|| match nodes.parent_kind(function) {
            AstKind::VariableDeclarator(declarator) => {
                declarator.id.get_binding_identifier().map(BindingIdentifier::symbol_id)
            }
            _ => None,
        })
    }

    /// The calls of a function by its name.
    pub(super) fn calls_of(&self, name: SymbolId) -> impl Iterator<Item = NodeId> {
        let nodes = self.semantic.nodes();
        self.semantic.symbol_references(name).filter_map(move |reference| {
            let node = reference.node_id();
            let parent = nodes.parent_node(node);
            match parent.kind() {
                AstKind::CallExpression(call) if call.callee.span() == nodes.kind(node).span() => Some(parent.id()),
                _ => None,
            }
        })
    }

    pub(super) fn symbol(&self, expression: &Expression<'a>) -> Option<SymbolId> {
        let Expression::Identifier(identifier) = expression.without_parentheses() else { return None };
        self.semantic.scoping().get_reference(identifier.reference_id()).symbol_id()
    }

    pub(super) fn function_of(&self, symbol: SymbolId) -> Option<NodeId> {
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

/// Methods that call what they are given before they return, and never again: such a function is a part of what
/// surrounds it, too.
fn calls_at_once(callee: &Expression<'_>) -> bool {
    const METHODS: [&str; 15] = [
        "forEach",
        "map",
        "filter",
        "some",
        "every",
        "find",
        "findIndex",
        "findLast",
        "flatMap",
        "reduce",
        "reduceRight",
        "sort",
        "toSorted",
        "replace",
        "replaceAll",
    ];
    let Expression::StaticMemberExpression(member) = callee.without_parentheses() else { return false };
    METHODS.contains(&member.property.name.as_str())
}

/// The functions that are kept under a name: methods of classes and objects, and what is assigned to a property.
struct Methods(BTreeMap<String, Vec<NodeId>>);

impl Methods {
    fn of(semantic: &Semantic<'_>) -> Self {
        let nodes = semantic.nodes();
        let mut methods: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
        for node in nodes.iter().filter(|node| is_function(node.kind())) {
            let name = match nodes.parent_kind(node.id()) {
                AstKind::MethodDefinition(method) => method.key.name().map(String::from),
                AstKind::ObjectProperty(property) => property.key.name().map(String::from),
                AstKind::PropertyDefinition(property) => property.key.name().map(String::from),
                AstKind::AssignmentExpression(assignment) => match &assignment.left {
                    AssignmentTarget::StaticMemberExpression(member) => Some(member.property.name.to_string()),
                    _ => None,
                },
                _ => None,
            };
            if let Some(name) = name {
                methods.entry(name).or_default().push(node.id());
            }
        }
        Self(methods)
    }

    fn named(&self, name: &str) -> &[NodeId] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

fn is_module_wrapper(callee: &Expression<'_>) -> bool {
    let Expression::Identifier(identifier) = callee else { return false };
    identifier.name.starts_with("__commonJS") || identifier.name.starts_with("__esm")
}
