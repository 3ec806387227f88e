//! Changes to a source text by their spans: what nobody changes stays as it was written, comments and form included.

use oxc::span::Span;

#[derive(Debug, Clone)]
struct Edit {
    start: u32,
    end: u32,
    text: String,
}

/// Changes, in the order they were asked for.
#[derive(Debug, Default, Clone)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    pub(super) fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.0.push(Edit { start: at, end: at, text: text.into() });
    }

    pub(super) fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.replace_between(span.start, span.end, text);
    }

    pub(super) fn replace_between(&mut self, start: u32, end: u32, text: impl Into<String>) {
        if start <= end {
            self.0.push(Edit { start, end, text: text.into() });
        }
    }

    pub(super) fn wrap(&mut self, span: Span, before: &str, after: &str) {
        self.insert(span.start, before);
        self.insert(span.end, after);
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// The text of `span` with the changes in it. A change inside a part that is replaced goes with that part.
    pub(super) fn apply(&self, text: &str, span: Span) -> String {
        let mut edits: Vec<(usize, &Edit)> =
            self.0.iter().filter(|edit| edit.start >= span.start && edit.end <= span.end).enumerate().collect();
        // Of changes that begin together those that only insert come first, and the longest replacement wins.
        edits.sort_by_key(|(order, edit)| {
            let width = edit.end - edit.start;
            (edit.start, width != 0, u32::MAX - width, *order)
        });
        let mut made = String::with_capacity(text.len() + text.len() / 4);
        let mut at = span.start;
        for (_, edit) in edits {
            if edit.start < at {
                continue;
            }
            made.push_str(slice(text, at, edit.start));
            made.push_str(&edit.text);
            at = edit.end;
        }
        made.push_str(slice(text, at, span.end));
        made
    }
}

fn slice(text: &str, start: u32, end: u32) -> &str {
    text.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_stays_as_it_was() {
        let mut edits = Edits::default();
        edits.replace(Span::new(2, 3), "X");
        edits.insert(0, "<");
        edits.insert(5, ">");
        assert_eq!(edits.apply("a b c", Span::new(0, 5)), "<a X c>");
        assert_eq!(edits.apply("a b c", Span::new(1, 4)), " X ");
    }

    #[test]
    fn a_change_inside_a_replaced_part_goes_with_it() {
        let mut edits = Edits::default();
        edits.replace(Span::new(2, 3), "X");
        edits.replace(Span::new(0, 4), "whole");
        assert_eq!(edits.apply("a b c", Span::new(0, 5)), "wholec");
    }
}
