//! Text of policies on its way to a client: cleaned of control characters and held to the limits of the API.

use std::borrow::Cow;

use crate::review::clip::clip;

/// The API server cuts longer warnings itself, once their sum is too long.
const LONGEST_WARNING: usize = 256;
/// All warnings of one answer. Beyond 4 KiB the API server drops them (`k8s.io/apiserver` endpoints/filters/warning.go).
const ALL_WARNINGS: usize = 4 << 10;
/// Kept free for the line that says how many more there are.
const LAST_LINE: usize = 32;

/// The warnings of one answer.
#[derive(Default)]
pub(super) struct Warnings {
    lines: Vec<String>,
    bytes: usize,
    dropped: usize,
}

impl Warnings {
    pub(super) fn push(&mut self, prefix: &str, text: &str) {
        let line = one_line(&format!("{prefix}{text}"), LONGEST_WARNING);
        if self.bytes + line.len() > ALL_WARNINGS - LAST_LINE {
            self.dropped += 1;
        } else if !self.lines.contains(&line) {
            self.bytes += line.len();
            self.lines.push(line);
        }
    }

    pub(super) fn into_lines(mut self) -> Vec<String> {
        if self.dropped > 0 {
            self.lines.push(format!("and {} more warnings", self.dropped));
        }
        self.lines
    }
}

/// `text` on one line of at most `limit` bytes. Go refuses a warning header with a control character, and a terminal
/// would obey one.
fn one_line(text: &str, limit: usize) -> String {
    shorten(&clean(text, |_| false), limit)
}

/// `text` of at most `limit` bytes, line breaks and tabs kept.
pub(super) fn paragraph(text: &str, limit: usize) -> String {
    shorten(&clean(text, |character| matches!(character, '\n' | '\t')), limit)
}

fn clean(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let harmful = |character: char| character.is_control() && !keep(character);
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, " ")) } else { Cow::Borrowed(text) }
}

/// Cut at a character, with an ellipsis that counts.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut short = clip(text, limit.saturating_sub(ELLIPSIS.len())).to_owned();
    short.push_str(ELLIPSIS);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_one_clean_line_of_256_bytes() {
        let mut warnings = Warnings::default();
        warnings.push("[p] ", "a\nb\u{1b}[31m\u{9b}c\u{7f}");
        warnings.push("[p] ", &"ä".repeat(300));
        let lines = warnings.into_lines();
        assert_eq!(lines[0], "[p] a b [31m c ");
        assert!(lines[1].len() <= 256 && lines[1].len() > 250, "{}", lines[1].len());
        assert!(lines[1].ends_with("ä…"));
    }

    #[test]
    fn all_warnings_together_stay_within_4_kib_and_say_what_was_dropped() {
        let mut warnings = Warnings::default();
        (0..100).for_each(|n| warnings.push("[p] ", &format!("{n} {}", "x".repeat(300))));
        let lines = warnings.into_lines();
        assert!(lines.iter().map(String::len).sum::<usize>() <= 4_096);
        assert_eq!(lines.len(), 16);
        assert_eq!(lines[15], "and 85 more warnings");
    }

    #[test]
    fn the_same_warning_is_given_once() {
        let mut warnings = Warnings::default();
        (0..3).for_each(|_| warnings.push("[p] ", "same"));
        assert_eq!(warnings.into_lines(), ["[p] same"]);
    }

    #[test]
    fn a_paragraph_keeps_its_lines() {
        assert_eq!(paragraph("a\n\tb\u{7}", 100), "a\n\tb ");
        assert_eq!(paragraph("abcdef", 5), "ab…");
    }
}
