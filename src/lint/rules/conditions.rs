//! `unreachable-match` in CEL: match conditions that are false whatever the object.
//!
//! They are evaluated with what is known of every request that the rest of the match lets through, its operation and its
//! resource, and nothing else: what comes out false even so can never be true.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, Env, Value, extensions};

use super::super::anchors::Anchors;
use super::super::finding::Finding;
use super::super::kubernetes::Resource;
use super::super::rule::Rule;
use crate::bundle::apart;
use crate::policy::MatchSpec;
use crate::review::Operation;

pub(super) fn check(rules: &MatchSpec, known: Option<&[Resource]>, anchors: &Anchors<'_>, found: &mut Vec<Finding>) {
    for (index, condition) in rules.match_conditions.iter().enumerate() {
        let text = &condition.expression;
        // What asks whether something is there would be told that it is not.
        if text.contains("has(request") || text.contains("?.") || text.contains("in request") {
            continue;
        }
        let requests = requests(rules, known);
        // A thread of its own, for the parser recurses.
        let never = apart("match conditions", || Ok(requests.iter().all(|request| is_false(text, request))));
        if never == Ok(true) {
            let path = format!("match.matchConditions[{index}].expression");
            let message = format!("the condition {:?} is never true", condition.name);
            let finding = anchors.finding(Rule::UnreachableMatch, &path, message);
            found.push(finding.with_help("with the operations and resources of this match it is always false"));
        }
    }
}

type Fields = HashMap<&'static str, String>;

fn requests(rules: &MatchSpec, known: Option<&[Resource]>) -> Vec<(Fields, Option<Resource>)> {
    let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];
    let operations = all.into_iter().filter(|one| rules.operations.is_empty() || rules.operations.contains(one));
    let resources: Vec<Option<Resource>> = match known {
        Some(known) if !rules.workloads => known.iter().copied().map(Some).collect(),
        _ => vec![None],
    };
    let with = |operation: Operation| {
        let fields = Fields::from([("operation", operation.as_str().to_owned())]);
        resources.iter().map(move |resource| (fields.clone(), *resource)).collect::<Vec<_>>()
    };
    operations.flat_map(with).collect()
}

fn is_false(text: &str, (fields, resource): &(Fields, Option<Resource>)) -> bool {
    let mut env = Env::stdlib();
    if env.add_extension(extensions::strings).is_err() {
        return false;
    }
    let env = Arc::new(env);
    let Ok(program) = env.compile(text) else { return false };
    let mut request: HashMap<Key, Value> = fields.iter().map(|(name, value)| entry(name, text_value(value))).collect();
    if let Some(one) = resource {
        let (_, kind) = one.kind.rsplit_once('/').unwrap_or(("", one.kind));
        let (name, _) = one.name.split_once('/').unwrap_or((one.name, ""));
        let home = |last: (Key, Value)| {
            map([entry("group", text_value(one.group)), entry("version", text_value(one.version)), last])
        };
        // A subresource carries a kind of another group at times.
        if !one.name.contains('/') {
            request.extend([entry("kind", home(entry("kind", text_value(kind))))]);
        }
        request.extend([entry("resource", home(entry("resource", text_value(name))))]);
    }
    let mut context = Context::with_env(env);
    context.add_variable_from_value("request", map(request));
    matches!(program.execute(&context), Ok(Value::Bool(false)))
}

fn entry(name: &str, value: Value) -> (Key, Value) {
    (Key::String(Arc::new(name.to_owned())), value)
}

fn text_value(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
    Value::Map(Map { map: Arc::new(entries.into_iter().collect()) })
}
