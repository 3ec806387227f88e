//! Where the parts of a policy's declaration are written: `match.resources[0]`, `permissions.read`, in a module as in a
//! manifest.

use std::collections::BTreeMap;

use oxc::ast::ast::{Expression, ObjectExpression, ObjectPropertyKind};
use oxc::span::{GetSpan as _, Span};

use super::finding::{Edit, Finding};
use super::rule::Rule;
use super::source::Source;

/// Levels of a declaration; a schema goes deeper, which is of no rule's concern.
const MAX_DEPTH: usize = 6;

pub(super) struct Anchors<'s> {
    source: &'s Source,
    spans: BTreeMap<String, Span>,
    /// Where the declaration as a whole is told.
    base: Span,
}

impl<'s> Anchors<'s> {
    pub(super) fn new(source: &'s Source, base: Span) -> Self {
        Self { source, spans: BTreeMap::new(), base }
    }

    /// Those of `policy({ … })`.
    pub(super) fn of_object(source: &'s Source, base: Span, object: Option<&ObjectExpression<'_>>) -> Self {
        let mut anchors = Self::new(source, base);
        if let Some(object) = object {
            anchors.read_object(object, "", MAX_DEPTH);
        }
        anchors
    }

    pub(super) fn put(&mut self, path: &str, span: Span) {
        self.spans.insert(path.to_owned(), span);
    }

    fn read_object(&mut self, object: &ObjectExpression<'_>, prefix: &str, depth: usize) {
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else { continue };
            let Some(name) = property.key.static_name() else { continue };
            let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}.{name}") };
            self.read_value(&property.value, &path, depth);
        }
    }

    fn read_value(&mut self, value: &Expression<'_>, path: &str, depth: usize) {
        self.put(path, value.span());
        let Some(depth) = depth.checked_sub(1) else { return };
        match value.get_inner_expression() {
            Expression::ObjectExpression(object) => self.read_object(object, path, depth),
            Expression::ArrayExpression(list) => {
                for (index, element) in list.elements.iter().enumerate() {
                    if let Some(element) = element.as_expression() {
                        self.read_value(element, &format!("{path}[{index}]"), depth);
                    }
                }
            }
            _ => {}
        }
    }

    /// Where a part is written, or else what it would be a part of.
    fn span(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return *span;
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = path.get(..at).unwrap_or_default(),
                None => return self.base,
            }
        }
    }

    pub(super) fn finding(&self, rule: Rule, path: &str, message: impl Into<String>) -> Finding {
        let mut span = self.span(path);
        // Of what spans lines the beginning is enough.
        if self.source.text(span).contains('\n') {
            span = Span::sized(span.start, 1);
        }
        Finding::new(rule, self.source.diagnostic(span, message))
    }

    /// What is written for a part.
    pub(super) fn written(&self, path: &str) -> &'s str {
        self.spans.get(path).map_or("", |span| self.source.text(*span))
    }

    /// Writes `new` where `old` is written, in the same quotes; nothing where it is written otherwise.
    pub(super) fn replace(&self, path: &str, old: &str, new: &str) -> Option<Edit> {
        let span = *self.spans.get(path)?;
        let written = self.source.text(span);
        let quote = written.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'));
        let text = match quote {
            None => (written == old).then(|| new.to_owned()),
            Some(quote) => (written == format!("{quote}{old}{quote}")).then(|| format!("{quote}{new}{quote}")),
        };
        self.source.edit(span, text?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_not_written_is_told_where_it_would_be() {
        let text: Arc<str> = "name: a\nmatch: 'pod'".into();
        let source = Source::module(Arc::new(PathBuf::from("p.ts")), "p.ts".to_owned(), text);
        let mut anchors = Anchors::new(&source, Span::new(0, 4));
        anchors.put("match.resources", Span::new(15, 20));
        let place = |path: &str| anchors.finding(Rule::PolicyName, path, "x").place().unwrap().to_string();
        assert_eq!(place("match.resources[3]"), "p.ts:2:8");
        assert_eq!(place("match.scope"), "p.ts:1:1");
        assert_eq!(anchors.replace("match.resources", "pod", "pods").unwrap().text, "'pods'");
        assert_eq!(anchors.replace("match.resources", "node", "nodes"), None);
    }
}
