//! How many tests passed and failed, read from the closing lines of the test runners.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

/// The counts in a closing line of `cargo test`: `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
pub fn of_cargo(line: &str) -> Option<Tally> {
    line.strip_prefix("test result: ").map(counts)
}

/// The counts in a closing line of vitest: `Tests  1 failed | 11 passed (12)`.
pub fn of_vitest(line: &str) -> Option<Tally> {
    line.trim_start().strip_prefix("Tests  ").map(counts)
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads each `<number> passed` and `<number> failed`.
fn counts(text: &str) -> Tally {
    let words: Vec<&str> = text.split_whitespace().map(|word| word.trim_end_matches([';', '|', ','])).collect();
    let mut tally = Tally::default();
    for (number, word) in words.iter().zip(words.iter().skip(1)) {
        match (number.parse::<u64>(), *word) {
            (Ok(number), "passed") => tally.passed += number,
            (Ok(number), "failed") => tally.failed += number,
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_test_says() {
        let line = "test result: FAILED. 41 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(of_cargo(line), Some(Tally { passed: 41, failed: 2 }));
        assert_eq!(of_cargo("test tally::tests::reads ... ok"), None);
    }

    #[test]
    fn reads_what_vitest_says() {
        assert_eq!(of_vitest("      Tests  1 failed | 11 passed (12)"), Some(Tally { passed: 11, failed: 1 }));
        assert_eq!(of_vitest("      Tests  7 passed (7)"), Some(Tally { passed: 7, failed: 0 }));
        assert_eq!(of_vitest(" Test Files  2 passed (2)"), None);
    }
}
