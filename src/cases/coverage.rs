//! Which lines of the policies the cases run: what V8 counted in the scripts, told in the lines of their authors.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::bundle::{Mark, marks};
use crate::policy::Code;

/// A line of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// How often the part of it that ran most did.
    pub count: u64,
    /// Another part of it never ran.
    pub is_partial: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCoverage {
    pub file: String,
    /// Lines with code, in order.
    pub lines: Vec<Line>,
}

impl FileCoverage {
    #[must_use]
    pub fn covered(&self) -> usize {
        self.lines.iter().filter(|line| line.count > 0).count()
    }
}

/// An answer of `Profiler.takePreciseCoverage`.
#[derive(Deserialize)]
struct Answer {
    result: Outer,
}

#[derive(Deserialize)]
struct Outer {
    result: Vec<Script>,
}

#[derive(Deserialize)]
struct Script {
    url: String,
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    ranges: Vec<Range>,
}

/// In UTF-16 units. A range inside another stands over it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    start_offset: usize,
    end_offset: usize,
    count: u64,
}

/// The coverage of these codes, from the answers of all heaps. Of code without a source map nothing can be told.
#[must_use]
pub fn coverage<'c>(answers: &[String], codes: impl IntoIterator<Item = &'c Code>) -> Vec<FileCoverage> {
    let scripts: Vec<Script> = answers
        .iter()
        .filter_map(|answer| serde_json::from_str::<Answer>(answer).ok())
        .flat_map(|answer| answer.result.result)
        .collect();
    let mut files: BTreeMap<String, BTreeMap<u32, Line>> = BTreeMap::new();
    for code in codes {
        let Some(marks) = code.source_map.as_deref().and_then(marks) else { continue };
        let units: Vec<u16> = code.script.encode_utf16().collect();
        let mut counts: Vec<u64> = vec![0; units.len()];
        for script in scripts.iter().filter(|script| *script.url == *code.origin) {
            for (total, count) in counts.iter_mut().zip(counts_of(script, units.len())) {
                *total += count;
            }
        }
        add(&mut files, &marks, &units, &counts);
    }
    files.into_iter().map(|(file, lines)| FileCoverage { file, lines: lines.into_values().collect() }).collect()
}

/// How often each unit of a script ran.
fn counts_of(script: &Script, length: usize) -> Vec<u64> {
    let mut counts = vec![0; length];
    let mut ranges: Vec<&Range> = script.functions.iter().flat_map(|function| &function.ranges).collect();
    // Outer ones first: those that begin earlier, and of those that begin together the longer.
    ranges.sort_by_key(|range| (range.start_offset, std::cmp::Reverse(range.end_offset)));
    for range in ranges {
        let end = range.end_offset.min(length);
        if let Some(inside) = counts.get_mut(range.start_offset.min(end)..end) {
            inside.fill(range.count);
        }
    }
    counts
}

/// Tells each piece of the script, from one mark to the next, of the line that it came from.
fn add(files: &mut BTreeMap<String, BTreeMap<u32, Line>>, marks: &[Mark], units: &[u16], counts: &[u64]) {
    let starts = line_starts(units);
    let offset = |mark: &Mark| starts.get(mark.line as usize).map(|start| start + mark.column as usize);
    for (at, mark) in marks.iter().enumerate() {
        let Some((file, source_line)) = &mark.source else { continue };
        let Some(begin) = offset(mark) else { continue };
        let line_end = starts.get(mark.line as usize + 1).copied().unwrap_or(units.len());
        let next = marks.get(at + 1).and_then(offset).unwrap_or(units.len());
        let end = next.min(line_end).min(units.len());
        let piece = units.get(begin..end).unwrap_or_default();
        let piece_counts = counts.get(begin..end).unwrap_or_default();
        let told = piece.iter().zip(piece_counts).filter(|(unit, _)| is_word(**unit)).map(|(_, count)| *count);
        let (Some(most), Some(least)) = (told.clone().max(), told.min()) else { continue };
        let line = files.entry(file.clone()).or_default().entry(source_line + 1).or_insert(Line {
            number: source_line + 1,
            count: most,
            is_partial: false,
        });
        // What ran never beside what ran.
        line.is_partial |= least == 0 && most.max(line.count) > 0 || most > 0 && line.count == 0;
        line.count = line.count.max(most);
    }
}

fn line_starts(units: &[u16]) -> Vec<usize> {
    let breaks = units.iter().enumerate().filter(|(_, unit)| **unit == u16::from(b'\n'));
    std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
}

/// Brackets and spaces are nobody's.
fn is_word(unit: u16) -> bool {
    char::from_u32(u32::from(unit)).is_none_or(char::is_alphanumeric)
}

/// In the form that most tools read.
#[must_use]
pub fn lcov(files: &[FileCoverage]) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    for file in files {
        text.extend(["TN:\nSF:", &file.file, "\n"]);
        for line in &file.lines {
            let _ = writeln!(text, "DA:{},{}", line.number, line.count);
        }
        let _ = writeln!(text, "LF:{}\nLH:{}\nend_of_record", file.lines.len(), file.covered());
    }
    text
}

/// As JSON, for `-o json`.
#[must_use]
pub fn told(files: &[FileCoverage]) -> Value {
    let numbers = |file: &FileCoverage, wanted: &dyn Fn(&Line) -> bool| -> Vec<u32> {
        file.lines.iter().filter(|line| wanted(line)).map(|line| line.number).collect()
    };
    let told = files.iter().map(|file| {
        serde_json::json!({
            "file": file.file,
            "lines": file.lines.len(),
            "covered": file.covered(),
            "uncovered": numbers(file, &|line| line.count == 0),
            "partial": numbers(file, &|line| line.is_partial),
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start_offset: usize, end_offset: usize, count: u64) -> Range {
        Range { start_offset, end_offset, count }
    }

    #[test]
    fn an_inner_range_stands_over_the_outer_one() {
        let functions =
            vec![Function { ranges: vec![range(0, 10, 1)] }, Function { ranges: vec![range(2, 8, 5), range(4, 6, 0)] }];
        let counts = counts_of(&Script { url: String::new(), functions }, 10);
        assert_eq!(counts, [1, 1, 5, 5, 0, 0, 5, 5, 1, 1]);
    }

    #[test]
    fn a_line_of_which_a_part_never_ran_is_partial() {
        let units: Vec<u16> = "if (a) b();\nc()".encode_utf16().collect();
        let mark = |line, column, source| Mark { line, column, source: Some(("p.ts".to_owned(), source)) };
        let marks = [mark(0, 0, 2), mark(0, 7, 2), mark(1, 0, 4)];
        let mut counts = vec![3; units.len()];
        counts[7..11].fill(0);
        counts[12..].fill(0);
        let mut files = BTreeMap::new();
        add(&mut files, &marks, &units, &counts);
        let lines: Vec<Line> = files["p.ts"].values().copied().collect();
        assert_eq!(
            lines,
            [Line { number: 3, count: 3, is_partial: true }, Line { number: 5, count: 0, is_partial: false }]
        );
        let told = lcov(&[FileCoverage { file: "p.ts".to_owned(), lines }]);
        assert_eq!(told, "TN:\nSF:p.ts\nDA:3,3\nDA:5,0\nLF:2\nLH:1\nend_of_record\n");
    }
}
