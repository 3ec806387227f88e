//! Mends applied to the files, each as a whole: what overlaps with one that came before waits for the next round.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::LintError;
use super::finding::{Edit, Finding};

/// Applies the fixes of these findings; how many of them.
///
/// # Errors
/// Where a file cannot be read or written.
pub(super) fn apply(findings: &[Finding]) -> Result<usize, LintError> {
    let mut chosen: BTreeMap<Arc<PathBuf>, Vec<&Edit>> = BTreeMap::new();
    let mut count = 0;
    for finding in findings.iter().filter(|finding| !finding.fix.is_empty()) {
        let is_free = |edit: &Edit| {
            chosen.get(&edit.path).into_iter().flatten().all(|taken| **taken == *edit || !overlap(taken, edit))
        };
        if finding.fix.iter().all(is_free) {
            count += 1;
            for edit in &finding.fix {
                let edits = chosen.entry(Arc::clone(&edit.path)).or_default();
                if !edits.contains(&edit) {
                    edits.push(edit);
                }
            }
        }
    }
    for (path, edits) in &mut chosen {
        edits.sort_by_key(|edit| (edit.start, edit.end));
        rewrite(path, edits)?;
    }
    Ok(count)
}

/// Two insertions at one place would end up in an order that nobody chose.
fn overlap(left: &Edit, right: &Edit) -> bool {
    left.start < right.end && right.start < left.end || left.start == right.start
}

fn rewrite(path: &Path, edits: &[&Edit]) -> Result<(), LintError> {
    let failed = |error: &std::io::Error| LintError::Fix { path: path.to_owned(), reason: error.to_string() };
    let whole = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let (mark, text) = whole.strip_prefix('\u{feff}').map_or(("", whole.as_str()), |text| ("\u{feff}", text));
    let mut made = mark.to_owned();
    let mut at = 0;
    for edit in edits {
        let (Some(before), true) = (text.get(at..edit.start as usize), edit.start <= edit.end) else {
            return Err(LintError::Fix { path: path.to_owned(), reason: "it changed meanwhile".to_owned() });
        };
        made.push_str(before);
        made.push_str(&edit.text);
        at = edit.end as usize;
    }
    made.push_str(text.get(at..).unwrap_or_default());
    // Written beside it and renamed, so that no moment has half of it; a link stays one.
    let real = std::fs::canonicalize(path).map_err(|error| failed(&error))?;
    let mut name = real.file_name().unwrap_or_default().to_owned();
    name.push(".bylaw-fix");
    let beside = real.with_file_name(name);
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| {
            file.write_all(made.as_bytes())?;
            file.set_permissions(std::fs::metadata(&real)?.permissions())
        })
        .and_then(|()| std::fs::rename(&beside, &real));
    written.map_err(|error| {
        drop(std::fs::remove_file(&beside));
        failed(&error)
    })
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::*;
    use crate::bundle::Diagnostic;

    fn fixing(edits: Vec<Edit>) -> Finding {
        Finding::new(Rule::UnknownField, Diagnostic::general("x")).with_fix(edits)
    }

    #[test]
    fn edits_are_applied_at_once_and_those_that_overlap_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = Arc::new(folder.path().join("a.ts"));
        std::fs::write(&*path, "\u{feff}one two\r\nthree").unwrap();
        let edit = |start, end, text: &str| Edit { path: Arc::clone(&path), start, end, text: text.to_owned() };
        let findings = [
            fixing(vec![edit(4, 7, "2"), edit(0, 3, "1")]),
            fixing(vec![edit(5, 6, "overlaps")]),
            fixing(vec![edit(9, 9, "> ")]),
        ];
        assert_eq!(apply(&findings).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(&*path).unwrap(), "\u{feff}1 2\r\n> three");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_same_edit_of_two_findings_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = Arc::new(folder.path().join("a.ts"));
        std::fs::write(&*path, "x").unwrap();
        let edit = || vec![Edit { path: Arc::clone(&path), start: 0, end: 0, text: "y".to_owned() }];
        assert_eq!(apply(&[fixing(edit()), fixing(edit())]).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(&*path).unwrap(), "yx");
    }
}
