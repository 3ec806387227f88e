//! Puts a migrated policy together: imports, helpers, declaration, and the script as the body of the handler.

use std::fmt::Write as _;

use oxc::ast::AstKind;
use oxc::ast::ast::{Program, Statement};
use oxc::span::{GetSpan as _, Span};

use super::edits::Edits;
use super::helpers::Helper;
use super::plan::Plan;
use super::script::Script;
use super::{Refusal, Translation, Unit};
use crate::migrate::Granted;

/// The order in which a handler takes from its context.
const ORDER: [&str; 16] = [
    "object",
    "oldObject",
    "request",
    "operation",
    "user",
    "deny",
    "warn",
    "get",
    "list",
    "create",
    "update",
    "remove",
    "fetch",
    "env",
    "readFile",
    "log",
];

pub(super) fn assemble(
    script: &Script<'_, '_>,
    program: &Program<'_>,
    mut plan: Plan,
    unit: &Unit<'_>,
) -> Result<Translation, Refusal> {
    if plan.context.contains_key("object") || plan.context.contains_key("oldObject") {
        plan.help(Helper::Dynamic);
    }
    if plan.guards {
        plan.helpers.remove(&Helper::End);
    }
    if let Some(taken) = plan.helpers.iter().find(|helper| script.names.contains(helper.name())) {
        let reason = format!("it uses the name `{}`, which the migrated policy needs; rename it", taken.name());
        return Err(Refusal { line: None, reason });
    }
    let depth = if plan.throws { 6 } else { 4 };
    let body = body(script, program, &mut plan, depth);
    let mut module = String::new();
    for line in unit.about {
        let _ = writeln!(module, "{}", format!("// {line}").trim_end());
    }
    module.push_str("import { policy } from \"@bylaw/sdk\";\n");
    for import in &plan.imports {
        let _ = writeln!(module, "{import}");
    }
    for helper in &plan.helpers {
        let _ = write!(module, "\n{}\n", helper.text());
    }
    declare_globals(&mut plan);
    if !plan.declared.is_empty() {
        module.push('\n');
        for line in &plan.declared {
            let _ = writeln!(module, "{line}");
        }
    }
    let types = if plan.helpers.contains(&Helper::Dynamic) { "<Dynamic>" } else { "" };
    let _ = writeln!(module, "\nexport default policy{types}({{");
    let permissions = match unit.permissions {
        Some(given) => vec![format!("permissions: {given},")],
        None => permissions(&plan.granted),
    };
    for line in unit.declaration.iter().chain(&permissions) {
        let _ = writeln!(module, "  {line}");
    }
    handler(&mut module, &plan, unit.is_mutating, &body);
    module.push_str("});\n");
    Ok(Translation { module, notes: plan.notes })
}

/// What the engine has and TypeScript's library for plain ECMAScript has not.
fn declare_globals(plan: &mut Plan) {
    let uses = |helper| plan.helpers.contains(&helper);
    let mut lines: Vec<&str> = Vec::new();
    if plan.copies_reads || plan.opening.iter().any(|line| line.contains("structuredClone(")) {
        lines.push("declare function structuredClone<T>(value: T): T;");
    }
    if uses(Helper::DecodeBase64) {
        lines.push("declare function atob(text: string): string;");
        lines.push(
            "declare const TextDecoder: new (label: string, options: object) => { decode(bytes: Uint8Array): string };",
        );
    }
    if uses(Helper::EncodeBase64) {
        lines.push("declare function btoa(binary: string): string;");
        lines.push("declare const TextEncoder: new () => { encode(text: string): Uint8Array };");
    }
    plan.declared.extend(lines.into_iter().map(str::to_owned));
}

fn handler(module: &mut String, plan: &Plan, is_mutating: bool, body: &str) {
    let is_async = if plan.waits.contains(&None) { "async " } else { "" };
    let name = if is_mutating { "mutate" } else { "validate" };
    let _ = writeln!(module, "  {is_async}{name}({}) {{", taken(plan));
    for line in &plan.opening {
        let _ = writeln!(module, "    {line}");
    }
    if plan.guards {
        module.push_str("    let ended = false;\n");
    }
    if plan.guards && plan.throws {
        module.push_str("    const end: (...said: unknown[]) => never = () => {\n      ended = true;\n      throw new Ended();\n    };\n");
    }
    if plan.ends_later {
        module.push_str("    const last = (say: () => void): void => {\n      if (!ended) {\n        ended = true;\n        say();\n      }\n    };\n");
    }
    if plan.throws {
        module.push_str("    try {\n");
    }
    if !body.is_empty() {
        let _ = writeln!(module, "{body}");
    }
    if plan.throws {
        module.push_str("    } catch (error) {\n      if (!(error instanceof Ended)) throw error;\n    }\n");
    }
    module.push_str("  },\n");
}

