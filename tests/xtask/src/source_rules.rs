//! Rules for our own sources that no other tool checks: length of files, paths of one machine, where V8 may be named.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A file is read in one sitting.
const MAX_LINES: usize = 400;

pub fn check() -> Result<()> {
    let root = workspace::root()?;
    let mut faults = Vec::new();
    for name in files()? {
        // Deleted but still in the index, or not text: nothing to judge.
        if let Ok(text) = fs::read_to_string(root.join(&name)) {
            faults.extend(faults_of(&name, &text));
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("\n  {}", faults.join("\n  ")) }
}

/// What is committed or would be.
fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()?).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("git does not start")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn faults_of(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if has_extension(name, &["rs", "ts"]) && !is_generated(name) && lines > MAX_LINES {
        faults.push(format!("{name}: {lines} lines, at most {MAX_LINES}: split it by idea"));
    }
    let engine_only = has_extension(name, &["rs"]) && name.starts_with("src/") && !name.starts_with("src/isolate/");
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        if !is_lock_file(name) && names_machine_path(line) {
            faults.push(format!("{place}: a path of one machine"));
        }
        if engine_only && names_engine(line) {
            faults.push(format!("{place}: v8, deno_core and unsafe belong in src/isolate"));
        }
    }
    faults
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

fn is_generated(name: &str) -> bool {
    name.contains("/generated/") || name.starts_with("sdk-ts/k8s/")
}

fn is_lock_file(name: &str) -> bool {
    name.ends_with("Cargo.lock") || name.ends_with("package-lock.json")
}

fn names_machine_path(line: &str) -> bool {
    let fixed = ["work", "root", "farm"].iter().any(|folder| line.contains(&format!("/{folder}/")));
    let below_home =
        line.split("/home/").skip(1).any(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()));
    fixed || below_home
}

fn names_engine(line: &str) -> bool {
    let code = line.trim_start();
    let comment = code.starts_with("//");
    let uses_unsafe = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| code.contains(form));
    let mut words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
    let names_crate = words.any(|word| word.starts_with("v8::") || word.starts_with("deno_core::"));
    !comment && (uses_unsafe || names_crate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> usize {
        faults_of(name, text).len()
    }

    #[test]
    fn a_long_file_is_a_fault_unless_generated() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(faults("src/pool/mod.rs", &long), 1);
        assert_eq!(faults("sdk-ts/src/image.ts", &long), 1);
        assert_eq!(faults("sdk-ts/k8s/core/v1.ts", &long), 0);
        assert_eq!(faults("README.md", &long), 0);
        assert_eq!(faults("src/pool/mod.rs", &"x\n".repeat(MAX_LINES)), 0);
    }

    #[test]
    fn a_path_of_one_machine_is_a_fault() {
        for folder in ["work", "root", "home/ann"] {
            assert_eq!(faults("README.md", &format!("see /{folder}/bylaw")), 1, "{folder}");
        }
        assert_eq!(faults("README.md", "see $HOME/bylaw and the /homepage/"), 0);
    }

    #[test]
    fn the_engine_is_named_in_its_folder_only() {
        let line = format!("let scope = {}::HandleScope::new();", "v8");
        assert_eq!(faults("src/pool/mod.rs", &line), 1);
        assert_eq!(faults("src/isolate/realm.rs", &line), 0);
        assert_eq!(faults("src/pool/mod.rs", &format!("// {line}")), 0);
        assert_eq!(faults("src/pool/mod.rs", "#![deny(unsafe_code)]"), 0);
    }
}
