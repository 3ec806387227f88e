//! `cargo xtask fuzz`: libFuzzer on one target of `tests/fuzz`, led by the coverage of Bylaw's own code.
//!
//! Coverage is a pass of LLVM that stable Rust has too. Cargo calls this program in the place of rustc for the crates of
//! the workspace, and for them alone: nothing they depend on is compiled again.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::build::{Cargo, cargo};
use crate::run::run as execute;
use crate::workspace;

/// Set where this program stands in for rustc.
const WRAPPER: &str = "BYLAW_FUZZ_RUSTC";

const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// The first argument is the target, the others are libFuzzer's.
pub fn run(arguments: &[String]) -> Result<()> {
    let Some((target, arguments)) = arguments.split_first() else {
        bail!("name a target: {}", targets()?.join(", "));
    };
    if !targets()?.contains(target) {
        bail!("there is no target `{target}`; there are {}", targets()?.join(", "));
    }
    let with_v8 = Cargo::with_v8()?;
    let mut build = cargo()?;
    build.args(["build", "--release", "--package", "bylaw-fuzz", "--features", "libfuzzer", "--bin", target]);
    build.env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?).env(WRAPPER, "1");
    with_v8.archive().explain(execute(&mut build))?;

    let fuzz = workspace::root()?.join("tests/fuzz");
    let folder = workspace::target_folder()?;
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut fuzzer = Command::new(folder.join("release").join(target));
    fuzzer.args(["-timeout=1", "-rss_limit_mb=1024", "-malloc_limit_mb=512", "-max_len=65536"]);
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    let dictionary = fuzz.join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        fuzzer.arg(format!("-dict={}", dictionary.display()));
    }
    // The first folder is the one that libFuzzer writes to.
    fuzzer.args(arguments).arg(corpus).arg(fuzz.join("seeds").join(target));
    Err(fuzzer.exec().into())
}

fn targets() -> Result<Vec<String>> {
    let folder = workspace::root()?.join("tests/fuzz/seeds");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// As rustc, where Cargo calls this program so: its first argument is the compiler. `None` otherwise.
pub fn stand_in_for_rustc() -> Option<ExitCode> {
    env::var_os(WRAPPER)?;
    let mut words: Vec<OsString> = env::args_os().skip(1).collect();
    let rustc = (!words.is_empty()).then(|| words.remove(0))?;
    let error = Command::new(rustc).args(words).args(COVERAGE).exec();
    eprintln!("rustc does not start: {error}");
    Some(ExitCode::FAILURE)
}
