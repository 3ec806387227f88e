//! A parsed jsPolicy script, and the questions that every part of the translation asks of it.

use std::collections::BTreeSet;

use oxc::ast::AstKind;
use oxc::ast::ast::{
    ArrowFunctionBody, BindingPattern, CallExpression, Expression, FormalParameters, FunctionBody, IdentifierReference,
};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::{GetSpan as _, Span};

use super::Refusal;

/// A function of the script, of either form.
#[derive(Clone, Copy)]
pub(super) struct Fun<'a> {
    pub span: Span,
    pub params: &'a FormalParameters<'a>,
    pub body: Body<'a>,
    pub is_async: bool,
    pub is_generator: bool,
    pub is_arrow: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Block(&'a FunctionBody<'a>),
    Expression(&'a Expression<'a>),
}

pub(super) struct Script<'s, 'a> {
    pub text: &'s str,
    pub semantic: &'s Semantic<'a>,
    /// Every name that the script declares or uses: new names must be others.
    pub names: BTreeSet<String>,
}

impl<'s, 'a> Script<'s, 'a> {
    pub(super) fn new(text: &'s str, semantic: &'s Semantic<'a>) -> Self {
        let scoping = semantic.scoping();
        let declared = scoping.symbol_names().map(str::to_owned);
        let free = scoping.root_unresolved_references().keys().map(ToString::to_string);
        let names = declared.chain(free).collect();
        Self { text, semantic, names }
    }

