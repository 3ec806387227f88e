//! `--update`: what came out is written into the `patched` of a case. Everything else of the file stays as it is, its
//! comments too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Report;
use crate::bundle::shown_path;
use crate::cases::{Came, Place, Played};
use crate::cli::output::yaml;
use crate::cluster::documents;

/// Where to write, and what.
struct Edit<'r> {
    /// Of the word `patched`.
    place: &'r Place,
    /// Of the mapping that it is in.
    within: &'r Place,
    object: &'r Value,
}

/// Writes the files of cases whose object came out otherwise; whether there are any.
pub(super) fn update(report: &mut Report) -> anyhow::Result<bool> {
    let mut files: BTreeMap<PathBuf, Vec<Edit<'_>>> = BTreeMap::new();
    for played in report.results.iter().flat_map(|result| &result.played) {
        if let Some(edit) = edit(played) {
            files.entry(edit.place.file.to_path_buf()).or_default().push(edit);
        }
    }
    let mut updated = Vec::new();
    for (path, mut edits) in files {
        let shown = shown_path(&path);
        let mut text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        // From the end, so that the places before stay what they are.
        edits.sort_by_key(|edit| std::cmp::Reverse((edit.place.line, edit.place.column)));
        for edit in &edits {
            text =
                edited(&text, edit).with_context(|| format!("{}: cannot be updated: edit it by hand", edit.place))?;
        }
        if documents::from_yaml(&text).is_err() {
            bail!("{shown}: cannot be updated: edit it by hand");
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {shown}"))?;
        updated.push(shown);
    }
    report.updated = updated;
    Ok(!report.updated.is_empty())
}

fn edit(played: &Played) -> Option<Edit<'_>> {
    let outcome = &played.outcome;
    let came_out = matches!(outcome.came, Came::Allowed | Came::Warned | Came::Changed);
    let differs = outcome.misses.iter().any(|miss| miss.field == "patched");
    let patched = played.test.case.expect.patched.as_ref().filter(|_| came_out && differs)?;
    Some(Edit { place: &patched.place, within: &patched.within, object: outcome.patched.as_ref()? })
}

/// The text with one value exchanged. `None` where it is not where it was.
fn edited(text: &str, edit: &Edit<'_>) -> Option<String> {
    let key = offset(text, edit.place)?;
    let colon = key + text.get(key..)?.find(':')?;
    let is_patched = text.get(key..colon)?.trim().trim_matches(['"', '\'']) == "patched";
    if !is_patched {
        return None;
    }
    let is_flow = text.get(offset(text, edit.within)?..)?.starts_with('{');
    if is_flow { in_flow(text, colon + 1, edit.object) } else { in_block(text, key, colon + 1, edit.object) }
}

/// The byte at a line and column, which counts characters.
fn offset(text: &str, place: &Place) -> Option<usize> {
    let line = usize::try_from(place.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..)?;
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

/// In block style the value is all that is indented further than its key.
fn in_block(text: &str, key: usize, after: usize, object: &Value) -> Option<String> {
    let line_start = text.get(..key)?.rfind('\n').map_or(0, |at| at + 1);
    let indent = key - line_start;
    let line_end = text.get(after..)?.find('\n').map_or(text.len(), |at| after + at + 1);
    let mut end = line_end;
    let mut seen = line_end;
    for line in text.get(line_end..)?.split_inclusive('\n') {
        seen += line.len();
        let content = line.trim_start_matches(' ');
        let is_blank = content.trim().is_empty();
        let is_within = line.len() - content.len() > indent;
        if !is_blank && !is_within {
            break;
        }
        if !is_blank {
            end = seen;
        }
    }
    let first_line = text.get(after..line_end)?.trim_end_matches(['\n', '\r']);
    let comment = first_line.find(" #").and_then(|at| first_line.get(at..)).unwrap_or_default();
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let written = yaml(object).ok()?;
    let body: Vec<String> = written
        .lines()
        .skip(1)
        .map(|line| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(indent + 2)) })
        .collect();
    let body = body.join(ending);
    Some(format!("{}{}{ending}{body}{ending}{}", text.get(..after)?, comment.trim_end(), text.get(end..)?))
}

