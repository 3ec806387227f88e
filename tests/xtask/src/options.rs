//! Options of a command that become variables of the tests it runs, which have no arguments of their own.

use anyhow::{Context, Result, bail};

/// What each option is for the tests: `--rounds` and `BYLAW_TEST_ROUNDS`.
pub type Options = [(&'static str, &'static str)];

/// The variables and their values, in the order of the arguments.
pub fn environment(options: &Options, arguments: &[String]) -> Result<Vec<(&'static str, String)>> {
    let mut environment = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, value.to_owned()),
            None => (word.as_str(), words.next().with_context(|| format!("{word}: a value is missing"))?.clone()),
        };
        let Some((_, variable)) = options.iter().find(|(name, _)| *name == option) else {
            let all: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
            bail!("unknown option `{option}`; there are {}", all.join(", "));
        };
        environment.push((*variable, value));
    }
    Ok(environment)
}
