//! How V8's library is fetched and built: by other programs, all of them started here. The one seam at which tests put
//! something else, so that no test downloads or compiles V8.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How a program ended and what it said.
#[derive(Debug, Default, Clone)]
pub struct Ended {
    pub good: bool,
    pub out: String,
    pub errors: String,
}

pub trait Runner {
    /// Runs the program to its end and keeps what it says.
    fn run(&self, command: &mut Command) -> Result<Ended>;

    /// The same, with each line handed on as it comes, errors among them. Returns whether it succeeded.
    fn watch(&self, command: &mut Command, see: &mut dyn FnMut(&str)) -> Result<bool>;

    /// Runs the program with its output shown.
    fn show(&self, command: &mut Command) -> Result<()>;
}

/// Real processes.
pub struct Processes;

impl Runner for Processes {
    fn run(&self, command: &mut Command) -> Result<Ended> {
        let output = command.output().with_context(|| format!("`{}` does not start", shown(command)))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { good: output.status.success(), out: text(&output.stdout), errors: text(&output.stderr) })
    }

    fn watch(&self, command: &mut Command, see: &mut dyn FnMut(&str)) -> Result<bool> {
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().with_context(|| format!("`{}` does not start", shown(command)))?;
        // Our own ends of the pipe would keep it open for ever.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for line in BufReader::new(reader).split(b'\n') {
            see(&String::from_utf8_lossy(&line?));
        }
        Ok(child.wait()?.success())
    }

    fn show(&self, command: &mut Command) -> Result<()> {
        crate::run::run(command)
    }
}

/// Runs the program; an end that is not good is an error that shows what it said last.
pub fn must(runner: &dyn Runner, command: &mut Command) -> Result<String> {
    let ended = runner.run(command)?;
    if !ended.good {
        bail!("`{}` failed:\n{}", shown(command), last_lines(&format!("{}\n{}", ended.out, ended.errors), 12));
    }
    Ok(ended.out)
}

/// Whether a path can be called as a program: `--version` succeeds.
pub fn answers(runner: &dyn Runner, program: &Path) -> Option<String> {
    let ended = runner.run(Command::new(program).arg("--version")).ok()?;
    ended.good.then_some(ended.out)
}

pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
pub mod fake {
    //! A runner that answers from a script: the first answer whose words are all in the command line is given.

    use std::cell::RefCell;

    use super::*;

    type Deed = dyn Fn(&Command);

    struct Answer {
        words: Vec<&'static str>,
        ended: Ended,
        deed: Option<Box<Deed>>,
    }

    #[derive(Default)]
    pub struct Fake {
        answers: Vec<Answer>,
        pub calls: RefCell<Vec<String>>,
    }

    impl Fake {
        pub fn good(self, words: &[&'static str], out: &str) -> Self {
            self.answer(words, Ended { good: true, out: out.to_owned(), errors: String::new() })
        }

        pub fn bad(self, words: &[&'static str], errors: &str) -> Self {
            self.answer(words, Ended { good: false, out: String::new(), errors: errors.to_owned() })
        }

        /// Succeeds after doing what the program would have done.
        pub fn does(self, words: &[&'static str], out: &str, deed: impl Fn(&Command) + 'static) -> Self {
            let mut fake = self.good(words, out);
            if let Some(answer) = fake.answers.last_mut() {
                answer.deed = Some(Box::new(deed));
            }
            fake
        }

        fn answer(mut self, words: &[&'static str], ended: Ended) -> Self {
            self.answers.push(Answer { words: words.to_vec(), ended, deed: None });
            self
        }

        /// Whether a command line with all these words was run.
        pub fn ran(&self, words: &[&str]) -> bool {
            self.calls.borrow().iter().any(|call| words.iter().all(|word| call.contains(word)))
        }

        fn find(&self, command: &Command) -> Result<Ended> {
            let line = std::iter::once(command.get_program()).chain(command.get_args());
            let line = line.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
            self.calls.borrow_mut().push(line.clone());
            for Answer { words, ended, deed } in &self.answers {
                if words.iter().all(|word| line.contains(word)) {
                    if let Some(deed) = deed {
                        deed(command);
                    }
                    return Ok(ended.clone());
                }
            }
            bail!("`{line}` does not start")
        }
    }

    impl Runner for Fake {
        fn run(&self, command: &mut Command) -> Result<Ended> {
            self.find(command)
        }

        fn watch(&self, command: &mut Command, see: &mut dyn FnMut(&str)) -> Result<bool> {
            let ended = self.find(command)?;
            ended.out.lines().chain(ended.errors.lines()).for_each(see);
            Ok(ended.good)
        }

        fn show(&self, command: &mut Command) -> Result<()> {
            let ended = self.find(command)?;
            if ended.good { Ok(()) } else { bail!("{}", ended.errors) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_seen_as_they_come_errors_among_them() -> Result<()> {
        let mut seen = Vec::new();
        let mut script = Command::new("sh");
        script.args(["-c", "echo one; echo two >&2; exit 3"]);
        let good = Processes.watch(&mut script, &mut |line| seen.push(line.to_owned()))?;
        assert!(!good);
        assert_eq!(seen, ["one", "two"]);
        Ok(())
    }

    #[test]
    fn a_failure_shows_the_command_and_its_last_words() {
        let mut script = Command::new("sh");
        script.args(["-c", "echo the reason >&2; exit 1"]);
        let error = must(&Processes, &mut script).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c") && error.ends_with("the reason"), "{error}");
    }
}
