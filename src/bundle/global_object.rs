//! The global object that a module finds: one of its bundle's own, for the realm's is frozen and shared.
//!
//! Packages hang their settings on `globalThis`, call it `global`, or ask `Function("return this")()` for it, which no
//! realm runs. All of them are renamed before the module is linked, to as many characters wherever the name is no longer
//! than what it replaces, so that places stay what they were.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{CallExpression, Expression, NewExpression};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::{Semantic, SemanticBuilder};
use oxc::span::{GetSpan as _, SourceType, Span};

/// As short as the shortest name it stands for.
pub(super) const OWN_GLOBAL: &str = "$realm";

/// What a bundle that has [`OWN_GLOBAL`] begins with: an object that has all that the realm's has, and may be written to.
pub(super) const INTRO: &str = "const $realm = {}; \
     for (const name of Object.getOwnPropertyNames(globalThis)) Object.defineProperty($realm, name, \
     { value: globalThis[name], writable: true, enumerable: false, configurable: true }); \
     $realm.globalThis = $realm;";

const NAMES: [&str; 2] = ["globalThis", "global"];

/// The text with its own global object; `None` where it does not speak of any.
pub(super) fn with_own_global(text: &str, source_type: SourceType) -> Option<String> {
    if !text.contains("global") && !text.contains("return this") {
        return None;
    }
    let allocator = Allocator::default();
    let options =
        ParseOptions { allow_return_outside_function: source_type.is_unambiguous(), ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, text, source_type).with_options(options).parse();
    let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
    let mut places = places(&built.semantic);
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|(span, _)| span.start);
    let mut renamed = String::with_capacity(text.len());
    let mut at = 0;
    for (span, is_shorthand) in places {
        let (start, end) = (span.start as usize, span.end as usize);
        let (Some(before), Some(old)) = (text.get(at..start), text.get(start..end)) else { continue };
        renamed.push_str(before);
        if is_shorthand {
            renamed.push_str(old);
            renamed.push_str(": ");
        }
        renamed.push_str(OWN_GLOBAL);
        renamed.extend(old.chars().skip(OWN_GLOBAL.len()).map(|was| if was == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    renamed.push_str(text.get(at..).unwrap_or_default());
    Some(renamed)
}

/// Where the global object is named, and whether as the shorthand of a property.
fn places(semantic: &Semantic<'_>) -> Vec<(Span, bool)> {
    let scoping = semantic.scoping();
    let nodes = semantic.nodes();
    let unresolved = scoping.root_unresolved_references();
    let named = NAMES.iter().filter_map(|name| unresolved.get(*name)).flatten();
    let named = named.map(|reference| {
        let node = scoping.get_reference(*reference).node_id();
        let span = nodes.kind(node).span();
        let is_shorthand = matches!(nodes.parent_kind(node), AstKind::ObjectProperty(property) if property.shorthand);
        (span, is_shorthand)
    });
    let asked = nodes.iter().filter_map(|node| match node.kind() {
        AstKind::CallExpression(call) if returns_this(call) => Some((call.span, false)),
        _ => None,
    });
    named.chain(asked).collect()
}

/// `Function("return this")()`, with `new` or without.
fn returns_this(call: &CallExpression<'_>) -> bool {
    let made = match call.callee.without_parentheses() {
        Expression::CallExpression(made) => {
            let CallExpression { callee, arguments, .. } = &**made;
            (callee, arguments)
        }
        Expression::NewExpression(made) => {
            let NewExpression { callee, arguments, .. } = &**made;
            (callee, arguments)
        }
        _ => return false,
    };
    let (callee, [body]) = (made.0, made.1.as_slice()) else { return false };
    let is_function = callee.get_identifier_reference().is_some_and(|name| name.name == "Function");
    let body = body.as_expression().and_then(|body| match body {
        Expression::StringLiteral(literal) => Some(literal.value.as_str()),
        _ => None,
    });
    is_function && body.is_some_and(|body| body.trim().trim_end_matches(';') == "return this")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(text: &str) -> Option<String> {
        with_own_global(text, SourceType::ts())
    }

    #[test]
    fn every_name_of_the_global_object_is_renamed_in_its_place() {
        for (text, expected) in [
            ("globalThis.x = 1;", "$realm    .x = 1;"),
            ("typeof global == 'object' && global;", "typeof $realm == 'object' && $realm;"),
            ("var root = Function('return this')();", "var root = $realm                   ;"),
            ("var root = (new Function(\"return this;\"))();", "var root = $realm                          ;"),
            ("({ globalThis });", "({ globalThis: $realm     });"),
            ("(function (root) {})(globalThis);", "(function (root) {})($realm    );"),
            ("const a = Function(\n'return this')();", "const a = $realm   \n                ;"),
        ] {
            assert_eq!(renamed(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "const global = 1; console.log(global);",
            "object.global.globalThis = { global: 1 };",
            "'globalThis'; // global",
            "function f(globalThis) { return globalThis; }",
            "Function('return that')(); Function('a', 'return this')();",
            "(class { Function() { return this; } });",
        ] {
            assert_eq!(renamed(text), None, "{text}");
        }
    }
}
