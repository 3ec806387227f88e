//! From the path of a field, such as `spec.containers[0].image`, back to the line where it is written.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser};

/// Where in a document something is: keys and places in lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Key(String),
    Index(usize),
}

impl FieldPath {
    /// Reads what policies write: `a.b[0].c`, and keys with dots as `labels["example.com/x"]` or `labels[example.com/x]`.
    /// What is no path at all has no steps.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = text.trim_start_matches('$').trim_start_matches('.');
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = bracketed(inner);
                steps.push(step);
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (key, after) = rest.split_at(end);
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        Self(steps)
    }

    /// The path of a field of this.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    /// The path of an item of this.
    #[must_use]
    pub fn index(&self, at: usize) -> Self {
        self.then(Step::Index(at))
    }

    /// This and then that.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

/// The step in a bracket, and what follows it.
fn bracketed(inner: &str) -> (Step, &str) {
    for quote in ['"', '\''] {
        if let Some((key, after)) = inner.strip_prefix(quote).and_then(|text| text.split_once(quote)) {
            return (Step::Key(key.to_owned()), after.strip_prefix(']').unwrap_or(after));
        }
    }
    let (word, after) = inner.split_once(']').unwrap_or((inner, ""));
    let step = word.parse().map_or_else(|_| Step::Key(word.to_owned()), Step::Index);
    (step, after)
}

/// A field that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The line on which its document begins.
    pub document: u64,
    pub path: FieldPath,
}

/// The lines of all these fields, found in one walk through the text, which may be that of a list of thousands; of the
/// innermost part that is there, for a policy often names a field that is missing. `None` where nothing of it is.
#[must_use]
pub fn lines(text: &str, wanted: &[Wanted]) -> Vec<Option<u64>> {
    let mut tree = Tree::default();
    for Wanted { document, path } in wanted {
        tree.add(*document, path);
    }
    let mut walk = Walk { open: tree.roots.len(), tree, frames: Vec::new(), is_inside: false };
    let mut options = Options::default();
    options.set_emit_comments(false);
    for event in Parser::new_from_str_with_options(text, options) {
        // What cannot be parsed was found out before anybody asked for a line.
        let Ok((event, span)) = event else { break };
        walk.take(&event, span.start.line() as u64);
        if walk.open == 0 {
            break;
        }
    }
    wanted.iter().map(|Wanted { document, path }| walk.tree.line_of(*document, path)).collect()
}

/// All wanted paths as a tree for each document, and the lines that were found.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    /// By the line of the document.
    roots: HashMap<u64, usize>,
}

#[derive(Default)]
struct Node {
    children: HashMap<Step, usize>,
    line: Option<u64>,
}

impl Tree {
    fn add(&mut self, document: u64, path: &FieldPath) {
        let next = self.nodes.len();
        let mut at = *self.roots.entry(document).or_insert(next);
        self.grow(at, next);
        for step in &path.0 {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = *node.children.entry(step.clone()).or_insert(next);
            self.grow(at, next);
        }
    }

    fn grow(&mut self, at: usize, next: usize) {
        if at == next {
            self.nodes.push(Node::default());
        }
    }

    /// Goes one step down, and notes the line there.
    fn child(&mut self, at: Option<usize>, step: &Step, line: u64) -> Option<usize> {
        let child = *self.nodes.get(at?)?.children.get(step)?;
        self.nodes.get_mut(child)?.line.get_or_insert(line);
        Some(child)
    }

    fn line_of(&self, document: u64, path: &FieldPath) -> Option<u64> {
        let mut at = *self.roots.get(&document)?;
        let mut line = None;
        for step in &path.0 {
            let Some(node) = self.nodes.get(at).and_then(|node| node.children.get(step)) else { break };
            at = *node;
            line = self.nodes.get(at)?.line.or(line);
        }
        line
    }
}

/// A collection that is open; `at` is its place in the tree of what is wanted, if it is on the way to anything.
enum Frame {
    Map { at: Option<usize>, key: Key },
    List { at: Option<usize>, index: usize },
}

enum Key {
    Awaited,
    Read(Option<usize>),
}

