//! GN turns V8's build files into Ninja's. It must be of 2026 or newer; whether it is shows only when it is tried.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tools::{Clang, Tools};
use super::{apt, distribution};
use crate::v8::machine::Machine;
use crate::v8::record::write_atomically;
use crate::v8::runner::answers;

/// What GN and Debian call the processor of a target.
pub struct Processor {
    pub gn: &'static str,
    /// The folder of its libraries, and their loader there.
    pub triplet: &'static str,
    pub loader: &'static str,
}

pub fn processor(target: &str) -> Result<Processor> {
    Ok(match target {
        "x86_64-unknown-linux-gnu" => {
            Processor { gn: "x64", triplet: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" }
        }
        "aarch64-unknown-linux-gnu" => {
            Processor { gn: "arm64", triplet: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" }
        }
        other => bail!("V8 is built from source for x86_64 and aarch64 on Linux with glibc, not for {other}"),
    })
}

/// Those of the crate's own build script for the features that Bylaw has, and what building out of its package needs:
/// no Rust inside V8 and so no `Temporal`, whose sources are not in that package, and a name that tells the library from
/// upstream's.
pub fn arguments(target: &str, clang: &Path, clang_version: u32, more: Option<&str>) -> Result<String> {
    let cpu = processor(target)?.gn;
    let more = more.map_or_else(String::new, |more| format!(" {more}"));
    Ok(format!(
        "is_debug=false symbol_level=0 target_cpu=\"{cpu}\" use_custom_libcxx=true rusty_v8_enable_simdutf=true \
         v8_enable_sandbox=false v8_enable_pointer_compression=false v8_enable_v8_checks=false \
         v8_monolithic_for_shared_library=true use_glib=false treat_warnings_as_errors=false \
         enable_rust=false v8_enable_temporal_support=false v8_embedder_string=\"-rusty-source\" \
         clang_base_path=\"{}\" clang_version=\"{clang_version}\"{more}",
        clang.display()
    ))
}

/// Writes Ninja's files into `out`, unless they are there for the same arguments.
pub fn configure(machine: &Machine<'_>, tools: &Tools, source: &Path, out: &Path) -> Result<()> {
    let workshop = machine.places.workshop();
    let clang = workshop.join("clang");
    wrap(&tools.clang, &machine.places.target, &clang)?;
    let more = machine.wishes.gn_arguments.as_deref();
    let arguments = arguments(&machine.places.target, &clang, tools.clang.version, more)?;
    let done = workshop.join("configured");
    if out.join("build.ninja").is_file() && fs::read_to_string(&done).is_ok_and(|before| before == arguments) {
        return Ok(());
    }
    let mut reason = "none".to_owned();
    if let Some(gn) = here(machine) {
        match generate(machine, tools, &gn, source, out, &arguments) {
            Ok(()) => return write_atomically(&done, arguments.as_bytes()),
            Err(error) => reason = format!("{}: {error:#}", gn.display()),
        }
        eprintln!("V8: {reason}");
    }
    let family = distribution::Family::of_machine(machine);
    let Some(suite) = family.newest_suite() else {
        bail!("V8 needs GN of 2026 or newer; what is here: {reason}\n{}", family.advice());
    };
    let gn = apt::newest_gn(machine, &suite)?;
    generate(machine, tools, &gn, source, out, &arguments)
        .with_context(|| format!("GN of {} does not do either", suite.name))?;
    write_atomically(&done, arguments.as_bytes())
}

/// The GN that the user names, else that of the path.
fn here(machine: &Machine<'_>) -> Option<PathBuf> {
    machine.wishes.gn.clone().or_else(|| {
        let mut programs = machine.places.path.iter().map(|folder| folder.join("gn"));
        programs.find(|gn| gn.is_file() && answers(machine.runner, gn).is_some())
    })
}

fn generate(machine: &Machine<'_>, tools: &Tools, gn: &Path, source: &Path, out: &Path, arguments: &str) -> Result<()> {
    eprintln!("V8: configuring with {}", gn.display());
    let mut command = Command::new(gn);
    command.arg(format!("--root={}", source.display()));
    command.arg(format!("--script-executable={}", tools.python.display()));
    command.arg("gen").arg(out).arg(format!("--args={arguments}"));
    // Its scripts must not leave anything beside them.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let ended = machine.runner.run(&mut command)?;
    if !ended.good {
        // GN says what is wrong first.
        let said = format!("{}\n{}", ended.out, ended.errors);
        let first: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).take(12).collect();
        bail!("it does not understand V8's build files:\n{}", first.join("\n"));
    }
    Ok(())
}

/// What GN calls from Clang's folder.
const PROGRAMS: [&str; 6] = ["clang", "clang++", "llvm-ar", "llvm-nm", "llvm-readelf", "ld.lld"];

/// Stands in front of Clang: flags that V8's build files pass and released versions do not know are left out.
const WITHOUT_FLAGS: &str = r#"for argument do
  shift
  case $argument in
    -fdiagnostics-show-inlining-chain | -fno-lifetime-dse | -fsanitize-ignore-for-ubsan-feature=*) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
