//! V8's sources: the crate's own package, as Cargo has it, copied into the workshop and completed with the one file that
//! the package lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build::cargo;
use crate::v8::machine::Machine;
use crate::v8::record::sha256;
use crate::v8::runner::must;

/// ICU's tables, which the crate's package leaves out. The package of this name has the file that upstream builds with.
const DATA: IcuData = IcuData {
    package: "deno_core_icudata",
    version: "0.77.0",
    icu: "77",
    sha256: "1cf67874b5a87a8363a86fb3f81e3cbbed54d389062dab8fb52308d5cf8c8612",
};

struct IcuData {
    package: &'static str,
    version: &'static str,
    /// The version of ICU, which must be that of V8's sources.
    icu: &'static str,
    /// Of the file.
    sha256: &'static str,
}

const FILE: &str = "icudtl.dat";

/// The sources, ready to be compiled. What was copied before is used again.
pub fn unpack(machine: &Machine<'_>) -> Result<PathBuf> {
    let workshop = machine.places.workshop();
    let source = workshop.join("source");
    if source.is_dir() {
        return Ok(source);
    }
    eprintln!("V8: copying the sources out of the package of the crate v8 {}", machine.places.version);
    let package = folder_of_crate(machine)?;
    same_icu(&package, &DATA)?;
    let data = data(machine, &workshop.join("icu"), &DATA)?;
    let partial = workshop.join("source.partial");
    if partial.is_dir() {
        fs::remove_dir_all(&partial)?;
    }
    copy_folder(&package, &partial).with_context(|| format!("cannot copy {}", package.display()))?;
    let common = partial.join("third_party/icu/common");
    fs::create_dir_all(&common)?;
    fs::copy(&data, common.join(FILE)).with_context(|| format!("cannot copy {}", data.display()))?;
    // Whole from here on.
    fs::rename(&partial, &source)?;
    Ok(source)
}

/// Where Cargo keeps the package of the crate `v8`, fetched if need be.
pub fn folder_of_crate(machine: &Machine<'_>) -> Result<PathBuf> {
    let mut command = cargo()?;
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let metadata = must(machine.runner, &mut command)?;
    let version = &machine.places.version;
    folder_of("v8", version, &metadata).with_context(|| format!("Cargo knows no package v8 {version}"))
}

/// The folder of a package by Cargo's metadata.
fn folder_of(name: &str, version: &str, metadata: &str) -> Option<PathBuf> {
    let (_, package) = metadata.split_once(&format!("{{\"name\":\"{name}\",\"version\":\"{version}\","))?;
    let (_, manifest) = package.split_once("\"manifest_path\":\"")?;
    let (manifest, _) = manifest.split_once('"')?;
    Some(Path::new(manifest).parent()?.to_owned())
}

/// Other sources need other tables: then the constants above are out of date.
fn same_icu(package: &Path, data: &IcuData) -> Result<()> {
    let header = package.join("third_party/icu/source/common/unicode/uvernum.h");
    let text = fs::read_to_string(&header).with_context(|| header.display().to_string())?;
    let major = text.lines().find_map(|line| line.strip_prefix("#define U_ICU_VERSION_MAJOR_NUM"));
    let major = major.context("uvernum.h names no version of ICU")?.trim();
    if major != data.icu {
        bail!(
            "this V8 needs ICU {major}, and {} {} has the tables of ICU {}: name another version in {}",
            data.package,
            data.version,
            data.icu,
            file!()
        );
    }
    Ok(())
}

/// The file with ICU's tables, out of a package that a package of no other use depends on.
fn data(machine: &Machine<'_>, folder: &Path, data: &IcuData) -> Result<PathBuf> {
    let IcuData { package, version, sha256: expected, .. } = data;
    fs::create_dir_all(folder)?;
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"bylaw-icu\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\npath = \"lib.rs\"\n\n[dependencies]\n{package} = \"={version}\"\n\n[workspace]\n"
    );
    fs::write(&manifest, text)?;
    fs::write(folder.join("lib.rs"), "")?;
    eprintln!("V8: fetching ICU's tables out of the package {package} {version}");
    // From the checkout, whose configuration may name another registry.
    let mut command: Command = cargo()?;
    command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let metadata = must(machine.runner, &mut command)?;
    let found = folder_of(package, version, &metadata).context("Cargo did not fetch the package")?;
    let file = [found.join("src").join(FILE), found.join(FILE)].into_iter().find(|file| file.is_file());
    let file = file.with_context(|| format!("{} has no {FILE}", found.display()))?;
    let sum = sha256(&file)?;
    if sum != *expected {
        bail!("{}: its SHA-256 is {sum}, not {expected}", file.display());
    }
    Ok(file)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_folder_of_a_package_is_found_in_cargos_metadata() {
        let metadata = concat!(
            r#"{"packages":[{"name":"deno_core","version":"0.413.0","dependencies":[{"name":"v8","source":"r","req":"=1"}],"#,
            r#""manifest_path":"/c/deno_core-0.413.0/Cargo.toml"},{"name":"v8","version":"150.4.0","id":"x","#,
            r#""targets":[],"manifest_path":"/c/v8-150.4.0/Cargo.toml","metadata":null}]}"#
        );
        assert_eq!(folder_of("v8", "150.4.0", metadata), Some(PathBuf::from("/c/v8-150.4.0")));
        assert_eq!(folder_of("v8", "150.5.0", metadata), None);
    }

    #[test]
    fn tables_of_another_icu_are_refused_by_name() {
        let package = TempDir::new().unwrap();
        let header = package.path().join("third_party/icu/source/common/unicode/uvernum.h");
        fs::create_dir_all(header.parent().unwrap()).unwrap();
        fs::write(&header, "#define U_ICU_VERSION_MAJOR_NUM 77\n").unwrap();
        same_icu(package.path(), &DATA).unwrap();
        fs::write(&header, "#define U_ICU_VERSION_MAJOR_NUM 78\n").unwrap();
        let error = same_icu(package.path(), &DATA).unwrap_err().to_string();
        assert!(error.contains("needs ICU 78") && error.contains("deno_core_icudata 0.77.0"), "{error}");
    }
}
