//! `get`, `list`, `env`, `readFileSync`, base64: what a script asked of its surroundings, with the permission for it.

use oxc::ast::AstKind;
use oxc::ast::ast::{CallExpression, Expression, ObjectPropertyKind};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::Refusal;
use super::helpers::Helper;
use super::place::place;
use super::plan::Plan;
use super::said::rename;
use super::script::Script;

/// Every call of a function by one of its names.
pub(super) fn calls<'a>(
    script: &Script<'_, 'a>,
    names: &[&'static str],
) -> Result<Vec<(&'a CallExpression<'a>, NodeId, NodeId)>, Refusal> {
    let mut found = Vec::new();
    for name in names {
        for callee in script.free(name) {
            let Some((call, node)) = script.call_of(callee) else {
                return Err(
                    script.refuse(callee, format!("`{name}` is handed on as a value; call it where it is meant"))
                );
            };
            found.push((call, node, callee));
        }
    }
    Ok(found)
}

pub(super) fn arguments<'a>(call: &'a CallExpression<'a>) -> Option<Vec<&'a Expression<'a>>> {
    call.arguments.iter().map(|argument| argument.as_expression()).collect()
}

pub(super) fn reads(script: &Script<'_, '_>, plan: &mut Plan) -> Result<(), Refusal> {
    for (call, node, callee) in calls(script, &["get", "__get"])? {
        let name = plan.take(script, "get");
        rename(script, plan, callee, &name);
        get(script, plan, call, node)?;
    }
    for (call, node, callee) in calls(script, &["list", "__list"])? {
        let name = plan.take(script, "list");
        rename(script, plan, callee, &name);
        list(script, plan, call, node)?;
    }
    for (call, node, _) in calls(script, &["env"])? {
        env(script, plan, call, node);
    }
    for (call, node, _) in calls(script, &["readFileSync"])? {
        read_file(script, plan, call, node);
    }
    for (name, helper, by) in
        [("atob", Helper::DecodeBase64, "decodeBase64"), ("btoa", Helper::EncodeBase64, "encodeBase64")]
    {
        for (call, _, callee) in calls(script, &[name])? {
            if call.arguments.len() == 1 {
                plan.help(helper);
                rename(script, plan, callee, by);
            } else {
                plan.edits.replace(call.span, "undefined");
            }
        }
    }
    Ok(())
}

/// `kind, apiVersion` as one text, and the permission to read it.
fn kind_of<'a>(
    script: &Script<'_, 'a>,
    plan: &mut Plan,
    call: &CallExpression<'a>,
    kind: &'a Expression<'a>,
    version: &'a Expression<'a>,
) -> Result<String, Refusal> {
    let known = (script.text_of(kind), script.text_of(version));
    if let (Some(kind_text), Some(version_text)) = &known {
        let bare = kind_text.strip_suffix("List").filter(|bare| !bare.is_empty()).unwrap_or(kind_text);
        let named = format!("{version_text}/{bare}");
        if is_kind(&named) {
            plan.granted.read.insert(named.clone());
        }
        if matches!(kind, Expression::StringLiteral(_)) && matches!(version, Expression::StringLiteral(_)) {
            return Ok(format!("{named:?}"));
        }
    } else {
        let line = script.line(call.span.start);
        plan.note(format!("line {line}: which kind is read shows only when it runs, so it may read every kind"));
        plan.granted.read.insert("*".to_owned());
    }
    for part in [kind, version] {
        let is_plain = matches!(part.get_inner_expression(), Expression::StringLiteral(_))
            || matches!(part.get_inner_expression(), Expression::Identifier(name) if !script.is_free(name));
        if !is_plain {
            let node = call.node_id.get();
            return Err(script.refuse(node, "kind or apiVersion of what is read are made up as it runs"));
        }
    }
    let piece = |part: &Expression<'_>| match part {
        Expression::StringLiteral(text) => text.value.to_string(),
        other => format!("${{{}}}", script.raw(other.span())),
    };
    Ok(format!("`{}/{}`", piece(version), piece(kind)))
}

