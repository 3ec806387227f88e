//! How deep a source nests, before anything recurses over it: parsers do, a thread's stack is finite, and its overflow
//! kills the process.
//!
//! One pass over the text, without a parser. `lexical.rs` tells strings, comments, templates and regular expressions from
//! code; here is counted what is open. Where the two readings of a `/` would differ in what is a string, the source is
//! refused rather than guessed at: a wrong guess could hide a million brackets. What nobody foresaw is left to the exact
//! depth of the parsed tree (`source.rs`), and sources of authors who are not trusted belong into a worker process.

use super::lexical::{Lexer, Piece, Unclear};

/// Levels of the tree that a source may have, as estimated. Handwritten code has tens, bundled packages some hundreds;
/// the linker's threads were seen to bear 5,000.
const MAX_LEVELS: usize = 1_500;

/// Words after which what was begun goes on, wherever the line ends.
const CONTINUING: [&str; 8] = ["else", "in", "instanceof", "as", "satisfies", "of", "extends", "is"];

/// Words that begin a statement and can stand in no list of type arguments.
const STATEMENTS: [&str; 14] = [
    "let",
    "var",
    "function",
    "class",
    "if",
    "for",
    "while",
    "return",
    "import",
    "throw",
    "switch",
    "try",
    "interface",
    "type",
];

/// Why a source is not parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TooDeep,
    /// It cannot be told where a literal ends.
    Unclear,
}

/// The offset at which the source nests too deeply or cannot be followed.
pub(super) fn too_deep(text: &str, is_typescript: bool) -> Option<(u32, Refusal)> {
    let mut lexer = Lexer::new(text, is_typescript);
    let mut nesting = Nesting { open: vec![Level::default()], levels: 0, is_typescript };
    loop {
        let refusal = match lexer.advance() {
            Ok(None) => return None,
            Ok(Some(piece)) => {
                if nesting.take(piece) {
                    lexer.back_into_template();
                }
                (nesting.levels > MAX_LEVELS).then_some(Refusal::TooDeep)
            }
            Err(Unclear) => Some(Refusal::Unclear),
        };
        if let Some(refusal) = refusal {
            return u32::try_from(lexer.at().min(text.len().saturating_sub(1))).ok().map(|at| (at, refusal));
        }
    }
}

/// One pair of brackets.
#[derive(Default)]
struct Level {
    /// What nests without brackets since the statement or item began: operators, calls, words in a row.
    run: usize,
    /// The run of the statement before, while nothing but `else` could go on with it.
    before: usize,
    /// A template's `${`: its end leads back into the template.
    in_template: bool,
    /// A line ended where a statement may end.
    line_ended: bool,
    /// `<` of TypeScript that may be brackets: within them a comma or a line's end ends nothing.
    angles: usize,
}

struct Nesting {
    open: Vec<Level>,
    /// The brackets that are open, and the runs in all of them.
    levels: usize,
    is_typescript: bool,
}

impl Nesting {
    /// Whether a template goes on after this.
    fn take(&mut self, piece: Piece) -> bool {
        match piece {
            Piece::Closes { bracket } => return self.closes() && bracket == b'}',
            Piece::LineEnd { may_end } => {
                if let Some(level) = self.open.last_mut() {
                    level.line_ended |= may_end;
                }
            }
            Piece::Literal => {
                if let Some(level) = self.open.last_mut() {
                    level.before = 0;
                }
            }
            Piece::Operator { byte, is_arrow } => self.operator(byte, is_arrow),
            Piece::Skipped { most } => (0..most).for_each(|_| self.grow()),
            Piece::Opens { in_template } => {
                self.grow();
                self.open.push(Level { in_template, ..Level::default() });
                self.levels += 1;
            }
            Piece::Comma => {
                if self.open.last().is_some_and(|level| level.angles == 0) {
                    self.ends_statement();
                }
                if let Some(level) = self.open.last_mut() {
                    level.before = 0;
                }
            }
            Piece::Semicolon => {
                if let Some(level) = self.open.last_mut() {
                    level.angles = 0;
                }
                self.ends_statement();
            }
            Piece::Word { text, after_word, after_brace, expects_operand } => {
                self.word(text, after_word, after_brace, expects_operand);
            }
        }
        false
    }

    /// One more level within the innermost brackets; what was begun before a line's end goes on.
    fn grow(&mut self) {
        if let Some(level) = self.open.last_mut() {
            level.run += 1;
            level.before = 0;
            level.line_ended = false;
            self.levels += 1;
        }
    }

    fn ends_statement(&mut self) {
        if let Some(level) = self.open.last_mut() {
            self.levels -= level.run;
            level.before = level.run;
            level.run = 0;
            level.line_ended = false;
        }
    }

    fn operator(&mut self, byte: u8, is_arrow: bool) {
        self.grow();
        let Some(level) = self.open.last_mut().filter(|_| self.is_typescript) else { return };
        match byte {
            b'<' => level.angles += 1,
            b'>' if !is_arrow => level.angles = level.angles.saturating_sub(1),
            _ => {}
        }
    }

    /// Closes the innermost brackets; whether they were a template's.
    fn closes(&mut self) -> bool {
        self.ends_statement();
        if self.open.len() < 2 {
            return false;
        }
        let closed = self.open.pop();
        self.levels -= 1;
        if let Some(level) = self.open.last_mut() {
            level.line_ended = false;
        }
        closed.is_some_and(|level| level.in_template)
    }

    fn word(&mut self, word: &str, after_word: bool, after_brace: bool, expects_operand: bool) {
        let Some(level) = self.open.last_mut() else { return };
        let may_begin = (after_brace || level.line_ended) && !CONTINUING.contains(&word) || word == "case";
        if may_begin && (level.angles == 0 || STATEMENTS.contains(&word)) {
            level.angles = 0;
            self.ends_statement();
        }
        if word == "else"
            && let Some(level) = self.open.last_mut()
        {
            // `if … a; else if … b; else …`: each is within the one before.
            self.levels += level.before;
            level.run += level.before;
        }
        if let Some(level) = self.open.last_mut() {
            level.before = 0;
            level.line_ended = false;
        }
        // Branches nest too.
        let grows = usize::from(after_word) + usize::from(expects_operand) + usize::from(word == "else");
        (0..grows).for_each(|_| self.grow());
    }
}

#[cfg(test)]
#[path = "nesting_tests.rs"]
pub(in crate::bundle) mod tests;
