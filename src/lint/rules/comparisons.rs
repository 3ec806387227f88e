//! `unreachable-match` in the code: `operation === "DELETE"` in a policy that is never asked about deletions.

use oxc::ast::AstKind;
use oxc::ast::ast::{BinaryOperator, Expression};
use oxc::span::{GetSpan as _, Span};

use super::super::code::{Code, Part, What, string_of};
use super::super::finding::Finding;
use super::super::kubernetes::resources;
use super::super::rule::Rule;
use crate::policy::PolicySpec;

const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        match node.kind() {
            AstKind::BinaryExpression(compared)
                if matches!(compared.operator, BinaryOperator::StrictEquality | BinaryOperator::Equality) =>
            {
                let sides = [(&compared.left, &compared.right), (&compared.right, &compared.left)];
                let at = compared.span;
                found.extend(sides.into_iter().find_map(|(asked, answer)| compare(code, asked, answer, at)));
            }
            AstKind::SwitchStatement(switch) => {
                for case in &switch.cases {
                    let Some(test) = &case.test else { continue };
                    found.extend(compare(code, &switch.discriminant, test, test.span()));
                }
            }
            _ => {}
        }
    }
}

fn compare<'a>(
    code: &Code<'_, 'a>,
    asked: &'a Expression<'a>,
    answer: &'a Expression<'a>,
    span: Span,
) -> Option<Finding> {
    let What::Part { policy, part: Part::Request, path } = code.values.of(asked).what else { return None };
    let (word, _) = string_of(answer)?;
    let spec = code.declared.get(policy)?.spec.as_deref();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (message, help) = match path.as_slice() {
        ["operation"] => operation(word, spec)?,
        ["kind", "kind"] => kind(word, spec?)?,
        _ => return None,
    };
    let finding = Finding::new(Rule::UnreachableMatch, code.source.diagnostic(span, message));
    Some(finding.with_help(help))
}

fn operation(word: &str, spec: Option<&PolicySpec>) -> Option<(String, String)> {
    if !OPERATIONS.contains(&word) {
        let message = format!("the operation is never {word:?}");
        return Some((message, format!("it is one of {}", OPERATIONS.join(", "))));
    }
    let asked = &spec?.rules.operations;
    let is_possible = asked.is_empty() || asked.iter().any(|operation| operation.as_str() == word);
    (!is_possible).then(|| {
        let message = format!("this is never true: the match leaves out {word}");
        (message, format!("add {word:?} to match.operations, or remove the condition"))
    })
}

fn kind(word: &str, spec: &PolicySpec) -> Option<(String, String)> {
    let rules = &spec.rules;
    // Workloads bring kinds of their own.
    if rules.workloads || rules.api_groups.iter().any(|group| !resources().is_group(group)) {
        return None;
    }
    let mut kinds = Vec::new();
    for pattern in &rules.resources {
        let meant = resources().meant(&rules.api_groups, pattern);
        if meant.is_empty() || pattern.contains('*') {
            return None;
        }
        kinds.extend(meant.iter().filter_map(|one| one.kind.rsplit('/').next()));
    }
    (!kinds.is_empty() && !kinds.contains(&word)).then(|| {
        let message = format!("this is never true: the match brings no {word}");
        (message, "add its resource to match.resources, or remove the condition".to_owned())
    })
}
