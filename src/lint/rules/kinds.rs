//! Kinds that are asked for by name: those that Kubernetes does not have (`unreachable-match`), and those of a version
//! that is gone (`deprecated-api`).

use oxc::ast::AstKind;
use oxc::span::Span;

use super::super::code::{Code, HostFunction, What, entries, kind_asked, string_of};
use super::super::finding::Finding;
use super::super::kubernetes::{Served, api_version, resources};
use super::super::near::nearest;
use super::super::rule::Rule;

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for node in code.semantic.nodes().iter() {
        let AstKind::CallExpression(call) = node.kind() else { continue };
        let What::Function { function, .. } = code.values.of(&call.callee).what else { continue };
        if !matches!(function, HostFunction::Get | HostFunction::List | HostFunction::Patch) {
            continue;
        }
        let is_script = code.values.is_script();
        let Some(kind) = kind_asked(is_script, call) else { continue };
        let first = entries(&call.arguments).next().flatten().and_then(string_of);
        let Some((_, span)) = first else { continue };
        found.extend(of_kind(code, &kind, span, is_script));
    }
}

fn of_kind(code: &Code<'_, '_>, text: &str, span: Span, is_script: bool) -> Option<Finding> {
    let (version, kind) = text.rsplit_once('/')?;
    // A list of a kind is taken for the kind.
    let kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty()).unwrap_or(kind);
    match api_version(version, Some(kind)) {
        Served::Gone(told) => {
            let message = format!("{text} is not served any more {told}");
            return Some(Finding::new(Rule::DeprecatedApi, code.source.diagnostic(span, message)));
        }
        Served::NotForLong(mend) => {
            let diagnostic = code.source.diagnostic(span, format!("{text} is deprecated"));
            return Some(Finding::new(Rule::DeprecatedApi, diagnostic).with_help(mend));
        }
        Served::Well => {}
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if !resources().is_group(group) || !resources().versions_of_kind(group, kind).is_empty() {
        return None;
    }
    let kinds = resources().all().iter().filter(|one| one.group == group).filter(|one| !one.name.contains('/'));
    let near = nearest(kind, kinds.filter_map(|one| one.kind.rsplit('/').next()));
    let elsewhere =
        resources().all().iter().find(|one| !one.name.contains('/') && one.kind.rsplit('/').next() == Some(kind));
    let finding = Finding::new(
        Rule::UnreachableMatch,
        code.source.diagnostic(span, format!("there is no kind {kind} in {version}")),
    );
    Some(match (near, elsewhere) {
        (_, Some(there)) => {
            let edit = (!is_script).then(|| code.source.edit(span, format!("{:?}", there.kind))).flatten();
            finding.with_help(format!("write {:?}", there.kind)).with_fix(edit)
        }
        (Some(near), None) => {
            let meant = if is_script { near.to_owned() } else { format!("{version}/{near}") };
            let edit = code.source.edit(span, format!("{meant:?}"));
            finding.with_help(format!("write {meant:?}")).with_fix(edit)
        }
        (None, None) => finding,
    })
}
