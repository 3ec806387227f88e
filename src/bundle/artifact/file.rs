//! The bundle file: written, and read with distrust.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ArtifactError;
use super::record::Record;
use super::sign::{PublicKey, Signature, SigningKey};
use crate::bundle::{Linked, content_hash};

/// A script, its map with all sources in it, and the lock. Ten times what the largest packages come to.
pub const MAX_BYTES: u64 = 32 << 20;

/// A bundle is signed by those who make it and those who let it in.
const MAX_SIGNATURES: usize = 16;

const START: &str = "// bylaw-bundle/v1 sha256:";
/// Of every version: a later one must be told from a script.
const ANY_START: &str = "// bylaw-bundle/";
const RECORD: &str = "\n//# bylaw=";
const MAP: &str = "//# sourceMappingURL=data:application/json;charset=utf-8;base64,";

/// A bundle, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// A classic script; [`crate::bundle`] says what it evaluates to.
    pub script: String,
    pub source_map: Option<String>,
    pub record: Record,
    pub signatures: Vec<Signature>,
}

impl Artifact {
    /// What was linked, as the loader takes it.
    #[must_use]
    pub fn linked(&self) -> Linked {
        Linked {
            script: self.script.clone(),
            hash: content_hash(&self.script),
            source_map: self.source_map.clone(),
            inputs: Vec::new(),
            installed: Vec::new(),
            exports: Vec::new(),
        }
    }

    /// Lower-case hex SHA-256 of everything but the signatures.
    ///
    /// # Errors
    /// Where the record cannot be written.
    pub fn content_hash(&self) -> Result<String, ArtifactError> {
        Ok(content_hash(&self.body()?))
    }

    /// # Errors
    /// Where the record cannot be written.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), ArtifactError> {
        let signature = key.sign(&signed_text(&self.content_hash()?))?;
        self.signatures.push(signature);
        Ok(())
    }

    /// Whether the holder of a key signed this content.
    ///
    /// # Errors
    /// Where the record cannot be written.
    pub fn is_signed_by(&self, key: &PublicKey) -> Result<bool, ArtifactError> {
        let text = signed_text(&self.content_hash()?);
        Ok(self.signatures.iter().any(|signature| key.verifies(&text, signature)))
    }

    fn body(&self) -> Result<String, ArtifactError> {
        let record = serde_json::to_string(&self.record).map_err(|error| ArtifactError::Damaged(error.to_string()))?;
        // They end a line of JavaScript, though not of JSON: what follows would be code.
        let record = record.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
        let mut body = format!("{}{RECORD}{record}\n", self.script);
        if let Some(map) = &self.source_map {
            let _ = writeln!(body, "{MAP}{}", STANDARD.encode(map));
        }
        Ok(body)
    }

    /// The file. The same bundle gives the same bytes.
    ///
    /// # Errors
    /// Where the record cannot be written, or it would be too large to be read again.
    pub fn to_text(&self) -> Result<String, ArtifactError> {
        let body = self.body()?;
        let mut text = format!("{START}{}\n", content_hash(&body));
        for signature in &self.signatures {
            let _ = writeln!(text, "{signature}");
        }
        text.push_str(&body);
        if text.len() as u64 > MAX_BYTES {
            return Err(ArtifactError::TooLarge(MAX_BYTES));
        }
        Ok(text)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is no bundle, or not the one that was made.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        Self::parse(&read_text(path)?)
    }

    /// # Errors
    /// Where the text is no bundle, or not the one that was made.
    pub fn parse(text: &str) -> Result<Self, ArtifactError> {
        let Some(rest) = text.strip_prefix(START) else {
            return Err(ArtifactError::NotABundle(match text.strip_prefix(ANY_START) {
                Some(_) => "it is of a version that this Bylaw does not know".to_owned(),
                None => format!("it does not begin with `{}`", START.trim_end()),
            }));
        };
        let damaged = |what: &str| ArtifactError::Damaged(what.to_owned());
        let (stated, mut body) = rest.split_once('\n').ok_or_else(|| damaged("it ends after its first line"))?;
        let mut signatures = Vec::new();
        while body.starts_with(Signature::START) {
            let (line, rest) = body.split_once('\n').ok_or_else(|| damaged("it ends after its signatures"))?;
            if signatures.len() == MAX_SIGNATURES {
                return Err(ArtifactError::Damaged(format!("it has more than {MAX_SIGNATURES} signatures")));
            }
            signatures.push(Signature::parse(line).ok_or_else(|| damaged("a signature of it cannot be read"))?);
            body = rest;
        }
        let actual = content_hash(body);
        if stated != actual {
            let stated = stated.chars().take(64).filter(char::is_ascii_alphanumeric).collect();
            return Err(ArtifactError::Changed { stated, actual });
        }
        // The last one is ours: neither of the two lines can hold a line break.
        let (script, trailer) = body.rsplit_once(RECORD).ok_or_else(|| damaged("it has no record"))?;
        let mut lines = trailer.lines();
        let record = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|error| ArtifactError::Damaged(format!("its record cannot be read: {error}")))?;
        let source_map = lines.next().map(map_of).transpose()?;
        if lines.next().is_some() {
            return Err(damaged("more follows its source map"));
        }
        Ok(Self { script: script.to_owned(), source_map, record, signatures })
    }
}

fn map_of(line: &str) -> Result<String, ArtifactError> {
    let damaged = || ArtifactError::Damaged("its source map cannot be read".to_owned());
    let decoded = STANDARD.decode(line.strip_prefix(MAP).ok_or_else(damaged)?).map_err(|_| damaged())?;
    String::from_utf8(decoded).map_err(|_| damaged())
}

/// What a signature is of: a text that nothing else begins with.
fn signed_text(hash: &str) -> String {
    format!("{}{hash}", START.trim_start_matches("// "))
}

/// Whether a text begins as bundles of any version do.
#[must_use]
pub fn is_bundle_text(text: &str) -> bool {
    text.starts_with(ANY_START)
}

/// Whether a file does.
#[must_use]
pub fn is_bundle(path: &Path) -> bool {
    let mut start = [0; ANY_START.len()];
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file
        && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == ANY_START.as_bytes()
}

fn read_text(path: &Path) -> Result<String, ArtifactError> {
    let unreadable = |error: std::io::Error| ArtifactError::Unreadable(error.to_string());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    // A pipe or a device could be read for ever.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(ArtifactError::Unreadable("it is no file".to_owned()));
    }
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ArtifactError::TooLarge(MAX_BYTES));
    }
    String::from_utf8(bytes).map_err(|_| ArtifactError::NotABundle("it is not text".to_owned()))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
