//! The reviews on which a policy was compared, as cases of it (contract §4): few of them, each with another answer.

use serde_json::{Map, Value, json};

use super::compare::{Candidate, Comparison, Court, Effect, Said};

/// Cases of one policy, without those of reviews that somebody gave.
const MOST: usize = 8;

/// Beyond this an expected text is not read by anybody.
const LONGEST: usize = 160;

/// Cases of one policy of reviews that somebody gave: beyond this nobody reads them.
const MOST_GIVEN: usize = 200;

/// The documents of a file of cases.
pub(super) fn cases(court: &dyn Court, candidate: &Candidate, comparison: &Comparison) -> Vec<Value> {
    let mut seen: Vec<String> = Vec::new();
    let mut made = Vec::new();
    for (at, world, said) in &comparison.alike {
        let (Some(review), Some(world)) = (candidate.reviews.get(*at), candidate.worlds.get(*world)) else { continue };
        let Some(request) = review.get("request") else { continue };
        // A case has no environment, no files, no network, and answers of its own to writes.
        let is_elsewhere = world.text.is_some() || !said.writes.is_empty() || said.was_ended;
        let told = signature(said);
        let is_given = *at < candidate.given && made.len() < MOST_GIVEN;
        if is_elsewhere
            || (!is_given && (seen.contains(&told) || made.len() >= MOST))
            || !court.matches(&candidate.name, review)
        {
            continue;
        }
        seen.push(told);
        let name = format!("{}, {}", title(request), outcome(said));
        let mut case = Map::new();
        case.insert("name".to_owned(), json!(unique(name, &made)));
        case.insert("policy".to_owned(), json!(candidate.name));
        case.insert("request".to_owned(), request.clone());
        if !world.inventory.is_empty() {
            case.insert("inventory".to_owned(), json!(world.inventory));
        }
        case.insert("expect".to_owned(), expect(said, &candidate.name));
        made.push(Value::Object(case));
    }
    made
}

/// Answers that differ only by numbers and the like are one.
fn signature(said: &Said) -> String {
    let effect = match &said.effect {
        Effect::Deny { message, .. } => message.chars().filter(|letter| !letter.is_ascii_digit()).take(40).collect(),
        other => format!("{other:?}"),
    };
    format!("{effect} {} {}", said.warnings.len(), said.patched.is_some())
}

fn title(request: &Value) -> String {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} of {}", text("/operation"), text("/kind/kind"))
}

fn outcome(said: &Said) -> String {
    match &said.effect {
        Effect::Allow if said.patched.is_some() => "changed".to_owned(),
        Effect::Allow if !said.warnings.is_empty() => "allowed with a warning".to_owned(),
        Effect::Allow => "allowed".to_owned(),
        Effect::Deny { message, .. } if message.is_empty() => "denied".to_owned(),
        Effect::Deny { message, .. } => format!("denied: {}", part(message)),
        Effect::Error { .. } => "an error".to_owned(),
    }
}

fn unique(name: String, made: &[Value]) -> String {
    let is_taken = |name: &str| made.iter().any(|case| case.get("name").is_some_and(|known| known == name));
    if !is_taken(&name) {
        return name;
    }
    let numbered = (2..=made.len() + 2).map(|number| format!("{name} ({number})"));
    numbered.into_iter().find(|name| !is_taken(name)).unwrap_or(name)
}

fn expect(said: &Said, policy: &str) -> Value {
    let mut expect = Map::new();
    let mut say = |field: &str, value: Value| drop(expect.insert(field.to_owned(), value));
    match &said.effect {
        Effect::Allow => say("allowed", json!(true)),
        Effect::Error { allowed } => {
            say("allowed", json!(allowed));
            say("error", json!(true));
            return Value::Object(expect);
        }
        Effect::Deny { code, reason, message } => {
            say("allowed", json!(false));
            if !part(message).is_empty() {
                say("message", json!(part(message)));
            }
            if *code != 403 {
                say("code", json!(code));
            }
            if let Some(reason) = reason.as_ref().filter(|reason| *reason != "Forbidden") {
                say("reason", json!(reason));
            }
        }
    }
    let prefix = format!("[{policy}]: ");
    let warnings = said.warnings.iter().map(|warning| part(warning.strip_prefix(&prefix).unwrap_or(warning)));
    say("warnings", json!(warnings.collect::<Vec<_>>()));
    if let Some(patched) = &said.patched {
        say("patched", patched.clone());
    }
    Value::Object(expect)
}

/// As much of a text as one line takes.
fn part(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(LONGEST).collect::<String>().trim().to_owned()
}
