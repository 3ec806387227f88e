//! `cargo xtask hostile`: the attacks of `tests/hostile` for as long as one likes, where `cargo test` runs a sample of them.

use anyhow::Result;

use crate::build::{Cargo, cargo};
use crate::options;
use crate::run::run as run_shown;

/// What each option is for the tests, which have no arguments of their own.
const OPTIONS: [(&str, &str); 4] = [
    ("--rounds", "BYLAW_TEST_ROUNDS"),
    ("--minutes", "BYLAW_TEST_MINUTES"),
    ("--seed", "BYLAW_TEST_SEED"),
    ("--only", "BYLAW_TEST_ONLY"),
];

/// The tests by their names: rounds of every attack, or a soak.
const ROUNDS: &str = "every_attack_comes_to_the_end_it_should_and_harms_nobody";
const SOAK: &str = "a_soak_under_mixed_load_and_attacks_loses_nothing";

pub fn run(arguments: &[String]) -> Result<()> {
    let environment = environment(arguments)?;
    let with_v8 = Cargo::with_v8()?;
    let mut tests = cargo()?;
    tests.args(["test", "--release", "--package", "bylaw", "--test", "hostile", "--"]);
    tests.args([test_of(&environment), "--exact", "--include-ignored", "--nocapture"]);
    with_v8.archive().explain(run_shown(tests.envs(environment)))
}

fn test_of(environment: &[(&'static str, String)]) -> &'static str {
    if environment.iter().any(|(name, _)| *name == "BYLAW_TEST_MINUTES") { SOAK } else { ROUNDS }
}

/// The options as variables; one round unless it is said otherwise.
fn environment(arguments: &[String]) -> Result<Vec<(&'static str, String)>> {
    let mut environment = options::environment(&OPTIONS, arguments)?;
    if test_of(&environment) == ROUNDS && !environment.iter().any(|(name, _)| *name == "BYLAW_TEST_ROUNDS") {
        environment.push(("BYLAW_TEST_ROUNDS", "1".to_owned()));
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Result<Vec<(&'static str, String)>> {
        environment(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_become_variables() -> Result<()> {
        let soak = of("--minutes 30 --seed=7")?;
        assert_eq!(soak, [("BYLAW_TEST_MINUTES", "30".to_owned()), ("BYLAW_TEST_SEED", "7".to_owned())]);
        assert_eq!(test_of(&soak), SOAK);
        let rounds = of("")?;
        assert_eq!(rounds, [("BYLAW_TEST_ROUNDS", "1".to_owned())]);
        assert_eq!(test_of(&rounds), ROUNDS);
        Ok(())
    }

    #[test]
    fn what_is_misspelt_is_named() {
        assert!(of("--round 3").is_err_and(|error| error.to_string().contains("`--round`")));
        assert!(of("--rounds").is_err_and(|error| error.to_string().contains("a value is missing")));
    }
}
