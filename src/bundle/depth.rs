//! How deep the tree of a source may be: what comes after the parser walks it on threads of its own.

use oxc::semantic::Semantic;
use oxc::span::GetSpan as _;

/// Nodes below each other. The linker's threads bore 5,000 levels of every kind of nesting, some of them four nodes each.
const MAX_NODES: u32 = 8_000;

/// Where the tree is deeper than the linker's threads bear. The estimate before the parser is made for the parser, which
/// has far more stack.
pub(super) fn too_deep_a_tree(semantic: &Semantic<'_>) -> Option<u32> {
    let nodes = semantic.nodes();
    // Parents come before their children.
    let mut depths: Vec<u32> = Vec::with_capacity(nodes.len());
    for node in nodes.iter() {
        let parent = nodes.parent_id(node.id());
        let depth = if parent == node.id() { 0 } else { depths.get(parent.index()).copied().unwrap_or_default() + 1 };
        if depth > MAX_NODES {
            return Some(node.kind().span().start);
        }
        depths.push(depth);
    }
    None
}
