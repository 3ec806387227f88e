//! Texts that a regular expression takes, and texts that it nearly takes.

use serde_json::{Value, json};

/// A few texts around what a pattern wants. What is too clever for this is left out.
pub(super) fn samples(pattern: &str) -> Vec<Value> {
    let mut reader = Reader { rest: pattern.chars().collect(), at: 0 };
    let fit = reader.alternatives(0);
    let mut texts = vec![fit.clone(), format!("x{fit}"), format!("{fit}x"), format!("x/{fit}:x")];
    texts.dedup();
    texts.into_iter().map(|text| json!(text)).collect()
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let found = self.peek();
        self.at += 1;
        found
    }

    /// The first of the alternatives up to the end of a group.
    fn alternatives(&mut self, depth: u32) -> String {
        let mut chosen: Option<String> = None;
        let mut text = String::new();
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.at += 1;
                    let done = std::mem::take(&mut text);
                    chosen.get_or_insert(done);
                }
                _ => {
                    let piece = self.piece(depth);
                    let times = self.quantity();
                    if depth < 32 {
                        text.push_str(&piece.repeat(times));
                    }
                }
            }
        }
        chosen.unwrap_or(text)
    }

    fn piece(&mut self, depth: u32) -> String {
        match self.next() {
            Some('^' | '$') | None => String::new(),
            Some('.') => "a".to_owned(),
            Some('[') => self.class().to_string(),
            Some('(') => self.group(depth),
            Some('\\') => match self.next() {
                Some('d') => "1".to_owned(),
                Some('w' | 'S' | 'D') => "a".to_owned(),
                Some('s') => " ".to_owned(),
                Some('b' | 'B') | None => String::new(),
                Some('W') => "-".to_owned(),
                Some('n') => "\n".to_owned(),
                Some('t') => "\t".to_owned(),
                Some(other) => other.to_string(),
            },
            Some(other) => other.to_string(),
        }
    }

    fn group(&mut self, depth: u32) -> String {
        let mut is_look = false;
        if self.peek() == Some('?') {
            self.at += 1;
            match self.next() {
                Some('=' | '!') => is_look = true,
                Some('<') => {
                    is_look = matches!(self.peek(), Some('=' | '!'));
                    while self.next().is_some_and(|character| character != '>' && !is_look) {}
                }
                _ => {}
            }
        }
        let text = self.alternatives(depth + 1);
        self.at += 1;
        if is_look { String::new() } else { text }
    }

    /// A character of a class; for what a class excludes, one that is rarely excluded.
    fn class(&mut self) -> char {
        let is_negated = self.peek() == Some('^');
        if is_negated {
            self.at += 1;
        }
        let mut first = None;
        while let Some(character) = self.next() {
            match character {
                ']' if first.is_some() => break,
                '\\' => {
                    let escaped = match self.next() {
                        Some('d') => '1',
                        Some('w') => 'a',
                        Some('s') => ' ',
                        other => other.unwrap_or('a'),
                    };
                    first.get_or_insert(escaped);
                }
                other => drop(first.get_or_insert(other)),
            }
        }
        if is_negated { 'q' } else { first.unwrap_or('a') }
    }

    fn quantity(&mut self) -> usize {
        let times = match self.peek() {
            Some('*' | '+' | '?') => {
                self.at += 1;
                1
            }
            Some('{') => {
                let digits: String =
                    self.rest.iter().skip(self.at + 1).take_while(|character| character.is_ascii_digit()).collect();
                let Some(end) = self.rest.iter().skip(self.at).position(|character| *character == '}') else {
                    return 1;
                };
                self.at += end + 1;
                digits.parse().unwrap_or(1).min(200)
            }
            _ => 1,
        };
        if self.peek() == Some('?') {
            self.at += 1;
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(pattern: &str) -> String {
        samples(pattern).first().and_then(Value::as_str).unwrap().to_owned()
    }

    #[test]
    fn a_sample_is_what_the_pattern_wants() {
        assert_eq!(
            fit(r"^registry\.example\.com\/(?<team>[a-z-]+)\/[^:@]+(:v\d+(\.\d+)*|@x)$"),
            "registry.example.com/a/q:v1.1"
        );
        assert_eq!(fit(r"(^|\/)(netcat|miner)([:@]|$)"), "netcat:");
        assert_eq!(fit(r"a{3}\s?b|c"), "aaa b");
    }

    #[test]
    fn a_broken_pattern_ends() {
        for pattern in ["(((", "[", "a{", "\\", "(?<", "*"] {
            drop(samples(pattern));
        }
    }
}
