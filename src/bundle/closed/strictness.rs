//! What sloppy code means otherwise as strict code, and no error tells.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BinaryOperator, Directive, Expression, Function, LogicalOperator, Statement};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::{Checked, Proof, against};

impl<'a> Proof<'_, 'a> {
    /// Whether the code at `node` is strict without our making it so.
    pub(super) fn is_strict(&self, node: NodeId) -> bool {
        let strict = |directives: &[Directive<'a>]| directives.iter().any(Directive::is_use_strict);
        self.semantic.nodes().ancestor_kinds(node).any(|ancestor| match ancestor {
            AstKind::Class(_) => true,
            AstKind::FunctionBody(body) => strict(&body.directives),
            // The first one is ours.
            AstKind::Program(program) => strict(program.directives.get(1..).unwrap_or_default()),
            _ => false,
        })
    }

    /// The function whose `this` and `arguments` are seen at `node`; `None` at the top of the script.
    fn home(&self, node: NodeId) -> Option<(NodeId, AstKind<'a>)> {
        let nodes = self.semantic.nodes();
        nodes
            .ancestors(node)
            .find(|ancestor| {
                matches!(
                    ancestor.kind(),
                    AstKind::Function(_) | AstKind::StaticBlock(_) | AstKind::PropertyDefinition(_)
                )
            })
            .map(|ancestor| (ancestor.id(), ancestor.kind()))
    }

    /// A sloppy function that is merely called has the global object for its `this`, a strict one nothing. To read a
    /// property of nothing is an error, so that only what does with `this` itself counts.
    pub(super) fn check_this(&self, node: NodeId, span: Span) -> Checked {
        let Some((home, kind)) = self.home(node) else {
            return against(span, "`this` is the global object");
        };
        let AstKind::Function(function) = kind else { return Ok(()) };
        if self.is_strict(node) || self.is_called_on_exports(home) {
            return Ok(());
        }
        match self.semantic.nodes().parent_kind(node) {
            AstKind::StaticMemberExpression(_) | AstKind::ComputedMemberExpression(_) => Ok(()),
            // A compiler's `this && this.__helper || …`: no global has such a name.
            AstKind::LogicalExpression(logic)
                if logic.operator == LogicalOperator::And && logic.left.span() == span && is_helper(&logic.right) =>
            {
                Ok(())
            }
            // webpack's way to the global object, for engines without `globalThis`.
            AstKind::LogicalExpression(logic)
                if logic.operator == LogicalOperator::Or && returns_global_first(function) =>
            {
                Ok(())
            }
            _ => against(span, "`this` may be the global object"),
        }
    }

    /// webpack's way to the global object ends before it comes to what it does without `globalThis`.
    pub(super) fn is_in_global_shim(&self, node: NodeId) -> bool {
        matches!(self.home(node), Some((_, AstKind::Function(function))) if returns_global_first(function))
    }

    /// `(function () { … }).call(exports)`: what inline source is put into.
    pub(super) fn is_called_on_exports(&self, function: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut written = nodes.kind(function).span();
        for around in nodes.ancestor_kinds(function) {
            match around {
                AstKind::ParenthesizedExpression(outer) => written = outer.span,
                AstKind::StaticMemberExpression(member)
                    if member.object.span() == written && member.property.name == "call" =>
                {
                    written = member.span;
                }
                AstKind::CallExpression(call) if call.callee.span() == written => {
                    let first = call.arguments.first().and_then(Argument::as_expression);
                    return first.and_then(|first| self.free_name(first)) == Some("exports");
                }
                _ => return false,
            }
        }
        false
    }

    /// In sloppy functions `arguments` and the parameters are one and the same.
    pub(super) fn check_arguments(&self, node: NodeId, span: Span) -> Checked {
        let Some((_, AstKind::Function(function))) = self.home(node) else {
            return against(span, "there are no `arguments` at the top of a script");
        };
        if self.is_strict(node) || function.params.items.is_empty() {
            return Ok(());
        }
        let scoping = self.semantic.scoping();
        let mut parameters = Vec::new();
        for parameter in &function.params.items {
            parameters.extend(parameter.pattern.get_binding_identifiers());
        }
        let is_assigned = parameters.iter().any(|name| scoping.symbol_is_mutated(name.symbol_id()));
        let nodes = self.semantic.nodes();
        let parent = nodes.parent_id(node);
        let is_read = match nodes.kind(parent) {
            AstKind::StaticMemberExpression(_) | AstKind::ComputedMemberExpression(_) => !self.is_written(parent),
            AstKind::SpreadElement(_) => true,
            AstKind::CallExpression(call) => {
                matches!(&call.callee, Expression::StaticMemberExpression(member) if member.property.name == "apply")
                    && call.arguments.get(1).is_some_and(|second| second.span() == span)
            }
            _ => false,
        };
        if is_assigned || !is_read {
            return against(span, "`arguments` may change the parameters");
        }
        Ok(())
    }

    /// A sloppy function in a block is also a variable of the function around it.
    pub(super) fn check_block_function(&self, node: NodeId, function: &Function<'a>) -> Checked {
        let is_in_block = function.is_declaration()
            && !matches!(self.semantic.nodes().parent_kind(node), AstKind::Program(_) | AstKind::FunctionBody(_));
        if is_in_block && !self.is_strict(node) {
            return against(function.span, "a function in a block is seen outside of it");
        }
        Ok(())
    }
}

fn is_helper(expression: &Expression<'_>) -> bool {
    matches!(expression.without_parentheses(), Expression::StaticMemberExpression(member)
        if matches!(member.object, Expression::ThisExpression(_)) && is_name_of_helper(&member.property.name))
}

fn is_name_of_helper(name: &str) -> bool {
    const HELPERS: [&str; 11] = [
        "__assign",
        "__awaiter",
        "__createBinding",
        "__decorate",
        "__extends",
        "__generator",
        "__importDefault",
        "__importStar",
        "__rest",
        "__setModuleDefault",
        "__spreadArray",
    ];
    HELPERS.contains(&name)
}

/// `if (typeof globalThis === "object") return globalThis;`
fn returns_global_first(function: &Function<'_>) -> bool {
    let Some(Statement::IfStatement(first)) = function.body.as_ref().and_then(|body| body.statements.first()) else {
        return false;
    };
    let Expression::BinaryExpression(test) = &first.test else { return false };
    let is_equal = matches!(test.operator, BinaryOperator::Equality | BinaryOperator::StrictEquality);
    let is_typeof = |side: &Expression<'_>| {
        matches!(side, Expression::UnaryExpression(unary)
            if unary.operator.is_typeof() && unary.argument.is_specific_id("globalThis"))
    };
    let is_object = |side: &Expression<'_>| matches!(side, Expression::StringLiteral(word) if word.value == "object");
    let is_test =
        (is_typeof(&test.left) && is_object(&test.right)) || (is_object(&test.left) && is_typeof(&test.right));
    let returned = match &first.consequent {
        Statement::ReturnStatement(statement) => statement.argument.as_ref(),
        _ => None,
    };
    is_equal && is_test && returned.is_some_and(|returned| returned.is_specific_id("globalThis"))
}
