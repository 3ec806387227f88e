//! `bylaw lint`: what is wrong with policies, rule by rule, and mended where that is safe.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Verdict;
use super::output::{OutputFormat, print, say};
use super::runtime::Stage;
use super::sarif::{SarifFinding, SarifLevel, SarifRule, sarif};
use crate::cases;
use crate::isolate::Tools;
use crate::lint::{Finding, FindingView, Level, Report, Rule, Settings, Subject, lint, mend, play};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw lint -p policies\n  bylaw lint -p policies --fix --deny-warnings\n  bylaw lint --explain unknown-field\n\n\
                  A finding that is meant is suppressed on its line, or the line before, by a comment with a reason:\n  \
                  // bylaw-lint-ignore unbounded-list: there are three of them\n\nLevels stand in package.json too:\n  \
                  \"bylaw\": { \"lint\": { \"missing-cases\": \"off\" } }"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct LintArgs {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long = "policies", value_name = "PATH", required_unless_present_any = ["paths", "list", "explain"])]
    policies: Vec<PathBuf>,
    /// The same
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Mend what can be mended safely, and report the rest
    #[arg(long)]
    fix: bool,
    /// Exit 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// The level of a rule: off, warn or error; may be given many times
    #[arg(long = "rule", value_name = "RULE=LEVEL", value_parser = level)]
    levels: Vec<(Rule, Level)>,
    /// Do not run the TypeScript compiler that is installed beside the policies
    #[arg(long)]
    no_types: bool,
    /// Print every rule with its level
    #[arg(long, conflicts_with_all = ["explain", "fix"])]
    list: bool,
    /// Print the page about a rule
    #[arg(long, value_name = "RULE", value_parser = Rule::parse, conflicts_with = "fix")]
    explain: Option<Rule>,
    /// How to write what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: LintFormat,
}

/// The value of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LintFormat {
    /// For people
    #[default]
    Text,
    Json,
    Yaml,
    /// For code scanners
    Sarif,
}

/// A mend may make room for another; more rounds than this are a mend that undoes itself.
const ROUNDS: usize = 10;

pub(super) fn level(text: &str) -> Result<(Rule, Level), String> {
    let (rule, level) = text.split_once('=').ok_or("write RULE=LEVEL, such as unknown-field=warn")?;
    Ok((Rule::parse(rule)?, Level::parse(level)?))
}

pub(super) fn run(args: &LintArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    if args.list {
        return args.write_list();
    }
    if let Some(rule) = args.explain {
        say(rule.page())?;
        return Ok(Verdict::Yes);
    }
    super::runtime::quiet_logging(verbosity)?;
    let stage = Stage::new()?;
    let settings = Settings { levels: args.levels.clone(), checks_types: !args.no_types };
    let waiting = Waiting::begin();
    let mut mended = 0;
    if args.fix {
        for round in 0.. {
            // Types and cases take the longest and mend nothing: they are checked once, at the end.
            let quick = Settings { checks_types: false, ..settings.clone() };
            let found = args.look(&stage, &quick, false)?;
            let count = mend(&found)?;
            mended += count;
            if count == 0 {
                break;
            }
            if round == ROUNDS {
                bail!("the mends do not come to an end: {count} of them are still left after {ROUNDS} rounds");
            }
        }
    }
    let report = args.look(&stage, &settings, true)?;
    drop(waiting);
    args.write(&report, mended)?;
    let is_wrong = |finding: &Finding| finding.level == Level::Error || args.deny_warnings;
    Ok(if report.findings.iter().any(is_wrong) { Verdict::No } else { Verdict::Yes })
}

/// A word on a terminal for who waits: the TypeScript compiler takes seconds.
struct Waiting {
    is_seen: bool,
}

impl Waiting {
    fn begin() -> Self {
        let is_seen = std::io::stderr().is_terminal();
        if is_seen {
            eprint!("looking at code, types and cases …");
        }
        Self { is_seen }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_seen {
            eprint!("\r\x1b[K");
        }
    }
}

impl LintArgs {
    fn roots(&self) -> Vec<PathBuf> {
        self.policies.iter().chain(&self.paths).cloned().collect()
    }

    fn look(&self, stage: &Stage, settings: &Settings, plays_cases: bool) -> anyhow::Result<Report> {
        let mut loader = stage.loader(&self.roots(), None, None)?;
        let catalog = loader.load()?;
        let played = if plays_cases {
            let mut cases = cases::Stage::new(stage.handle().clone(), &stage.limits, Tools::None)?;
            Some(stage.block_on(play(&catalog, &loader.folders(), &self.roots(), &mut cases))?)
        } else {
            None
        };
        let subject = Subject { catalog, files: loader.sources(), roots: self.roots() };
        Ok(lint(&subject, settings, played)?)
    }

    fn write(&self, report: &Report, mended: usize) -> anyhow::Result<()> {
        match self.output {
            LintFormat::Text => say(&text(report, mended, std::io::stdout().is_terminal() && wants_colour())),
            LintFormat::Json => print(OutputFormat::Json, &View::of(report, mended)),
            LintFormat::Yaml => print(OutputFormat::Yaml, &View::of(report, mended)),
            LintFormat::Sarif => print(OutputFormat::Json, &log(report)),
        }
    }

