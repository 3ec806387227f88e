//! `unbounded-list`: every object of a kind, in all namespaces, for one request.

use oxc::ast::AstKind;
use oxc::ast::ast::{Expression, ObjectPropertyKind};

use super::super::code::{Code, HostFunction, What, entries, property};
use super::super::finding::Finding;
use super::super::rule::Rule;

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        let AstKind::CallExpression(call) = node.kind() else { continue };
        let What::Function { function: HostFunction::List, .. } = code.values.of(&call.callee).what else { continue };
        let is_script = code.values.is_script();
        // The kind, and in a script the version, come first.
        let options = entries(&call.arguments).nth(if is_script { 2 } else { 1 });
        let is_narrow = match options {
            None => false,
            Some(Some(options)) => match options.get_inner_expression() {
                Expression::ObjectExpression(options) => {
                    ["namespace", "selector", "labelSelector", "index"]
                        .iter()
                        .any(|name| property(options, name).is_some())
                        || options.properties.iter().any(ObjectPropertyKind::is_spread)
                }
                // Whatever it holds.
                _ => true,
            },
            Some(None) => true,
        };
        if !is_narrow {
            let diagnostic =
                code.source.diagnostic(call.span, "every object of this kind, in all namespaces, is listed");
            let help = if is_script {
                "narrow it with `{ namespace }` or `{ labelSelector }`"
            } else {
                "narrow it with `{ namespace }`, `{ selector }` or `{ index }`"
            };
            found.push(Finding::new(Rule::UnboundedList, diagnostic).with_help(help));
        }
    }
}