"#;

/// A folder in the form of an installation of Clang, made of scripts that call the real one.
fn wrap(clang: &Clang, target: &str, to: &Path) -> Result<()> {
    let libraries = clang.libraries.as_ref().map_or_else(String::new, |libraries| {
        format!("export LD_LIBRARY_PATH='{}'${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\n", libraries.display())
    });
    for program in PROGRAMS {
        let filter = if program.starts_with("clang") { WITHOUT_FLAGS } else { "" };
        let real = clang.base.join("bin").join(program);
        script(&to.join("bin").join(program), &format!("{libraries}{filter}exec '{}' \"$@\"\n", real.display()))?;
    }
    // Where upstream's Clang has it; distributions have it elsewhere.
    let folder = to.join(format!("lib/clang/{}/lib/{target}", clang.version));
    fs::create_dir_all(&folder)?;
    let link = folder.join("libclang_rt.builtins.a");
    if fs::read_link(&link).is_ok_and(|before| before == clang.builtins) {
        return Ok(());
    }
    let _ = fs::remove_file(&link);
    symlink(&clang.builtins, &link).with_context(|| format!("cannot make {}", link.display()))
}

/// Writes a program of the shell. One that is there and the same stays: what depends on it is not compiled again.
pub fn script(path: &Path, body: &str) -> Result<()> {
    let text = format!("#!/bin/sh\n{body}");
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    write_atomically(path, text.as_bytes())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_arguments_are_those_of_the_crate_and_name_the_processor() {
        let of = |target| arguments(target, Path::new("/c/clang"), 22, None);
        let text = of("x86_64-unknown-linux-gnu").unwrap();
        for argument in [
            "is_debug=false",
            "target_cpu=\"x64\"",
            "rusty_v8_enable_simdutf=true",
            "v8_enable_pointer_compression=false",
            "v8_enable_temporal_support=false",
            "v8_embedder_string=\"-rusty-source\"",
            "clang_base_path=\"/c/clang\"",
            "clang_version=\"22\"",
        ] {
            assert!(text.split(' ').any(|word| word == argument), "{argument} in {text}");
        }
        assert!(of("aarch64-unknown-linux-gnu").unwrap().contains("target_cpu=\"arm64\""));
        let error = of("riscv64gc-unknown-linux-gnu").unwrap_err().to_string();
        assert!(error.ends_with("not for riscv64gc-unknown-linux-gnu"), "{error}");
        let more = arguments("x86_64-unknown-linux-gnu", Path::new("/c"), 22, Some("use_lld=true")).unwrap();
        assert!(more.ends_with(" use_lld=true"), "{more}");
    }

    #[test]
    fn the_wrapper_leaves_out_what_clang_does_not_know_and_nothing_else() {
        let folder = TempDir::new().unwrap();
        let real = folder.path().join("real");
        script(&real.join("bin/clang++"), "for word do echo \"$word\"; done; echo \"$LD_LIBRARY_PATH\"\n").unwrap();
        let clang = Clang { base: real, version: 22, libraries: Some("/aside/lib".into()), builtins: "/rt.a".into() };
        let wrapped = folder.path().join("wrapped");
        wrap(&clang, "x86_64-unknown-linux-gnu", &wrapped).unwrap();
        wrap(&clang, "x86_64-unknown-linux-gnu", &wrapped).unwrap();
        let builtins = wrapped.join("lib/clang/22/lib/x86_64-unknown-linux-gnu/libclang_rt.builtins.a");
        assert_eq!(fs::read_link(builtins).unwrap(), Path::new("/rt.a"));
        let mut command = Command::new(wrapped.join("bin/clang++"));
        command.args(["-fno-lifetime-dse", "-c", "-DX=a b", "-fsanitize-ignore-for-ubsan-feature=x", "$HOME", ""]);
        let output = command.env_remove("LD_LIBRARY_PATH").output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "-c\n-DX=a b\n$HOME\n\n/aside/lib\n");
    }
}