fn get<'a>(
    script: &Script<'_, 'a>,
    plan: &mut Plan,
    call: &'a CallExpression<'a>,
    node: NodeId,
) -> Result<(), Refusal> {
    let Some(arguments) = arguments(call) else {
        return Err(script.refuse(node, "`get` is called with a list of arguments"));
    };
    let [kind, version, name, options @ ..] = arguments.as_slice() else {
        wrong(plan, call, "get: expects kind, apiVersion and name as strings");
        return Ok(());
    };
    if [kind, version, name].into_iter().any(|argument| is_no_text(argument)) {
        wrong(plan, call, "get: expects kind, apiVersion and name as strings");
        return Ok(());
    }
    let text = kind_of(script, plan, call, kind, version)?;
    plan.edits.replace_between(kind.span().start, version.span().end, text);
    place(script, plan, name);
    if let Some(options) = options.first() {
        past_cache(script, plan, options);
    }
    plan.edits.replace_between(name.span().end, call.span.end - 1, "");
    type_argument(script, plan, call, node, "RetrieveObject");
    Ok(())
}

/// Whether a permission may name it; what is none is nowhere anyway.
pub(super) fn is_kind(kind: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-".contains(letter))
    };
    matches!(kind.split('/').count(), 2 | 3) && kind.split('/').all(is_part)
}

/// A call that always threw.
pub(super) fn wrong(plan: &mut Plan, call: &CallExpression<'_>, message: &str) {
    plan.help(Helper::Wrong);
    plan.edits.replace(call.span, format!("wrong({message:?})"));
}

fn is_no_text(argument: &Expression<'_>) -> bool {
    matches!(
        argument,
        Expression::NumericLiteral(_)
            | Expression::NullLiteral(_)
            | Expression::BooleanLiteral(_)
            | Expression::ObjectExpression(_)
            | Expression::ArrayExpression(_)
    )
}

fn past_cache(script: &Script<'_, '_>, plan: &mut Plan, options: &Expression<'_>) {
    let text = script.raw(options.span());
    if text.contains("cache") && !text.contains("cache: true") {
        plan.note("reads past the cache (`cache: false`, `\"smart\"`) are reads from memory now");
    }
}

fn list<'a>(
    script: &Script<'_, 'a>,
    plan: &mut Plan,
    call: &'a CallExpression<'a>,
    node: NodeId,
) -> Result<(), Refusal> {
    let Some(arguments) = arguments(call) else {
        return Err(script.refuse(node, "`list` is called with a list of arguments"));
    };
    let [kind, version, options @ ..] = arguments.as_slice() else {
        wrong(plan, call, "list: expects kind and apiVersion as strings");
        return Ok(());
    };
    if [kind, version].into_iter().any(|argument| is_no_text(argument)) {
        wrong(plan, call, "list: expects kind and apiVersion as strings");
        return Ok(());
    }
    let text = kind_of(script, plan, call, kind, version)?;
    plan.edits.replace_between(kind.span().start, version.span().end, text);
    type_argument(script, plan, call, node, "ErrorListing");
    let Some(options) = options.first() else { return Ok(()) };
    past_cache(script, plan, options);
    let Expression::ObjectExpression(object) = options.get_inner_expression() else {
        let is_nothing = matches!(options.get_inner_expression(), Expression::NullLiteral(_));
        if is_nothing {
            plan.edits.replace(options.span(), "{}");
            return Ok(());
        }
        return Err(script.refuse(node, "the options of `list` are made up elsewhere; write them into the call"));
    };
    let mut kept: Vec<Span> = Vec::new();
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else {
            return Err(script.refuse(node, "the options of `list` are spread from elsewhere"));
        };
        match property.key.static_name().as_deref() {
            Some("namespace") => {}
            Some("labelSelector") => {
                let key = property.key.span();
                plan.edits.replace(key, if property.shorthand { "selector: labelSelector" } else { "selector" });
            }
            _ => continue,
        }
        if matches!(property.value, Expression::NullLiteral(_)) {
            plan.edits.replace(property.value.span(), "undefined");
        }
        kept.push(property.span);
    }
    if kept.len() == object.properties.len() {
        return Ok(());
    }
    // Whatever stands between two that are kept goes with what is left out.
    if let (Some(first), Some(last)) = (kept.first(), kept.last()) {
        plan.edits.replace_between(object.span.start, first.start, "{ ");
        plan.edits.replace_between(last.end, object.span.end, " }");
        for pair in kept.windows(2) {
            if let [left, right] = pair {
                plan.edits.replace_between(left.end, right.start, ", ");
            }
        }
    } else {
        let after_version = version.span().end;
        plan.edits.replace_between(after_version, call.span.end - 1, "");
    }
    Ok(())
}

