//! What a machine may lack. In CI that is an error; elsewhere the part that needs it is skipped, by name.

use std::env;

use anyhow::Result;

/// What is missing, as a noun phrase, with the way to get it.
#[derive(Debug)]
pub struct Missing(pub String);

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "missing: {}", self.0)
    }
}

impl std::error::Error for Missing {}

/// `None` if `part` must be skipped for want of a prerequisite. In CI, and for any other failure, the error stays.
pub fn or_skip<T>(part: &str, result: Result<T>) -> Result<Option<T>> {
    skip_unless(in_ci(), part, result)
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

fn skip_unless<T>(required: bool, part: &str, result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if !required && error.is::<Missing>() => {
            eprintln!("skipped: {part}: {error}");
            Ok(None)
        }
        Err(error) => Err(error.context(format!("{part} could not be made ready"))),
    }
}

/// Whether a program's error output says that it could not reach the network, in the words of Go, npm and Cargo.
pub fn blames_network(errors: &str) -> bool {
    const WORDS: [&str; 9] = [
        "dial tcp",
        "no such host",
        "i/o timeout",
        "ENOTFOUND",
        "ECONNREFUSED",
        "ETIMEDOUT",
        "EAI_AGAIN",
        "Could not resolve host",
        "Couldn't connect to server",
    ];
    WORDS.iter().any(|word| errors.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_prerequisite_skips_on_a_desk_and_fails_in_ci() {
        let missing = || Err::<(), _>(Missing("Go".to_owned()).into());
        assert!(skip_unless(false, "the cluster tests", missing()).unwrap().is_none());
        assert!(skip_unless(true, "the cluster tests", missing()).is_err());
    }

    #[test]
    fn any_other_failure_is_never_skipped() {
        let broken = anyhow::anyhow!("go.sum does not match");
        assert!(skip_unless::<()>(false, "the cluster tests", Err(broken)).is_err());
    }
}
