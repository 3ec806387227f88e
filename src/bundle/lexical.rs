//! The pieces of a JavaScript or TypeScript source, as far as counting brackets needs them, without a parser.
//!
//! The hard question is whether `/` divides or begins a regular expression, for what follows is read as another thing
//! then, up to the end of the file. The token before tells, but for a few, such as `}`. There, if both readings see the
//! same brackets and literals, either will do; else the source is [`Unclear`].

/// A source that could be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclear;

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    LineEnd {
        may_end: bool,
    },
    Literal,
    Operator {
        byte: u8,
        is_arrow: bool,
    },
    /// What may be a regular expression or a chain of that many operators.
    Skipped {
        most: usize,
    },
    Opens {
        in_template: bool,
    },
    Closes {
        bracket: u8,
    },
    Comma,
    Semicolon,
    Word {
        text: &'t str,
        after_word: bool,
        after_brace: bool,
        expects_operand: bool,
    },
}

/// What came before, by what may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// An operand must follow: `/` begins a regular expression.
    Operator,
    /// A statement ended: the same, and a word begins another.
    Statement,
    /// The head of a statement ended, as `if (a)`: the same, but what follows is within it.
    Head,
    /// An operand ended: `/` divides.
    Value,
    Word,
    /// A word that is an operator to some and a name to others.
    EitherWord,
    /// The end of a block or of an object or function, or of what is one of the two readings.
    Brace,
}

/// Words that an operand must follow.
const OPERATORS: [&str; 12] =
    ["return", "typeof", "case", "in", "void", "delete", "throw", "new", "instanceof", "extends", "default", "import"];
/// Words that are names unless an operand follows.
const EITHER: [&str; 12] =
    ["of", "yield", "await", "as", "satisfies", "is", "keyof", "readonly", "unique", "infer", "out", "asserts"];
/// Words whose parentheses a statement follows.
const HEADS: [&str; 4] = ["if", "while", "for", "with"];

/// With one of these among them, some bytes are something else as code than as a literal or a comment.
const TELLING: [char; 11] = ['"', '\'', '`', '/', '(', ')', '[', ']', '{', '}', '\\'];

#[derive(Clone, Copy)]
struct Open {
    /// What its end is: a statement follows the parentheses of `if`, `while`, `for`, `with`.
    last_after: Last,
}