/// What is read may be anything, and is frozen: a script that edits it gets a copy.
fn type_argument(script: &Script<'_, '_>, plan: &mut Plan, call: &CallExpression<'_>, node: NodeId, fault: &str) {
    plan.help(Helper::Dynamic);
    plan.edits.insert(call.callee.span().end, "<Dynamic>");
    if looks_at_errors(script) {
        plan.help(Helper::Read);
        plan.edits.wrap(script.kind(node).span(), "read(() => ", &format!(", {fault:?})"));
    }
    if plan.copies_reads {
        plan.edits.wrap(script.kind(node).span(), "structuredClone(", ")");
    }
}

/// Whether the script catches what is thrown and looks at it: then it is to see what it saw.
fn looks_at_errors(script: &Script<'_, '_>) -> bool {
    script
        .semantic
        .nodes()
        .iter()
        .any(|node| matches!(node.kind(), AstKind::CatchClause(caught) if caught.param.is_some()))
}

fn env(script: &Script<'_, '_>, plan: &mut Plan, call: &CallExpression<'_>, node: NodeId) {
    let argument = match call.arguments.as_slice() {
        [one] => one.as_expression(),
        _ => None,
    };
    let Some(argument) = argument.filter(|argument| !is_no_text(argument)) else {
        plan.edits.replace(call.span, "undefined");
        return;
    };
    if let Some(name) = text_anywhere(script, argument) {
        plan.granted.env.insert(name);
    } else {
        let line = script.line(call.span.start);
        plan.note(format!("line {line}: which variable is read shows only when it runs, so it may read every one"));
        plan.granted.env.insert("*".to_owned());
    }
    let name = plan.take(script, "env");
    if name != "env" {
        plan.edits.replace(call.callee.span(), name);
    }
    let stands_alone = match script.outer(node).0 {
        AstKind::VariableDeclarator(_)
        | AstKind::TemplateLiteral(_)
        | AstKind::AssignmentExpression(_)
        | AstKind::ReturnStatement(_)
        | AstKind::ObjectProperty(_) => true,
        AstKind::CallExpression(outer) => outer.callee.span() != call.span,
        _ => false,
    };
    let (before, after) = if stands_alone { ("", " ?? \"\"") } else { ("(", " ?? \"\")") };
    plan.edits.wrap(call.span, before, after);
}

fn read_file(script: &Script<'_, '_>, plan: &mut Plan, call: &CallExpression<'_>, node: NodeId) {
    let argument = match call.arguments.as_slice() {
        [one] => one.as_expression().filter(|argument| !is_no_text(argument)),
        _ => None,
    };
    let Some(argument) = argument else {
        plan.edits.replace(call.span, "undefined");
        return;
    };
    if let Some(path) = text_anywhere(script, argument).filter(|path| path.starts_with('/') && !path.contains("/../")) {
        plan.granted.files.insert(path);
    } else {
        let line = script.line(script.kind(node).span().start);
        plan.note(format!("line {line}: which file is read shows only when it runs, so it may read every one"));
        plan.granted.files.insert("*".to_owned());
    }
    plan.help(Helper::ReadText);
    let name = plan.take(script, "readFile");
    plan.edits.replace_between(call.span.start, argument.span().start, format!("readText({name}, "));
    plan.edits.replace_between(argument.span().end, call.span.end, ")");
}

fn text_anywhere<'a>(script: &Script<'_, 'a>, expression: &Expression<'a>) -> Option<String> {
    match expression.get_inner_expression() {
        Expression::StringLiteral(text) => Some(text.value.to_string()),
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
            template.quasis.first()?.value.cooked.as_ref().map(ToString::to_string)
        }
        Expression::Identifier(name) => {
            script.symbol(name).and_then(|symbol| script.init(symbol)).and_then(|init| script.text_of(init))
        }
        _ => None,
    }
}
