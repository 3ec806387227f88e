//! `missing-permission` and `unused-permission`: what is called with literal arguments against what is granted.
//!
//! A function that is handed on, and an argument that is computed, may come to anything: then nothing of its list is
//! said to be unused.

use std::collections::BTreeSet;

use oxc::ast::AstKind;
use oxc::ast::ast::{CallExpression, Expression, ObjectExpression};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};
use url::Url;

use super::super::anchors::Anchors;
use super::super::code::{Code, Declared, HostFunction, What, entries, kind_asked, property, string_of};
use super::super::finding::{Edit, Finding};
use super::super::kubernetes::{Served, api_version, resources};
use super::super::rule::Rule;
use super::super::source::Language;
use crate::cluster::Kind;
use crate::host::{Target, covers_kind};
use crate::policy::Permissions;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    Read,
    Write,
    Net,
    Env,
    Files,
}

const GRANTS: [Grant; 5] = [Grant::Read, Grant::Write, Grant::Net, Grant::Env, Grant::Files];

impl Grant {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Net => "net",
            Self::Env => "env",
            Self::Files => "files",
        }
    }

    const fn of(function: HostFunction) -> Self {
        match function {
            HostFunction::Get | HostFunction::List => Self::Read,
            HostFunction::Create
            | HostFunction::Update
            | HostFunction::Patch
            | HostFunction::Apply
            | HostFunction::Remove => Self::Write,
            HostFunction::Fetch => Self::Net,
            HostFunction::Env => Self::Env,
            HostFunction::ReadFile => Self::Files,
        }
    }

    fn list(self, permissions: &Permissions) -> &[String] {
        match self {
            Self::Read => &permissions.read,
            Self::Write => &permissions.write,
            Self::Net => &permissions.net,
            Self::Env => &permissions.env,
            Self::Files => &permissions.files,
        }
    }

    /// Whether a list covers what is needed, as the engine would say.
    fn covers(self, patterns: &[String], needed: &str) -> bool {
        match self {
            Self::Read | Self::Write => Kind::parse(needed).is_ok_and(|kind| covers_kind(patterns, &kind)),
            Self::Net => Url::parse(needed)
                .ok()
                .and_then(|url| Target::of(&url).ok())
                .is_none_or(|target| target.is_covered_by(patterns)),
            Self::Env => patterns.iter().any(|pattern| pattern == "*" || pattern == needed),
            Self::Files => patterns.iter().any(|pattern| {
                pattern == "*" || pattern == needed || pattern.ends_with('/') && needed.starts_with(pattern.as_str())
            }),
        }
    }

    /// The line that would cover it.
    fn line(self, needed: &str) -> Option<String> {
        match self {
            Self::Read | Self::Write => Kind::parse(needed).ok().map(|kind| kind.to_string()),
            Self::Net => Target::of(&Url::parse(needed).ok()?).ok().map(|target| target.host_text()),
            Self::Env | Self::Files => Some(needed.to_owned()),
        }
    }
}

struct Need {
    grant: Grant,
    needed: String,
    span: Span,
}

pub(super) fn check(code: &Code<'_, '_>, found: &mut Vec<Finding>) {
    for (index, declared) in code.declared.iter().enumerate() {
        let Some(spec) = &declared.spec else { continue };
        let (needs, open) = needs(code, index);
        let anchors = Anchors::of_object(code.source, declared.span, declared.object);
        for need in &needs {
            if is_there(need) && !need.grant.covers(need.grant.list(&spec.permissions), &need.needed) {
                found.extend(missing(code, declared, need).map(|finding| finding.of_policy(&spec.name)));
            }
        }
        // A manifest's own permissions are told where its fields are known, which is not here.
        if code.source.language == Language::Script || declared.object.is_none() {
            continue;
        }
        for grant in GRANTS.into_iter().filter(|grant| !open.contains(grant)) {
            for (at, pattern) in grant.list(&spec.permissions).iter().enumerate() {
                let is_used = needs
                    .iter()
                    .filter(|need| need.grant == grant)
                    .any(|need| grant.covers(std::slice::from_ref(pattern), &need.needed));
                if !is_used {
                    let path = format!("permissions.{}[{at}]", grant.name());
                    let message = format!("the policy never uses its permission to {} {pattern:?}", verb(grant));
                    let fix = removal(code, declared, grant, at);
                    let finding = anchors.finding(Rule::UnusedPermission, &path, message).with_help("take it out");
                    found.push(finding.with_fix(fix).of_policy(&spec.name));
                }
            }
        }
    }
}

