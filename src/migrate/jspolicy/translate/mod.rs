//! A jsPolicy script as a module: its text with as few changes as will do, made by the spans of its syntax tree.
//!
//! What is decided here need not be trusted: the policy is carried over only where it says what the script says
//! (`migrate::compare`).

mod edits;
mod exits;
mod helpers;
mod module;
mod mutation;
mod place;
mod plan;
mod reads;
mod request;
mod said;
mod script;
mod surroundings;
mod types;
mod waits;
mod writes;

#[cfg(test)]
mod tests;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::{GetSpan as _, SourceType};

use exits::{end_runs, exits, let_ends_pass, unroll};
use helpers::Helper;
use mutation::{Source, changes, in_place};
use plan::Plan;
use script::Script;

/// What is translated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'u> {
    pub policy: &'u str,
    pub source: &'u str,
    pub is_mutating: bool,
    /// It has types already.
    pub is_typescript: bool,
    /// The fields of the declaration before the handler, a line each.
    pub declaration: &'u [String],
    /// Permissions that stand in the place of those that the script is seen to use.
    pub permissions: Option<&'u str>,
    /// Lines of comment at the top of the module.
    pub about: &'u [String],
}

/// A module, and what is to be said of it.
#[derive(Debug, Clone)]
pub(super) struct Translation {
    pub module: String,
    pub notes: Vec<String>,
}

/// Why a script was not translated, and at which of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub line: Option<u32>,
    pub reason: String,
}

/// Translates one script. Not for a small stack: the parser recurses.
pub(super) fn translate(unit: &Unit<'_>) -> Result<Translation, Refusal> {
    let allocator = Allocator::default();
    let source_type = if unit.is_typescript { SourceType::ts() } else { SourceType::mjs() };
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, unit.source, source_type).with_options(options).parse();
    if let Some(error) = parsed.diagnostics.errors().next() {
        let offset = error.labels.first().map(oxc::diagnostics::LabeledSpan::offset);
        return Err(not_strict(unit.source, offset, &error.message));
    }
    if parsed.panicked {
        return Err(Refusal { line: None, reason: "it cannot be parsed".to_owned() });
    }
    let built = SemanticBuilder::new().with_build_nodes(true).with_check_syntax_error(true).build(&parsed.program);
    if let Some(error) = built.diagnostics.errors().next() {
        let offset = error.labels.first().map(oxc::diagnostics::LabeledSpan::offset);
        return Err(not_strict(unit.source, offset, &error.message));
    }
    let script = Script::new(unit.source, &built.semantic);
    let mut plan = Plan::default();
    for node in script.semantic.nodes() {
        if let AstKind::WithStatement(_) = node.kind() {
            return Err(script.refuse(node.id(), "it uses `with`, which strict code has not"));
        }
    }
    let exits = exits(&script)?;
    let waiting = writes::waiting(&script)?;
    for node in exits.iter().map(|exit| exit.node).chain(waiting.iter().copied()) {
        unroll(&script, &mut plan, node);
    }
    let changes = changes(&script);
    let is_in_place = unit.is_mutating && in_place(&script, &exits, &changes);
    let given = |change: &&mutation::Change| matches!(change.source, Source::Request | Source::Unknown);
    let read = |change: &&mutation::Change| matches!(change.source, Source::Read | Source::Unknown);
    plan.copies_object = !unit.is_mutating && changes.iter().any(|change| given(&change));
    plan.copies_reads = changes.iter().any(|change| read(&change));
    if unit.is_mutating && !is_in_place {
        plan.help(Helper::Become);
        plan.copy_object(&script, "draft");
    }
    request::request(&script, &mut plan, unit.is_mutating);
    surroundings::surroundings(&script, &mut plan, unit.policy)?;
    reads::reads(&script, &mut plan)?;
    writes::writes(&script, &mut plan)?;
    waits::spread(&script, &mut plan, &waiting)?;
    surroundings::returned_values(&script, &mut plan);
    end_runs(&script, &mut plan, &exits, |plan, exit| match exit.name {
        "deny" => said::deny(&script, plan, exit).map(|()| true),
        "mutate" if unit.is_mutating && !is_in_place => {
            mutate(&script, plan, exit);
            Ok(true)
        }
        _ => Ok(false),
    })?;
    let_ends_pass(&script, &mut plan);
    if !unit.is_typescript {
        types::types(&script, &mut plan);
    }
    module::assemble(&script, &parsed.program, plan, unit)
}

/// `mutate(changed)` where the draft has to become another object.
fn mutate(script: &Script<'_, '_>, plan: &mut Plan, exit: &exits::Exit<'_>) {
    let draft = plan.copy_object(script, "draft");
    let open = match exit.call.arguments.first() {
        Some(_) => format!("become({draft}, "),
        None => format!("become({draft}"),
    };
    let at = exit.call.arguments.first().map_or(exit.call.span.end - 1, |first| first.span().start);
    plan.edits.replace_between(exit.call.span.start, at, open);
}

/// Sloppy code that strict mode refuses, or what is no code at all.
fn not_strict(source: &str, offset: Option<u32>, message: &str) -> Refusal {
    let line = offset.map(|offset| {
        let before = source.get(..offset as usize).unwrap_or_default();
        u32::try_from(before.matches('\n').count()).unwrap_or_default() + 1
    });
    Refusal { line, reason: format!("it is no strict code: {message}") }
}