    fn write_list(&self) -> anyhow::Result<Verdict> {
        let rows: Vec<Row> = Rule::ALL.iter().map(|rule| Row::of(*rule)).collect();
        match self.output {
            LintFormat::Text => {
                let width = rows.iter().map(|row| row.rule.id().len()).max().unwrap_or_default();
                let line = |row: &Row| {
                    let fix = if row.fixable { "fix" } else { "" };
                    format!("{:width$}  {:5}  {fix:3}  {}\n", row.rule.id(), row.level.as_str(), row.summary)
                };
                say(&rows.iter().map(line).collect::<String>())?;
            }
            LintFormat::Json => print(OutputFormat::Json, &rows)?,
            LintFormat::Yaml => print(OutputFormat::Yaml, &rows)?,
            LintFormat::Sarif => bail!("the list of rules is written as text, json or yaml"),
        }
        Ok(Verdict::Yes)
    }
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[derive(Serialize)]
struct Row {
    rule: Rule,
    level: Level,
    fixable: bool,
    summary: &'static str,
}

impl Row {
    fn of(rule: Rule) -> Self {
        Self { rule, level: rule.level(), fixable: rule.is_fixable(), summary: rule.summary() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'r> {
    findings: Vec<FindingView<'r>>,
    errors: usize,
    warnings: usize,
    policies: usize,
    mended: usize,
    notes: &'r [String],
}

impl<'r> View<'r> {
    fn of(report: &'r Report, mended: usize) -> Self {
        let (errors, warnings) = counts(report);
        let findings = report.findings.iter().map(FindingView::from).collect();
        Self { findings, errors, warnings, policies: report.policies, mended, notes: &report.notes }
    }
}

fn counts(report: &Report) -> (usize, usize) {
    let of = |level: Level| report.findings.iter().filter(|finding| finding.level == level).count();
    (of(Level::Error), of(Level::Warn))
}

/// `1 error`, `2 errors`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn text(report: &Report, mended: usize, is_coloured: bool) -> String {
    let paint =
        |code: &str, text: &str| if is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut written = String::new();
    for finding in &report.findings {
        let (word, code) = if finding.level == Level::Error { ("error", "1;31") } else { ("warning", "1;33") };
        let head = paint(code, &format!("{word}[{}]", finding.rule));
        let diagnostic = finding.diagnostic.to_string();
        // The place comes first in a diagnostic, and the message after it.
        let (place, rest) = match finding.place() {
            Some(place) => {
                let place = place.to_string();
                let rest = diagnostic.strip_prefix(&format!("{place}: ")).unwrap_or(&diagnostic).to_owned();
                (Some(place), rest)
            }
            None => (None, diagnostic),
        };
        let (message, frame) = rest.split_once('\n').unwrap_or((&rest, ""));
        let _infallible = writeln!(written, "{head}: {message}");
        if let Some(place) = place {
            let _infallible = writeln!(written, "  --> {}", paint("36", &place));
        }
        if !frame.is_empty() {
            let _infallible = writeln!(written, "{frame}");
        }
        if !finding.fix.is_empty() {
            written.push_str("  --fix mends it\n");
        }
        written.push('\n');
    }
    for note in &report.notes {
        let _infallible = writeln!(written, "note: {note}");
    }
    let (errors, warnings) = counts(report);
    let policies = match report.policies {
        1 => "1 policy".to_owned(),
        count => format!("{count} policies"),
    };
    let found = match (errors, warnings) {
        (0, 0) => paint("1;32", "nothing to mend"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let done = if mended > 0 { format!("; {} mended", counted(mended, "finding")) } else { String::new() };
    let _infallible = writeln!(written, "{policies}: {found}{done}");
    written
}

fn log(report: &Report) -> impl Serialize + use<> {
    let rules: Vec<SarifRule> = Rule::ALL
        .iter()
        .map(|rule| SarifRule {
            id: rule.id().to_owned(),
            summary: rule.summary().to_owned(),
            help: rule.page().to_owned(),
            level: sarif_level(rule.level()),
        })
        .collect();
    let findings: Vec<SarifFinding> = report
        .findings
        .iter()
        .map(|finding| SarifFinding {
            rule: finding.rule.id().to_owned(),
            level: sarif_level(finding.level),
            message: finding.diagnostic.message.clone(),
            file: finding.place().map(|place| place.file.clone()),
            line: finding.place().map(|place| place.line),
            column: finding.place().map(|place| place.column),
            help: finding.diagnostic.help.clone(),
            subject: finding.policy.clone(),
        })
        .collect();
    sarif("bylaw lint", &rules, &findings, true)
}

const fn sarif_level(level: Level) -> SarifLevel {
    match level {
        Level::Error => SarifLevel::Error,
        Level::Warn => SarifLevel::Warning,
        Level::Off => SarifLevel::Note,
    }
}
