//! The servers of the test cluster, the upstream evaluator of pod security, and Helm: built from `tests/cluster` with Go
//! and cached for every checkout of the same versions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, process};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::cluster::PROGRAMS;
use crate::prerequisite::Missing;
use crate::run::{is_installed, run, run_download};
use crate::workspace;

/// What the binaries follow from; they are cached under the hash of these.
const SOURCES: [&str; 3] = ["go.mod", "go.sum", "etcd/main.go"];

/// Names Helm for the tests.
pub const HELM_VARIABLE: &str = "BYLAW_TEST_HELM";

const KUBERNETES: &str = "k8s.io/kubernetes";

/// Without what a debugger would need.
const STRIPPED: &str = "-s -w";

/// A program in a module of its own, in the folder of its name: its dependencies are not those of the servers.
struct Apart {
    name: &'static str,
    what: &'static str,
    sources: &'static [&'static str],
    package: &'static str,
    linker_flags: &'static str,
}

const POD_SECURITY: Apart = Apart {
    name: "podsecurity",
    what: "the upstream evaluator of pod security",
    sources: &["go.mod", "go.sum", "main.go"],
    package: ".",
    linker_flags: STRIPPED,
};

/// Names the syncer of virtual clusters for the tests; the values of its chart lie beside it.
pub const VCLUSTER_VARIABLE: &str = "BYLAW_TEST_VCLUSTER";

const VCLUSTER: Apart = Apart {
    name: "vcluster",
    what: "the syncer of virtual clusters",
    sources: &["go.mod", "go.sum", "main.go"],
    package: ".",
    // Without it the syncer calls itself `dev`, and its host objects are managed by nobody known.
    linker_flags: "-s -w -X github.com/loft-sh/vcluster/pkg/telemetry.SyncerVersion=v0.36.0",
};

/// The module whose chart tells what a virtual cluster is configured with.
const VCLUSTER_MODULE: &str = "github.com/loft-sh/vcluster";

const HELM: Apart = Apart {
    name: "helm",
    what: "Helm, which renders the chart",
    sources: &["go.mod", "go.sum"],
    package: "helm.sh/helm/v4/cmd/helm",
    linker_flags: STRIPPED,
};

/// The folder with etcd, kube-apiserver and kubectl; those not in the cache are built, which takes minutes.
pub fn ensure() -> Result<PathBuf> {
    let module = workspace::root()?.join("tests/cluster");
    let folder = workspace::cache()?.join("cluster").join(fingerprint(&module, &SOURCES)?);
    let absent: Vec<&str> = PROGRAMS.into_iter().filter(|program| !folder.join(program).is_file()).collect();
    if absent.is_empty() {
        return Ok(folder);
    }
    need_go("the test cluster")?;
    eprintln!("The test cluster's servers are built once, which takes minutes: {}", absent.join(", "));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    download(&module, absent.iter().map(|program| package(program)))?;
    let flags = linker_flags(&fs::read_to_string(module.join("go.mod"))?)?;
    for program in absent {
        build(&module, program, &package(program), &flags, &folder)?;
    }
    Ok(folder)
}

/// The program that judges pods as upstream does; built where it is not in the cache.
pub fn ensure_pod_security() -> Result<PathBuf> {
    POD_SECURITY.ensure()
}

/// Helm; built where it is not in the cache.
pub fn ensure_helm() -> Result<PathBuf> {
    HELM.ensure()
}

/// The syncer of virtual clusters, with the values of its chart beside it; built where it is not in the cache.
pub fn ensure_vcluster() -> Result<PathBuf> {
    let program = VCLUSTER.ensure()?;
    let values = program.with_file_name("values.yaml");
    if !values.is_file() {
        let module = workspace::root()?.join("tests/cluster").join(VCLUSTER.name);
        let found = go(&module).args(["list", "-m", "-f", "{{.Dir}}", VCLUSTER_MODULE]).output()?;
        let folder = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let chart = Path::new(&folder).join("chart/values.yaml");
        fs::copy(&chart, &values).with_context(|| format!("the values of the chart are not at {}", chart.display()))?;
    }
    Ok(program)
}

impl Apart {
    fn ensure(&self) -> Result<PathBuf> {
        let module = workspace::root()?.join("tests/cluster").join(self.name);
        let folder = workspace::cache()?.join(self.name).join(fingerprint(&module, self.sources)?);
        let program = folder.join(self.name);
        if !program.is_file() {
            need_go(self.what)?;
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            download(&module, [self.package.to_owned()])?;
            build(&module, self.name, self.package, self.linker_flags, &folder)?;
        }
        Ok(program)
    }
}

fn need_go(what: &str) -> Result<()> {
    if is_installed("go", "version") {
        return Ok(());
    }
    Err(Missing(format!("Go, which builds {what}: https://go.dev/dl")).into())
}

/// Apart from the build, so that a missing network is told from a broken build.
fn download(module: &Path, packages: impl IntoIterator<Item = String>) -> Result<()> {
    run_download(go(module).args(["list", "-deps", "-f", "{{.ImportPath}}"]).args(packages))
}

fn build(module: &Path, program: &str, package: &str, linker_flags: &str, folder: &Path) -> Result<()> {
    let partial = folder.join(format!(".{program}-{}", process::id()));
    run(go(module)
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", linker_flags, "-o"])
        .arg(&partial)
        .arg(package))?;
    // Another command may be starting this server: it must see the whole file or none.
    fs::rename(&partial, folder.join(program)).with_context(|| format!("cannot put {program} in place"))
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly");
    command
}

fn package(program: &str) -> String {
    match program {
        "etcd" => "./etcd".to_owned(),
        _ => format!("{KUBERNETES}/cmd/{program}"),
    }
}

/// Without a version an API server calls itself v0.0.0-master, and clients doubt it.
fn linker_flags(go_mod: &str) -> Result<String> {
    let version = go_mod.split_whitespace().skip_while(|word| *word != KUBERNETES).nth(1);
    let version = version.with_context(|| format!("go.mod does not require {KUBERNETES}"))?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = parts.next().zip(parts.next()).context("the version is not x.y.z")?;
    let variable = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {variable}.gitVersion={version} -X {variable}.gitMajor={major} -X {variable}.gitMinor={minor}"
    ))
}

fn fingerprint(module: &Path, sources: &[&str]) -> Result<String> {
    let mut hasher = Sha256::new();
    for source in sources {
        let file = module.join(source);
        hasher.update(fs::read(&file).with_context(|| file.display().to_string())?);
    }
    let mut hash = format!("{:x}", hasher.finalize());
    hash.truncate(16);
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_carry_the_required_version() {
        let flags = linker_flags("require (\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n").unwrap();
        assert!(flags.contains("version.gitVersion=v1.36.3"), "{flags}");
        assert!(flags.ends_with("version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"), "{flags}");
        assert!(linker_flags("require k8s.io/api v0.36.3").is_err());
    }
}
