//! What a script takes of npm packages: which they are, and `require` as the `import` that it means.

use std::collections::BTreeSet;

use oxc::allocator::Allocator;
use oxc::ast::ast::{Argument, BindingPattern, Expression, ObjectPattern, Statement, VariableDeclaration};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;

use crate::bundle::package_name;

/// The packages that a script imports at its top.
pub(super) fn packages(script: &str) -> BTreeSet<String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, script, SourceType::mjs()).with_options(options()).parse();
    let sources = parsed.program.body.iter().filter_map(|statement| match statement {
        Statement::ImportDeclaration(import) => Some(import.source.value.as_str()),
        _ => None,
    });
    sources.filter(|source| is_package(source)).map(|source| package_name(source).to_owned()).collect()
}

/// Neither a path, nor what the engine brings along.
pub(super) fn is_package(specifier: &str) -> bool {
    !specifier.starts_with(['.', '/']) && !specifier.contains(':') && package_name(specifier) != "@bylaw/sdk"
}

/// The script with every `const … = require("…")` at its top written as an import, each on its line. What is none of
/// that form stays.
pub(super) fn with_imports(script: &str) -> String {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, script, SourceType::mjs()).with_options(options()).parse();
    if !script.contains("require") || parsed.panicked || parsed.diagnostics.errors().next().is_some() {
        return script.to_owned();
    }
    let semantic = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program).semantic;
    if !semantic.scoping().root_unresolved_references().contains_key("require") {
        return script.to_owned();
    }
    let is_fixed = |declaration: &VariableDeclaration<'_>| {
        let names = declaration.declarations.iter().flat_map(|one| one.id.get_binding_identifiers());
        names.into_iter().all(|name| !semantic.scoping().symbol_is_mutated(name.symbol_id()))
    };
    let mut text = script.to_owned();
    for statement in parsed.program.body.iter().rev() {
        let Statement::VariableDeclaration(declaration) = statement else { continue };
        let imports: Option<Vec<String>> =
            declaration.declarations.iter().map(|one| import(&one.id, one.init.as_ref()?)).collect();
        if let Some(imports) = imports.filter(|_| is_fixed(declaration)) {
            text.replace_range(declaration.span.start as usize..declaration.span.end as usize, &imports.join(" "));
        }
    }
    text
}

fn options() -> ParseOptions {
    ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() }
}

fn import(taken: &BindingPattern<'_>, init: &Expression<'_>) -> Option<String> {
    let (field, call) = match init {
        Expression::StaticMemberExpression(member) => (Some(member.property.name.as_str()), &member.object),
        other => (None, other),
    };
    let Expression::CallExpression(call) = call else { return None };
    let Expression::Identifier(callee) = &call.callee else { return None };
    let [Argument::StringLiteral(package)] = call.arguments.as_slice() else { return None };
    if callee.name != "require" {
        return None;
    }
    let taken = match (taken, field) {
        (BindingPattern::BindingIdentifier(name), None) => name.name.to_string(),
        (BindingPattern::BindingIdentifier(name), Some(field)) => format!("{{ {} }}", renamed(field, &name.name)),
        (BindingPattern::ObjectPattern(pattern), None) => fields(pattern)?,
        _ => return None,
    };
    Some(format!("import {taken} from {:?};", package.value.as_str()))
}

fn fields(pattern: &ObjectPattern<'_>) -> Option<String> {
    let field = |property: &oxc::ast::ast::BindingProperty<'_>| match &property.value {
        BindingPattern::BindingIdentifier(name) => Some(renamed(&property.key.static_name()?, &name.name)),
        _ => None,
    };
    let fields: Option<Vec<String>> = pattern.properties.iter().map(field).collect();
    Some(format!("{{ {} }}", fields.filter(|_| pattern.rest.is_none())?.join(", ")))
}

pub(super) fn renamed(field: &str, name: &str) -> String {
    if field == name { name.to_owned() } else { format!("{field} as {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_at_the_top_is_imported() {
        for (script, expected) in [
            ("const _ = require('lodash');\ndeny(_.x);", "import _ from \"lodash\";\ndeny(_.x);"),
            (
                "var a = require('a'), { b, c: d } = require('@s/b/c')\n",
                "import a from \"a\"; import { b, c as d } from \"@s/b/c\";\n",
            ),
            ("let get = require('lodash').get;", "import { get } from \"lodash\";"),
            ("let { x, ...rest } = require('a');", "let { x, ...rest } = require('a');"),
            ("let a = require('a');\na = 1;", "let a = require('a');\na = 1;"),
            (
                "const require = (x) => x;\nconst a = require('a');",
                "const require = (x) => x;\nconst a = require('a');",
            ),
            ("if (x) { const a = require('a'); }", "if (x) { const a = require('a'); }"),
        ] {
            assert_eq!(with_imports(script), expected);
        }
    }

    #[test]
    fn packages_are_told_from_paths() {
        let script = "import a from 'a/b';\nimport '@s/c';\nimport './e';\nimport { f } from '@bylaw/sdk';\nimport fs from 'node:fs';\nreturn;";
        assert_eq!(packages(script).into_iter().collect::<Vec<_>>(), ["@s/c", "a"]);
    }
}
