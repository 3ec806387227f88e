//! The code inside a JsPolicy object: errors and places are those of the manifest it stands in.

use std::sync::Arc;

use std::collections::BTreeMap;
use std::path::Path;

use crate::bundle::npm::{self, Source};
use crate::bundle::{
    BundleError, Diagnostic, Language, Linked, ModuleState, Place, WRAPPER_LINES, inline_script_here, line_map,
    link_inline_here, module_state, place_in, relocate,
};

use super::code::{ClosedScript, Code};
use super::error::PolicyError;
use super::packages::Orders;
use super::spec::Dialect;

/// Where the packages of inline source come from.
pub(super) struct Around<'o> {
    pub orders: &'o Orders<'o>,
    /// The folder of the manifest.
    pub folder: Option<&'o Path>,
    pub dependencies: &'o BTreeMap<String, String>,
}

/// Inline source and where it stands.
pub(super) struct Inline<'t> {
    file: String,
    /// The text of that file.
    text: &'t str,
    source: &'t str,
    places: Vec<(u32, u32)>,
}

impl<'t> Inline<'t> {
    /// `places` as the manifest gives them; without any, places count from the top of the source itself.
    pub(super) fn new(file: &str, text: &'t str, policy: &str, source: &'t str, places: &[(u32, u32)]) -> Self {
        if places.is_empty() {
            let places = (1..).zip(source.lines()).map(|(line, _)| (line, 1)).collect();
            return Self { file: format!("{file} (JsPolicy {policy})"), text: source, source, places };
        }
        Self { file: file.to_owned(), text, source, places: places.to_vec() }
    }

    /// The text that the places of [`Self::script`] and [`Self::module`] count in.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// `spec.javascript`: a classic script with jsPolicy's globals.
    pub(super) fn script(&self, around: &Around<'_>) -> Result<Code, PolicyError> {
        let here = inline_script_here(&self.file, self.source).map_err(|error| self.relocate(error))?;
        let linked = here.map_or_else(|| self.with_packages(Language::JavaScript, true, around), Ok)?;
        let source_map = match &linked.source_map {
            Some(map) => relocate(map, &self.file, &self.places),
            None => Some(line_map(&self.file, WRAPPER_LINES, &self.places)),
        };
        Ok(self.code(Dialect::Script, Linked { source_map, ..linked }))
    }

    /// `spec.typescript`: a module, and what it keeps between requests.
    pub(super) fn module(&self, around: &Around<'_>) -> Result<(Code, Vec<ModuleState>), PolicyError> {
        let here = link_inline_here(&self.file, self.source, Language::TypeScript);
        let here = here.map_err(|error| self.relocate(error))?;
        let linked = here.map_or_else(|| self.with_packages(Language::TypeScript, false, around), Ok)?;
        let source_map = linked.source_map.as_ref().and_then(|map| relocate(map, &self.file, &self.places));
        let linked = Linked { source_map, ..linked };
        let state = module_state(&linked)?;
        Ok((self.code(Dialect::Module, linked), state))
    }

    fn with_packages(&self, language: Language, is_script: bool, around: &Around<'_>) -> Result<Linked, PolicyError> {
        let source = Source::Inline(npm::Inline {
            file: self.file.clone(),
            text: self.source.to_owned(),
            language,
            is_script,
            folder: around.folder.map(Path::to_owned),
            dependencies: around.dependencies.clone(),
        });
        let made = around.orders.made(&source, &self.file).map_err(|error| match error {
            PolicyError::Bundle(error) => PolicyError::Bundle(self.relocate(error)),
            other => other,
        })?;
        Ok(made.linked.clone())
    }

    fn code(&self, dialect: Dialect, linked: Linked) -> Code {
        let closed = if dialect == Dialect::Script { ClosedScript::of(&linked.script) } else { None };
        Code {
            dialect,
            origin: self.file.as_str().into(),
            script: linked.script.into(),
            hash: linked.hash.into(),
            entry: 0,
            source_map: linked.source_map.map(Arc::from),
            closed,
        }
    }

    /// What is wrong in a package stays where it is.
    fn relocate(&self, error: BundleError) -> BundleError {
        error.map_diagnostic(|diagnostic| {
            if diagnostic.place.as_ref().is_some_and(|place| place.file != self.file) {
                return diagnostic;
            }
            let found =
                diagnostic.place.as_ref().and_then(|place| place_in(&self.places, place.line - 1, place.column - 1));
            let Some((line, column)) = found else { return diagnostic };
            let place = Place { file: self.file.clone(), line, column };
            Diagnostic { help: diagnostic.help, ..Diagnostic::at_place(place, self.text, diagnostic.message) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs with nothing around the source.
    fn alone<T>(run: impl FnOnce(&Around<'_>) -> T) -> T {
        let packages = super::super::packages::Packages::default();
        let orders = Orders::new(&packages, Path::new("p.yaml"), true);
        run(&Around { orders: &orders, folder: None, dependencies: &BTreeMap::new() })
    }

    const MANIFEST: &str = "spec:\n  javascript: |\n    const a = 1;\n    deny(;\n";

    #[test]
    fn a_syntax_error_is_shown_in_the_manifest() {
        let inline = Inline::new("p.yaml", MANIFEST, "a.b.c", "const a = 1;\ndeny(;\n", &[(3, 5), (4, 5)]);
        let told = alone(|around| inline.script(around)).unwrap_err().to_string();
        assert!(told.starts_with("p.yaml:4:10: "), "{told}");
        assert!(told.contains("4 |     deny(;"), "{told}");
    }

    #[test]
    fn without_places_the_source_itself_is_shown() {
        let inline = Inline::new("p.json", "{}", "a.b.c", "deny(;", &[]);
        let told = alone(|around| inline.script(around)).unwrap_err().to_string();
        assert!(told.starts_with("p.json (JsPolicy a.b.c):1:6: "), "{told}");
    }

    #[test]
    fn a_running_script_is_located_in_the_manifest() {
        let inline = Inline::new("p.yaml", "", "a.b.c", "deny('x')", &[(3, 5)]);
        assert_eq!(alone(|around| inline.script(around)).unwrap().locate(2, 0), Some(("p.yaml".to_owned(), 3, 5)));
    }

    #[test]
    fn a_module_is_located_in_the_manifest_too() {
        let source = "let n: number = 0;\nexport default { validate() { n++; } };";
        let inline = Inline::new("p.yaml", "", "a.b.c", source, &[(7, 5), (8, 5)]);
        let (code, state) = alone(|around| inline.module(around)).unwrap();
        let line = code.script.lines().position(|line| line.contains("n++")).unwrap();
        let located = code.locate(u32::try_from(line).unwrap() + 1, 2);
        assert_eq!(located.map(|(file, line, _)| (file, line)), Some(("p.yaml".to_owned(), 8)));
        assert_eq!(state.iter().map(|state| (state.name.as_str(), state.place.line)).collect::<Vec<_>>(), [("n", 8)]);
    }
}
