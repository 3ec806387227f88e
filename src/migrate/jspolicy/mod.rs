//! jsPolicy's scripts as modules in TypeScript.
//!
//! `input` finds them, `code` gets at their source, `declaration` and `translate` make the module, `probe` the reviews
//! on which both must say the same. One that does not is left as it is: Bylaw runs it untouched.

mod code;
mod declaration;
mod imports;
mod input;
mod package;
mod probe;
mod translate;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::cases::cases;
use super::compare::{Candidate, Court, Mood, Side, World, compare};
use super::folder::folder_name;
use super::packages::Packages;
use super::report::{PolicyReport, Report};
use code::{Code, code};
use declaration::declaration;
use input::{Found, Sources};
use probe::{Probe, Rule, WORLDS, probe};
use translate::{Refusal, Translation, Unit, translate};

pub use input::InputError;

/// The parser and what walks its trees recurse.
const STACK_BYTES: usize = 256 << 20;

/// Types of packages that bring none.
const DECLARATIONS: &str = "packages.d.ts";

/// The line by which a compiler that is given the module alone finds them.
const REFERENCE: &str = "/// <reference path=\"./packages.d.ts\" />\n";

/// Something to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Text(String),
    /// Documents of a YAML file.
    Documents(Vec<Value>),
    /// A package.json that asks for these, which stand in the `node_modules` folder beside it.
    Packages(Packages),
}

/// What a migration came to: files by their path in the new folder, and what is to be said.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    pub report: Report,
    pub files: Vec<(String, Body)>,
}

/// One policy on its way.
struct Attempt {
    found: Found,
    notes: Vec<String>,
    /// Text of the object, and of its bundle where it has one.
    original: String,
    made: Result<Made, String>,
}

struct Made {
    module: String,
    candidate: Candidate,
}

/// Migrates everything in `paths`. `reviews` are asked beside those that are made up.
///
/// # Errors
/// Where something cannot be read, or two policies have one name.
pub fn migrate(paths: &[PathBuf], reviews: &[Value], court: &mut dyn Court) -> Result<Migration, InputError> {
    let Sources { policies, mut bundles, mut notes } = input::read(paths)?;
    let mut attempts = Vec::with_capacity(policies.len());
    for found in policies {
        let bundle = bundles.remove(&found.name);
        attempts.push(attempt(found, bundle.as_ref(), reviews));
    }
    let candidates: Vec<Candidate> =
        attempts.iter().filter_map(|attempt| Some(attempt.made.as_ref().ok()?.candidate.clone())).collect();
    court.load(Side::Original, &candidates).map_err(InputError::Engine)?;
    court.load(Side::Migrated, &candidates).map_err(InputError::Engine)?;
    let mut files = Vec::new();
    let mut reports = Vec::new();
    let mut packages = Packages::default();
    for attempt in attempts {
        reports.push(judge(attempt, court, &mut files, &mut packages));
    }
    if !packages.is_empty() {
        files.push(("package.json".to_owned(), Body::Packages(packages)));
    }
    for (name, bundle) in bundles {
        notes.push(format!(
            "{}: JsPolicyBundle {name} has no JsPolicy here; it is kept as it is",
            bundle.path.display()
        ));
        files.push((format!("{}/bundle.yaml", home(&name, &files)), Body::Text(bundle.raw)));
    }
    Ok(Migration { report: Report::new(reports, notes), files })
}

/// The folder of a policy, which no other has.
fn home(name: &str, files: &[(String, Body)]) -> String {
    let mut home = folder_name(name);
    while files.iter().any(|(file, _)| file.split('/').next() == Some(&home)) {
        home.push('_');
    }
    home
}

/// Compares, and decides what is written. `packages` are those at the top of the new folder.
fn judge(
    attempt: Attempt,
    court: &mut dyn Court,
    files: &mut Vec<(String, Body)>,
    packages: &mut Packages,
) -> PolicyReport {
    let Attempt { found, notes, original, made } = attempt;
    let name = found.name;
    let verdict = made.and_then(|made| {
        let problem = |side| court.problem(side, &name);
        if let Some(problem) = problem(Side::Original) {
            return Err(problem);
        }
        if let Some(problem) = problem(Side::Migrated) {
            return Err(format!("the module made of it does not load: {problem}"));
        }
        let comparison = compare(court, &made.candidate);
        match &comparison.difference {
            Some(difference) => Err(difference.clone()),
            None => Ok((made, comparison)),
        }
    });
    let source = found.path.display().to_string();
    let runs = found.object.pointer("/spec/type").is_none_or(|kind| kind != "Controller");
    let home = home(&name, files);
    match verdict {
        Ok((made, comparison)) => {
            let file = format!("{home}/policy.ts");
            files.push((file.clone(), Body::Text(made.module.clone())));
            let own = &made.candidate.packages;
            if let Some(declarations) = own.declarations() {
                files.push((format!("{home}/{DECLARATIONS}"), Body::Text(declarations)));
            }
            // What asks for something else than the others has it to itself.
            if !packages.absorb(own) {
                files.push((format!("{home}/package.json"), Body::Packages(own.clone())));
            }
            let cases = cases(court, &made.candidate, &comparison);
            let number = cases.len();
            if number > 0 {
                files.push((format!("{home}/cases/migrated.yaml"), Body::Documents(cases)));
            }
            let compared = comparison.alike.len();
            PolicyReport { name, source, file, carried: true, reason: None, runs, compared, cases: number, notes }
        }
        Err(reason) => {
            let file = format!("{home}/policy.yaml");
            files.push((file.clone(), Body::Text(original)));
            let reason = Some(reason);
            PolicyReport { name, source, file, carried: false, reason, runs, compared: 0, cases: 0, notes: Vec::new() }
        }
    }
}