/// A kind that no cluster has is told by another rule, and no permission to give.
fn is_there(need: &Need) -> bool {
    let kind = matches!(need.grant, Grant::Read | Grant::Write).then(|| Kind::parse(&need.needed).ok()).flatten();
    kind.map(|kind| kind.without_list().unwrap_or(kind)).is_none_or(|kind| {
        let is_gone = matches!(api_version(kind.api_version(), Some(kind.kind())), Served::Gone(_));
        let is_custom = !resources().is_group(kind.group());
        !is_gone && (is_custom || !resources().versions_of_kind(kind.group(), kind.kind()).is_empty())
    })
}

const fn verb(grant: Grant) -> &'static str {
    match grant {
        Grant::Read => "read",
        Grant::Write => "write",
        Grant::Net => "fetch from",
        Grant::Env => "read the environment variable",
        Grant::Files => "read the file",
    }
}

/// What the handlers of a policy need, and the lists of which anything may be needed.
fn needs(code: &Code<'_, '_>, policy: usize) -> (Vec<Need>, BTreeSet<Grant>) {
    let (mut needs, mut open) = (Vec::new(), BTreeSet::new());
    for node in code.semantic.nodes().iter() {
        match node.kind() {
            AstKind::CallExpression(call) => {
                let What::Function { policy: of, function } = code.values.of(&call.callee).what else { continue };
                if of != policy {
                    continue;
                }
                let grant = Grant::of(function);
                match needed(code, function, call) {
                    Some((needed, span)) => needs.push(Need { grant, needed, span }),
                    None => drop(open.insert(grant)),
                }
            }
            AstKind::IdentifierReference(name) => {
                // What a name is handed on to is not looked into.
                if name.name == "globalThis" && code.values.is_script() {
                    open.extend(GRANTS);
                }
                let what = code.values.of_name(name).what;
                handed_on(code, policy, node.id(), node.kind().span(), &what, &mut open);
            }
            AstKind::StaticMemberExpression(member) => {
                let of = code.values.of(&member.object);
                let what = code.values.member(&of, member.property.name.as_str()).what;
                handed_on(code, policy, node.id(), member.span, &what, &mut open);
            }
            _ => {}
        }
    }
    (needs, open)
}

fn handed_on(code: &Code<'_, '_>, policy: usize, node: NodeId, span: Span, what: &What, open: &mut BTreeSet<Grant>) {
    let parent = code.semantic.nodes().parent_kind(node);
    match what {
        What::Context { policy: of } if *of == policy => {
            let is_looked_into = match parent {
                AstKind::StaticMemberExpression(_) => true,
                AstKind::VariableDeclarator(declarator) => declarator.id.get_binding_identifier().is_none(),
                _ => false,
            };
            if !is_looked_into {
                open.extend(GRANTS);
            }
        }
        What::Function { policy: of, function } if *of == policy => {
            let is_called = match parent {
                AstKind::CallExpression(call) => call.callee.span() == span,
                // The latter inside of `context.get`, which is looked at itself.
                AstKind::VariableDeclarator(_) | AstKind::StaticMemberExpression(_) => true,
                _ => false,
            };
            if !is_called {
                open.insert(Grant::of(*function));
            }
        }
        _ => {}
    }
}

