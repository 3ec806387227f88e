//! All rules on all files of some policies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::anchors::Anchors;
use super::code::{self, Code, Specs};
use super::error::LintError;
use super::finding::Finding;
use super::levels::Levels;
use super::played::Played;
use super::problems::{self, TOP};
use super::rule::{Level, Rule};
use super::source::{Language, Source};
use super::{manifest, rules, suppress, typescript};
use crate::bundle::{Diagnostic, Place, link_file, link_inline, module_state, place_in, read, shown_path};
use crate::policy::{Catalog, InlineSource, PolicySpec, Problem, inline_code};

/// The policies that are looked at.
#[derive(Debug, Clone)]
pub struct Subject {
    pub catalog: Arc<Catalog>,
    /// The files that hold policies, in force or not.
    pub files: BTreeSet<PathBuf>,
    /// What the user named.
    pub roots: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub levels: Vec<(Rule, Level)>,
    pub checks_types: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// By file and place.
    pub findings: Vec<Finding>,
    /// What the reader should know beside.
    pub notes: Vec<String>,
    pub policies: usize,
}

/// One file, what is in force of it and what is wrong with it.
struct File<'c> {
    source: Source,
    specs: Vec<Arc<PolicySpec>>,
    problems: Vec<&'c Problem>,
    is_manifest: bool,
}

/// Looks at all of it. `played` is what the cases of the policies came to, where they were played.
///
/// # Errors
/// Where there is nothing to look at, or a package.json says what cannot be.
pub fn lint(subject: &Subject, settings: &Settings, played: Option<Played>) -> Result<Report, LintError> {
    let catalog = &subject.catalog;
    if subject.files.is_empty() && catalog.problems.is_empty() {
        let paths: Vec<String> = subject.roots.iter().map(|path| shown_path(path)).collect();
        return Err(LintError::NoPolicies { paths: paths.join(", ") });
    }
    let mut report = Report { policies: catalog.all().count(), ..Report::default() };
    let files = gather(subject, &mut report.findings);
    for file in files.values() {
        if file.is_manifest {
            look_at_manifest(file, played.as_ref(), &mut report.findings);
        } else {
            look_at_module(file, played.as_ref(), &mut report.findings);
        }
    }
    report.findings.extend(played.into_iter().flat_map(|played| played.findings));
    let unplaced = catalog.problems.iter().filter(|problem| !is_placed(problem, &files));
    report.findings.extend(unplaced.flat_map(|problem| problems::findings(problem, None, None)));
    if settings.checks_types {
        let modules = files.values().filter(|file| !file.is_manifest).map(|file| &file.source);
        let (found, notes) = typescript::check(&modules.collect::<Vec<_>>());
        report.findings.extend(found);
        report.notes.extend(notes);
    }
    let passed_over = catalog.notes.iter().filter(|note| note.message.contains("passed over"));
    report.notes.extend(passed_over.map(ToString::to_string));
    finish(&mut report, &files, settings)?;
    Ok(report)
}

/// Looks at sources that are on no disk, such as those in a bundle: at their code and at what their policies want to be
/// asked about. What only files, cases or a compiler could tell is left out.
///
/// # Errors
/// Where there is anything wrong with the levels.
pub fn lint_texts(
    texts: &[(String, String)],
    specs: &[Arc<PolicySpec>],
    levels: &[(Rule, Level)],
) -> Result<Vec<Finding>, LintError> {
    let mut files = BTreeMap::new();
    for (name, text) in texts {
        // No package.json above it says how it is to be read.
        let path = Path::new(NOWHERE).join(name);
        let source = Source::module(Arc::new(path.clone()), name.clone(), text.as_str().into());
        files.insert(path, File { source, specs: specs.to_vec(), problems: Vec::new(), is_manifest: false });
    }
    let mut report = Report::default();
    for file in files.values() {
        look_at_module(file, None, &mut report.findings);
    }
    // Whether a comment is one too many only all rules together can tell.
    let levels = [&[(Rule::UselessSuppression, Level::Off)], levels].concat();
    finish(&mut report, &files, &Settings { levels, checks_types: false })?;
    Ok(report.findings)
}

/// A folder that nobody has.
const NOWHERE: &str = "/.bylaw-texts";

fn is_placed(problem: &Problem, files: &BTreeMap<PathBuf, File<'_>>) -> bool {
    problem.source.as_ref().is_some_and(|source| files.contains_key(&**source))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| matches!(extension.to_str(), Some("yaml" | "yml" | "json")))
}

