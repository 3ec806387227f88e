//! Blocks of `try` in which nothing can be refused: they write nothing, and call only what writes nothing.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, Expression, TryStatement};
use oxc::span::{GetSpan as _, Span};

use super::Proof;

/// Functions that run nothing of the script's, given what has no code of the script's in it.
const HARMLESS: [&str; 22] = [
    "allow",
    "exit",
    "deny",
    "mutate",
    "requeue",
    "warn",
    "print",
    "env",
    "atob",
    "btoa",
    "String",
    "Number",
    "Boolean",
    "BigInt",
    "parseInt",
    "parseFloat",
    "isNaN",
    "isFinite",
    "decodeURIComponent",
    "encodeURIComponent",
    "RegExp",
    "Date",
];

/// Objects all of whose functions are of that kind.
const HARMLESS_OBJECTS: [&str; 2] = ["JSON", "Math"];

impl<'a> Proof<'_, 'a> {
    pub(super) fn is_inert(&self, statement: &TryStatement<'a>) -> bool {
        let block = statement.block.span;
        let inside = |span: Span| span.start >= block.start && span.end <= block.end && span != block;
        self.semantic.nodes().iter().filter(|node| inside(node.kind().span())).all(|node| match node.kind() {
            AstKind::CallExpression(call) => self.is_harmless(&call.callee) && call.arguments.iter().all(is_plain),
            AstKind::NewExpression(made) => {
                // `new Function("…")` throws whatever it is given.
                let is_refused = self.free_name(&made.callee) == Some("Function");
                (is_refused || self.is_harmless(&made.callee)) && made.arguments.iter().all(is_plain)
            }
            AstKind::StaticMemberExpression(_) | AstKind::ComputedMemberExpression(_) => {
                !self.is_written(node.id()) && !self.facts.has_hooks || self.is_callee_of_ours(node.kind())
            }
            AstKind::BinaryExpression(_) | AstKind::TemplateLiteral(_) => !self.facts.has_hooks,
            AstKind::TaggedTemplateExpression(_)
            | AstKind::SpreadElement(_)
            | AstKind::ForOfStatement(_)
            | AstKind::YieldExpression(_)
            | AstKind::ObjectPattern(_)
            | AstKind::ArrayPattern(_)
            | AstKind::ArrayAssignmentTarget(_)
            | AstKind::ObjectAssignmentTarget(_)
            | AstKind::Function(_)
            | AstKind::ArrowFunctionExpression(_)
            | AstKind::Class(_) => false,
            // The name of a function expression is a constant, which only strict code says.
            AstKind::IdentifierReference(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id();
                symbol.is_none_or(|symbol| !self.semantic.scoping().symbol_flags(symbol).is_function())
            }
            AstKind::UnaryExpression(unary) => !unary.operator.is_delete(),
            _ => true,
        })
    }

    fn is_harmless(&self, callee: &Expression<'a>) -> bool {
        match callee.without_parentheses() {
            Expression::Identifier(_) => {
                self.free_name(callee).is_some_and(|name| HARMLESS.contains(&name)) && !self.facts.has_hooks
                    || self.free_name(callee).is_some_and(|name| matches!(name, "allow" | "exit" | "deny" | "requeue"))
            }
            Expression::StaticMemberExpression(member) => {
                self.free_name(&member.object).is_some_and(|name| HARMLESS_OBJECTS.contains(&name))
                    && !self.facts.has_hooks
            }
            // What it makes is never there to be called.
            Expression::NewExpression(made) => self.free_name(&made.callee) == Some("Function"),
            _ => false,
        }
    }

    /// `JSON.parse`, `Math.max`: no accessor of the script's.
    fn is_callee_of_ours(&self, kind: AstKind<'a>) -> bool {
        matches!(kind, AstKind::StaticMemberExpression(member)
            if self.free_name(&member.object).is_some_and(|name| HARMLESS_OBJECTS.contains(&name)))
    }
}

/// No function, which a built-in might call.
fn is_plain(argument: &Argument<'_>) -> bool {
    !matches!(
        argument,
        Argument::SpreadElement(_) | Argument::ArrowFunctionExpression(_) | Argument::FunctionExpression(_)
    )
}
