//! What a variable was initialised with, as far as it matters to who may change it.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, CallExpression, Expression, RegExpFlags};
use oxc::semantic::{AstNode, NodeId, Reference, Semantic, SymbolId};
use oxc::span::{GetSpan as _, Span};

/// Names that stand for names that stand for …
const MAX_ALIASES: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// `new Map()`, `[]`, `{}`: nothing to read, so that whoever gets hold of it in a handler writes to it.
    EmptyContainer,
    Container,
    /// A regular expression that remembers `lastIndex`.
    StickyRegExp,
    /// What is used up by reading it.
    Iterator,
    /// Whatever a call, a parameter or a pattern gave.
    Unknown,
    /// Its methods change nothing, or are looked at themselves: a literal, a function, an instance, a helper's answer.
    Fixed,
}

/// The beginning of a value, kept while it is followed from one name to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub holds: Holds,
    /// The expression that made it.
    made: Option<Span>,
}

impl Origin {
    /// A container of which nothing else is known.
    pub(super) const CONTAINER: Self = Self { holds: Holds::Container, made: None };
}

pub(super) struct Origins<'s, 'a> {
    pub semantic: &'s Semantic<'a>,
}

impl<'a> Origins<'_, 'a> {
    pub(super) fn of(&self, symbol: SymbolId) -> Origin {
        self.of_symbol(symbol, MAX_ALIASES)
    }

    /// Whether a variable holds nothing that could be changed: text, a number, or never anything at all.
    pub(super) fn is_primitive(&self, symbol: SymbolId) -> bool {
        let declaration = self.semantic.symbol_declaration(symbol);
        let AstKind::VariableDeclarator(declarator) = declaration.kind() else { return false };
        if self.semantic.symbol_references(symbol).any(Reference::is_write) {
            return false;
        }
        if let Some(init) = &declarator.init {
            return init.is_literal() && !matches!(init, Expression::RegExpLiteral(_))
                || matches!(init, Expression::TemplateLiteral(_) | Expression::BinaryExpression(_));
        }
        let statement = self.semantic.nodes().ancestor_kinds(declaration.id()).nth(1);
        !matches!(statement, Some(AstKind::ForInStatement(_) | AstKind::ForOfStatement(_)))
    }

    fn of_symbol(&self, symbol: SymbolId, aliases: usize) -> Origin {
        let unknown = |made| Origin { holds: Holds::Unknown, made };
        match self.semantic.symbol_declaration(symbol).kind() {
            AstKind::VariableDeclarator(declarator) => match &declarator.init {
                Some(init) if declarator.id.get_binding_identifier().is_some() => {
                    Origin { holds: self.holds(init, aliases), made: Some(init.span()) }
                }
                Some(init) => unknown(Some(init.span())),
                None => unknown(None),
            },
            AstKind::Function(_) | AstKind::Class(_) => Origin { holds: Holds::Fixed, made: None },
            _ => unknown(None),
        }
    }

    fn holds(&self, init: &Expression<'a>, aliases: usize) -> Holds {
        match init.without_parentheses() {
            Expression::ArrayExpression(array) if array.elements.is_empty() => Holds::EmptyContainer,
            Expression::ObjectExpression(object) if object.properties.is_empty() => Holds::EmptyContainer,
            Expression::ArrayExpression(_) => Holds::Container,
            Expression::NewExpression(made) => {
                match made.callee.get_identifier_reference().map(|name| name.name.as_str()) {
                    Some("Map" | "Set" | "WeakMap" | "WeakSet") if made.arguments.is_empty() => Holds::EmptyContainer,
                    Some("RegExp") => regexp(&made.arguments),
                    Some(name) if is_container(name) => Holds::Container,
                    _ => Holds::Fixed,
                }
            }
            Expression::RegExpLiteral(literal) if remembers(literal.regex.flags) => Holds::StickyRegExp,
            Expression::CallExpression(call) => self.answer(call),
            Expression::Identifier(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id();
                match symbol {
                    Some(symbol) if aliases > 0 => self.of_symbol(symbol, aliases - 1).holds,
                    _ => Holds::Unknown,
                }
            }
            Expression::StaticMemberExpression(_)
            | Expression::ComputedMemberExpression(_)
            | Expression::ConditionalExpression(_)
            | Expression::LogicalExpression(_)
            | Expression::SequenceExpression(_)
            | Expression::AssignmentExpression(_)
            | Expression::ChainExpression(_) => Holds::Unknown,
            _ => Holds::Fixed,
        }
    }

    fn answer(&self, call: &CallExpression<'a>) -> Holds {
        const ITERATORS: [&str; 4] = ["values", "entries", "keys", "matchAll"];
        if is_sdk(call) {
            return Holds::Fixed;
        }
        match call.callee.without_parentheses() {
            Expression::Identifier(name) if name.name == "RegExp" => regexp(&call.arguments),
            Expression::Identifier(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id();
                let declared = symbol.map(|symbol| self.semantic.symbol_declaration(symbol).kind());
                match declared {
                    Some(AstKind::Function(function)) if function.generator => Holds::Iterator,
                    _ => Holds::Unknown,
                }
            }
            Expression::StaticMemberExpression(member) => {
                let is_object = member
                    .object
                    .get_identifier_reference()
                    .is_some_and(|name| matches!(&*name.name, "Object" | "Reflect"));
                if ITERATORS.contains(&member.property.name.as_str()) && !is_object {
                    Holds::Iterator
                } else {
                    Holds::Unknown
                }
            }
            _ => Holds::Unknown,
        }
    }

    /// Whether `add` and its like may be methods of a container, at the value itself or at what it leads to.
    pub(super) fn may_be_container(&self, origin: Origin, is_inner: bool) -> bool {
        match (origin.holds, is_inner) {
            (Holds::EmptyContainer, _) | (Holds::Container, false) => true,
            (Holds::Fixed | Holds::StickyRegExp | Holds::Iterator, false) => false,
            (Holds::Unknown, _) | (_, true) => origin.made.is_none_or(|made| self.makes_container(made)),
        }
    }

    fn makes_container(&self, made: Span) -> bool {
        self.inside(made).any(|node| match self.semantic.nodes().kind(node) {
            AstKind::NewExpression(_) => true,
            AstKind::CallExpression(call) => !is_sdk(call),
            AstKind::IdentifierReference(name) => {
                let symbol = self.semantic.scoping().get_reference(name.reference_id()).symbol_id();
                !is_sdk_name(&name.name)
                    && symbol.is_some_and(|symbol| !matches!(self.of_symbol(symbol, 0).holds, Holds::Fixed))
            }
            _ => false,
        })
    }

    /// Whether a regular expression that remembers `lastIndex` is what the value is, or leads to.
    pub(super) fn may_be_sticky(&self, origin: Origin) -> bool {
        let made_inside = |made| {
            self.inside(made).any(|node| match self.semantic.nodes().kind(node) {
                AstKind::RegExpLiteral(literal) => remembers(literal.regex.flags),
                AstKind::NewExpression(made) if made.callee.is_specific_id("RegExp") => {
                    regexp(&made.arguments) == Holds::StickyRegExp
                }
                _ => false,
            })
        };
        origin.holds == Holds::StickyRegExp || origin.made.is_some_and(made_inside)
    }

    fn inside(&self, span: Span) -> impl Iterator<Item = NodeId> {
        let nodes = self.semantic.nodes().iter();
        nodes
            .filter(move |node| {
                let here = node.kind().span();
                span.start <= here.start && here.end <= span.end
            })
            .map(AstNode::id)
    }
}

