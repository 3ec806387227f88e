//! Which policies may share a realm: those that keep nothing from one request to the next.
//!
//! A linked script is searched for state that outlives a run: module-level variables that a function assigns,
//! containers and regular expressions that a function changes, the same held by a closure or an object made at load.
//! This is a lint, not a wall: it errs towards naming state, which costs the policy a realm of its own for each run,
//! and what it misses stays within the policies of one domain.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{BindingIdentifier, Expression, RegExpFlags, UnaryOperator};
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder, SymbolId};
use oxc::span::{GetSpan as _, SourceType, Span};

use super::apart::apart;
use super::diagnostics::{BundleError, Diagnostic, Place};
use super::global_object::OWN_GLOBAL;
use super::lifetimes::Lifetimes;
use super::link::Linked;
use super::map::locate;

/// One thing that a policy remembers between requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleState {
    /// The variable, or `this` of a class.
    pub name: String,
    pub what: &'static str,
    /// Where it is changed.
    pub place: Place,
}

impl std::fmt::Display for ModuleState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: `{}` {}", self.place, self.name, self.what)
    }
}

/// Methods that change a container, whatever it is.
const CHANGES_ANY: [&str; 10] =
    ["push", "pop", "shift", "unshift", "splice", "sort", "reverse", "set", "clear", "next"];

/// Methods that change a known container, but mean something harmless elsewhere (`quantity.add`).
const CHANGES_CONTAINER: [&str; 5] = ["add", "delete", "fill", "copyWithin", "append"];

/// The state of a linked module, in the order of the script; empty for one that keeps nothing.
pub fn module_state(linked: &Linked) -> Result<Vec<ModuleState>, BundleError> {
    apart("the linked script", || Ok(state_of(linked)))
}

fn state_of(linked: &Linked) -> Vec<ModuleState> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &linked.script, SourceType::script()).parse();
    let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
    let lint = Lint { semantic: &built.semantic, lifetimes: Lifetimes::of(&built.semantic) };
    let mut found = lint.changed_variables();
    found.extend(lint.changed_objects());
    found.sort_by_key(|(span, ..)| span.start);
    let mut states: Vec<ModuleState> = found.into_iter().filter_map(|found| in_source(linked, found)).collect();
    states.dedup_by(|later, earlier| later.name == earlier.name && later.what == earlier.what);
    states
}

type Found = (Span, String, &'static str);

/// The finding in the author's terms; `None` for code that the linker added.
fn in_source(linked: &Linked, (span, name, what): Found) -> Option<ModuleState> {
    let here = Diagnostic::at_bytes("", &linked.script, span.start, span.end, "").place?;
    let (place, _) = locate(linked.source_map.as_ref()?, here.line, here.column - 1)?;
    // The linker renames what would collide: `cache` to `cache$1`.
    let original = name.rsplit_once('$').filter(|(_, number)| number.parse::<u32>().is_ok());
    let name = original.map_or(name.as_str(), |(original, _)| original);
    let name = if name == OWN_GLOBAL { "globalThis" } else { name }.to_owned();
    Some(ModuleState { name, what, place })
}

/// What a variable was initialised with, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// `new Map()`, `[]`, `{}`: nothing to read, so that whoever gets hold of it in a handler writes to it.
    EmptyContainer,
    Container,
    /// A regular expression that remembers `lastIndex`.
    StickyRegExp,
    Other,
}

struct Lint<'s, 'a> {
    semantic: &'s Semantic<'a>,
    lifetimes: Lifetimes<'s, 'a>,
}

