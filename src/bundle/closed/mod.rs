//! Proves that a jsPolicy script needs no realm of its own: that it is *closed*. Such a script runs as a function in a
//! realm that is locked down and used again and again (`isolate/closed.rs`).
//!
//! What is to be proved is only that a run which comes to its end there says what it would have said in a fresh realm.
//! A run that throws says nothing: the script is run again in a fresh realm, and so is one that reaches for what has
//! effects. So a write that the frozen realm refuses needs no proof where nobody catches the error, and a script is run
//! as strict code then, in which no refusal is silent. What must not be there:
//!
//! - a global that is assigned, an intrinsic that is changed by name, a name that only one of the realms has;
//! - promises and what makes them, for the end of a run would have to wait for them; what waits or writes anyway;
//! - code that strict mode reads differently without an error: a bare `this`, aliased `arguments`, functions in blocks;
//! - a look at what lockdown changes: descriptors, stacks, whether something is frozen;
//! - a `try` in which a refused write could be caught, unless all writes go to objects that are the script's own.
//!
//! Names count as they are written. A script that puts `"Refl" + "ect"` together to change what it must not is beyond
//! this: it finds the realm frozen, and harms nobody but itself.

mod careless;
mod names;
mod strictness;
mod tries;
mod writes;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{Expression, Function, PropertyKey, PropertyKind, TryStatement};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder, SymbolId};
use oxc::span::{GetSpan as _, SourceType, Span};

use super::apart::apart;
use super::nesting::too_deep;

/// Makes a script strict code.
const STRICT: &str = "\"use strict\";";

/// A script that was proved closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// It is run as strict code, so that nothing the realm refuses goes unnoticed.
    pub strict: bool,
    /// It may read objects or files, and so may have to wait for them.
    pub reads: bool,
    /// Variables that it never declared. In a function they must be.
    pub declares: Vec<Box<str>>,
}

impl Closed {
    /// The body of the function that the script becomes.
    #[must_use]
    pub fn body(&self, script: &str) -> String {
        let strict = if self.strict { STRICT } else { "" };
        if self.declares.is_empty() {
            return format!("{strict}{script}");
        }
        format!("{strict}var {};{script}", self.declares.join(","))
    }
}

/// Why a script was not proved closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Open {
    /// Of the script, from 1.
    pub line: u32,
    pub why: String,
}

/// The proof, or the first thing that stands against it.
pub fn closed(script: &str) -> Result<Closed, Open> {
    let whole = |why: String| Open { line: 1, why };
    apart("the script", || Ok(judge(script))).unwrap_or_else(|error| Err(whole(error.to_string())))
}

fn judge(script: &str) -> Result<Closed, Open> {
    let whole = |why: &str| Open { line: 1, why: why.to_owned() };
    if too_deep(script, false).is_some() {
        return Err(whole("it is nested too deeply"));
    }
    // Old comments that parsers read differently, and a line that only a script may begin with.
    let has_html = script.contains("<!--") || script.lines().any(|line| line.trim_start().starts_with("-->"));
    if has_html || script.starts_with("#!") {
        return Err(whole("it has comments of another language"));
    }
    let text = format!("{STRICT}{script}");
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &text, SourceType::script()).parse();
    let not_strict = |message: &str| Open { line: 1, why: format!("it is no strict code: {message}") };
    if let Some(error) = parsed.diagnostics.errors().next() {
        return Err(not_strict(&error.message));
    }
    if parsed.panicked {
        return Err(not_strict("it cannot be parsed"));
    }
    let built = SemanticBuilder::new().with_build_nodes(true).with_check_syntax_error(true).build(&parsed.program);
    if let Some(error) = built.diagnostics.errors().next() {
        return Err(not_strict(&error.message));
    }
    Proof::new(&text, &built.semantic).judge()
}

type Checked = Result<(), (Span, String)>;

/// Something that stands against the proof.
fn against(span: Span, why: impl Into<String>) -> Checked {
    Err((span, why.into()))
}

struct Proof<'s, 'a> {
    text: &'s str,
    semantic: &'s Semantic<'a>,
    facts: Facts,
    has_tries: bool,
    reads: bool,
    declares: Vec<Box<str>>,
}

/// What there is somewhere in the script.
#[derive(Default)]
struct Facts {
    /// Errors to look at: caught, or made.
    has_errors: bool,
    /// Code that runs where none is called: accessors, conversions, traps.
    has_hooks: bool,
    /// The global object is used as a value, so that any name of a property may be one of a global.
    hands_on_global: bool,
}