struct Walk {
    tree: Tree,
    frames: Vec<Frame>,
    /// Documents with something wanted that are not over.
    open: usize,
    /// This is one of them.
    is_inside: bool,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>, line: u64) {
        match event {
            Event::Scalar(text, ..) => _ = self.node(Some(text), line),
            Event::Alias(_) => _ = self.node(None, line),
            Event::MappingStart(..) => {
                let at = self.node(None, line);
                self.frames.push(Frame::Map { at, key: Key::Awaited });
            }
            Event::SequenceStart(..) => {
                let at = self.node(None, line);
                self.frames.push(Frame::List { at, index: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => drop(self.frames.pop()),
            Event::DocumentEnd => self.open -= usize::from(std::mem::take(&mut self.is_inside)),
            _ => {}
        }
    }

    /// A node begins: where it is in what is wanted.
    fn node(&mut self, scalar: Option<&str>, line: u64) -> Option<usize> {
        match self.frames.last_mut() {
            None => {
                let root = self.tree.roots.get(&line).copied();
                self.is_inside = root.is_some();
                root
            }
            Some(Frame::List { at, index }) => {
                let step = Step::Index(*index);
                *index += 1;
                self.tree.child(*at, &step, line)
            }
            Some(Frame::Map { at, key: key @ Key::Awaited }) => {
                let found = scalar.filter(|_| at.is_some()).map(|text| Step::Key(text.to_owned()));
                *key = Key::Read(found.and_then(|step| self.tree.child(*at, &step, line)));
                None
            }
            Some(Frame::Map { key, .. }) => match std::mem::replace(key, Key::Awaited) {
                Key::Read(at) => at,
                Key::Awaited => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "---\n# a pod\nkind: Pod\nmetadata:\n  labels:\n    example.com/x: a\n    app: |\n      many\n      lines\n\
        spec:\n  containers:\n  - name: one\n    image: a\n  - image: b\n    name: two\n  - {name: three,\n     image: c}\n  \
        volumes: &v [a,\n    b]\n  more: *v\n  ? [x, y]\n  : 1\n  last: 2\n---\nkind: Other\nspec:\n  last: 3\n";

    fn wanted(document: u64, path: &str) -> Wanted {
        Wanted { document, path: FieldPath::parse(path) }
    }

    fn line(document: u64, path: &str) -> Option<u64> {
        lines(POD, &[wanted(document, path)])[0]
    }

    #[test]
    fn a_field_is_found_on_the_line_of_its_key() {
        for (path, expected) in [
            ("kind", 3),
            ("metadata.labels[\"example.com/x\"]", 6),
            ("metadata.labels[example.com/x]", 6),
            ("metadata.labels['app']", 7),
            ("spec", 10),
            ("spec.containers[0].image", 13),
            ("spec.containers[1]", 14),
            ("spec.containers[1].name", 15),
            ("$.spec.containers[2].image", 17),
            ("spec.volumes[1]", 19),
            ("spec.last", 23),
        ] {
            assert_eq!(line(3, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_missing_field_is_found_at_what_should_have_it() {
        assert_eq!(line(3, "spec.containers[1].securityContext.privileged"), Some(14));
        assert_eq!(line(3, "spec.more[0].x"), Some(20));
        assert_eq!(line(3, "status.phase"), None);
        assert_eq!(line(3, ""), None);
    }

    #[test]
    fn the_document_is_told_by_its_line() {
        assert_eq!(line(25, "spec.last"), Some(27));
        assert_eq!(line(25, "spec.containers[0]"), Some(26));
        assert_eq!(line(99, "spec.last"), None);
    }

    #[test]
    fn many_fields_of_many_documents_are_found_in_one_walk() {
        let all = [(3, "spec.last"), (25, "spec.last"), (3, "kind"), (3, "nope"), (9, "kind")];
        let all: Vec<Wanted> = all.map(|(document, path)| wanted(document, path)).into();
        assert_eq!(lines(POD, &all), [Some(23), Some(27), Some(3), None, None]);
    }

    #[test]
    fn what_is_no_path_does_no_harm() {
        for text in ["[", "]", "..", "a[", "a[\"", "[0]", "a..b", "ä[ö].ü", "a['x", "\u{0}"] {
            drop(lines(POD, &[wanted(3, text)]));
        }
        assert_eq!(lines("a: [", &[wanted(1, "a")]), [Some(1)]);
    }
}
