//! The READMEs do what they say: each of their blocks is run, in order, in a folder that has what a fresh clone has.
//!
//! - ```` ```console ````: the commands behind `$ ` run in one shell, and print what stands below them. `…` stands for
//!   anything: times, hashes, lines that nobody has to read.
//! - ```` ```sh ````: each line runs and exits 0.
//! - A block of any other language whose first line is a comment with a path (`// policies/a.ts`, `# pod.yaml`) is that
//!   file.
//! - A block after `<!-- not run: … -->` is left out, for the reason given.
//!
//! A section (`##`) begins in the top folder again, with the files of those before it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::folder::Folder;
use super::registry_server::{Registry, registry};

/// Seconds for one section.
const PATIENCE: &str = "100";

const NOT_RUN: &str = "<!-- not run: ";

/// One step of a section.
#[derive(Debug)]
enum Step {
    /// A command; what it prints, or nothing but success.
    Run {
        line: usize,
        command: String,
        prints: Option<String>,
    },
    File {
        path: String,
        text: String,
    },
}

/// A heading and what is done below it.
#[derive(Debug, Default)]
struct Section {
    title: String,
    steps: Vec<Step>,
}

fn sections(readme: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut lines = readme.lines().enumerate();
    let mut before = "";
    while let Some((number, text)) = lines.next() {
        let line = text.trim_start();
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section { title: title.to_owned(), steps: Vec::new() });
        } else if let Some(language) = line.strip_prefix("```") {
            let indent = text.len() - line.len();
            let inside = lines.by_ref().map(|(_, line)| line.get(indent..).unwrap_or_default());
            let block: Vec<&str> = inside.take_while(|line| *line != "```").collect();
            let section = sections.last_mut().unwrap();
            if before.starts_with(NOT_RUN) {
                assert!(before.len() > NOT_RUN.len() + 10 && before.ends_with("-->"), "line {number}: no reason");
            } else {
                section.steps.extend(steps(language, &block, number + 2));
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    sections
}

/// The steps of one block, whose first line is the given one.
fn steps(language: &str, block: &[&str], first: usize) -> Vec<Step> {
    let numbered = || block.iter().enumerate().map(|(index, line)| (first + index, *line));
    match language {
        "console" => {
            let mut steps: Vec<Step> = Vec::new();
            for (line, text) in numbered() {
                if let Some(command) = text.strip_prefix("$ ") {
                    steps.push(Step::Run { line, command: command.to_owned(), prints: Some(String::new()) });
                } else if let Some(Step::Run { prints: Some(prints), .. }) = steps.last_mut() {
                    let _infallible = writeln!(prints, "{text}");
                } else {
                    panic!("line {line}: a console begins with `$ `");
                }
            }
            steps
        }
        "sh" => numbered()
            .filter(|(_, text)| !text.is_empty())
            .map(|(line, text)| Step::Run { line, command: text.to_owned(), prints: None })
            .collect(),
        _ => block.split_first().and_then(|(head, rest)| file(head, rest)).into_iter().collect(),
    }
}

fn file(head: &str, rest: &[&str]) -> Option<Step> {
    let path = head.strip_prefix("// ").or_else(|| head.strip_prefix("# "))?;
    let is_path = !path.contains(' ') && Path::new(path).extension().is_some();
    is_path.then(|| Step::File { path: path.to_owned(), text: rest.join("\n") + "\n" })
}

/// A script of all steps, which keeps what each printed and how it ended under its number.
fn script(section: &Section, kept: &str) -> String {
    let mut script = String::new();
    for (number, step) in section.steps.iter().enumerate() {
        let _infallible = match step {
            Step::File { path, text } => {
                writeln!(script, "mkdir -p \"$(dirname {path})\"; cat >{path} <<'END OF FILE'\n{text}END OF FILE")
            }
            Step::Run { command, .. } => {
                writeln!(script, "{{ {command}\n}} >{kept}/{number} 2>&1 </dev/null\necho $? >{kept}/{number}.code")
            }
        };
    }
    script
}

/// Whether a text is what is expected, where `…` is anything.
fn is_like(expected: &str, actual: &str) -> bool {
    let trim = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned();
    let (expected, actual) = (trim(expected), trim(actual));
    let parts: Vec<&str> = expected.split('…').collect();
    let (Some((first, rest)), Some(mut left)) = (parts.split_first(), Some(actual.as_str())) else { return false };
    let Some(after) = left.strip_prefix(first) else { return false };
    left = after;
    let Some((last, middle)) = rest.split_last() else { return left.is_empty() };
    for part in middle {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// What a fresh clone has after it was built, and a home that may publish.
struct Clone {
    folder: Folder,
    home: Folder,
}

impl Clone {
    fn new(registry: &Registry) -> Self {
        let clone = Self { folder: Folder::new(&[]), home: Folder::new(&[]) };
        clone.home.write(".npmrc", &(registry.npmrc() + &registry.npmrc_token(&registry.token)));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copied = Command::new("cp").arg("-r").arg(repository.join("policies")).arg(clone.folder.path()).status();
        assert!(copied.unwrap().success());
        std::fs::create_dir_all(clone.folder.file("target/release")).unwrap();
        let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, clone.folder.file(name)).unwrap();
        link(Path::new(env!("CARGO_BIN_EXE_bylaw")), "target/release/bylaw");
        // What `npm install` would bring to the packages that are made in it.
        link(&repository.join("sdk-ts/node_modules"), "node_modules");
        clone
    }

    /// Runs a section; what of it is not true.
    fn run(&self, section: &Section) -> String {
        let kept = Folder::new(&[]);
        let at = |name: &str| std::fs::read_to_string(kept.file(name)).unwrap_or_default();
        let mut command = Command::new("timeout");
        command.args([PATIENCE, "bash", "-c", &script(section, &kept.path().display().to_string())]);
        // Nothing of whoever runs the tests: neither their settings of npm nor their proxies.
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.home.path());
        // The reader's terminal keeps it from one section to the next.
        let programs = self.folder.argument("target/release");
        command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()));
        command
            .env("COLUMNS", "100")
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("npm_config_update_notifier", "false");
        let ended = command.output().unwrap();
        let mut untrue = String::new();
        for (number, step) in section.steps.iter().enumerate() {
            let Step::Run { line, command, prints } = step else { continue };
            let (printed, code) = (at(&number.to_string()), at(&format!("{number}.code")));
            let is_true = match prints {
                Some(expected) => is_like(expected, &printed) && !code.is_empty(),
                None => code == "0\n",
            };
            if !is_true {
                let title = &section.title;
                let _infallible = writeln!(untrue, "line {line}, `{title}`: $ {command}\n{printed}exit code {code}");
            }
        }
        let said = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        if said.is_empty() { untrue } else { untrue + &said }
    }
}