/// In flow style it ends at its bracket, or at the next comma.
fn in_flow(text: &str, after: usize, object: &Value) -> Option<String> {
    let mut depth = 0_u32;
    let mut quote = None;
    let mut end = None;
    let mut is_escaped = false;
    for (at, character) in text.get(after..)?.char_indices() {
        match (quote, character) {
            (Some('"'), '\\') if !is_escaped => {
                is_escaped = true;
                continue;
            }
            (Some(open), _) if character == open && !is_escaped => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']' | ',') if depth == 0 => {
                end = Some(after + at);
                break;
            }
            (None, '}' | ']') => depth -= 1,
            _ => {}
        }
        is_escaped = false;
    }
    let end = end?;
    let value = text.get(after..end)?;
    let kept = value.len() - value.trim_end().len();
    let mut written = String::from(" ");
    flow(object, &mut written);
    Some(format!("{}{written}{}", text.get(..after)?, text.get(end - kept..)?))
}

/// A value in flow style: JSON with the spaces that YAML is written with, and without quotes around plain keys.
fn flow(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push_str("{ ");
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name.chars().all(|character| character.is_ascii_alphanumeric())
                    && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
                        .contains(&name.to_ascii_lowercase().as_str());
                if is_plain {
                    text.push_str(name);
                } else {
                    text.push_str(&Value::from(name.as_str()).to_string());
                }
                text.push_str(": ");
                flow(value, text);
            }
            text.push_str(" }");
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                flow(item, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn place(line: u64, column: u64) -> Place {
        Place { file: Arc::default(), shown: "".into(), line, column }
    }

    fn written(text: &str, key: (u64, u64), within: (u64, u64)) -> String {
        let object = json!({"kind": "Pod", "metadata": {"labels": {"a/b": "yes"}}, "list": [1, {"x": null}]});
        edited(text, &Edit { place: &place(key.0, key.1), within: &place(within.0, within.1), object: &object })
            .unwrap()
    }

    #[test]
    fn a_block_is_exchanged_and_all_around_it_stays() {
        let text = "name: a # one\nexpect:\n  # what comes out\n  patched: # by the policy\n    kind: Old\n    # gone\n    list:\n    - 1\n\n  allowed: true # last\n---\nname: b\n";
        let expected = "name: a # one\nexpect:\n  # what comes out\n  patched: # by the policy\n    kind: Pod\n    metadata:\n      labels:\n        a/b: \"yes\"\n    list:\n    - 1\n    - x: null\n\n  allowed: true # last\n---\nname: b\n";
        assert_eq!(written(text, (4, 3), (4, 3)), expected);
    }

    #[test]
    fn an_empty_field_is_filled_in_and_windows_line_ends_are_kept() {
        let text = "expect:\r\n  allowed: true\r\n  patched:\r\n";
        let came = written(text, (3, 3), (2, 3));
        assert!(came.starts_with("expect:\r\n  allowed: true\r\n  patched:\r\n    kind: Pod\r\n"), "{came:?}");
        assert!(!came.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn a_value_in_braces_is_exchanged_in_braces() {
        let flow = "{ kind: \"Pod\", metadata: { labels: { \"a/b\": \"yes\" } }, list: [1, { x: null }] }";
        let text = "name: a\nexpect: { allowed: true, patched: { kind: \"}\", a: ['it''s {'] }, code: 1 } # end\n";
        let column = 1 + text.lines().nth(1).unwrap().find("patched").unwrap() as u64;
        let expected = format!("name: a\nexpect: {{ allowed: true, patched: {flow}, code: 1 }} # end\n");
        assert_eq!(written(text, (2, column), (2, 9)), expected);
        assert_eq!(written("expect: { patched: }\n", (1, 11), (1, 9)), format!("expect: {{ patched: {flow} }}\n"));
    }

    #[test]
    fn what_is_no_longer_there_is_left_alone() {
        let object = json!({});
        let edit = Edit { place: &place(1, 1), within: &place(1, 1), object: &object };
        assert!(edited("other: 1\n", &edit).is_none());
        assert!(edited("", &edit).is_none());
    }
}
