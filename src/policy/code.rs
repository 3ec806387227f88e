//! The code of a policy, ready for the engine, and the engine's look into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::bundle::{self, Closed, Diagnostic, Place};

use super::error::PolicyError;
use super::spec::Dialect;

/// What the engine runs for a policy. Policies of one module share the script.
#[derive(Debug)]
pub struct Code {
    pub dialect: Dialect,
    /// The name of the source, as errors show it.
    pub origin: Arc<str>,
    /// A classic script (`crate::bundle` says what it evaluates to).
    pub script: Arc<str>,
    /// Lower-case hex SHA-256 of the script: names the revision.
    pub hash: Arc<str>,
    /// The policy's place in the array that the module exports; 0 where it exports one.
    pub entry: usize,
    pub source_map: Option<Arc<str>>,
    /// How a script runs in the shared realm, where it was proved that it may.
    pub closed: Option<ClosedScript>,
}

/// A script that was proved closed (`crate::bundle`), and whether that served.
#[derive(Debug)]
pub struct ClosedScript {
    pub proof: Closed,
    is_refuted: AtomicBool,
}

impl ClosedScript {
    /// The proof for a script, if there is one.
    #[must_use]
    pub fn of(script: &str) -> Option<Self> {
        let proof = bundle::closed(script).ok()?;
        Some(Self { proof, is_refuted: AtomicBool::new(false) })
    }

    /// From now on it runs in realms of its own.
    pub fn refute(&self) {
        self.is_refuted.store(true, Ordering::Relaxed);
    }
}

impl Code {
    /// The proof that the script may run in the shared realm, unless a run showed that it had better not.
    #[must_use]
    pub fn proof(&self) -> Option<&Closed> {
        let closed = self.closed.as_ref()?;
        (!closed.is_refuted.load(Ordering::Relaxed)).then_some(&closed.proof)
    }

    /// The author's file, line and column (both from 1) of a line (from 1) and column (from 0) of the script. `None`
    /// where the script is not the author's.
    #[must_use]
    pub fn locate(&self, line: u32, column: u32) -> Option<(String, u32, u32)> {
        let (place, _) = bundle::locate(self.source_map.as_ref()?, line, column)?;
        Some((place.file, place.line, place.column))
    }

    /// What the inspection found wrong, in the author's terms. `file` is the text of the file that the source stands
    /// in, for a map that does not hold it.
    pub(super) fn diagnose(&self, error: &InspectError, file: Option<&str>) -> PolicyError {
        let column = error.column.unwrap_or_default();
        let original = error.line.and_then(|line| {
            let (place, text) = bundle::locate(self.source_map.as_ref()?, line, column)?;
            Some(Diagnostic::at_place(place, text.as_deref().or(file).unwrap_or_default(), &error.message))
        });
        let in_script = || {
            let place = Place { file: self.origin.to_string(), line: error.line?, column: column + 1 };
            let is_the_authors = self.source_map.is_none();
            is_the_authors.then(|| Diagnostic::at_place(place, &self.script, &error.message))
        };
        let unplaced = || Diagnostic::general(format!("{}: {}", self.origin, error.message));
        PolicyError::Inspection(Box::new(original.or_else(in_script).unwrap_or_else(unplaced)))
    }
}

/// Evaluates a module to see what it declares, or compiles a script to see that it can be.
pub trait Inspect: Send + Sync {
    /// One declaration for each policy that a module's default export holds, in order; nothing for a script.
    ///
    /// # Errors
    /// Where the script does not compile, or the module throws, runs too long or exports something else.
    fn inspect(&self, origin: &str, script: &str, dialect: Dialect) -> Result<Vec<serde_json::Value>, InspectError>;
}

/// Why a script was refused by the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InspectError {
    pub message: String,
    /// From 1, in the script.
    pub line: Option<u32>,
    /// From 0, in UTF-16 units.
    pub column: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source_map: Option<String>) -> Code {
        Code {
            dialect: Dialect::Script,
            origin: "p.yaml".into(),
            script: "(function () {\ndeny(\n}).call(exports);\n".into(),
            hash: "0".into(),
            entry: 0,
            source_map: source_map.map(Into::into),
            closed: None,
        }
    }

    fn error(line: Option<u32>) -> InspectError {
        InspectError { message: "Unexpected token".to_owned(), line, column: Some(2) }
    }

    #[test]
    fn a_place_of_the_script_is_shown_in_the_manifest() {
        let manifest = "spec:\n  javascript: |\n    deny(\n";
        let map = bundle::line_map("p.yaml", 1, &[(3, 5)]);
        let code = code(Some(map));
        assert_eq!(code.locate(2, 2), Some(("p.yaml".to_owned(), 3, 7)));
        assert_eq!(code.locate(1, 0), None);
        let told = code.diagnose(&error(Some(2)), Some(manifest)).to_string();
        assert!(told.starts_with("p.yaml:3:7: Unexpected token\n"), "{told}");
        assert!(told.ends_with("  3 |     deny(\n    |       ^"), "{told}");
    }

    #[test]
    fn without_a_map_the_script_itself_is_shown() {
        let told = code(None).diagnose(&error(Some(2)), None).to_string();
        assert_eq!(told, "p.yaml:2:3: Unexpected token\n  1 | (function () {\n  2 | deny(\n    |   ^");
        assert_eq!(code(None).diagnose(&error(None), None).to_string(), "p.yaml: Unexpected token");
    }
}
