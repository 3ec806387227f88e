//! A piece of source and where it stands: a file of its own, or inside a manifest.

use std::path::PathBuf;
use std::sync::Arc;

use oxc::span::Span;

use crate::bundle::{Diagnostic, Place, place_in};

use super::finding::Edit;

/// How the piece is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// An ES module, in TypeScript or JavaScript as its file says.
    Module,
    /// A script of jsPolicy: `spec.javascript`.
    Script,
}

#[derive(Debug, Clone)]
pub(super) struct Source {
    pub path: Arc<PathBuf>,
    /// The file's name as errors show it.
    pub shown: String,
    pub language: Language,
    /// The name of the policy that it certainly is the code of.
    pub policy: Option<String>,
    /// What is parsed.
    pub code: Arc<str>,
    /// The whole file.
    pub file: Arc<str>,
    /// Where each line of the code begins in the file; `None`: the code is the file.
    pub places: Option<Vec<(u32, u32)>>,
}

impl Source {
    pub(super) fn module(path: Arc<PathBuf>, shown: String, text: Arc<str>) -> Self {
        Self {
            path,
            shown,
            language: Language::Module,
            policy: None,
            code: Arc::clone(&text),
            file: text,
            places: None,
        }
    }

    /// A diagnostic about these bytes of the code.
    pub(super) fn diagnostic(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        let Some(places) = &self.places else {
            return Diagnostic::at_bytes(&self.shown, &self.file, span.start, span.end, message);
        };
        let message = message.into();
        let inside = Diagnostic::at_bytes(&self.shown, &self.code, span.start, span.end, "").place;
        let there = inside.and_then(|at| place_in(places, at.line.saturating_sub(1), at.column.saturating_sub(1)));
        match there {
            Some((line, column)) => {
                Diagnostic::at_place(Place { file: self.shown.clone(), line, column }, &self.file, message)
            }
            None => Diagnostic::general(format!("{}: {message}", self.shown)),
        }
    }

    /// An edit of these bytes; none for code inside a manifest, whose quoting is not ours to change.
    pub(super) fn edit(&self, span: Span, text: impl Into<String>) -> Option<Edit> {
        let is_whole = self.places.is_none();
        is_whole.then(|| Edit { path: Arc::clone(&self.path), start: span.start, end: span.end, text: text.into() })
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.code.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}
