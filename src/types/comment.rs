//! Descriptions of a schema as doc comments.

use std::fmt::Write as _;

/// Descriptions are paragraphs; what goes on for longer than this is cut.
const LONGEST: usize = 4_000;
const WIDTH: usize = 110;

/// Adds `text` to `out` as a comment, each line behind `indent`; nothing where there is nothing to say.
pub(super) fn comment(out: &mut String, indent: &str, text: Option<&str>) {
    let lines = lines(text.unwrap_or_default(), WIDTH.saturating_sub(indent.len()));
    // Writing to a String cannot fail.
    let _ = match lines.as_slice() {
        [] => Ok(()),
        [line] => writeln!(out, "{indent}/** {line} */"),
        lines => {
            out.push_str(indent);
            out.push_str("/**\n");
            for line in lines {
                let _ = writeln!(out, "{}", format!("{indent} * {line}").trim_end());
            }
            writeln!(out, "{indent} */")
        }
    };
}

/// The text, harmless inside of a comment, in lines of about `width`.
fn lines(text: &str, width: usize) -> Vec<String> {
    let short: String = text.chars().take(LONGEST).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    // A comment must not end where its text likes.
    let harmless = format!("{short}{more}").replace("*/", "*\\/");
    let mut lines = Vec::new();
    for paragraph in harmless.lines() {
        let mut line = String::new();
        for word in paragraph.split(|character: char| character.is_whitespace() || character.is_control()) {
            if !line.is_empty() && line.len() + word.len() >= width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> String {
        let mut out = String::new();
        comment(&mut out, "  ", Some(text));
        out
    }

    #[test]
    fn a_description_is_a_comment_of_one_line_or_of_many() {
        assert_eq!(made("How many."), "  /** How many. */\n");
        assert_eq!(made("One.\n\n  Two.\n"), "  /**\n   * One.\n   *\n   * Two.\n   */\n");
        assert_eq!(made(" \n"), "");
    }

    #[test]
    fn no_description_ends_its_comment() {
        for hostile in ["*/ evil();", "**/ evil();", "a *\u{0}/ b", "*\n/ evil()", "*/*/", "\u{2028}*/\u{2029}"] {
            let made = made(hostile);
            assert_eq!(made.matches("*/").count(), 1, "{made}");
            assert!(made.trim_end().ends_with("*/"));
        }
    }

    #[test]
    fn a_long_description_is_cut() {
        assert!(made(&"word ".repeat(10_000)).len() < 5_000);
    }
}