fn is_container(name: &str) -> bool {
    matches!(name, "Map" | "Set" | "WeakMap" | "WeakSet" | "Date" | "URL" | "URLSearchParams" | "DataView")
        || name.ends_with("Array")
}

fn remembers(flags: RegExpFlags) -> bool {
    flags.intersects(RegExpFlags::G | RegExpFlags::Y)
}

/// Flags that are computed may be any.
fn regexp(arguments: &[Argument<'_>]) -> Holds {
    match arguments.get(1).map(|flags| flags.as_expression()) {
        None => Holds::Fixed,
        Some(Some(Expression::StringLiteral(flags))) if !flags.value.contains(['g', 'y']) => Holds::Fixed,
        Some(_) => Holds::StickyRegExp,
    }
}

/// A call of a helper of `@bylaw/sdk`, as the linker writes it: `(0, _bylaw_sdk.quantity)("1Gi")`. All that helpers give
/// is frozen.
pub(super) fn is_sdk(call: &CallExpression<'_>) -> bool {
    let callee = match call.callee.without_parentheses() {
        Expression::SequenceExpression(sequence) => sequence.expressions.last(),
        other => Some(other),
    };
    let Some(Expression::StaticMemberExpression(member)) = callee.map(Expression::without_parentheses) else {
        return false;
    };
    member.object.get_identifier_reference().is_some_and(|name| is_sdk_name(&name.name))
}

fn is_sdk_name(name: &str) -> bool {
    name.trim_start_matches('_').starts_with("bylaw_sdk")
}
