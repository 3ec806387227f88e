//! How deep a source nests, before anything recurses over it: parsers do, a thread's stack is finite, and its overflow
//! kills the process.
//!
//! One pass over the bytes, without a parser. It follows strings, comments, templates and, by the token before them,
//! regular expressions; where it errs, it errs about single tokens. Against accidents and fuzzers that is enough;
//! sources of authors who are not trusted belong into a worker process all the same.

/// Levels of the tree that a source may have, as estimated. Handwritten code has tens, bundled packages some hundreds;
/// the linker's threads were seen to bear 5,000.
const MAX_LEVELS: usize = 1_500;

/// The offset at which the source nests too deeply.
pub(super) fn too_deep(text: &str) -> Option<u32> {
    let mut scan =
        Nesting { bytes: text.as_bytes(), at: 0, open: vec![Level::default()], levels: 0, last: Token::Operator };
    while scan.at < scan.bytes.len() {
        scan.step();
        if scan.levels > MAX_LEVELS {
            return u32::try_from(scan.at).ok();
        }
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Operator,
    Word,
    /// The end of a value: a literal, or a closing bracket.
    Value,
    ClosingBrace,
}

/// One pair of brackets.
#[derive(Default)]
struct Level {
    /// What nests without brackets since the statement or item began: operators, calls, words in a row.
    run: usize,
    /// A template's `${`: its end leads back into the template.
    in_template: bool,
    /// A line ended where a statement may end.
    line_ended: bool,
}

struct Nesting<'t> {
    bytes: &'t [u8],
    at: usize,
    open: Vec<Level>,
    /// The brackets that are open, and the runs in all of them.
    levels: usize,
    last: Token,
}

