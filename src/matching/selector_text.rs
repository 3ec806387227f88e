//! Selectors as text, `a=b,c!=d,e in (x,y),!f,g`, with the grammar of `labels.Parse` in `k8s.io/apimachinery`.

use super::selector::{Requirement, Test};
use super::syntax::label_value;
use super::{MatchError, Selector};

/// A selector longer than this is no one's: a thousand labels fit.
const LONGEST: usize = 128 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A key, a value, or `in` and `notin`, which can be both.
    Word(&'a str),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", ">", "<", "(", ")", ","];

impl Selector {
    /// Parses what `kubectl -l` takes.
    ///
    /// # Errors
    /// [`MatchError::Invalid`] naming what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, MatchError> {
        if text.len() > LONGEST {
            return Err(invalid(format!("it is longer than {LONGEST} bytes")));
        }
        let mut parser = Parser { rest: text };
        let mut requirements = Vec::new();
        if parser.peek() == Token::End {
            return Ok(Self::of(requirements));
        }
        loop {
            requirements.push(parser.requirement()?.checked("label selector")?);
            match parser.next() {
                Token::End => return Ok(Self::of(requirements)),
                Token::Symbol(",") => {}
                other => return Err(expected("`,` or the end", other)),
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start_matches(is_space);
        if self.rest.is_empty() {
            return Token::End;
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) {
            self.rest = self.rest.get(symbol.len()..).unwrap_or_default();
            return Token::Symbol(symbol);
        }
        let end = self.rest.find(|next: char| is_space(next) || is_symbol(next)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        Token::Word(word)
    }

    fn peek(&self) -> Token<'a> {
        Self { rest: self.rest }.next()
    }

    fn requirement(&mut self) -> Result<Requirement, MatchError> {
        let negated = self.peek() == Token::Symbol("!");
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(expected("a label key", other)),
        };
        let ends = matches!(self.peek(), Token::End | Token::Symbol(","));
        let test = match (negated, ends) {
            (true, true) => Test::DoesNotExist,
            (false, true) => Test::Exists,
            (true, false) => return Err(expected("`,` or the end", self.next())),
            (false, false) => self.test()?,
        };
        Ok(Requirement { key: key.into(), test })
    }

    fn test(&mut self) -> Result<Test, MatchError> {
        match self.next() {
            Token::Symbol("=" | "==") => Ok(Test::In(vec![self.value()?.into()])),
            Token::Symbol("!=") => Ok(Test::NotIn(vec![self.value()?.into()])),
            Token::Symbol(">") => Ok(Test::GreaterThan(self.integer()?)),
            Token::Symbol("<") => Ok(Test::LessThan(self.integer()?)),
            Token::Word("in") => Ok(Test::In(self.values()?)),
            Token::Word("notin") => Ok(Test::NotIn(self.values()?)),
            other => Err(expected("one of = == != > < in notin", other)),
        }
    }

    /// One value; nothing at all is the empty one.
    fn value(&mut self) -> Result<&'a str, MatchError> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(""),
            _ => match self.next() {
                Token::Word(value) => Ok(value),
                other => Err(expected("a value", other)),
            },
        }
    }

    fn integer(&mut self) -> Result<i64, MatchError> {
        let value = self.value()?;
        label_value(value).map_err(invalid)?;
        value.parse().map_err(|_| invalid(format!("{value:?} must be an integer after > or <")))
    }

    /// `(a,b)`; empty places are the empty value.
    fn values(&mut self) -> Result<Vec<Box<str>>, MatchError> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(expected("`(`", other)),
        }
        let mut values = Vec::new();
        loop {
            let value = match self.peek() {
                Token::Symbol("," | ")") => "",
                _ => match self.next() {
                    Token::Word(value) => value,
                    other => return Err(expected("a value, `,` or `)`", other)),
                },
            };
            values.push(value.into());
            match self.next() {
                Token::Symbol(",") => {}
                Token::Symbol(")") => return Ok(values),
                other => return Err(expected("`,` or `)`", other)),
            }
        }
    }
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

