//! YAML and JSON files: the JsPolicy and `JsPolicyBundle` objects in them, many documents a file.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::bundle::{Diagnostic, Place};

use super::confined;
use super::error::{FieldError, PolicyError};
use super::exceptions::{self, Exception};
use super::fields::clip;
use super::jspolicy::{CodeSource, JsPolicy, js_policy};

const API_VERSION: &str = "policy.jspolicy.com/v1beta1";

/// Documents of one file, a `List` counted by its items.
const MAX_DOCUMENTS: usize = 1_000;

/// What a file holds that concerns us.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub policies: Vec<PolicyItem>,
    pub bundles: Vec<BundleItem>,
    pub exceptions: Vec<Arc<Exception>>,
    /// Objects of ours that are wrong, by the policy's name.
    pub broken: Vec<(String, PolicyError)>,
    pub notes: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct PolicyItem {
    pub name: String,
    pub policy: JsPolicy,
    /// Where each line of the inline source begins in the file, from 1; empty where that cannot be said.
    pub places: Vec<(u32, u32)>,
}

#[derive(Debug)]
pub(super) struct BundleItem {
    pub name: String,
    /// Base64 of gzip.
    pub encoded: String,
}

/// Code inside a manifest, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineSource {
    pub policy: String,
    /// `spec.typescript`, else `spec.javascript`.
    pub is_typescript: bool,
    pub code: String,
    /// Where each line begins in the file, from 1; empty where that cannot be said.
    pub places: Vec<(u32, u32)>,
}

/// The code in a manifest; none where it cannot be read.
#[must_use]
pub fn inline_code(file: &str, text: &str) -> Vec<InlineSource> {
    let manifest = Manifest::parse(file, text).unwrap_or_default();
    let of = |item: PolicyItem| {
        let (is_typescript, code) = match item.policy.code {
            CodeSource::JavaScript(code) => (false, code),
            CodeSource::TypeScript(code) => (true, code),
            CodeSource::Package(_) | CodeSource::Bundle | CodeSource::BundleRef(_) => return None,
        };
        Some(InlineSource { policy: item.name, is_typescript, code, places: item.places })
    };
    manifest.policies.into_iter().filter_map(of).collect()
}

impl Manifest {
    /// Reads a file's text. Objects of other kinds are passed over with a note.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, PolicyError> {
        let documents: Vec<Value> = documents(file, text)?;
        let sources = inline_sources(text, documents.len());
        let mut manifest = Self::default();
        for (document, source) in documents.into_iter().zip(sources) {
            manifest.read(&document, source.as_ref(), text);
        }
        Ok(manifest)
    }

    fn read(&mut self, document: &Value, source: Option<&Located>, text: &str) {
        let word = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = word("/kind");
        let items = document.get("items").and_then(Value::as_array).filter(|_| kind.ends_with("List"));
        if let Some(items) = items {
            for item in items.iter().take(MAX_DOCUMENTS) {
                self.read(item, None, text);
            }
            return;
        }
        let name = word("/metadata/name");
        if (word("/apiVersion"), kind) == (exceptions::API_VERSION, exceptions::KIND) {
            match Exception::read(document) {
                Ok(exception) => self.exceptions.push(Arc::new(exception)),
                Err(errors) => {
                    let subject = format!("{kind} {}/{}", clip(word("/metadata/namespace")), clip(name));
                    self.broken.push((subject.clone(), PolicyError::Invalid { subject, errors }));
                }
            }
            return;
        }
        if (word("/apiVersion"), kind) == (confined::API_VERSION, confined::KIND) {
            let read = self.read_with(document, source, text, |object| confined::tenant_policy(object, js_policy));
            if let Err(errors) = read {
                let full = confined::full_name(word("/metadata/namespace"), name);
                let subject = format!("{kind} {}/{}", clip(word("/metadata/namespace")), clip(name));
                self.broken.push((full, PolicyError::Invalid { subject, errors }));
            }
            return;
        }
        if kind != "JsPolicy" && kind != "JsPolicyBundle" {
            let what = if kind.is_empty() { "a document without a kind".to_owned() } else { clip(kind) };
            let note = format!(
                "{what} {} is passed over: only JsPolicy, JsPolicyBundle and TenantPolicy are read",
                clip(name)
            );
            self.notes.push(note);
            return;
        }
        let subject = format!("{kind} {}", if name.is_empty() { "without a name".to_owned() } else { clip(name) });
        let read = match word("/apiVersion") {
            API_VERSION if kind == "JsPolicy" => self.read_with(document, source, text, js_policy),
            API_VERSION => self.read_bundle(name, word("/spec/bundle")),
            other => Err(vec![field_error("apiVersion", format!("`{}` must be {API_VERSION}", clip(other)))]),
        };
        if let Err(errors) = read {
            self.broken.push((name.to_owned(), PolicyError::Invalid { subject, errors }));
        }
    }

    fn read_with(
        &mut self,
        document: &Value,
        source: Option<&Located>,
        text: &str,
        read: impl FnOnce(&Value) -> Result<JsPolicy, Vec<FieldError>>,
    ) -> Result<(), Vec<FieldError>> {
        let policy = read(document)?;
        let places = source.map(|source| source.places(&policy.code, text)).unwrap_or_default();
        let name = policy.draft.name.clone().unwrap_or_default();
        self.policies.push(PolicyItem { name, policy, places });
        Ok(())
    }

    fn read_bundle(&mut self, name: &str, encoded: &str) -> Result<(), Vec<FieldError>> {
        if name.is_empty() || encoded.is_empty() {
            let message = "must be the base64 of the gzipped script, and metadata.name that of its JsPolicy".to_owned();
            return Err(vec![field_error("spec.bundle", message)]);
        }
        self.bundles.push(BundleItem { name: name.to_owned(), encoded: encoded.to_owned() });
        Ok(())
    }
}

