//! Which level a rule has: what the command line says, else the nearest package.json that says anything, else the
//! rule's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::LintError;
use super::rule::{Level, Rule};

/// A package.json is a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;

pub(super) struct Levels {
    given: BTreeMap<Rule, Level>,
    /// What each folder's nearest package.json says.
    by_folder: BTreeMap<PathBuf, BTreeMap<Rule, Level>>,
}

impl Levels {
    pub(super) fn new(given: &[(Rule, Level)]) -> Self {
        Self { given: given.iter().copied().collect(), by_folder: BTreeMap::new() }
    }

    /// The level of a rule for a file.
    ///
    /// # Errors
    /// Where a package.json names a rule or a level that does not exist.
    pub(super) fn of(&mut self, rule: Rule, file: &Path) -> Result<Level, LintError> {
        if let Some(level) = self.given.get(&rule) {
            return Ok(*level);
        }
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        if !self.by_folder.contains_key(&folder) {
            let levels = nearest(&folder)?;
            self.by_folder.insert(folder.clone(), levels);
        }
        Ok(self.by_folder.get(&folder).and_then(|levels| levels.get(&rule)).copied().unwrap_or_else(|| rule.level()))
    }
}

fn nearest(folder: &Path) -> Result<BTreeMap<Rule, Level>, LintError> {
    for folder in folder.ancestors() {
        let path = folder.join("package.json");
        let is_small = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= MAX_BYTES);
        let text = if is_small { std::fs::read_to_string(&path).ok() } else { None };
        // A package.json that is none is nobody's mistake here.
        let Some(package) = text.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else { continue };
        let lint = package.pointer("/bylaw/lint");
        if let Some(lint) = lint {
            return read(lint).map_err(|message| LintError::Configuration { path, message });
        }
    }
    Ok(BTreeMap::new())
}

fn read(lint: &Value) -> Result<BTreeMap<Rule, Level>, String> {
    let rules = lint.as_object().ok_or("must map rules to off, warn or error")?;
    let mut levels = BTreeMap::new();
    for (id, level) in rules {
        let rule = Rule::parse(id)?;
        let word = level.as_str().ok_or_else(|| format!("{id}: must be off, warn or error"))?;
        levels.insert(rule, Level::parse(word).map_err(|error| format!("{id}: {error}"))?);
    }
    Ok(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_stands_over_the_package_and_the_package_over_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("p/q")).unwrap();
        let package = r#"{"bylaw": {"lint": {"unknown-field": "warn", "module-state": "error"}}}"#;
        std::fs::write(folder.path().join("package.json"), package).unwrap();
        std::fs::write(folder.path().join("p/package.json"), r#"{"name": "says nothing of it"}"#).unwrap();
        let file = folder.path().join("p/q/policy.ts");
        let mut levels = Levels::new(&[(Rule::ModuleState, Level::Off)]);
        assert_eq!(levels.of(Rule::ModuleState, &file).unwrap(), Level::Off);
        assert_eq!(levels.of(Rule::UnknownField, &file).unwrap(), Level::Warn);
        assert_eq!(levels.of(Rule::LoadError, &file).unwrap(), Level::Error);
    }

    #[test]
    fn a_rule_or_a_level_that_does_not_exist_is_named_with_its_file() {
        for (lint, told) in [
            (r#"{"unknown-feild": "off"}"#, "did you mean \"unknown-field\"?"),
            (r#"{"unknown-field": "loud"}"#, "unknown-field: \"loud\" is none of off, warn, error"),
            (r#"{"unknown-field": 2}"#, "unknown-field: must be off, warn or error"),
            ("[]", "must map rules to off, warn or error"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let package = format!(r#"{{"bylaw": {{"lint": {lint}}}}}"#);
            std::fs::write(folder.path().join("package.json"), package).unwrap();
            let error = Levels::new(&[]).of(Rule::UnknownField, &folder.path().join("a.ts")).unwrap_err().to_string();
            assert!(error.contains("package.json: `bylaw.lint`: ") && error.contains(told), "{error}");
        }
    }
}
