//! Which policies may share a realm: those that keep nothing from one request to the next.
//!
//! A linked script is searched for state that outlives a run: module-level variables that a function assigns,
//! containers and regular expressions that a function changes, under whichever name and in whosever hands, the same held
//! by a closure or an object made at load.
//! This is a lint, not a wall: it errs towards naming state, which costs the policy a realm of its own for each run,
//! and what it misses stays within the policies of one domain.

use std::collections::BTreeSet;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::parser::Parser;
use oxc::semantic::{NodeId, Semantic, SemanticBuilder, SymbolId};
use oxc::span::{GetSpan as _, SourceType, Span};

use super::apart::apart;
use super::diagnostics::{BundleError, Diagnostic, Place};
use super::flow::Flow;
use super::global_object::OWN_GLOBAL;
use super::lifetimes::{Frame, Lifetimes};
use super::link::Linked;
use super::map::locate;
use super::origin::{Origin, Origins};
use super::owners::Owners;

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

/// The state of a linked module, in the order of the script; empty for one that keeps nothing.
pub fn module_state(linked: &Linked) -> Result<Vec<ModuleState>, BundleError> {
    apart("the linked script", || Ok(state_of(linked)))
}

fn state_of(linked: &Linked) -> Vec<ModuleState> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &linked.script, SourceType::script()).parse();
    let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
    let semantic = &built.semantic;
    let lifetimes = Lifetimes::of(semantic);
    let origins = Origins { semantic };
    let owners = Owners::of(semantic, &lifetimes);
    let lint = Lint { semantic, lifetimes: &lifetimes, origins: &origins, owners: &owners };
    let mut found = lint.changed_variables();
    found.extend(lint.changed_objects());
    found.extend(lint.changed_classes());
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

struct Lint<'s, 'a> {
    semantic: &'s Semantic<'a>,
    lifetimes: &'s Lifetimes<'s, 'a>,
    origins: &'s Origins<'s, 'a>,
    owners: &'s Owners<'s, 'a>,
}

impl Lint<'_, '_> {
    fn changed_variables(&self) -> Vec<Found> {
        let scoping = self.semantic.scoping();
        let mut found = Vec::new();
        for symbol in scoping.symbol_ids() {
            let home = self.lifetimes.frame(scoping.symbol_declaration(symbol));
            if !self.lifetimes.outlives_a_run(home) {
                continue;
            }
            if self.origins.is_primitive(symbol) {
                continue;
            }
            let origin = self.origins.of(symbol);
            let mut seen = BTreeSet::new();
            for reference in scoping.get_resolved_references(symbol) {
                let node = reference.node_id();
                if self.lifetimes.frame(node) == home {
                    continue;
                }
                let changed = if reference.is_write() {
                    Some((node, "is assigned after the module was loaded"))
                } else {
                    self.change(node, origin, &mut seen)
                };
                if let Some((at, what)) = changed {
                    let span = self.semantic.nodes().kind(at).span();
                    found.push((span, scoping.symbol_name(symbol).to_owned(), what));
                }
            }
        }
        found
    }

    /// Objects made at load whose methods change `this`.
    fn changed_objects(&self) -> Vec<Found> {
        let nodes = self.semantic.nodes();
        let mut found = Vec::new();
        for node in nodes.iter() {
            if !matches!(node.kind(), AstKind::ThisExpression(_)) || !self.owners.this_outlives_a_run(node.id()) {
                continue;
            }
            if let Some((at, _)) = self.change(node.id(), Origin::CONTAINER, &mut BTreeSet::new()) {
                let what = "belongs to an object made at load, and is changed later";
                found.push((nodes.kind(at).span(), "this".to_owned(), what));
            }
        }
        found
    }

    /// What every object has in common with others of its kind: `this.constructor.count += 1`.
    fn changed_classes(&self) -> Vec<Found> {
        let nodes = self.semantic.nodes();
        let mut found = Vec::new();
        for node in nodes.iter() {
            let AstKind::StaticMemberExpression(member) = node.kind() else { continue };
            let name = member.property.name.as_str();
            if !matches!(name, "constructor" | "__proto__") || self.lifetimes.frame(node.id()) == Frame::Load {
                continue;
            }
            if let Some((at, what)) = self.change(node.id(), Origin::CONTAINER, &mut BTreeSet::new()) {
                found.push((nodes.kind(at).span(), name.to_owned(), what));
            }
        }
        found
    }

    /// How the use at `node` changes the value there, if it does, and where: itself, or whoever it is handed on to.
    /// `seen` are the holders that were looked at for an earlier use.
    fn change(
        &self,
        node: NodeId,
        origin: Origin,
        seen: &mut BTreeSet<(SymbolId, bool)>,
    ) -> Option<(NodeId, &'static str)> {
        let Self { semantic, lifetimes, origins, .. } = *self;
        let flow = Flow { semantic, lifetimes, origins, origin };
        let mut next = vec![(node, false, false)];
        while let Some((node, is_copy, is_part)) = next.pop() {
            let uses = flow.follow(node, is_copy, is_part);
            if let Some(what) = uses.changed {
                return Some((node, what));
            }
            for (holder, is_copy) in uses.held {
                if seen.insert((holder, is_copy)) {
                    let references = semantic.symbol_references(holder).filter(|reference| !reference.is_write());
                    next.extend(references.map(|reference| (reference.node_id(), is_copy, true)));
                }
            }
            for (function, is_copy) in uses.returned {
                let named = lifetimes.name_of(function).filter(|name| seen.insert((*name, is_copy)));
                let calls = named.into_iter().flat_map(|name| lifetimes.calls_of(name));
                next.extend(calls.map(|call| (call, is_copy, true)));
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lint_leaks_tests.rs"]
mod leaks_tests;
