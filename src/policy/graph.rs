//! Which modules of a folder are policies, and which are parts of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is known of one module file.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// It does not parse, so that nothing else is known.
    pub broken: bool,
    pub has_default: bool,
    /// Named by the user, or a policy already: it stays one, or an error says why not.
    pub expected: bool,
    /// Files whose default export it takes.
    pub takes: BTreeSet<PathBuf>,
    /// Files of which it needs anything else.
    pub uses: BTreeSet<PathBuf>,
}

/// The files that are policies of their own, in order: those with a default export that no other file takes. A file
/// that does not parse counts as one unless another file imports it, which then cannot be linked either and says why.
/// Of files that take each other in a circle, the first is the policy.
pub(super) fn policies(modules: &BTreeMap<PathBuf, Node>) -> BTreeSet<PathBuf> {
    let taken: BTreeSet<&PathBuf> = others(modules, |node| &node.takes);
    let used: BTreeSet<&PathBuf> = others(modules, |node| &node.uses);
    let is_candidate = |path: &PathBuf, node: &Node| {
        node.expected || node.has_default || node.broken && !used.contains(path) && !taken.contains(path)
    };
    let candidates: Vec<(&PathBuf, &Node)> = modules.iter().filter(|(path, node)| is_candidate(path, node)).collect();
    let mut policies: BTreeSet<PathBuf> = BTreeSet::new();
    let mut covered: BTreeSet<&Path> = BTreeSet::new();
    let stand_alone = candidates.iter().filter(|(path, node)| node.expected && node.broken || !taken.contains(*path));
    let in_circles = candidates.iter();
    for (path, _) in stand_alone.chain(in_circles) {
        if !covered.contains(path.as_path()) {
            policies.insert((*path).clone());
            cover(modules, path, &mut covered);
        }
    }
    policies
}

fn others<'m>(
    modules: &'m BTreeMap<PathBuf, Node>,
    edges: impl Fn(&'m Node) -> &'m BTreeSet<PathBuf>,
) -> BTreeSet<&'m PathBuf> {
    modules.iter().flat_map(|(path, node)| edges(node).iter().filter(move |target| *target != path)).collect()
}

/// Marks a policy and all the parts it is made of.
fn cover<'m>(modules: &'m BTreeMap<PathBuf, Node>, path: &'m Path, covered: &mut BTreeSet<&'m Path>) {
    let mut pending = vec![path];
    while let Some(path) = pending.pop() {
        if covered.insert(path) {
            pending.extend(modules.get(path).into_iter().flat_map(|node| node.takes.iter().map(PathBuf::as_path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(takes: &[&str], uses: &[&str]) -> Node {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Node { has_default: true, takes: paths(takes), uses: paths(uses), ..Node::default() }
    }

    fn helper() -> Node {
        Node::default()
    }

    fn broken() -> Node {
        Node { broken: true, ..Node::default() }
    }

    fn found(modules: &[(&str, Node)]) -> Vec<String> {
        let modules = modules.iter().map(|(name, node)| (PathBuf::from(name), node.clone())).collect();
        policies(&modules).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_module_without_a_default_export_is_a_helper() {
        assert_eq!(found(&[("a", node(&[], &["b"])), ("b", helper()), ("c", helper())]), ["a"]);
    }

    #[test]
    fn a_part_whose_default_export_is_taken_is_no_policy_of_its_own() {
        assert_eq!(
            found(&[("a", node(&[], &[])), ("b", node(&[], &[])), ("index", node(&["a", "b"], &[]))]),
            ["index"]
        );
    }

    #[test]
    fn a_policy_that_lends_a_helper_stays_a_policy() {
        assert_eq!(found(&[("a", node(&[], &[])), ("b", node(&[], &["a"]))]), ["a", "b"]);
    }

    #[test]
    fn policies_that_take_each_other_are_not_lost() {
        assert_eq!(found(&[("a", node(&["b"], &[])), ("b", node(&["a"], &[]))]), ["a"]);
        assert_eq!(found(&[("a", node(&["a"], &[]))]), ["a"]);
    }

    #[test]
    fn a_broken_file_is_told_of_once() {
        assert_eq!(found(&[("a", node(&[], &["b"])), ("b", broken())]), ["a"]);
        assert_eq!(found(&[("a", broken())]), ["a"]);
    }

    #[test]
    fn a_broken_file_that_was_a_policy_stays_one() {
        let was_policy = Node { expected: true, ..broken() };
        assert_eq!(found(&[("a", was_policy), ("b", node(&[], &["a"]))]), ["a", "b"]);
    }

    #[test]
    fn a_policy_that_becomes_a_part_of_another_is_one_no_more() {
        let was_policy = Node { expected: true, ..node(&[], &[]) };
        assert_eq!(found(&[("a", was_policy), ("index", node(&["a"], &[]))]), ["index"]);
    }
}
