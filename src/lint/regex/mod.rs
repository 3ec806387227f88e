//! How long a regular expression can take: whether its ways to read a text multiply.
//!
//! The engine's matcher tries one way after another, so what counts is how many ways there are to read one text. The
//! pattern is made into an automaton of its characters (Glushkov's), each way from one to the next counted. If a loop can
//! be gone through in two ways by one text, the ways double with each round: exponential time. If a text can be divided
//! among three loops in a row wherever one likes, it is at least cubic. (Weideman et al., "Analyzing matching time
//! behavior of backtracking regular expression matchers by using ambiguity of NFA", 2016.) Assertions and references are
//! taken to hold for anything, so that what multiplies is found, and now and then something that does not.

mod ambiguity;
mod automaton;
mod characters;

use oxc::allocator::Allocator;
use oxc::regular_expression::{LiteralParser, Options};

use automaton::Builder;

/// Parentheses within each other: the parser recurses.
const MAX_NESTING: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Growth {
    /// In step with the text, or its square.
    Fine,
    /// It doubles with each character, by this part of the pattern.
    Exponential(String),
    /// At least its cube.
    Cubic,
    /// It could not be said.
    Unknown,
}

/// How the time of a pattern grows with the text; `Unknown` also for what is no pattern.
pub(super) fn growth(pattern: &str, flags: &str) -> Growth {
    let mut nesting = 0_usize;
    for byte in pattern.bytes() {
        nesting = nesting.saturating_add(usize::from(matches!(byte, b'(' | b'[')));
        if matches!(byte, b')' | b']') {
            nesting = nesting.saturating_sub(1);
        }
        if nesting > MAX_NESTING {
            return Growth::Unknown;
        }
    }
    let allocator = Allocator::default();
    let parser = LiteralParser::new(&allocator, pattern, Some(flags), Options::default());
    let Ok(parsed) = parser.parse() else { return Growth::Unknown };
    let automata = Builder::build(&parsed.body, flags);
    let growths: Vec<Growth> = automata.iter().map(|automaton| ambiguity::growth(automaton, pattern)).collect();
    let is_worst = |wanted: fn(&Growth) -> bool| growths.iter().find(|growth| wanted(growth)).cloned();
    is_worst(|growth| matches!(growth, Growth::Exponential(_)))
        .or_else(|| is_worst(|growth| *growth == Growth::Cubic))
        .or_else(|| is_worst(|growth| *growth == Growth::Unknown))
        .unwrap_or(Growth::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_loops_over_the_same_text_are_exponential() {
        for pattern in [
            "^(a+)+$",
            "(a*)*b",
            "(a|a)*b",
            "(a|aa)+$",
            "^(\\w+\\s?)*$",
            "^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+$",
            "(?:a+b?)*c",
            "(.*)*x",
            "^(?:[a-z]+[0-9]*)+$",
            "(?=(a+)+$)b",
            "(x+x+)+y",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
            "(?:\\s*[a-z]+)*!",
            "(a{1,10}){1,}b",
        ] {
            assert!(matches!(growth(pattern, ""), Growth::Exponential(_)), "{pattern}: {:?}", growth(pattern, ""));
        }
        assert!(matches!(growth("(a|A)*b", "i"), Growth::Exponential(_)));
        assert_eq!(growth("(a|A)*b", ""), Growth::Fine);
    }

    #[test]
    fn the_part_that_does_it_is_named() {
        assert_eq!(growth("^x(a+)+y$", ""), Growth::Exponential("(a+)+".to_owned()));
        assert_eq!(growth("^(b(a|a)*c)*$", ""), Growth::Exponential("(a|a)*".to_owned()));
    }

    #[test]
    fn what_policies_usually_have_is_fine() {
        for pattern in [
            "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            "^v[0-9]+((alpha|beta)[0-9]+)?$",
            "^(latest|v1\\.[0-9]+)$",
            "^(.+)@(.+)$",
            "^(?:[^/]+/)*[^/]+$",
            "^sha256:[0-9a-f]{64}$",
            "\"(?:[^\"\\\\]|\\\\.)*\"",
            "^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!$)|$)){4}$",
            "^([0-9]+)([a-z]+)$",
            "(a+)(b+)(c+)",
            "",
            "^\\d{1,3}(,\\d{3})*$",
        ] {
            assert_eq!(growth(pattern, ""), Growth::Fine, "{pattern}");
        }
        assert_eq!(growth("^\\p{L}+$", "u"), Growth::Fine);
        assert_eq!(growth("[\\p{L}--[a-z]]+x", "v"), Growth::Fine);
    }

    #[test]
    fn three_loops_over_one_text_are_cubic() {
        assert_eq!(growth("^.*a.*b.*c$", ""), Growth::Cubic);
        assert_eq!(growth("^.*a.*b$", ""), Growth::Fine);
        assert_eq!(growth("^\\d*\\d*\\d*$", ""), Growth::Cubic);
        assert_eq!(growth("^(.*),(.*),(.*)$", ""), Growth::Cubic);
    }

    #[test]
    fn what_is_large_deep_or_no_pattern_is_not_said_to_be_anything() {
        assert_eq!(growth(&"(".repeat(100_000), ""), Growth::Unknown);
        assert_eq!(growth("(a", ""), Growth::Unknown);
        assert_eq!(growth("a{1,100000}", ""), Growth::Fine);
        assert_eq!(growth(&"(?:a|b)?".repeat(3_000), ""), Growth::Unknown);
        let mut nothing = "(?:)".to_owned();
        for _ in 0..20 {
            nothing = format!("(?:{nothing}{{24}})");
        }
        assert_eq!(growth(&nothing, ""), Growth::Unknown);
        let many = (0..350).map(|_| "[a-z]").collect::<Vec<_>>().join("|");
        let nested = format!("{}{many}{}", "(?:".repeat(100), ")*".repeat(100));
        assert!(matches!(growth(&nested, ""), Growth::Exponential(_) | Growth::Unknown));
    }
}
