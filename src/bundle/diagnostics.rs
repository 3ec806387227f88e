//! Errors of the bundler, each with the file, line and column it is about and a few lines of the source.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::compressed::CompressedError;
use super::npm::NpmError;

/// Source lines longer than this are cut around the column that matters: bundles have lines of a megabyte.
const FRAME_WIDTH: usize = 110;

/// Lines shown before the one that is wrong.
const CONTEXT_LINES: usize = 2;

/// Why source could not be made runnable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BundleError {
    /// The file could not be read, is too large or is not UTF-8.
    #[error("{file}: {reason}")]
    Unreadable { file: String, reason: String },
    /// The parser refused it.
    #[error("{0}")]
    Syntax(Box<Diagnostic>),
    /// An import that leads nowhere, or somewhere a policy cannot go.
    #[error("{0}")]
    Import(Box<Diagnostic>),
    /// Valid JavaScript that the engine does not run.
    #[error("{0}")]
    Unsupported(Box<Diagnostic>),
    /// The linker refused it.
    #[error("{0}")]
    Link(Box<Diagnostic>),
    #[error("{0}")]
    Compressed(#[from] CompressedError),
    /// A package could not be had, or must not be.
    #[error("{0}")]
    Package(#[from] NpmError),
    /// A fault of the bundler's own; the message is for a bug report.
    #[error("{file}: the bundler failed: {reason}")]
    Internal { file: String, reason: String },
}

impl BundleError {
    /// What it says of a place, where it is about one.
    #[must_use]
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match self {
            Self::Syntax(diagnostic)
            | Self::Import(diagnostic)
            | Self::Unsupported(diagnostic)
            | Self::Link(diagnostic) => Some(diagnostic),
            Self::Unreadable { .. } | Self::Compressed(_) | Self::Package(_) | Self::Internal { .. } => None,
        }
    }

    /// The same error with its diagnostic changed, where it has one.
    #[must_use]
    pub fn map_diagnostic(self, change: impl FnOnce(Diagnostic) -> Diagnostic) -> Self {
        let change = |diagnostic: Box<Diagnostic>| Box::new(change(*diagnostic));
        match self {
            Self::Syntax(diagnostic) => Self::Syntax(change(diagnostic)),
            Self::Import(diagnostic) => Self::Import(change(diagnostic)),
            Self::Unsupported(diagnostic) => Self::Unsupported(change(diagnostic)),
            Self::Link(diagnostic) => Self::Link(change(diagnostic)),
            other => other,
        }
    }
}

/// Where in a source text. Lines and columns count from 1; columns are UTF-16 units, as V8 and editors count them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong with a source text. `Display` gives all of it, over several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// One line, without the place.
    pub message: String,
    pub place: Option<Place>,
    /// The lines of source in question, with a caret; empty where there is no place.
    pub frame: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something wrong that no line of source can be blamed for.
    #[must_use]
    pub fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, frame: String::new(), help: None }
    }

    /// Something wrong with the bytes `start..end` of `text`.
    #[must_use]
    pub fn at_bytes(file: &str, text: &str, start: u32, end: u32, message: impl Into<String>) -> Self {
        let (line, column) = position(text, start as usize);
        let length = text.get(start as usize..end as usize).map_or(1, |span| span.chars().count());
        let place = Place { file: file.to_owned(), line, column };
        Self { message: message.into(), frame: frame(text, &place, length), place: Some(place), help: None }
    }

    /// Something wrong at a place; `text` is the whole source.
    #[must_use]
    pub fn at_place(place: Place, text: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), frame: frame(text, &place, 1), place: Some(place), help: None }
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&printable(&self.message))?;
        if !self.frame.is_empty() {
            write!(f, "\n{}", self.frame)?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {}", printable(help)),
            None => Ok(()),
        }
    }
}

/// Parsers and engines repeat what they found in a source, and it ends up in terminals and logs.
fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |character: char| character.is_control() && character != '\n';
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, " ")) } else { Cow::Borrowed(text) }
}