fn attempt(found: Found, bundle: Option<&Found>, reviews: &[Value]) -> Attempt {
    let original = match bundle {
        Some(bundle) => format!("{}\n---\n{}", found.raw.trim_end(), bundle.raw),
        None => found.raw.clone(),
    };
    let mut notes = Vec::new();
    let made = match code(&found, bundle) {
        Ok(code) => made(&found, code, &original, reviews, &mut notes),
        Err(reason) => Err(reason),
    };
    Attempt { found, notes, original, made }
}

fn made(found: &Found, code: Code, original: &str, reviews: &[Value], notes: &mut Vec<String>) -> Result<Made, String> {
    let Code { source, is_typescript, script, note, packages } = code;
    let declaration = declaration(&found.name, &found.object);
    let spec = found.object.get("spec").cloned().unwrap_or_default();
    let is_mutating = match spec.get("type").and_then(Value::as_str).unwrap_or_default() {
        "Controller" => {
            return Err(
                "it is of type Controller: it runs as it is, and what it writes cannot be compared offline".to_owned()
            );
        }
        other => other == "Mutating",
    };
    let unit = Unit {
        policy: &found.name,
        source: &source,
        is_mutating,
        is_typescript,
        declaration: &declaration.lines,
        permissions: declaration.permissions.as_deref(),
        about: &found.comments,
    };
    let rule = rule(&spec);
    let (translated, probe) = apart(|| (translate(&unit), probe(&source, is_typescript, &rule)))?;
    let Translation { module, notes: said } = translated.map_err(|Refusal { line, reason }| match line {
        Some(line) => format!("line {line} of the script: {reason}"),
        None => reason,
    })?;
    let packages = if packages.is_empty() { Packages::default() } else { Packages::find(&found.path, packages)? };
    let module = if packages.declarations().is_some() { format!("{REFERENCE}{module}") } else { module };
    notes.extend(note);
    notes.extend(declaration.notes.into_iter().chain(said));
    let given: Vec<Value> = reviews.iter().filter(|review| concerns(&rule, review)).cloned().collect();
    let original = if packages.is_empty() && script.is_none() {
        original.to_owned()
    } else {
        runnable(&found.object, script.as_deref())
    };
    let candidate = Candidate {
        name: found.name.clone(),
        original,
        migrated: module.clone(),
        packages,
        given: given.len(),
        worlds: worlds(&probe),
        reviews: given.into_iter().chain(probe.reviews).collect(),
    };
    Ok(Made { module, candidate })
}

/// The object with its code in it; its packages stand beside it, as they do where it comes from.
fn runnable(object: &Value, script: Option<&str>) -> String {
    let mut object = object.clone();
    if let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("dependencies");
        spec.extend(script.map(|script| ("javascript".to_owned(), json!(script))));
    }
    object.to_string()
}

fn worlds(probe: &Probe) -> Vec<World> {
    let moods = [Mood::Kind, Mood::Stern, Mood::Absent];
    // In the first, what is set is what the reviews say, so that it is found equal to it.
    let texts = [Some("team-a".to_owned()), Some("other".to_owned()), None];
    let with = |at: usize| World {
        inventory: probe.inventories.get(at).cloned().unwrap_or_default(),
        mood: moods.get(at).copied().unwrap_or_default(),
        body: probe.bodies.get(at).cloned().unwrap_or_default().to_string(),
        text: texts.get(at).cloned().flatten(),
    };
    (0..WORLDS).map(with).collect()
}

fn rule(spec: &Value) -> Rule {
    let list = |field: &str| {
        let list = spec.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    Rule {
        resources: list("resources"),
        operations: list("operations"),
        groups: list("apiGroups"),
        versions: list("apiVersions"),
        scope: spec.get("scope").and_then(Value::as_str).unwrap_or("*").to_owned(),
    }
}

/// Whether a review that somebody gave is about what the policy is for.
fn concerns(rule: &Rule, review: &Value) -> bool {
    let resource = review.pointer("/request/resource/resource").and_then(Value::as_str).unwrap_or_default();
    rule.resources.iter().any(|known| known == "*" || known == "*/*" || known.split('/').next() == Some(resource))
}

/// On a stack that deep sources do not use up.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let worker = builder.spawn_scoped(scope, work).map_err(|error| format!("no thread: {error}"))?;
        worker.join().map_err(|_| "the translation broke off over it; please report it".to_owned())
    })
}