/// What a call needs, where it is written, and its place.
fn needed(code: &Code<'_, '_>, function: HostFunction, call: &CallExpression<'_>) -> Option<(String, Span)> {
    let first = entries(&call.arguments).next().flatten()?;
    let is_script = code.values.is_script();
    match function {
        HostFunction::Get | HostFunction::List => Some((kind_asked(is_script, call)?, first.span())),
        HostFunction::Create | HostFunction::Update | HostFunction::Apply | HostFunction::Remove => {
            let Expression::ObjectExpression(object) = first.get_inner_expression() else { return None };
            let text = |name: &str| Some(string_of(&property(object, name)?.value)?.0);
            Some((format!("{}/{}", text("apiVersion")?, text("kind")?), call.callee.span()))
        }
        HostFunction::Fetch => Some((url_of(first)?, first.span())),
        HostFunction::Patch | HostFunction::Env | HostFunction::ReadFile => {
            Some((string_of(first)?.0.to_owned(), first.span()))
        }
    }
}

/// The URL of a literal, or of a template whose host is written out.
fn url_of(expression: &Expression<'_>) -> Option<String> {
    if let Some((text, _)) = string_of(expression) {
        return Url::parse(text).ok().map(|_| text.to_owned());
    }
    let Expression::TemplateLiteral(template) = expression.get_inner_expression() else { return None };
    let begins = template.quasis.first()?.value.cooked.as_ref()?.as_str();
    let (_, rest) = begins.split_once("://")?;
    rest.contains('/').then(|| begins.to_owned())
}

fn missing(code: &Code<'_, '_>, declared: &Declared<'_>, need: &Need) -> Option<Finding> {
    let line = need.grant.line(&need.needed)?;
    let name = need.grant.name();
    let message = format!("the policy may not {} {line:?}: it would throw", verb(need.grant));
    let finding = Finding::new(Rule::MissingPermission, code.source.diagnostic(need.span, message));
    let help = if code.source.places.is_some() {
        format!("add {name}: [{line:?}] to spec.permissions")
    } else {
        format!("add {name}: [{line:?}] to its permissions")
    };
    Some(finding.with_help(help).with_fix(declared.object.and_then(|object| addition(code, object, name, &line))))
}

/// Adds a line to a list of the permissions, which may not be there yet.
fn addition(code: &Code<'_, '_>, object: &ObjectExpression<'_>, list: &str, line: &str) -> Option<Edit> {
    let insert = |at: u32, text: String| code.source.edit(Span::empty(at), text);
    let Some(permissions) = property(object, "permissions") else {
        let handler = ["validate", "mutate", "reconcile"].into_iter().find_map(|name| property(object, name))?;
        let start = handler.span.start;
        let before = code.source.text(Span::new(0, start));
        let indent = before.rsplit('\n').next().filter(|text| text.trim().is_empty());
        let separator = indent.map_or_else(|| " ".to_owned(), |indent| format!("\n{indent}"));
        return insert(start, format!("permissions: {{ {list}: [{line:?}] }},{separator}"));
    };
    let Expression::ObjectExpression(granted) = permissions.value.get_inner_expression() else { return None };
    match property(granted, list) {
        Some(known) => {
            let Expression::ArrayExpression(lines) = known.value.get_inner_expression() else { return None };
            match lines.elements.last() {
                Some(end) => insert(end.span().end, format!(", {line:?}")),
                None => insert(lines.span.start + 1, format!("{line:?}")),
            }
        }
        None => match granted.properties.last() {
            Some(end) => insert(end.span().end, format!(", {list}: [{line:?}]")),
            None => code.source.edit(granted.span, format!("{{ {list}: [{line:?}] }}")),
        },
    }
}

/// Takes an element out of a list of the permissions, with the comma that goes with it.
fn removal(code: &Code<'_, '_>, declared: &Declared<'_>, grant: Grant, at: usize) -> Option<Edit> {
    let permissions = property(declared.object?, "permissions")?;
    let Expression::ObjectExpression(granted) = permissions.value.get_inner_expression() else { return None };
    let list = property(granted, grant.name())?;
    let Expression::ArrayExpression(lines) = list.value.get_inner_expression() else { return None };
    let own = lines.elements.get(at)?.span();
    let before = at.checked_sub(1).and_then(|before| lines.elements.get(before));
    let span = match (before, lines.elements.get(at + 1)) {
        (_, Some(next)) => Span::new(own.start, next.span().start),
        (Some(before), None) => Span::new(before.span().end, own.end),
        (None, None) => own,
    };
    code.source.edit(span, "")
}
