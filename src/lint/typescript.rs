//! `type-error`: what the TypeScript compiler says, where it is installed above the policies.
//!
//! The compiler is what `npm install` put there, run as `npx tsc` would run it; nothing is downloaded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::finding::Finding;
use super::rule::Rule;
use super::source::Source;
use crate::bundle::{Diagnostic, Place, normalise, shown_path};

/// A package of policies takes seconds.
const LONGEST: Duration = Duration::from_secs(90);

/// Output beyond is not read.
const MAX_OUTPUT: u64 = 4 << 20;

/// One run: the compiler, and the configuration or else the files that it is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Project {
    compiler: PathBuf,
    configuration: Option<PathBuf>,
    folder: PathBuf,
}

/// The type errors in these modules, and what there is to say of those that were not checked.
pub(super) fn check(modules: &[&Source]) -> (Vec<Finding>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), BTreeSet::new());
    let mut projects: BTreeMap<Project, Vec<&Source>> = BTreeMap::new();
    for module in modules.iter().filter(|module| is_typescript(&module.path)) {
        let folder = module.path.parent().unwrap_or(Path::new("/"));
        let Some(compiler) = above(folder, "node_modules/.bin/tsc") else {
            let mend = if asks_for_typescript(folder) { "" } else { " --save-dev typescript @bylaw/sdk" };
            notes.insert(format!("types were not checked: TypeScript is not installed (`npm install{mend}`)"));
            continue;
        };
        let configuration = above(folder, "tsconfig.json");
        let folder = configuration.as_deref().and_then(Path::parent).unwrap_or(folder).to_owned();
        projects.entry(Project { compiler, configuration, folder }).or_default().push(module);
    }
    for (project, sources) in projects {
        match run(&project, &sources) {
            Ok(output) => found.extend(findings(&project, &sources, &output)),
            Err(reason) => drop(notes.insert(format!("types were not checked: {reason}"))),
        }
    }
    (found, notes.into_iter().collect())
}

fn is_typescript(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ts" || extension == "mts")
}

fn above(folder: &Path, name: &str) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether the package that this folder is in names TypeScript already, as those of `bylaw init` do.
fn asks_for_typescript(folder: &Path) -> bool {
    let text = above(folder, "package.json").and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    ["devDependencies", "dependencies"]
        .iter()
        .any(|field| package.get(field).is_some_and(|all| all.get("typescript").is_some()))
}

fn run(project: &Project, sources: &[&Source]) -> Result<String, String> {
    let shown = shown_path(&project.compiler);
    let mut command = Command::new(&project.compiler);
    command.current_dir(&project.folder).args(["--noEmit", "--pretty", "false"]);
    match &project.configuration {
        Some(configuration) => command.arg("-p").arg(configuration),
        None => command
            .args(["--strict", "--skipLibCheck", "--allowImportingTsExtensions", "--target", "es2023"])
            .args(["--module", "esnext", "--moduleResolution", "bundler", "--types", ""])
            .args(sources.iter().map(|source| source.path.as_os_str())),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("{shown} cannot be run: {error}"))?;
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        drop(output.map(|output| output.take(MAX_OUTPUT).read_to_end(&mut text)));
        String::from_utf8_lossy(&text).into_owned()
    });
    let until = Instant::now() + LONGEST;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                drop(child.kill());
                drop(child.wait());
                break Err(format!("{shown} took longer than {} seconds", LONGEST.as_secs()));
            }
            Err(error) => break Err(format!("{shown}: {error}")),
        }
    };
    let text = reader.join().unwrap_or_default();
    let status = status?;
    // It fails for errors that it tells, and otherwise for reasons of its own.
    let tells = text.lines().any(|line| parse(line).is_some());
    if status.success() || tells {
        return Ok(text);
    }
    let said = text.lines().next().unwrap_or("it said nothing").to_owned();
    Err(format!("{shown} failed: {said}"))
}

/// `policy.ts(3,7): error TS2339: Property …`
fn parse(line: &str) -> Option<(&str, u32, u32, &str, &str)> {
    let (place, rest) = line.split_once("): error TS")?;
    let (file, at) = place.rsplit_once('(')?;
    let (line, column) = at.split_once(',')?;
    let (code, message) = rest.split_once(": ")?;
    Some((file, line.parse().ok()?, column.parse().ok()?, code, message))
}

/// Errors in files that are no part of the policies, such as tests, are not told.
fn findings(project: &Project, sources: &[&Source], output: &str) -> Vec<Finding> {
    let of_line = |line: &str| {
        let (file, line, column, code, message) = parse(line)?;
        let path = normalise(&project.folder.join(file));
        let source = sources.iter().find(|source| *source.path == path)?;
        let place = Place { file: source.shown.clone(), line, column };
        let diagnostic = Diagnostic::at_place(place, &source.file, format!("{message} (TS{code})"));
        Some(Finding::new(Rule::TypeError, diagnostic))
    };
    output.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_compiler_is_taken_apart() {
        assert_eq!(
            parse("a (1)/p.ts(3,7): error TS2339: Property 'x' does not exist: no."),
            Some(("a (1)/p.ts", 3, 7, "2339", "Property 'x' does not exist: no."))
        );
        for other in ["", "  2 lines more", "error TS5023: Unknown option.", "p.ts(3): error TS1: x"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