const fn is_symbol(character: char) -> bool {
    matches!(character, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn expected(what: &str, found: Token) -> MatchError {
    let found = match found {
        Token::Word(word) => crate::review::clip::quoted(word),
        Token::Symbol(symbol) => format!("`{symbol}`"),
        Token::End => "the end".to_owned(),
    };
    invalid(format!("found {found}, expected {what}"))
}

fn invalid(message: impl Into<String>) -> MatchError {
    MatchError::invalid("label selector", message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}")).matches(&labels)
    }

    #[test]
    fn each_form_matches_what_kubectl_would() {
        for (selector, labels, expected) in [
            ("", &[][..], true),
            ("  \t\n", &[("a", "1")], true),
            ("a=1", &[("a", "1")], true),
            ("a==1", &[("a", "2")], false),
            ("a = 1 , b = 2", &[("a", "1"), ("b", "2")], true),
            ("a=1,b=2", &[("a", "1")], false),
            ("a!=1", &[("a", "1")], false),
            ("a!=1", &[("a", "2")], true),
            ("a!=1", &[], true),
            ("a", &[("a", "")], true),
            ("a", &[], false),
            ("!a", &[], true),
            ("! a", &[("a", "1")], false),
            ("a=", &[("a", "")], true),
            ("a=,b", &[("a", ""), ("b", "1")], true),
            ("a in (x,y)", &[("a", "y")], true),
            ("a in (x,y)", &[("a", "z")], false),
            ("a in ( x , y )", &[("a", "x")], true),
            ("a in ()", &[("a", "")], true),
            ("a in ()", &[("a", "x")], false),
            ("a in (,x)", &[("a", "")], true),
            ("a in (x,)", &[("a", "")], true),
            ("a in (x,,y)", &[("a", "")], true),
            ("a in (,)", &[("a", "")], true),
            ("a notin (x,y)", &[("a", "x")], false),
            ("a notin (x,y)", &[], true),
            ("a notin(x)", &[("a", "z")], true),
            ("a in (in,notin)", &[("a", "in")], true),
            ("in", &[("in", "")], true),
            ("in in (notin)", &[("in", "notin")], true),
            ("notin=in", &[("notin", "in")], true),
            ("a>5", &[("a", "6")], true),
            ("a>5", &[("a", "5")], false),
            ("a<5", &[("a", "4")], true),
            ("a<5", &[("a", "x")], false),
            ("a>5", &[], false),
            ("example.com/a=1", &[("example.com/a", "1")], true),
            ("a=b,c!=d,e in (x,y),!f,g", &[("a", "b"), ("e", "x"), ("g", "")], true),
        ] {
            assert_eq!(matches(selector, labels), expected, "{selector} {labels:?}");
        }
    }

    #[test]
    fn what_labels_parse_refuses_is_refused() {
        for (selector, message) in [
            (",", "found `,`, expected a label key"),
            ("a,", "found the end, expected a label key"),
            (",a", "found `,`, expected a label key"),
            ("a,,b", "found `,`, expected a label key"),
            ("a b", "found \"b\", expected one of"),
            ("!a=1", "found `=`, expected `,` or the end"),
            ("a in", "found the end, expected `(`"),
            ("a in x", "found \"x\", expected `(`"),
            ("a in (x", "found the end, expected `,` or `)`"),
            ("a in (x y)", "found \"y\", expected `,` or `)`"),
            ("a in (x=y)", "found `=`, expected `,` or `)`"),
            ("a=1 b", "found \"b\", expected `,` or the end"),
            ("a===1", "found `=`, expected a value"),
            ("a=!1", "found `!`, expected a value"),
            ("a>x", "\"x\" must be an integer"),
            ("a>", "\"\" must be an integer"),
            ("a>-5", "\"-5\" is not a label value"),
            ("-a=1", "\"-a\" is not a label key"),
            ("a=b/c", "\"b/c\" is not a label value"),
            ("a in (b,c!)", "found `!`, expected `,` or `)`"),
        ] {
            let error = Selector::parse(selector).unwrap_err().to_string();
            assert!(error.contains(message), "{selector}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_without_a_panic(text in "[a-c =!<>(),inot\u{e4}\t/.-]{0,40}") {
            let _ = Selector::parse(&text);
        }
    }
}
