//! How deep the tree of a source is, once it is parsed; and what is said of one that is too deep.

use oxc::semantic::Semantic;
use oxc::span::GetSpan as _;

pub(super) const TOO_DEEP: (&str, &str) =
    ("nested too deeply to be parsed safely", "flatten the expression, or build it in a loop");
pub(super) const UNCLEAR: (&str, &str) = (
    "here a regular expression may begin, or a division: what follows could be read in two ways",
    "end the statement before it with `;`, or put the regular expression in parentheses",
);

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

#[cfg(test)]
mod tests {
    use oxc::allocator::Allocator;
    use oxc::parser::Parser;
    use oxc::semantic::SemanticBuilder;
    use oxc::span::SourceType;

    use super::*;

    fn refused(text: &str) -> bool {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, SourceType::script()).parse();
        let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
        too_deep_a_tree(&built.semantic).is_some()
    }

    #[test]
    fn a_tree_is_refused_by_its_depth_not_by_its_size() {
        // On a thread with the stack that the bundler's have.
        let run = || {
            assert!(refused(&format!("a{}", "+b".repeat(9_000))));
            assert!(!refused(&"a(b + c);\n".repeat(20_000)));
        };
        std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
    }
}
