//! Results for people: what fails, where, and what is different, at a glance.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde_json::Value;

use super::Report;
use crate::cases::{Change, FileCoverage, Miss, Played};

/// Lines of `log` that are shown of one case.
const LINES: usize = 20;

/// Changes that are shown of one field.
const CHANGES: usize = 40;

pub(super) fn text(report: &Report) -> String {
    render(report, Paint(std::io::stdout().is_terminal()))
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    fn faint(self, text: &str) -> String {
        self.with("2", text)
    }
}

fn render(report: &Report, paint: Paint) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    for result in &report.results {
        let failed: Vec<&Played> = result.played.iter().filter(|played| !played.outcome.is_good()).collect();
        let (word, count) = if failed.is_empty() {
            (paint.good("ok  "), cases(result.played.len()))
        } else {
            (paint.bad("FAIL"), format!("{} of {} failed", failed.len(), cases(result.played.len())))
        };
        let _ = writeln!(text, "{word} {}  {}", result.folder, paint.faint(&count));
        for played in &failed {
            case(&mut text, played, paint);
        }
        if !failed.is_empty() {
            text.push('\n');
        }
    }
    for file in &report.updated {
        let _ = writeln!(text, "wrote {file}");
    }
    for policy in &report.untested {
        let _ = writeln!(text, "{policy} has no case");
    }
    if let Some(coverage) = &report.coverage {
        covered(&mut text, coverage, paint);
    }
    let failed = report.failed();
    let passed = report.played().count() - failed;
    let summary = if failed == 0 {
        paint.good(&format!("{passed} passed"))
    } else {
        format!("{}, {passed} passed", paint.bad(&format!("{failed} failed")))
    };
    let run = report.played().filter(|played| played.is_new).count();
    let kept = if run < passed + failed { format!(", {run} run") } else { String::new() };
    let gap = if text.ends_with("\n\n") { "" } else { "\n" };
    let time = paint.faint(&format!("in {:.2} s", report.time.as_secs_f64()));
    let _ = writeln!(text, "{gap}{summary}{kept} {time}");
    text
}

/// A file a line: how much of it ran, and which lines did not.
fn covered(text: &mut String, files: &[FileCoverage], paint: Paint) {
    let widest = files.iter().map(|file| file.file.chars().count()).max().unwrap_or_default();
    let _ = writeln!(text, "\n  lines  {:<widest$}  not run (~ in part)", "file");
    for file in files {
        let (covered, all) = (file.covered(), file.lines.len());
        let percent = (covered * 100).checked_div(all).unwrap_or(100);
        let word = format!("{percent:>5} %");
        let word = if covered == all { paint.good(&word) } else { paint.bad(&word) };
        let line = format!("{word}  {:<widest$}  {}", file.file, spans(file));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// `3, 7-9, ~12`
fn spans(file: &FileCoverage) -> String {
    let mut spans: Vec<(u32, u32, bool)> = Vec::new();
    let mut is_open = false;
    for line in &file.lines {
        let is_partial = line.count > 0;
        if is_partial && !line.is_partial {
            is_open = false;
            continue;
        }
        match spans.last_mut() {
            // Lines without code between two that did not run do not part them.
            Some((_, last, false)) if is_open && !is_partial => *last = line.number,
            _ => spans.push((line.number, line.number, is_partial)),
        }
        is_open = !is_partial;
    }
    let told = spans.into_iter().map(|(first, last, is_partial)| match (is_partial, first == last) {
        (true, _) => format!("~{first}"),
        (false, true) => first.to_string(),
        (false, false) => format!("{first}-{last}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn cases(count: usize) -> String {
    if count == 1 { "1 case".to_owned() } else { format!("{count} cases") }
}

fn case(text: &mut String, played: &Played, paint: Paint) {
    let case = &played.test.case;
    let place = paint.faint(&case.place.to_string());
    let _ = writeln!(text, "\n  {} {}\n    {place}", paint.bad("✗"), case.name);
    for miss in &played.outcome.misses {
        self::miss(text, miss, paint);
    }
    for line in played.outcome.lines.iter().take(LINES) {
        let _ = writeln!(text, "    {} {}", paint.faint("log"), plain(line));
    }
}

/// What failed as a block of its own, without colours.
pub(super) fn misses(played: &Played) -> String {
    let mut text = String::new();
    for miss in &played.outcome.misses {
        self::miss(&mut text, miss, Paint(false));
    }
    text
}

fn miss(text: &mut String, miss: &Miss, paint: Paint) {
    let Miss { field, expected, got, changes } = miss;
    if changes.is_empty() {
        let _ = writeln!(text, "    {field:<9} {}", paint.good(&format!("expected {}", told(expected))));
        let _ = writeln!(text, "    {:<9} {}", "", paint.bad(&format!("got      {}", told(got))));
        return;
    }
    let _ = writeln!(text, "    {field:<9} {} {}", paint.good("- expected"), paint.bad("+ got"));
    for change in changes.iter().take(CHANGES) {
        self::change(text, change, paint);
    }
    if changes.len() > CHANGES {
        let _ = writeln!(text, "      and {} more", changes.len() - CHANGES);
    }
}

fn change(text: &mut String, Change { field, expected, got }: &Change, paint: Paint) {
    let _ = writeln!(text, "      {}", if field.is_empty() { "all of it" } else { field });
    if let Some(expected) = expected {
        let _ = writeln!(text, "        {}", paint.good(&format!("- {}", told(expected))));
    }
    if let Some(got) = got {
        let _ = writeln!(text, "        {}", paint.bad(&format!("+ {}", told(got))));
    }
}

/// A value on one line, as YAML would have it where that is plain.
fn told(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => plain(&other.to_string()),
    }
}

/// A policy's words must not drive the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