    pub(super) fn kind(&self, node: NodeId) -> AstKind<'a> {
        self.semantic.nodes().kind(node)
    }

    /// The parent, past parentheses and optional chains, and the span by which it knows the node.
    pub(super) fn outer(&self, node: NodeId) -> (AstKind<'a>, NodeId, Span) {
        let nodes = self.semantic.nodes();
        let mut span = self.kind(node).span();
        let mut at = nodes.parent_id(node);
        while let AstKind::ParenthesizedExpression(_) | AstKind::ChainExpression(_) = self.kind(at) {
            span = self.kind(at).span();
            let next = nodes.parent_id(at);
            if next == at {
                break;
            }
            at = next;
        }
        (self.kind(at), at, span)
    }

    /// Uses of a name that nothing in the script declares.
    pub(super) fn free(&self, name: &str) -> Vec<NodeId> {
        let scoping = self.semantic.scoping();
        let unresolved = scoping.root_unresolved_references();
        let found = unresolved.iter().find(|(known, _)| known.as_str() == name);
        let ids = found.map(|(_, ids)| ids.iter().copied().collect::<Vec<_>>()).unwrap_or_default();
        let mut nodes: Vec<NodeId> = ids.into_iter().map(|id| scoping.get_reference(id).node_id()).collect();
        nodes.sort_by_key(|node| self.kind(*node).span().start);
        nodes
    }

    pub(super) fn free_names(&self) -> Vec<String> {
        let unresolved = self.semantic.scoping().root_unresolved_references();
        let mut names: Vec<String> = unresolved.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    pub(super) fn is_free(&self, name: &IdentifierReference<'a>) -> bool {
        self.symbol(name).is_none()
    }

    pub(super) fn symbol(&self, name: &IdentifierReference<'a>) -> Option<SymbolId> {
        self.semantic.scoping().get_reference(name.reference_id.get()?).symbol_id()
    }

    /// The call whose callee this use is.
    pub(super) fn call_of(&self, node: NodeId) -> Option<(&'a CallExpression<'a>, NodeId)> {
        let (kind, at, span) = self.outer(node);
        match kind {
            AstKind::CallExpression(call) if call.callee.span() == span => Some((call, at)),
            _ => None,
        }
    }

    pub(super) fn fun(&self, node: NodeId) -> Option<Fun<'a>> {
        match self.kind(node) {
            AstKind::Function(function) => Some(Fun {
                span: function.span,
                params: &function.params,
                body: Body::Block(function.body.as_deref()?),
                is_async: function.r#async,
                is_generator: function.generator,
                is_arrow: false,
            }),
            AstKind::ArrowFunctionExpression(arrow) => Some(Fun {
                span: arrow.span,
                params: &arrow.params,
                body: match &arrow.body {
                    ArrowFunctionBody::FunctionBody(body) => Body::Block(body),
                    other => Body::Expression(other.as_expression()?),
                },
                is_async: arrow.r#async,
                is_generator: false,
                is_arrow: true,
            }),
            _ => None,
        }
    }

    /// The functions around a node, the innermost first.
    pub(super) fn functions(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.semantic.nodes().ancestor_ids(node).filter(|id| self.is_function(*id))
    }

    pub(super) fn is_function(&self, node: NodeId) -> bool {
        matches!(self.kind(node), AstKind::Function(_) | AstKind::ArrowFunctionExpression(_))
    }

    /// What a variable was made with, where it has a plain name and is never assigned again.
    pub(super) fn init(&self, symbol: SymbolId) -> Option<&'a Expression<'a>> {
        if self.semantic.scoping().symbol_is_mutated(symbol) {
            return None;
        }
        let declared = self.semantic.scoping().symbol_declaration(symbol);
        let mut found = std::iter::once(declared).chain(self.semantic.nodes().ancestor_ids(declared)).take(3);
        found.find_map(|node| match self.kind(node) {
            AstKind::VariableDeclarator(declarator) => match &declarator.id {
                BindingPattern::BindingIdentifier(_) => declarator.init.as_ref(),
                _ => None,
            },
            _ => None,
        })
    }

    /// Past parentheses, assertions of types, and names for what never changes.
    pub(super) fn resolved(&self, expression: &'a Expression<'a>) -> &'a Expression<'a> {
        let mut at = expression.get_inner_expression();
        for _ in 0..8 {
            let Expression::Identifier(name) = at else { break };
            let Some(init) = self.symbol(name).and_then(|symbol| self.init(symbol)) else { break };
            at = init.get_inner_expression();
        }
        at
    }

    /// The text that an expression always is.
    pub(super) fn text_of(&self, expression: &'a Expression<'a>) -> Option<String> {
        match self.resolved(expression) {
            Expression::StringLiteral(text) if !text.lone_surrogates => Some(text.value.to_string()),
            Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
                template.quasis.first()?.value.cooked.as_ref().map(ToString::to_string)
            }
            _ => None,
        }
    }

    pub(super) fn raw(&self, span: Span) -> &'s str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The line of an offset, from 1.
    pub(super) fn line(&self, offset: u32) -> u32 {
        let before = self.text.get(..offset as usize).unwrap_or_default();
        u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn refuse(&self, node: NodeId, reason: impl Into<String>) -> Refusal {
        Refusal { line: Some(self.line(self.kind(node).span().start)), reason: reason.into() }
    }

    /// A name that the script does not use.
    pub(super) fn fresh(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.names.contains(&name) {
            name.push('_');
        }
        name
    }

    /// Whether an expression is certainly a string.
    pub(super) fn is_text(&self, expression: &'a Expression<'a>) -> bool {
        const GIVE_TEXT: [&str; 14] = [
            "join",
            "toString",
            "trim",
            "toLowerCase",
            "toUpperCase",
            "replace",
            "replaceAll",
            "repeat",
            "padStart",
            "padEnd",
            "substring",
            "substr",
            "toFixed",
            "toISOString",
        ];
        match self.resolved(expression) {
            Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
            Expression::BinaryExpression(sum) => {
                sum.operator == oxc::syntax::operator::BinaryOperator::Addition
                    && (self.is_text(&sum.left) || self.is_text(&sum.right))
            }
            Expression::ConditionalExpression(either) => {
                self.is_text(&either.consequent) && self.is_text(&either.alternate)
            }
            Expression::CallExpression(call) => match &call.callee {
                Expression::StaticMemberExpression(member) => GIVE_TEXT.contains(&member.property.name.as_str()),
                Expression::Identifier(name) => name.name == "String" && self.is_free(name),
                _ => false,
            },
            _ => false,
        }
    }
}