#[expect(clippy::struct_excessive_bools, reason = "each is one thing that the next token has to know")]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    last: Last,
    open: Vec<Open>,
    is_typescript: bool,
    /// What `(` after the last word would be closed into.
    head: Option<Last>,
    after_for: bool,
    /// The last operator was the dot before a name.
    after_dot: bool,
    /// Nothing but white space since the line began.
    line_begins: bool,
    in_template: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, is_typescript: bool) -> Self {
        let start = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lexer = Self {
            text,
            at: text.len() - start.len(),
            last: Last::Statement,
            open: Vec::new(),
            is_typescript,
            head: None,
            after_for: false,
            after_dot: false,
            line_begins: true,
            in_template: false,
        };
        if start.starts_with("#!") {
            lexer.skip_line();
        }
        lexer
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The brace just closed was a template's: what follows is its text.
    pub(super) fn back_into_template(&mut self) {
        self.in_template = true;
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or_default()
    }

    pub(super) fn advance(&mut self) -> Result<Option<Piece<'t>>, Unclear> {
        loop {
            if std::mem::take(&mut self.in_template) {
                return Ok(Some(self.template()));
            }
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Ok(None) };
            match first {
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => {
                    self.at += first.len_utf8();
                    self.line_begins = true;
                    let may_end = !matches!(self.last, Last::Operator | Last::EitherWord | Last::Head);
                    return Ok(Some(Piece::LineEnd { may_end }));
                }
                '\u{feff}' => self.at += first.len_utf8(),
                _ if first.is_whitespace() => self.at += first.len_utf8(),
                '/' if rest.starts_with("//") => self.skip_line(),
                '/' if rest.starts_with("/*") => {
                    self.at += 2 + self
                        .text
                        .get(self.at + 2..)
                        .unwrap_or_default()
                        .find("*/")
                        .map_or(rest.len(), |end| end + 2);
                }
                _ if self.is_html_comment() => return self.html_comment().map(Some),
                _ => break,
            }
        }
        self.line_begins = false;
        self.piece().map(Some)
    }

    fn piece(&mut self) -> Result<Piece<'t>, Unclear> {
        let byte = self.peek(0);
        if is_word(byte) {
            return Ok(self.word());
        }
        let (head, after_dot) = (self.head.take(), std::mem::take(&mut self.after_dot));
        if byte != b'(' {
            self.after_for = false;
        }
        Ok(match byte {
            b'"' | b'\'' => {
                self.quoted(byte);
                self.last = Last::Value;
                Piece::Literal
            }
            b'`' => {
                self.at += 1;
                // A tag nests.
                self.in_template = true;
                self.last = Last::Value;
                Piece::Operator { byte, is_arrow: false }
            }
            b'/' => return self.slash(),
            b'(' => self.opens(head.filter(|_| !after_dot).unwrap_or(Last::Value)),
            b'[' => self.opens(Last::Value),
            b'{' if matches!(self.last, Last::Statement | Last::Head) => self.opens(Last::Statement),
            b'{' => self.opens(Last::Brace),
            b')' | b']' | b'}' => {
                self.at += 1;
                self.last = self.open.pop().map_or(Last::Brace, |open| open.last_after);
                Piece::Closes { bracket: byte }
            }
            b',' => {
                self.at += 1;
                self.last = Last::Operator;
                Piece::Comma
            }
            b';' => {
                self.at += 1;
                self.last = Last::Statement;
                Piece::Semicolon
            }
            _ => self.operator(byte),
        })
    }

    fn opens(&mut self, last_after: Last) -> Piece<'t> {
        self.at += 1;
        self.open.push(Open { last_after });
        self.last = if self.peek_back() == b'{' { Last::Statement } else { Last::Operator };
        Piece::Opens { in_template: false }
    }

    fn peek_back(&self) -> u8 {
        self.at.checked_sub(1).and_then(|at| self.text.as_bytes().get(at)).copied().unwrap_or_default()
    }

    fn operator(&mut self, byte: u8) -> Piece<'t> {
        let doubled = matches!(byte, b'+' | b'-') && self.peek(1) == byte;
        let is_arrow = byte == b'>' && self.peek_back() == b'=';
        let asserts = self.is_typescript && byte == b'!' && self.peek(1) != b'=';
        self.after_dot = byte == b'.' && self.peek(1) != b'.' && self.peek_back() != b'.';
        self.last = match self.last {
            // `a++`, `a!`: still a value.
            Last::Value | Last::Word if doubled || asserts => Last::Value,
            Last::EitherWord | Last::Brace if doubled || asserts => Last::Brace,
            // `f<T> / 2` divides, `<T>/a/` does not.
            _ if self.is_typescript && byte == b'>' && !is_arrow => Last::EitherWord,
            _ => Last::Operator,
        };
        self.at += if doubled { 2 } else { self.rest().chars().next().map_or(1, char::len_utf8) };
        Piece::Operator { byte, is_arrow }
    }

    fn word(&mut self) -> Piece<'t> {
        let start = self.at;
        let is_number = self.peek(0).is_ascii_digit();
        let mut has_escape = false;
        while let Some(next) = self.rest().chars().next() {
            let is_part = next.is_ascii() && is_word(self.peek(0)) || !next.is_ascii() && !is_space(next);
            if !(is_part || is_number && next == '.') {
                break;
            }
            has_escape |= next == '\\';
            self.at += next.len_utf8();
            if next == '\\' && self.rest().starts_with("u{") {
                self.at += self.rest().find('}').map_or(2, |end| end + 1);
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let after_word = matches!(self.last, Last::Word | Last::EitherWord);
        let after_brace = matches!(self.last, Last::Brace | Last::Statement);
        let is_name = std::mem::take(&mut self.after_dot);
        let for_await = self.after_for && text == "await";
        self.after_for = text == "for" && !is_name;
        self.head = (for_await || HEADS.contains(&text)).then_some(Last::Head).filter(|_| !is_name);
        self.last = if is_name || is_number {
            Last::Word
        } else if has_escape {
            self.head = Some(Last::Brace);
            Last::EitherWord
        } else if matches!(text, "else" | "do") {
            Last::Head
        } else if OPERATORS.contains(&text) {
            Last::Operator
        } else if EITHER.contains(&text) {
            Last::EitherWord
        } else {
            Last::Word
        };
        let expects_operand = matches!(self.last, Last::Operator | Last::EitherWord | Last::Head);
        Piece::Word { text, after_word, after_brace, expects_operand }
    }

    fn skip_line(&mut self) {
        let ends = |next: char| matches!(next, '\n' | '\r' | '\u{2028}' | '\u{2029}');
        self.at += self.rest().find(ends).unwrap_or(self.rest().len());
    }

    /// A string ends with its line at the latest.
    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.text.len() {
            match self.peek(0) {
                b'\\' if self.peek(1) == b'\r' && self.peek(2) == b'\n' => self.at += 2,
                b'\\' => self.at += 1,
                b'\n' | b'\r' => return,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.text.len();
    }

    /// The text of a template up to its end or the next `${`.
    fn template(&mut self) -> Piece<'t> {
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', _) => self.at += 1,
                (b'`', _) => {
                    self.at += 1;
                    self.last = Last::Value;
                    return Piece::Literal;
                }
                (b'$', b'{') => {
                    self.at += 2;
                    self.open.push(Open { last_after: Last::Value });
                    self.last = Last::Operator;
                    return Piece::Opens { in_template: true };
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.text.len();
        Piece::Literal
    }

    fn slash(&mut self) -> Result<Piece<'t>, Unclear> {
        match self.last {
            Last::Value | Last::Word => return Ok(self.operator(b'/')),
            Last::Operator | Last::Statement | Last::Head => {
                self.at += self.regular_expression().unwrap_or(1);
                self.last = Last::Value;
                return Ok(Piece::Literal);
            }
            Last::EitherWord | Last::Brace => {}
        }
        // Without another slash on the line it cannot be a regular expression.
        let Some(length) = self.regular_expression() else { return Ok(self.operator(b'/')) };
        let body = self.rest().get(1..length.saturating_sub(1)).unwrap_or_default();
        if body.contains(TELLING) {
            return Err(Unclear);
        }
        self.at += length;
        self.last = Last::Brace;
        Ok(Piece::Skipped { most: length })
    }

    /// The length of the regular expression that may begin here.
    fn regular_expression(&self) -> Option<usize> {
        let mut in_class = false;
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => drop(letters.next()),
                '[' => in_class = true,
                ']' => in_class = false,
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => return None,
                '/' if !in_class => return Some(at + 1),
                _ => {}
            }
        }
        None
    }

    /// `<!--`, or `-->` where a line begins: comments in a script, operators in a module.
    fn is_html_comment(&self) -> bool {
        let rest = self.rest();
        !self.is_typescript && (rest.starts_with("<!--") || self.line_begins && rest.starts_with("-->"))
    }

    fn html_comment(&mut self) -> Result<Piece<'t>, Unclear> {
        let start = self.at;
        self.skip_line();
        let line = self.text.get(start..self.at).unwrap_or_default();
        if line.contains(TELLING) { Err(Unclear) } else { Ok(Piece::Skipped { most: line.len() }) }
    }
}

fn is_space(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

/// Letters beyond ASCII count as parts of words, unless they are white space; an escape is one.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#' | b'@' | b'\\') || byte >= 0x80
}