fn taken(plan: &Plan) -> String {
    let names: Vec<String> = ORDER
        .iter()
        .filter_map(|name| {
            let mine = plan.given.get(name).or_else(|| plan.context.get(name))?;
            Some(if mine == *name { mine.clone() } else { format!("{name}: {mine}") })
        })
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("{{ {} }}", names.join(", "))
}

fn permissions(granted: &Granted) -> Vec<String> {
    let lists = [
        ("read", &granted.read),
        ("write", &granted.write),
        ("net", &granted.net),
        ("env", &granted.env),
        ("files", &granted.files),
    ];
    let mut parts: Vec<String> = lists
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(list, names)| {
            // A wildcard says it all.
            let names: Vec<String> = if names.contains("*") {
                vec!["\"*\"".to_owned()]
            } else {
                names.iter().map(|name| format!("{name:?}")).collect()
            };
            format!("{list}: [{}]", names.join(", "))
        })
        .collect();
    if granted.codegen {
        parts.push("codegen: true".to_owned());
    }
    if parts.is_empty() { Vec::new() } else { vec![format!("permissions: {{ {} }},", parts.join(", "))] }
}

/// The script's text, changed and moved in by `depth` blanks.
fn body(script: &Script<'_, '_>, program: &Program<'_>, plan: &mut Plan, depth: usize) -> String {
    let mut edits = Edits::default();
    let indent = " ".repeat(depth);
    let fixed = fixed_text(script);
    let mut offset = 0_u32;
    for line in script.text.split_inclusive('\n') {
        let is_fixed = fixed.iter().any(|span| span.start < offset && offset < span.end);
        if !line.trim().is_empty() && !is_fixed {
            edits.insert(offset, indent.as_str());
        }
        offset += u32::try_from(line.len()).unwrap_or_default();
    }
    for directive in &program.directives {
        plan.edits.replace(whole_line(script, directive.span), "");
    }
    for statement in &program.body {
        let span = statement.span();
        match statement {
            Statement::ImportDeclaration(_) => {
                plan.imports.push(script.raw(span).to_owned());
                plan.edits.replace(whole_line(script, span), "");
            }
            Statement::ExportDefaultDeclaration(export) => {
                plan.edits.replace_between(span.start, export.declaration.span().start, "void ");
            }
            Statement::ExportDeclaration(export) => {
                plan.edits.replace_between(span.start, export.declaration.span().start, "");
            }
            Statement::ExportNamedDeclaration(_) => plan.edits.replace(whole_line(script, span), ""),
            _ => {}
        }
    }
    edits.extend(&plan.edits);
    let whole = Span::new(0, u32::try_from(script.text.len()).unwrap_or_default());
    let text = edits.apply(script.text, whole);
    let text = text.trim_end();
    let first = text.find(|character: char| character != '\n').unwrap_or_default();
    text.get(first..).unwrap_or_default().to_owned()
}

/// Texts whose line breaks are part of them.
fn fixed_text(script: &Script<'_, '_>) -> Vec<Span> {
    let kinds = script.semantic.nodes().iter().map(oxc::semantic::AstNode::kind);
    kinds
        .filter(|kind| matches!(kind, AstKind::TemplateElement(_) | AstKind::StringLiteral(_)))
        .map(|kind| {
            let span = kind.span();
            Span::new(span.start.saturating_sub(1), span.end + 1)
        })
        .filter(|span| script.raw(*span).contains('\n'))
        .collect()
}

/// A statement that stands alone on its line, with the line break.
fn whole_line(script: &Script<'_, '_>, span: Span) -> Span {
    let rest = script.text.get(span.end as usize..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    let end = if rest.get(blank..).is_some_and(|rest| rest.starts_with('\n')) {
        span.end + u32::try_from(blank + 1).unwrap_or_default()
    } else {
        span.end
    };
    Span::new(span.start, end)
}