/// The files that the policies are made of.
fn gather<'c>(subject: &'c Subject, found: &mut Vec<Finding>) -> BTreeMap<PathBuf, File<'c>> {
    let catalog = &subject.catalog;
    let mut files = BTreeMap::new();
    let with_problems = catalog.problems.iter().filter_map(|problem| problem.source.as_deref().cloned());
    let entries: BTreeSet<PathBuf> = subject.files.iter().cloned().chain(with_problems).collect();
    for entry in entries {
        let of_entry = || catalog.revisions.iter().filter(|revision| *revision.source == entry);
        let specs: Vec<Arc<PolicySpec>> = of_entry().map(|revision| Arc::clone(&revision.spec)).collect();
        let is_manifest = is_manifest(&entry);
        let linked = if is_manifest { None } else { link_file(&entry).ok() };
        let inputs = linked.as_ref().map_or_else(|| vec![entry.clone()], |linked| linked.inputs.clone());
        for input in inputs.into_iter().filter(|input| !is_installed(input)) {
            let known = files.entry(input.clone()).or_insert_with(|| file(&input, is_manifest));
            if let Some(known) = known {
                known.specs.extend(specs.iter().cloned());
            }
        }
        if let Some(Some(file)) = files.get_mut(&entry) {
            let of_file = |problem: &&Problem| problem.source.as_deref() == Some(&entry);
            file.problems.extend(catalog.problems.iter().filter(of_file));
        }
        if let Some(linked) = linked {
            let texts: Vec<&Source> = files.values().flatten().map(|file| &file.source).collect();
            for state in module_state(&linked).unwrap_or_default() {
                let text = texts.iter().find(|source| source.shown == state.place.file).map(|source| &*source.file);
                found.push(of_state(&state.name, state.what, state.place, text.unwrap_or_default()));
            }
        }
    }
    files.into_iter().filter_map(|(path, file)| Some((path, file?))).collect()
}

fn is_installed(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "node_modules")
}

/// `None` for what cannot be read, which the loader has told.
fn file<'c>(path: &Path, is_manifest: bool) -> Option<File<'c>> {
    let shown = shown_path(path);
    let text: Arc<str> = read(path, &shown).ok()?.into();
    let source = Source::module(Arc::new(path.to_owned()), shown, text);
    Some(File { source, specs: Vec::new(), problems: Vec::new(), is_manifest })
}

fn of_state(name: &str, what: &str, place: Place, text: &str) -> Finding {
    let diagnostic = Diagnostic::at_place(place, text, format!("`{name}` {what}: it outlives the request"));
    let help = "keep state out of the module: the policy runs in a fresh realm each time, which is slower";
    Finding::new(Rule::ModuleState, diagnostic).with_help(help)
}

fn look_at_module(file: &File<'_>, played: Option<&Played>, found: &mut Vec<Finding>) {
    let File { source, specs, problems, .. } = file;
    let looked = code::look(source, &Specs(specs), |code| {
        let mut found = rules::of_code(code);
        let mut told: Vec<Arc<PolicySpec>> = Vec::new();
        for declared in code.declared {
            if let Some(spec) = &declared.spec {
                let anchors = Anchors::of_object(source, declared.span, declared.object);
                found.extend(of_spec(spec, &anchors, played));
                told.push(Arc::clone(spec));
            }
        }
        found.extend(problems.iter().flat_map(|problem| of_problem(code, source, problem)));
        (found, told)
    });
    let Ok((seen, told)) = looked else {
        // It cannot be parsed, which the loader says.
        return found.extend(problems.iter().flat_map(|problem| problems::findings(problem, Some(source), None)));
    };
    found.extend(seen);
    // A policy that is made by a function has its match told at the top of its own file.
    let is_own = |spec: &&Arc<PolicySpec>| specs.len() == 1 && !told.iter().any(|known| known.name == spec.name);
    for spec in specs.iter().filter(|_| told.is_empty() && is_entry(file)).filter(is_own) {
        found.extend(of_spec(spec, &Anchors::new(source, TOP), played));
    }
}

/// What is told at the declaration of a policy.
fn of_spec(spec: &PolicySpec, anchors: &Anchors<'_>, played: Option<&Played>) -> Vec<Finding> {
    let mut found = rules::of_match(spec, anchors);
    found.extend(played.into_iter().flat_map(|played| rules::of_cases(spec, anchors, played)));
    found
}

/// Whether a file is where its policies come from, not a part of it.
fn is_entry(file: &File<'_>) -> bool {
    file.source.code.contains("export default")
}

fn of_problem(code: &Code<'_, '_>, source: &Source, problem: &Problem) -> Vec<Finding> {
    let names = |declared: &&code::Declared<'_>| {
        let name = declared.object.and_then(|object| code::property(object, "name"));
        name.and_then(|name| code::string_of(&name.value)).is_some_and(|(name, _)| problem.message.contains(name))
    };
    let declared = code.declared.iter().find(names).or_else(|| code.declared.first());
    let anchors = declared.map(|declared| Anchors::of_object(source, declared.span, declared.object));
    problems::findings(problem, Some(source), anchors.as_ref())
}