impl<'a> Lint<'_, 'a> {
    fn changed_variables(&self) -> Vec<Found> {
        let scoping = self.semantic.scoping();
        let mut found = Vec::new();
        for symbol in scoping.symbol_ids() {
            let home = self.lifetimes.frame(scoping.symbol_declaration(symbol));
            if !self.lifetimes.outlives_a_run(home) {
                continue;
            }
            let holds = self.holds(symbol);
            for reference in scoping.get_resolved_references(symbol) {
                let node = reference.node_id();
                if self.lifetimes.frame(node) == home {
                    continue;
                }
                let what = if reference.is_write() {
                    Some("is assigned after the module was loaded")
                } else {
                    self.change(node, holds)
                };
                let span = self.semantic.nodes().kind(node).span();
                found.extend(what.map(|what| (span, scoping.symbol_name(symbol).to_owned(), what)));
            }
        }
        found
    }

    /// Objects made at load whose methods change `this`.
    fn changed_objects(&self) -> Vec<Found> {
        let nodes = self.semantic.nodes();
        let this_is_changed = |node: &&oxc::semantic::AstNode<'a>| {
            matches!(node.kind(), AstKind::ThisExpression(_)) && self.change(node.id(), Holds::Container).is_some()
        };
        let changed = nodes.iter().filter(this_is_changed);
        changed
            .filter(|node| self.owner_outlives_a_run(node.id()))
            .map(|node| {
                (node.kind().span(), "this".to_owned(), "belongs to an object made at load, and is changed later")
            })
            .collect()
    }

    /// Whether the `this` at `node` is an object made at load: an instance of a class, or an object literal. In a
    /// constructor it is new.
    fn owner_outlives_a_run(&self, node: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut function_seen = false;
        for ancestor in nodes.ancestors(node) {
            match ancestor.kind() {
                AstKind::MethodDefinition(method) if method.kind.is_constructor() => return false,
                AstKind::Function(_) => function_seen = true,
                AstKind::ObjectExpression(_) if function_seen => {
                    return self.lifetimes.outlives_a_run(self.lifetimes.frame(ancestor.id()));
                }
                AstKind::Class(class) if function_seen => {
                    let symbol =
                        class.id.as_ref().map(BindingIdentifier::symbol_id).or_else(|| self.assigned_to(ancestor.id()));
                    return symbol.is_some_and(|symbol| self.is_made_at_load(symbol));
                }
                _ => {}
            }
        }
        false
    }

    /// The variable that an expression initialises: `const C = class { … }`.
    fn assigned_to(&self, expression: NodeId) -> Option<SymbolId> {
        let AstKind::VariableDeclarator(declarator) = self.semantic.nodes().parent_kind(expression) else {
            return None;
        };
        declarator.id.get_binding_identifier().map(BindingIdentifier::symbol_id)
    }

    fn is_made_at_load(&self, class: SymbolId) -> bool {
        self.semantic.nodes().iter().any(|node| {
            let AstKind::NewExpression(made) = node.kind() else { return false };
            let named = self.lifetimes.symbol(&made.callee);
            named.is_some_and(|named| named == class || self.is_alias_of(named, class))
                && self.lifetimes.outlives_a_run(self.lifetimes.frame(node.id()))
        })
    }

    /// The linker writes `class C {}` as `var C = class {}` or `var C = class C {}`.
    fn is_alias_of(&self, variable: SymbolId, class: SymbolId) -> bool {
        let AstKind::VariableDeclarator(declarator) = self.semantic.symbol_declaration(variable).kind() else {
            return false;
        };
        let Some(Expression::ClassExpression(expression)) = &declarator.init else { return false };
        expression.id.as_ref().is_some_and(|id| id.symbol_id() == class)
    }

    fn holds(&self, symbol: SymbolId) -> Holds {
        let AstKind::VariableDeclarator(declarator) = self.semantic.symbol_declaration(symbol).kind() else {
            return Holds::Other;
        };
        let init = declarator.init.as_ref().filter(|_| declarator.id.get_binding_identifier().is_some());
        let Some(init) = init else { return Holds::Other };
        match init.without_parentheses() {
            Expression::ArrayExpression(array) if array.elements.is_empty() => Holds::EmptyContainer,
            Expression::ObjectExpression(object) if object.properties.is_empty() => Holds::EmptyContainer,
            Expression::ArrayExpression(_) => Holds::Container,
            Expression::NewExpression(made) => {
                match made.callee.get_identifier_reference().map(|name| name.name.as_str()) {
                    Some("Map" | "Set" | "WeakMap" | "WeakSet") if made.arguments.is_empty() => Holds::EmptyContainer,
                    Some("Map" | "Set" | "WeakMap" | "WeakSet" | "Array" | "Date" | "URL" | "URLSearchParams") => {
                        Holds::Container
                    }
                    _ => Holds::Other,
                }
            }
            Expression::RegExpLiteral(literal) if literal.regex.flags.intersects(RegExpFlags::G | RegExpFlags::Y) => {
                Holds::StickyRegExp
            }
            _ => Holds::Other,
        }
    }

    /// How the use at `node` changes what the variable holds, if it does.
    fn change(&self, node: NodeId, holds: Holds) -> Option<&'static str> {
        let nodes = self.semantic.nodes();
        let mut written = nodes.kind(node).span();
        let mut last_property = None;
        for parent in nodes.ancestor_kinds(node) {
            match parent {
                AstKind::StaticMemberExpression(member) if member.object.span() == written => {
                    last_property = Some(member.property.name.as_str());
                    written = member.span;
                }
                AstKind::ComputedMemberExpression(member) if member.object.span() == written => {
                    last_property = Some("[]");
                    written = member.span;
                }
                AstKind::PrivateFieldExpression(member) if member.object.span() == written => {
                    last_property = Some("#");
                    written = member.span;
                }
                AstKind::ChainExpression(chain) => written = chain.span,
                AstKind::ParenthesizedExpression(outer) => written = outer.span,
                other => return change_by(other, written, last_property, holds),
            }
        }
        None
    }
}

