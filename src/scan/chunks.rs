//! A stream of YAML or JSON cut at the lines that separate documents, so that no file is ever held as a whole and a
//! document that is broken spoils no other.

use std::io::{BufRead, Read as _};
use std::sync::Arc;

use super::error::Unreadable;

/// One document. Room for the list of all pods of a large cluster in one piece; a single object has 3 MiB at most.
const BYTES: usize = 64 << 20;

/// What is read at a time while something too large is passed over.
const STRIDE: u64 = 64 << 10;

/// A document, or several that nothing tells apart but a parser.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub file: Arc<str>,
    /// That its first line is in the file, counted from 1.
    pub line: u64,
    pub text: Arc<str>,
}

/// The chunks of one file.
pub struct Chunks<R> {
    file: Arc<str>,
    reader: R,
    /// Lines read.
    lines: u64,
    /// The separator that the last chunk ended before.
    pending: Vec<u8>,
    limit: usize,
    is_done: bool,
}

impl<R: BufRead> Chunks<R> {
    pub fn new(file: Arc<str>, reader: R) -> Self {
        Self { file, reader, lines: 0, pending: Vec::new(), limit: BYTES, is_done: false }
    }

    fn chunk(&mut self) -> Result<Option<Chunk>, Unreadable> {
        let mut text = std::mem::take(&mut self.pending);
        // A separator that was read ahead is counted already.
        let line = if text.is_empty() { self.lines + 1 } else { self.lines };
        let mut has_content = is_content(&text);
        loop {
            let start = text.len();
            let room = (self.limit + 1).saturating_sub(start) as u64;
            let read = self.reader.by_ref().take(room).read_until(b'\n', &mut text);
            let read = read.map_err(|error| self.end(0, format!("cannot be read: {error}")))?;
            if read == 0 {
                self.is_done = true;
                break;
            }
            if text.len() > self.limit {
                self.pass_over(text.get(start..).unwrap_or_default().ends_with(b"\n"))?;
                let most = self.limit >> 20;
                let cause = format!("larger than {most} MiB: separate its documents with `---`");
                return Err(self.at(line, cause));
            }
            self.lines += 1;
            let last = text.get(start..).unwrap_or_default();
            if has_content && is_separator(last) {
                self.pending = text.split_off(start);
                break;
            }
            has_content |= is_content(last);
        }
        if !has_content {
            return Ok(None);
        }
        let text = String::from_utf8(text).map_err(|error| {
            let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = line + valid.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            self.at(line, "not text in UTF-8".to_owned())
        })?;
        if text.contains('\0') {
            return Err(self.at(line, "a binary file, not YAML or JSON".to_owned()));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Some(Chunk { file: Arc::clone(&self.file), line, text: text.into() }))
    }

    /// Reads on to the next separator and keeps nothing.
    fn pass_over(&mut self, mut at_start: bool) -> Result<(), Unreadable> {
        self.lines += 1;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let read = self.reader.by_ref().take(STRIDE).read_until(b'\n', &mut piece);
            if read.map_err(|error| self.end(0, format!("cannot be read: {error}")))? == 0 {
                self.is_done = true;
                return Ok(());
            }
            self.lines += u64::from(at_start);
            if at_start && is_separator(&piece) {
                self.pending = piece;
                return Ok(());
            }
            at_start = piece.ends_with(b"\n");
        }
    }

    fn end(&mut self, line: u64, cause: String) -> Unreadable {
        self.is_done = true;
        self.at(line, cause)
    }

    fn at(&self, line: u64, cause: String) -> Unreadable {
        Unreadable { file: self.file.to_string(), line, column: 0, cause }
    }
}

impl<R: BufRead> Iterator for Chunks<R> {
    type Item = Result<Chunk, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done || !self.pending.is_empty() {
            if let Some(next) = self.chunk().transpose() {
                return Some(next);
            }
        }
        None
    }
}

/// A line that begins so ends whatever came before it, be it in the middle of a text block (YAML 1.2 §9.1.2).
fn is_separator(line: &[u8]) -> bool {
    line.strip_prefix(b"---").is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// Whether the line belongs to a document, rather than to what may stand in front of one.
fn is_content(line: &[u8]) -> bool {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let rest = if is_separator(line) { line.get(3..).unwrap_or_default() } else { line };
    let is_directive = rest.len() == line.len() && line.starts_with(b"%");
    !is_directive && !matches!(rest.trim_ascii_start().first(), None | Some(b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &[u8], limit: usize) -> Vec<Result<(u64, String), (u64, String)>> {
        let mut chunks = Chunks::new("f".into(), text);
        chunks.limit = limit;
        let plain = |one: Result<Chunk, Unreadable>| {
            one.map(|chunk| (chunk.line, chunk.text.to_string())).map_err(|bad| (bad.line, bad.cause))
        };
        chunks.map(plain).collect()
    }

    fn good(text: &str) -> Vec<(u64, String)> {
        chunks(text.as_bytes(), 1_000).into_iter().map(Result::unwrap).collect()
    }

    fn pair(line: u64, text: &str) -> (u64, String) {
        (line, text.to_owned())
    }

    #[test]
    fn a_stream_is_cut_before_each_separator() {
        assert_eq!(
            good("a: 1\n---\nb: 2\n--- # x\nc: 3"),
            [pair(1, "a: 1\n"), pair(2, "---\nb: 2\n"), pair(4, "--- # x\nc: 3")]
        );
        assert_eq!(good("--- {a: 1}\n--- {b: 2}\n").len(), 2);
        assert_eq!(good(""), []);
        assert_eq!(good("---\n\n# nothing\n---\n"), []);
    }

    #[test]
    fn what_stands_before_a_document_stays_with_it() {
        assert_eq!(
            good("# Source: chart\n%YAML 1.2\n---\na: 1\n---\nb: 2\n"),
            [pair(1, "# Source: chart\n%YAML 1.2\n---\na: 1\n"), pair(5, "---\nb: 2\n")]
        );
        assert_eq!(good("---\n---\na: ---x\n----\n"), [pair(1, "---\n---\na: ---x\n----\n")]);
    }

    #[test]
    fn lines_may_end_as_on_windows_and_the_text_begin_with_its_mark() {
        assert_eq!(good("\u{feff}a: 1\r\n---\r\nb: 2\r\n"), [pair(1, "a: 1\r\n"), pair(2, "---\r\nb: 2\r\n")]);
    }

    #[test]
    fn a_document_that_is_too_large_is_passed_over_and_the_next_is_not() {
        let long = format!("a: {}\nb: 1\n---\nc: 3\n---\nd: 4\n", "x".repeat(200_000));
        let read = chunks(long.as_bytes(), 100);
        assert_eq!(read[0].as_ref().unwrap_err().0, 1);
        assert!(read[0].as_ref().unwrap_err().1.contains("larger than"), "{read:?}");
        assert_eq!(read[1..], [Ok(pair(3, "---\nc: 3\n")), Ok(pair(5, "---\nd: 4\n"))]);
        let lines = format!("{}---\nc: 3\n", "a: 1\n".repeat(100));
        assert_eq!(chunks(lines.as_bytes(), 100)[1], Ok(pair(101, "---\nc: 3\n")));
    }

    #[test]
    fn what_is_no_text_is_named_with_its_line() {
        let read = chunks(b"a: 1\n---\nb: \xff\n---\nc: \0\n---\nd: 1\n", 1_000);
        assert_eq!(read[1].as_ref().unwrap_err(), &pair(3, "not text in UTF-8"));
        assert_eq!(read[2].as_ref().unwrap_err().0, 4);
        assert!(read[3].is_ok());
    }
}