impl<'s, 'a> Proof<'s, 'a> {
    fn new(text: &'s str, semantic: &'s Semantic<'a>) -> Self {
        let mut proof =
            Self { text, semantic, facts: Facts::default(), has_tries: false, reads: false, declares: Vec::new() };
        let mut facts = Facts::default();
        for node in semantic.nodes() {
            match node.kind() {
                AstKind::IdentifierReference(name) if proof.is_free(name) => {
                    facts.has_errors |= name.name.ends_with("Error");
                    facts.hands_on_global |= name.name == "globalThis" && !proof.is_global_read(node.id());
                    facts.has_hooks |= name.name == "Proxy";
                }
                AstKind::CatchClause(_) => facts.has_errors = true,
                AstKind::TryStatement(_) => proof.has_tries = true,
                AstKind::ObjectProperty(property) => {
                    facts.has_hooks |= property.kind != PropertyKind::Init || is_hook(&property.key);
                }
                AstKind::MethodDefinition(method) => {
                    facts.has_hooks |= method.kind.is_accessor() || is_hook(&method.key);
                }
                AstKind::StaticMemberExpression(member) => facts.has_hooks |= is_hook_name(&member.property.name),
                _ => {}
            }
        }
        proof.facts = facts;
        proof
    }

    fn judge(mut self) -> Result<Closed, Open> {
        let mut tries = Vec::new();
        for node in self.semantic.nodes() {
            if let AstKind::TryStatement(found) = node.kind() {
                tries.push(found);
            }
            self.check(node.id(), node.kind()).map_err(|found| self.open(found))?;
        }
        self.check_declarations().map_err(|found| self.open(found))?;
        self.check_careless().map_err(|found| self.open(found))?;
        let watched: Vec<&TryStatement> = tries.into_iter().filter(|found| !self.is_inert(found)).collect();
        if let Some(first) = watched.first() {
            self.check_all_writes().map_err(|(span, why)| {
                let catcher = self.line(first.span);
                self.open((span, format!("{why}, and the `try` of line {catcher} could see it refused")))
            })?;
        }
        Ok(Closed { strict: watched.is_empty(), reads: self.reads, declares: self.declares })
    }

    fn check(&mut self, node: NodeId, kind: AstKind<'a>) -> Checked {
        match kind {
            AstKind::IdentifierReference(name) if self.is_free(name) => self.check_free_name(node, name),
            AstKind::StaticMemberExpression(member) => {
                self.check_property(&member.property.name, member.span)?;
                self.check_write(node, &member.object)
            }
            AstKind::ComputedMemberExpression(member) => {
                if let Some(name) = member.static_property_name() {
                    self.check_property(&name, member.span)?;
                }
                self.check_write(node, &member.object)
            }
            AstKind::BindingProperty(property) => self.check_key(&property.key),
            AstKind::AssignmentTargetPropertyProperty(property) => self.check_key(&property.name),
            AstKind::AssignmentTargetPropertyIdentifier(property) => {
                self.check_property(&property.binding.name, property.span)
            }
            AstKind::CallExpression(call) => self.check_call(call),
            AstKind::ThisExpression(this) => self.check_this(node, this.span),
            AstKind::Function(function) => self.check_function(node, function),
            AstKind::ArrowFunctionExpression(function) if function.r#async => against(function.span, ASYNCHRONOUS),
            AstKind::AwaitExpression(found) => against(found.span, ASYNCHRONOUS),
            AstKind::ForOfStatement(found) if found.r#await => against(found.span, ASYNCHRONOUS),
            AstKind::ImportExpression(found) => against(found.span, ASYNCHRONOUS),
            _ => Ok(()),
        }
    }

    fn check_function(&self, node: NodeId, function: &Function<'a>) -> Checked {
        if function.r#async {
            return against(function.span, ASYNCHRONOUS);
        }
        self.check_block_function(node, function)
    }

    fn check_key(&mut self, key: &PropertyKey<'a>) -> Checked {
        key.static_name().map_or(Ok(()), |name| self.check_property(&name, key.span()))
    }

    fn open(&self, (span, why): (Span, String)) -> Open {
        Open { line: self.line(span), why }
    }

    fn line(&self, span: Span) -> u32 {
        let before = self.text.get(..span.start as usize).unwrap_or_default();
        u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The variable that an expression names; `None` for globals and all else.
    fn symbol(&self, expression: &Expression<'a>) -> Option<SymbolId> {
        let name = expression.get_identifier_reference()?;
        self.semantic.scoping().get_reference(name.reference_id()).symbol_id()
    }

    /// The global that an expression names.
    fn free_name<'e>(&self, expression: &'e Expression<'a>) -> Option<&'e str> {
        let name = expression.get_identifier_reference()?;
        self.is_free(name).then_some(name.name.as_str())
    }
}

const ASYNCHRONOUS: &str = "promises outlive the function";

fn is_hook(key: &PropertyKey<'_>) -> bool {
    key.static_name().is_some_and(|name| is_hook_name(&name))
}

fn is_hook_name(name: &str) -> bool {
    matches!(
        name,
        "toJSON" | "toString" | "valueOf" | "toPrimitive" | "iterator" | "defineProperty" | "defineProperties"
    ) || name.starts_with("__define")
}

#[cfg(test)]
#[path = "../closed_tests.rs"]
mod tests;
