//! `unbounded-regex`: patterns whose time explodes, and patterns that come with the request.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, Expression};
use oxc::span::Span;

use super::super::code::{Code, Part, What, entries, string_of};
use super::super::finding::Finding;
use super::super::regex::{Growth, growth};
use super::super::rule::Rule;

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        match node.kind() {
            AstKind::RegExpLiteral(literal) => {
                let flags = literal.regex.flags.to_string();
                found.extend(judge(code, literal.regex.pattern.text.as_str(), &flags, literal.span));
            }
            AstKind::NewExpression(made) if made.callee.is_specific_id("RegExp") => {
                found.extend(constructed(code, &made.arguments, made.span));
            }
            AstKind::CallExpression(call) if call.callee.is_specific_id("RegExp") => {
                found.extend(constructed(code, &call.arguments, call.span));
            }
            _ => {}
        }
    }
}

fn constructed<'a>(code: &Code<'_, 'a>, arguments: &'a [Argument<'a>], span: Span) -> Option<Finding> {
    let mut arguments = entries(arguments);
    let pattern = arguments.next()??;
    let flags = arguments.next().flatten().and_then(string_of).map_or("", |(flags, _)| flags);
    if let Some((text, _)) = string_of(pattern) {
        return judge(code, text, flags, span);
    }
    let parts: Vec<&Expression<'a>> = match pattern.get_inner_expression() {
        Expression::TemplateLiteral(template) => template.expressions.iter().collect(),
        Expression::BinaryExpression(sum) => vec![&sum.left, &sum.right],
        _ => vec![pattern],
    };
    let comes_with_request = parts.into_iter().any(|part| {
        matches!(
            code.values.of(part).what,
            What::Part { part: Part::Object | Part::OldObject | Part::Request | Part::Virtual, .. }
        )
    });
    comes_with_request.then(|| {
        let message = "the pattern comes with the request: whoever sends it decides how long it takes";
        let finding = Finding::new(Rule::UnboundedRegex, code.source.diagnostic(span, message));
        finding.with_help("compare texts, or take the pattern from the parameters")
    })
}

fn judge(code: &Code<'_, '_>, pattern: &str, flags: &str, span: Span) -> Option<Finding> {
    let (message, help) = match growth(pattern, flags) {
        Growth::Exponential(part) => (
            format!("`{part}` can read one text in ever more ways: its time doubles with each character"),
            "let each character be read in one way only: no loop within a loop over the same characters",
        ),
        Growth::Cubic => (
            "its loops can divide a text among them: its time grows with the cube of the length".to_owned(),
            "let the loops read different characters, such as `[^,]*` before a comma in place of `.*`",
        ),
        Growth::Fine | Growth::Unknown => return None,
    };
    Some(Finding::new(Rule::UnboundedRegex, code.source.diagnostic(span, message)).with_help(help))
}
