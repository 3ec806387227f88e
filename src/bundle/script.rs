//! `JsPolicy.spec.javascript`: what jsPolicy passed through webpack becomes the same kind of script here.
//!
//! webpack put inline source into a function, so that its declarations never meet the globals (`const env = …` is
//! fine), a `return` may end it early, and `this` is `exports`. Sources with imports or `require` are linked.

use std::path::Path;

use super::diagnostics::{BundleError, Diagnostic};
use super::hash::content_hash;
use super::link::{Language, Linked, Shape, link, link_whole};
use super::npm::found_on_disk;
use super::source::scan;
use super::sources::{Packages, Sources};

const OPENING: &str = "(function () {\n";
const CLOSING: &str = "\n}).call(exports);\n";

/// How many lines [`inline_script`] puts before the source where it does not link it.
pub const WRAPPER_LINES: u32 = 1;

/// The classic script of an inline jsPolicy source. Its `source_map` is `None` unless it had to be linked: then the
/// script is the source, line for line, after [`WRAPPER_LINES`].
pub fn inline_script(file: &str, text: &str) -> Result<Linked, BundleError> {
    let linked = script_with(file, text, Packages::Refused)?;
    linked.ok_or_else(|| BundleError::Internal { file: file.to_owned(), reason: "it was not linked".to_owned() })
}

/// [`inline_script`], and `None` for one that imports packages.
pub fn inline_script_here(file: &str, text: &str) -> Result<Option<Linked>, BundleError> {
    script_with(file, text, Packages::NotHere)
}

fn script_with(file: &str, text: &str, packages: Packages) -> Result<Option<Linked>, BundleError> {
    let scanned = scan(file, Path::new("policy.js"), text)?;
    if let Some(found) = scanned.unsupported {
        let diagnostic = Diagnostic::at_bytes(file, text, found.start, found.end, found.what).with_help(found.help);
        return Err(BundleError::Unsupported(Box::new(diagnostic)));
    }
    if scanned.has_module_syntax || scanned.uses_commonjs {
        let (sources, entry) = Sources::inline(file, text, Language::JavaScript, packages);
        return link(sources, &entry, Shape::Effects);
    }
    let script = format!("{OPENING}{text}{CLOSING}");
    let hash = content_hash(&script);
    let linked =
        Linked { script, hash, source_map: None, inputs: Vec::new(), installed: Vec::new(), exports: Vec::new() };
    Ok(Some(linked))
}

/// The same of a file and what it imports: a policy of a package, as webpack would put it together.
pub fn link_script(entry: &Path) -> Result<Linked, BundleError> {
    let entry = super::resolve::normalise(&std::path::absolute(entry).unwrap_or_else(|_| entry.to_owned()));
    link_whole(Sources::disk(found_on_disk()), &entry, Shape::Effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_script_runs_as_it_is_in_a_function_of_its_own() {
        let linked = inline_script("p.yaml", "const env = 1;\nif (env) return;\ndeny('x')").unwrap();
        assert_eq!(linked.script, "(function () {\nconst env = 1;\nif (env) return;\ndeny('x')\n}).call(exports);\n");
        assert_eq!(linked.script.lines().position(|line| line.starts_with("const env")), Some(WRAPPER_LINES as usize));
    }

    #[test]
    fn a_directive_stays_the_first_statement() {
        let linked = inline_script("p.yaml", "\"use strict\";\ndeny('x')").unwrap();
        assert!(linked.script.starts_with("(function () {\n\"use strict\";"));
    }

    #[test]
    fn a_trailing_comment_cannot_swallow_the_wrapper() {
        let linked = inline_script("p.yaml", "deny('x') // no").unwrap();
        assert!(scan("p.js", Path::new("p.js"), &linked.script).is_ok(), "{}", linked.script);
    }

    #[test]
    fn source_cannot_break_out_of_its_function() {
        let error = inline_script("p.yaml", "}); deny = allow; (function () {").unwrap_err();
        assert!(matches!(error, BundleError::Syntax(_)), "{error}");
    }

    #[test]
    fn packages_are_left_to_others_or_refused_with_the_place() {
        for text in ["import _ from 'lodash';\ndeny(_.VERSION);", "const _ = require('lodash');"] {
            assert!(inline_script_here("p.yaml", text).unwrap().is_none(), "{text}");
            let error = inline_script("p.yaml", text).unwrap_err().to_string();
            assert!(error.starts_with("p.yaml:1:1") && error.contains("`lodash`: there are no packages"), "{error}");
        }
        assert!(inline_script_here("p.yaml", "export const a = 1;").unwrap().is_some());
    }

    #[test]
    fn a_source_that_only_exports_is_linked_for_its_effects() {
        let linked = inline_script("p.yaml", "export const name = request.name;\nif (!name) deny('no name');").unwrap();
        assert!(linked.script.contains("deny(\"no name\")"), "{}", linked.script);
        assert!(!linked.script.contains("export const"), "{}", linked.script);
    }
}
