//! Variables that a careless script never declared. Where the first thing that happens to one is an assignment, it makes
//! no difference whether it is a property of the global object or a variable of the function that the script becomes.

use std::collections::BTreeMap;

use oxc::ast::AstKind;
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::names::is_of_the_realm;
use super::{Checked, Proof, against};

impl<'a> Proof<'_, 'a> {
    /// The globals that are assigned and may be declared instead.
    pub(super) fn check_careless(&mut self) -> Checked {
        let mut names: BTreeMap<&'a str, Vec<NodeId>> = BTreeMap::new();
        for (node, name) in self.free_names() {
            names.entry(name).or_default().push(node);
        }
        for (name, mut uses) in names {
            uses.sort_by_key(|node| self.span(*node).start);
            let Some(written) = uses.iter().copied().find(|node| self.is_assigned_global(*node)) else { continue };
            if is_of_the_realm(name) || !self.is_assigned_first(&uses) {
                return against(self.span(written), format!("it writes the global `{name}`"));
            }
            if let Some(mention) = self.mention_of_global() {
                return against(mention, format!("the global object would have `{name}`"));
            }
            self.declares.push(name.into());
        }
        Ok(())
    }

    fn free_names(&self) -> impl Iterator<Item = (NodeId, &'a str)> {
        self.semantic.nodes().iter().filter_map(|node| match node.kind() {
            AstKind::IdentifierReference(name) if self.is_free(name) => Some((node.id(), name.name.as_str())),
            _ => None,
        })
    }

    fn is_assigned_global(&self, node: NodeId) -> bool {
        matches!(self.semantic.nodes().kind(node), AstKind::IdentifierReference(name)
            if name.name != "arguments" && self.semantic.scoping().get_reference(name.reference_id()).is_write())
    }

    /// Whether, of all uses in the order of the text, the first is an assignment that every run comes by before the
    /// others.
    fn is_assigned_first(&self, uses: &[NodeId]) -> bool {
        let nodes = self.semantic.nodes();
        let Some((first, others)) = uses.split_first() else { return false };
        let assignment = nodes.parent_id(*first);
        let AstKind::AssignmentExpression(assigned) = nodes.kind(assignment) else { return false };
        let statement = nodes.parent_id(assignment);
        let is_statement = match nodes.kind(statement) {
            AstKind::ExpressionStatement(_) => true,
            AstKind::ForStatement(head) => head.init.as_ref().is_some_and(|init| init.span() == assigned.span),
            _ => false,
        };
        let right = assigned.right.span();
        is_statement
            && assigned.operator.is_assign()
            && assigned.left.span() == self.span(*first)
            && self.is_top(nodes.parent_id(statement))
            // A function that is declared may be called before the text comes to it.
            && others.iter().all(|node| {
                let at = self.span(*node);
                let is_in_right = at.start >= right.start && at.end <= right.end;
                !is_in_right && !self.is_in_declared_function(*node)
            })
            // Strict code may not do it at all.
            && !uses.iter().any(|node| self.is_assigned_global(*node) && self.is_strict(*node))
    }

    /// The body of the script, or of the function that inline source is put into.
    fn is_top(&self, node: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        match nodes.kind(node) {
            AstKind::Program(_) => true,
            AstKind::FunctionBody(_) => self.is_called_on_exports(nodes.parent_id(node)),
            _ => false,
        }
    }

    fn is_in_declared_function(&self, node: NodeId) -> bool {
        self.semantic
            .nodes()
            .ancestor_kinds(node)
            .any(|ancestor| matches!(ancestor, AstKind::Function(function) if function.is_declaration()))
    }

    pub(super) fn mention_of_global(&self) -> Option<Span> {
        self.free_names().find(|(_, name)| *name == "globalThis").map(|(node, _)| self.span(node))
    }

    fn span(&self, node: NodeId) -> Span {
        self.semantic.nodes().kind(node).span()
    }
}
