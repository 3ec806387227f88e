//! Stands in for the engine in tests: a module declares what its string literals `declares:HEX` hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::code::{Inspect, InspectError};
use super::spec::Dialect;

/// Source of a module that declares `value`.
pub(super) fn declares(value: &Value) -> String {
    let hex: Vec<String> = value.to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("\"declares:{}\"", hex.concat())
}

/// Source of a module with one plain policy.
pub(super) fn policy(name: &str) -> String {
    format!("export default {};\n", declares(&plain(name)))
}

pub(super) fn plain(name: &str) -> Value {
    json!({"name": name, "match": {"resources": ["pods"]}, "handlers": ["validate"]})
}

/// A JsPolicy manifest; `code` is indented by four.
pub(super) fn manifest(name: &str, code: &str) -> String {
    format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}\nspec:\n  operations: [CREATE]\n  resources: [pods]\n{code}\n"
    )
}

#[derive(Default)]
pub(super) struct FakeEngine {
    /// How often it was asked.
    pub asked: AtomicUsize,
}

impl Inspect for FakeEngine {
    fn inspect(&self, _origin: &str, script: &str, dialect: Dialect) -> Result<Vec<Value>, InspectError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = script.find("THROWS") {
            let before = &script[..at];
            let line = u32::try_from(before.matches('\n').count() + 1).unwrap();
            let column = u32::try_from(at - before.rfind('\n').map_or(0, |newline| newline + 1)).unwrap();
            return Err(InspectError {
                message: "Error: it throws".to_owned(),
                line: Some(line),
                column: Some(column),
            });
        }
        if dialect == Dialect::Script {
            return Ok(Vec::new());
        }
        let parts = script.split("declares:").skip(1);
        Ok(parts.map(|part| serde_json::from_slice(&from_hex(part)).unwrap()).collect())
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().take_while(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A temporary folder of policies.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        Self(crate::testing::folder(files))
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// A text with this folder's path taken out of it.
    pub(super) fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.root().display()), "")
    }
}

pub(super) fn engine() -> Arc<FakeEngine> {
    Arc::default()
}