fn look_at_manifest(file: &File<'_>, played: Option<&Played>, found: &mut Vec<Finding>) {
    let File { source, specs, problems, .. } = file;
    let anchors = manifest::anchors(source);
    for spec in specs {
        let at_top = Anchors::new(source, TOP);
        found.extend(of_spec(spec, anchors.get(&*spec.name).unwrap_or(&at_top), played));
    }
    for problem in problems {
        let about = anchors.get(&problem.subject).or_else(|| {
            anchors.iter().find(|(name, _)| problem.message.contains(name.as_str())).map(|(_, anchors)| anchors)
        });
        found.extend(problems::findings(problem, Some(source), about));
    }
    for inline in inline_code(&source.shown, &source.file).into_iter().filter(|inline| !inline.places.is_empty()) {
        look_at_inline(source, inline, specs, found);
    }
}

fn look_at_inline(source: &Source, inline: InlineSource, specs: &[Arc<PolicySpec>], found: &mut Vec<Finding>) {
    let InlineSource { policy, is_typescript, code, places } = inline;
    if is_typescript {
        let linked = link_inline(&source.shown, &code, crate::bundle::Language::TypeScript);
        for state in linked.and_then(|linked| module_state(&linked)).unwrap_or_default() {
            let inside = (state.place.line.saturating_sub(1), state.place.column.saturating_sub(1));
            if let Some((line, column)) = place_in(&places, inside.0, inside.1) {
                let place = Place { line, column, ..state.place };
                found.push(of_state(&state.name, state.what, place, &source.file));
            }
        }
    }
    let own: Vec<Arc<PolicySpec>> = specs.iter().filter(|spec| *spec.name == *policy).cloned().collect();
    let inside = Source {
        language: if is_typescript { Language::Module } else { Language::Script },
        policy: Some(policy),
        code: code.into(),
        places: Some(places),
        ..source.clone()
    };
    // What cannot be parsed is a problem of the loader's.
    found.extend(code::look(&inside, &Specs(&own), rules::of_code).unwrap_or_default());
}

/// Levels and suppressions applied, in order, each thing once.
fn finish(report: &mut Report, files: &BTreeMap<PathBuf, File<'_>>, settings: &Settings) -> Result<(), LintError> {
    let mut levels = Levels::new(&settings.levels);
    let paths: BTreeMap<&str, &PathBuf> = files.iter().map(|(path, file)| (file.source.shown.as_str(), path)).collect();
    let nowhere = PathBuf::from("/");
    let findings = std::mem::take(&mut report.findings);
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for mut finding in findings {
        let own = finding.place().and_then(|place| paths.get(place.file.as_str()).copied());
        finding.level = levels.of(finding.rule, own.or_else(|| paths.values().next().copied()).unwrap_or(&nowhere))?;
        if finding.level != Level::Off {
            kept.push(finding);
        }
    }
    for (path, file) in files {
        let mut looked_for: BTreeMap<Rule, bool> = BTreeMap::new();
        for rule in Rule::ALL {
            let is_on = levels.of(*rule, path)? != Level::Off && (*rule != Rule::TypeError || settings.checks_types);
            looked_for.insert(*rule, is_on);
        }
        let is_on = |rule: Rule| looked_for.get(&rule).copied().unwrap_or(true);
        suppress::suppress(&mut kept, &file.source.path, &file.source.shown, &file.source.file, is_on);
        let level = levels.of(Rule::UselessSuppression, path)?;
        for finding in kept.iter_mut().filter(|finding| finding.rule == Rule::UselessSuppression) {
            finding.level = level;
        }
        kept.retain(|finding| finding.level != Level::Off);
    }
    kept.sort_by(|left, right| left.order().cmp(&right.order()));
    kept.dedup_by(|left, right| left.order() == right.order());
    // TypeScript says the same of a field, at greater length.
    let fields: BTreeSet<(String, u32, u32)> = kept
        .iter()
        .filter(|finding| finding.rule == Rule::UnknownField)
        .filter_map(|finding| finding.place())
        .map(|place| (place.file.clone(), place.line, place.column))
        .collect();
    let is_said = |finding: &Finding| {
        let place = finding.place().map(|place| (place.file.clone(), place.line, place.column));
        finding.rule == Rule::TypeError && place.is_some_and(|place| fields.contains(&place))
    };
    kept.retain(|finding| !is_said(finding));
    report.findings = kept;
    Ok(())
}

/// Mends what can be mended; how many findings.
///
/// # Errors
/// Where a file cannot be written.
pub fn mend(report: &Report) -> Result<usize, LintError> {
    super::fix::apply(&report.findings)
}
