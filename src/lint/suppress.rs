//! `// bylaw-lint-ignore RULE: reason`: the findings of a rule that are meant, on the line of the comment or the next.
//!
//! Comments are found by their text and not by a parser: what cannot be parsed can be suppressed too, and manifests have
//! comments of their own (`#`). A text within a string that looks like one is reported, should it suppress nothing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bundle::Diagnostic;

use super::finding::{Edit, Finding};
use super::rule::Rule;

const WORD: &str = "bylaw-lint-ignore";

/// One comment.
struct Suppression {
    rule: Result<Rule, String>,
    has_reason: bool,
    /// The lines it is about, from 1.
    lines: (u32, u32),
    /// Bytes of the comment; of the whole line, its end included, where nothing else is on it.
    span: (u32, u32),
    whole: (u32, u32),
    is_used: bool,
}

/// Takes out the findings of one file that are suppressed in it, and adds what there is to say of the comments.
/// `looked_for` says whether a rule was applied at all: of a rule that is off no comment is useless.
pub(super) fn suppress(
    findings: &mut Vec<Finding>,
    path: &Arc<PathBuf>,
    shown: &str,
    text: &str,
    looked_for: impl Fn(Rule) -> bool,
) {
    let mut comments = comments(text);
    findings.retain(|finding| {
        let Some(place) = finding.place().filter(|place| place.file == shown) else { return true };
        let fits = |comment: &&mut Suppression| {
            comment.rule.as_ref() == Ok(&finding.rule)
                && comment.has_reason
                && (comment.lines.0..=comment.lines.1).contains(&place.line)
        };
        let mut is_suppressed = false;
        for comment in comments.iter_mut().filter(|comment| fits(comment)) {
            comment.is_used = true;
            is_suppressed = true;
        }
        !is_suppressed
    });
    for comment in comments {
        let (start, end) = comment.span;
        let (message, help, can_go) = match &comment.rule {
            Err(error) => (error.clone(), "name the rule: `bylaw-lint-ignore RULE: reason`", false),
            Ok(_) if !comment.has_reason => {
                let message = "a suppression without a reason has no effect".to_owned();
                (message, "say why: `bylaw-lint-ignore RULE: reason`", false)
            }
            Ok(rule) if !comment.is_used && looked_for(*rule) => {
                (format!("there is no finding of {rule} here to suppress"), "remove the comment", true)
            }
            Ok(_) => continue,
        };
        let diagnostic = Diagnostic::at_bytes(shown, text, start, end, message);
        let (start, end) = comment.whole;
        let edit = can_go.then(|| Edit { path: Arc::clone(path), start, end, text: String::new() });
        findings.push(Finding::new(Rule::UselessSuppression, diagnostic).with_help(help).with_fix(edit));
    }
}

fn comments(text: &str) -> Vec<Suppression> {
    let mut found = Vec::new();
    let mut start = 0;
    for (number, line) in (1_u32..).zip(text.split_inclusive('\n')) {
        found.extend(comment(line, start, number));
        start += line.len();
    }
    found
}

fn comment(line: &str, line_start: usize, number: u32) -> Option<Suppression> {
    let word = line.find(WORD)?;
    let before = line.get(..word)?.trim_end();
    let mark = ["//", "/*", "#"].into_iter().find(|mark| before.ends_with(mark))?;
    let opens = before.len() - mark.len();
    let rest = line.get(word + WORD.len()..)?.trim_end();
    let rest = rest.strip_suffix("*/").unwrap_or(rest);
    let (rule, reason) = rest.split_once(':').unwrap_or((rest, ""));
    let is_alone = before.get(..opens)?.trim().is_empty();
    let bytes = |at: usize| u32::try_from(line_start + at).unwrap_or(u32::MAX);
    let span = (bytes(opens), bytes(line.trim_end().len()));
    let before_comment = line.get(..opens)?.trim_end().len();
    let whole = if is_alone { (bytes(0), bytes(line.len())) } else { (bytes(before_comment), span.1) };
    Some(Suppression {
        rule: Rule::parse(rule.trim()),
        has_reason: !reason.trim().is_empty(),
        // Behind code it is about that code, alone about the line that follows.
        lines: if is_alone { (number, number + 1) } else { (number, number) },
        span,
        whole,
        is_used: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> Vec<String> {
        let path = Arc::new(PathBuf::from("p.ts"));
        let at = u32::try_from(text.find("WRONG").unwrap_or_default()).unwrap();
        let mut findings =
            vec![Finding::new(Rule::UnknownField, Diagnostic::at_bytes("p.ts", text, at, at + 5, "wrong"))];
        suppress(&mut findings, &path, "p.ts", text, |rule| rule != Rule::ModuleState);
        findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.diagnostic.message)).collect()
    }

    #[test]
    fn a_comment_before_the_line_or_on_it_suppresses_with_a_reason() {
        for text in [
            "// bylaw-lint-ignore unknown-field: a field of our own fork\nWRONG",
            "WRONG // bylaw-lint-ignore unknown-field: ours",
            "a: # bylaw-lint-ignore unknown-field: ours\n#bylaw-lint-ignore unknown-field: ours\n  WRONG",
            "/* bylaw-lint-ignore unknown-field: ours */\r\nWRONG\r\n",
        ] {
            let left = left(text);
            assert!(!left.iter().any(|told| told.contains("wrong")), "{text}: {left:?}");
        }
    }

    #[test]
    fn a_comment_that_suppresses_nothing_is_told() {
        assert_eq!(
            left("// bylaw-lint-ignore unbounded-list: small\nWRONG"),
            ["unknown-field: wrong", "useless-suppression: there is no finding of unbounded-list here to suppress"]
        );
        assert_eq!(left("// bylaw-lint-ignore module-state: off\nWRONG"), ["unknown-field: wrong"]);
        assert_eq!(
            left("// bylaw-lint-ignore unknown-field\nWRONG"),
            ["unknown-field: wrong", "useless-suppression: a suppression without a reason has no effect"]
        );
        let unknown = left("// bylaw-lint-ignore: reason\nWRONG");
        assert!(unknown[1].contains("there is no rule"), "{unknown:?}");
        assert_eq!(left("const text = \"bylaw-lint-ignore unknown-field: x\"; WRONG"), ["unknown-field: wrong"]);
    }

    #[test]
    fn the_mend_takes_the_comment_away_and_its_line_if_it_is_alone() {
        for (text, mended) in [
            ("a\n  // bylaw-lint-ignore unbounded-list: x\nb", "a\nb"),
            ("a // bylaw-lint-ignore unbounded-list: x\nb", "a\nb"),
        ] {
            let mut findings = Vec::new();
            suppress(&mut findings, &Arc::new(PathBuf::from("p.ts")), "p.ts", text, |_| true);
            let edit = &findings[0].fix[0];
            let mut made = text.to_owned();
            made.replace_range(edit.start as usize..edit.end as usize, &edit.text);
            assert_eq!(made, mended);
        }
    }
}