impl Nesting<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (b'\n', _) => {
                if let Some(level) = self.open.last_mut() {
                    level.line_ended |= self.last != Token::Operator;
                }
                self.at += 1;
            }
            (byte, _) if byte.is_ascii_whitespace() => self.at += 1,
            (b'/', b'/') => self.skip_until(b"\n"),
            (b'/', b'*') => {
                self.skip_until(b"*/");
                self.at += 2;
            }
            (quote @ (b'"' | b'\''), _) => {
                self.quoted(quote);
                self.last = Token::Value;
            }
            (b'`', _) => {
                self.grow();
                self.at += 1;
                self.template();
            }
            (b'/', _) if matches!(self.last, Token::Operator) => {
                self.regular_expression();
                self.last = Token::Value;
            }
            (b'(' | b'[' | b'{', _) => self.opens(false),
            (byte @ (b')' | b']' | b'}'), _) => self.closes(byte),
            (b';' | b',', _) => {
                self.ends_statement();
                self.last = Token::Operator;
                self.at += 1;
            }
            (byte, _) if is_word(byte) => self.word(),
            _ => {
                self.grow();
                self.last = Token::Operator;
                self.at += 1;
            }
        }
    }

    /// One more level within the innermost brackets; what was begun before a line's end goes on.
    fn grow(&mut self) {
        if let Some(level) = self.open.last_mut() {
            level.run += 1;
            level.line_ended = false;
            self.levels += 1;
        }
    }

    fn ends_statement(&mut self) {
        if let Some(level) = self.open.last_mut() {
            self.levels -= level.run;
            level.run = 0;
            level.line_ended = false;
        }
    }

    fn opens(&mut self, in_template: bool) {
        self.grow();
        self.open.push(Level { in_template, ..Level::default() });
        self.levels += 1;
        self.last = Token::Operator;
        self.at += 1;
    }

    fn closes(&mut self, bracket: u8) {
        self.at += 1;
        self.ends_statement();
        if self.open.len() > 1 {
            let closed = self.open.pop();
            self.levels -= 1;
            if bracket == b'}' && closed.is_some_and(|level| level.in_template) {
                self.template();
                return;
            }
        }
        self.last = if bracket == b'}' { Token::ClosingBrace } else { Token::Value };
    }

    fn word(&mut self) {
        let start = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let word = self.bytes.get(start..self.at).unwrap_or_default();
        let line_ended = self.open.last().is_some_and(|level| level.line_ended);
        // Branches nest: `if … {} else if … {} else`.
        let begins_anew = (self.last == Token::ClosingBrace || line_ended) && word != b"else";
        if begins_anew {
            self.ends_statement();
        }
        if self.last == Token::Word || word == b"else" {
            self.grow();
        }
        let expects_value =
            matches!(word, b"return" | b"typeof" | b"case" | b"in" | b"of" | b"void" | b"delete" | b"throw");
        if expects_value {
            self.grow();
        }
        self.last = if expects_value { Token::Operator } else { Token::Word };
    }

    fn skip_until(&mut self, end: &[u8]) {
        while self.at < self.bytes.len() && !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(end)) {
            self.at += 1;
        }
    }

    /// A string ends with its line at the latest.
    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'\n' => return,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The text of a template up to its end or the next `${`.
    fn template(&mut self) {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', _) => self.at += 1,
                (b'`', _) => {
                    self.at += 1;
                    self.last = Token::Value;
                    return;
                }
                (b'$', b'{') => {
                    self.at += 1;
                    self.opens(true);
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn regular_expression(&mut self) {
        let mut in_class = false;
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => self.at += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'\n' => return,
                b'/' if !in_class => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// Letters beyond ASCII count as parts of words.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#' | b'@') || byte >= 0x80
}

#[cfg(test)]
pub(in crate::bundle) mod tests {
    use super::*;

    /// Sources whose trees are as deep as `levels`, each in another way.
    pub(in crate::bundle) fn towers(levels: usize) -> Vec<String> {
        let pairs = |open: &str, close: &str| format!("x = {}1{};", open.repeat(levels), close.repeat(levels));
        let runs = |part: &str| format!("x = a{};", part.repeat(levels));
        vec![
            pairs("(", ")"),
            pairs("[", "]"),
            pairs("{a:", "}"),
            pairs("()=>{", "}"),
            pairs("f(", ")"),
            pairs("`${", "}`"),
            pairs("/*)*/(", ")"),
            pairs("(/[)]/,", ")"),
            format!("x = {}1;", "!".repeat(levels)),
            format!("x = {}1;", "- ".repeat(levels)),
            format!("x = {}1;", "typeof ".repeat(levels)),
            format!("x = {}A;", "new ".repeat(levels)),
            runs("+1"),
            runs("\n+1"),
            runs("+\n1"),
            runs(".b"),
            runs("[0]"),
            runs("()"),
            runs("`t`"),
            runs("?b:c"),
            runs("+f(a,b)"),
            runs(" as any"),
            "if(a){}else ".repeat(levels) + "{}",
            "if(a)".repeat(levels) + "b()",
            "a:".repeat(levels) + "b()",
            format!("x = {}a;", "a=>".repeat(levels)),
        ]
    }

    #[test]
    fn every_way_of_nesting_is_counted() {
        for tower in towers(MAX_LEVELS + 10) {
            assert!(too_deep(&tower).is_some(), "{}", &tower[..60]);
        }
        for tower in towers(200) {
            assert!(too_deep(&tower).is_none(), "{}", &tower[..60]);
        }
    }

    #[test]
    fn nesting_within_nesting_adds_up() {
        let chain = format!("a{}", "+a".repeat(100));
        let nested = format!("x = {}1{};", format!("{chain}+(").repeat(100), ")".repeat(100));
        assert!(too_deep(&nested).is_some());
    }

    #[test]
    fn long_flat_sources_are_not_deep() {
        for line in [
            "a = b + c * d(e, f.g)\n",
            "const x = { a: [1, 2, { b: 3 }] };\n",
            "if (a) { b() } else { c() }\n",
            "// ((((( ------ ===== {{{{{ `\n",
            "/* ((( ''' */\n",
            "s = '((((' + \"[[[[\" + `{{{{`\n",
            "r = /[(/]\\/(((/.test(x)\n",
            "return x\n",
            "case 1: a(); break;\n",
            "export type T<A> = A extends B ? C : D;\n",
            "t = `${a}${b(`${c}`)}`\n",
        ] {
            assert_eq!(too_deep(&line.repeat(20_000)), None, "{line}");
        }
        assert_eq!(too_deep(&format!("[{}]", "1, ".repeat(100_000))), None);
        assert_eq!(too_deep(&format!("x = {{{}}}", "a: { b: [c] }, ".repeat(100_000))), None);
    }

    #[test]
    fn broken_text_ends_too() {
        for text in ["'", "`${", "/*", "/[", "\\", "}}}}", "`${`${`", "\u{0}", "é`"] {
            assert_eq!(too_deep(text), None, "{text}");
        }
    }
}
