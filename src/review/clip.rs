//! Shortens and cleans text from outside before it goes into a message.

/// Longest piece of foreign text that a message repeats, in bytes: a Kubernetes name has at most 253.
const LONGEST_QUOTE: usize = 256;

/// The longest prefix of `text` that has at most `limit` bytes and ends between two characters.
#[must_use]
pub fn clip(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}

/// `text` in quotes with control characters escaped, clipped.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("{:?}", clip(text, LONGEST_QUOTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_between_characters() {
        assert_eq!(clip("aäb", 1), "a");
        assert_eq!(clip("aäb", 2), "a");
        assert_eq!(clip("aäb", 3), "aä");
        assert_eq!(clip("aäb", 99), "aäb");
    }

    #[test]
    fn quotes_escape_control_characters() {
        assert_eq!(quoted("a\u{1b}[31m\n"), r#""a\u{1b}[31m\n""#);
        assert!(quoted(&"x".repeat(1_000)).len() < 300);
    }
}