/// Line and column, both from 1, of a byte offset; past the end means the end.
fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().map(char::len_utf16).sum::<usize>() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

fn frame(text: &str, place: &Place, length: usize) -> String {
    let wrong = place.line as usize;
    let first = wrong.saturating_sub(CONTEXT_LINES).max(1);
    let number_width = wrong.to_string().len();
    let before_column = place.column.saturating_sub(1) as usize;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)).skip(first - 1) {
        if number > wrong {
            break;
        }
        let characters_before = if number == wrong { characters_within(line, before_column) } else { 0 };
        let (shown, caret) = crop(line, characters_before);
        lines.push(format!("  {number:>number_width$} | {shown}").trim_end().to_owned());
        if number == wrong {
            let room = shown.chars().count().saturating_sub(caret).max(1);
            let carets = "^".repeat(length.clamp(1, room));
            lines.push(format!("  {:>number_width$} | {}{carets}", "", " ".repeat(caret)));
        }
    }
    lines.join("\n")
}

/// How many characters the first `units` UTF-16 units of a line are.
fn characters_within(line: &str, units: usize) -> usize {
    let mut seen = 0;
    line.chars()
        .take_while(|character| {
            let inside = seen < units;
            seen += character.len_utf16();
            inside
        })
        .count()
}

/// The part of a line that is shown, and where its character `at` stands in it. Control characters are replaced: a
/// frame ends up in terminals and logs.
fn crop(line: &str, at: usize) -> (String, usize) {
    let from = if at < FRAME_WIDTH { 0 } else { at - FRAME_WIDTH / 2 };
    let shown = line.chars().skip(from).take(FRAME_WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    (shown, at - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_names_file_line_column_and_shows_the_source() {
        let text = "const a = 1;\nconst b = ;\n";
        let shown = Diagnostic::at_bytes("p.ts", text, 23, 24, "Unexpected token").with_help("write a value");
        assert_eq!(
            shown.to_string(),
            "p.ts:2:11: Unexpected token\n  1 | const a = 1;\n  2 | const b = ;\n    |           ^\n  help: write a value"
        );
    }

    #[test]
    fn columns_count_utf16_units_while_carets_count_characters() {
        let text = "const a = '😀'; oops";
        let offset = u32::try_from(text.find("oops").unwrap()).unwrap();
        let shown = Diagnostic::at_bytes("p.ts", text, offset, offset + 4, "no");
        assert_eq!(shown.place.as_ref().unwrap().column, 17);
        assert_eq!(shown.frame, "  1 | const a = '😀'; oops\n    |                ^^^^");
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut_around_the_column() {
        let text = format!("{}HERE{}", "x".repeat(500_000), "y".repeat(500_000));
        let shown = Diagnostic::at_bytes("p.js", &text, 500_000, 500_004, "no");
        assert!(shown.frame.len() < 400, "{}", shown.frame.len());
        assert!(shown.frame.contains("HERE"));
    }

    #[test]
    fn control_characters_of_a_source_never_reach_a_terminal() {
        let shown = Diagnostic::at_bytes("p.js", "a\u{1b}[31m\u{7} b", 0, 1, "no");
        assert!(!shown.to_string().contains('\u{1b}') && !shown.to_string().contains('\u{7}'));
        let told = Diagnostic::general("Invalid Character `\u{7}`").with_help("remove \u{1b}[31m").to_string();
        assert_eq!(told, "Invalid Character ` `\n  help: remove  [31m");
    }

    #[test]
    fn an_offset_past_the_end_or_inside_a_character_still_has_a_place() {
        assert_eq!(position("ä", 1), (1, 1));
        assert_eq!(position("ab\n", 99), (2, 1));
        assert_eq!(Diagnostic::at_bytes("p", "", 5, 9, "m").to_string(), "p:1:1: m");
    }
}
