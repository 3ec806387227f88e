//! What the loader says is wrong, as findings: `load-error`, and `policy-name` where it is the name.

use oxc::span::Span;

use super::anchors::Anchors;
use super::finding::Finding;
use super::rule::Rule;
use super::rules::mend_name;
use super::source::Source;
use crate::bundle::{Diagnostic, Place};
use crate::policy::{PolicyError, Problem};

/// The findings of one problem. `anchors` are those of the policy that it is about, where it could be read.
pub(super) fn findings(problem: &Problem, source: Option<&Source>, anchors: Option<&Anchors<'_>>) -> Vec<Finding> {
    let at_top = |rule: Rule, message: String| {
        let diagnostic = source.map_or_else(
            || Diagnostic::general(message.clone()),
            |source| {
                let place = Place { file: source.shown.clone(), line: 1, column: 1 };
                Diagnostic::at_place(place, &source.file, message.clone())
            },
        );
        Finding::new(rule, diagnostic)
    };
    let Some(error) = problem.error.as_deref() else {
        let rule = if problem.message.contains("declared") { Rule::PolicyName } else { Rule::LoadError };
        let message = format!("{} {}", problem.subject, problem.message);
        return vec![match anchors {
            Some(anchors) => anchors.finding(rule, "name", message).of_policy(&problem.subject),
            None => at_top(rule, message),
        }];
    };
    if let PolicyError::Invalid { errors, .. } = error {
        let finding = |field: &str, message: &str| {
            let is_name = matches!(field, "name" | "metadata.name");
            let rule = if is_name { Rule::PolicyName } else { Rule::LoadError };
            let message = format!("{field}: {message}");
            match anchors {
                Some(anchors) if is_name => named(anchors, message),
                Some(anchors) => anchors.finding(rule, field, message),
                None => at_top(rule, message),
            }
        };
        return errors.iter().map(|error| finding(&error.field, &error.message)).collect();
    }
    match error.diagnostic() {
        // The SDK's own check of a name, thrown where `policy()` is called.
        Some(diagnostic) if diagnostic.message.contains("`name`") && diagnostic.message.contains("policy(): ") => {
            vec![anchors.map_or_else(
                || Finding::new(Rule::PolicyName, diagnostic.clone()),
                |anchors| named(anchors, diagnostic.message.clone()),
            )]
        }
        Some(diagnostic) if diagnostic.place.is_some() => vec![Finding::new(Rule::LoadError, diagnostic.clone())],
        _ => vec![at_top(Rule::LoadError, problem.message.clone())],
    }
}

fn named(anchors: &Anchors<'_>, message: String) -> Finding {
    let finding = anchors.finding(Rule::PolicyName, "name", message);
    let written = anchors.written("name");
    let written = written.trim_matches(['"', '\'', '`']);
    match mend_name(written) {
        Some(name) => {
            let fix = anchors.replace("name", written, &name);
            finding.with_help(format!("write {name:?}")).with_fix(fix)
        }
        None => finding.with_help("a DNS name of at least three parts, such as `no-privileged.pods.example.com`"),
    }
}

/// The span of nothing in particular.
pub(super) const TOP: Span = Span::new(0, 1);