fn field_error(field: &str, message: String) -> FieldError {
    FieldError { field: field.to_owned(), message }
}

/// YAML under a budget: an alias bomb or a million documents end early.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: MAX_DOCUMENTS, max_anchors: 1_000, max_aliases: 10_000 },
        ignore_binary_tag_for_string: true,
        with_snippet: false,
    }
}

fn documents<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<Vec<T>, PolicyError> {
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| {
        let message = error.without_snippet().to_string();
        let diagnostic = match error.location().filter(|location| location.line() > 0) {
            Some(location) => {
                let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
                let (line, column) = (number(location.line()), number(location.column()));
                Diagnostic::at_place(Place { file: file.to_owned(), line, column }, text, message)
            }
            None => Diagnostic::general(format!("{file}: {message}")),
        };
        PolicyError::Document(Box::new(diagnostic))
    })
}

/// Only where the inline source of a document stands.
#[derive(Debug, Deserialize)]
struct Located {
    spec: Option<LocatedSpec>,
}

#[derive(Debug, Deserialize)]
struct LocatedSpec {
    javascript: Option<Spanned<String>>,
    typescript: Option<Spanned<String>>,
}

/// One for each document; all `None` where a document has another shape, which costs places and nothing else.
fn inline_sources(text: &str, documents: usize) -> Vec<Option<Located>> {
    let located: Vec<Option<Located>> = serde_saphyr::from_multiple_with_options::<Located>(text, options())
        .map_or_else(|_| Vec::new(), |all| all.into_iter().map(Some).collect());
    if located.len() == documents { located } else { (0..documents).map(|_| None).collect() }
}

impl Located {
    /// Where each line of the inline source begins. A block scalar (`|`) is found line by line, behind its indentation;
    /// for other styles it is the place of the scalar.
    fn places(&self, code: &CodeSource, text: &str) -> Vec<(u32, u32)> {
        let Some(spec) = &self.spec else { return Vec::new() };
        let (source, scalar) = match code {
            CodeSource::JavaScript(source) => (source, &spec.javascript),
            CodeSource::TypeScript(source) => (source, &spec.typescript),
            CodeSource::Package(_) | CodeSource::Bundle | CodeSource::BundleRef(_) => return Vec::new(),
        };
        let Some(scalar) = scalar else { return Vec::new() };
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (line, column) = (number(scalar.referenced.line()), number(scalar.referenced.column()));
        let lines: Vec<&str> = text.lines().collect();
        let found = [line.saturating_sub(1), line].into_iter().find_map(|first| block_places(&lines, first, source));
        found.unwrap_or_else(|| source.lines().map(|_| (line, column)).collect())
    }
}

/// The places of `source`'s lines in `lines` from the index `first` on, if each of them stands there behind the same
/// indentation.
fn block_places(lines: &[&str], first: u32, source: &str) -> Option<Vec<(u32, u32)>> {
    let there = lines.get(first as usize..)?;
    let mut places = Vec::new();
    let mut indentation = None;
    for ((written, number), line) in there.iter().zip(first + 1..).zip(source.lines()) {
        let blank = line.is_empty() && written.trim().is_empty();
        let before = if blank { indentation.unwrap_or(0) } else { written.strip_suffix(line)?.len() };
        if !blank && (indentation.is_some_and(|known| known != before) || !written.get(..before)?.trim().is_empty()) {
            return None;
        }
        indentation = if blank { indentation } else { Some(before) };
        places.push((number, u32::try_from(before).ok()? + 1));
    }
    (places.len() == source.lines().count()).then_some(places)
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