/// What the expression around `written` does to it; `property` is the last one read on the way there.
fn change_by(around: AstKind<'_>, written: Span, property: Option<&str>, holds: Holds) -> Option<&'static str> {
    const CHANGED: &str = "is changed after the module was loaded";
    const ESCAPES: &str = "starts empty and is handed on after the module was loaded";
    let is_member = property.is_some();
    match around {
        AstKind::AssignmentExpression(assignment) if is_member && assignment.left.span() == written => Some(CHANGED),
        AstKind::UpdateExpression(_)
        | AstKind::ArrayAssignmentTarget(_)
        | AstKind::AssignmentTargetPropertyProperty(_)
        | AstKind::AssignmentTargetWithDefault(_)
        | AstKind::AssignmentTargetRest(_)
            if is_member =>
        {
            Some(CHANGED)
        }
        AstKind::ForOfStatement(statement) if is_member && statement.left.span() == written => Some(CHANGED),
        AstKind::ForInStatement(statement) if is_member && statement.left.span() == written => Some(CHANGED),
        AstKind::UnaryExpression(unary) if is_member && unary.operator == UnaryOperator::Delete => Some(CHANGED),
        AstKind::CallExpression(call) if call.callee.span() == written => {
            let method = property?;
            let is_container = matches!(holds, Holds::Container | Holds::EmptyContainer);
            let matches_regexp = holds == Holds::StickyRegExp && matches!(method, "test" | "exec");
            if matches_regexp {
                return Some("has the flag g or y, so each `test` or `exec` moves its `lastIndex`");
            }
            let changes = CHANGES_ANY.contains(&method) || is_container && CHANGES_CONTAINER.contains(&method);
            changes.then_some(CHANGED)
        }
        AstKind::CallExpression(call) if !is_member && changes_first_argument(&call.callee) => {
            let is_first = call.arguments.first().is_some_and(|first| first.span() == written);
            (is_first || holds == Holds::EmptyContainer).then_some(CHANGED)
        }
        AstKind::SpreadElement(_)
        | AstKind::BinaryExpression(_)
        | AstKind::ForOfStatement(_)
        | AstKind::ForInStatement(_)
        | AstKind::TemplateLiteral(_)
        | AstKind::UnaryExpression(_)
        | AstKind::IfStatement(_) => None,
        _ => (!is_member && holds == Holds::EmptyContainer).then_some(ESCAPES),
    }
}

/// `Object.assign(x, …)` and its like.
fn changes_first_argument(callee: &Expression<'_>) -> bool {
    let Expression::StaticMemberExpression(member) = callee else { return false };
    let object = member.object.get_identifier_reference().map(|name| name.name.as_str());
    let method = member.property.name.as_str();
    match object {
        Some("Object") => matches!(method, "assign" | "defineProperty" | "defineProperties" | "setPrototypeOf"),
        Some("Reflect") => matches!(method, "set" | "defineProperty" | "deleteProperty" | "setPrototypeOf"),
        _ => false,
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