fn holds(readme: &str) {
    let Some(registry) = registry() else { return };
    let clone = Clone::new(registry);
    let untrue: String = sections(readme).iter().map(|section| clone.run(section)).collect();
    assert!(untrue.is_empty(), "{untrue}");
}

#[test]
fn the_readme_does_what_it_says() {
    holds(include_str!("../../README.md"));
}

#[test]
fn the_readme_of_the_sdk_does_what_it_says() {
    holds(include_str!("../../sdk-ts/README.md"));
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    assert!(is_like("4 passed in … s\n", "4 passed in 0.02 s\n"));
    assert!(is_like("…\n+ a@1\n", "notice\nnotice\n+ a@1\n") && is_like("a\n…", "a\nb\nc") && is_like("", "\n"));
    assert!(!is_like("4 passed in … s\n", "3 passed in 0.02 s\n"));
    assert!(!is_like("a", "a\nb") && !is_like("…b", "a\nc") && !is_like("a…b…c", "a c b") && !is_like("", "a"));
}

#[test]
fn steps_are_read_in_order_and_left_out_for_a_reason_only() {
    let text = "# x\n\n```yaml\n# a/b.yaml\nk: 1\n```\n\n## Two\n\n```console\n$ one\nout\n\n$ two\n```\n\n\
                <!-- not run: it needs a cluster -->\n```sh\nthree\n```\n\n```ts\nconst a = 1;\n```\n";
    let found = sections(text);
    assert!(matches!(&found[0].steps[..], [Step::File { path, text }] if path == "a/b.yaml" && text == "k: 1\n"));
    let [Step::Run { line: 11, command, prints: Some(prints) }, Step::Run { line: 14, .. }] = &found[1].steps[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((command.as_str(), prints.as_str(), found.len()), ("one", "out\n\n", 2));
}
