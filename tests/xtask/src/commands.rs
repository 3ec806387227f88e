//! The commands that are a step or two: serve, bench, e2e, cluster.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::build::{Cargo, cargo};
use crate::cluster::{BIN_VARIABLE, Cluster};
use crate::run::run;
use crate::servers::{HELM_VARIABLE, VCLUSTER_VARIABLE};
use crate::{servers, workspace};

/// Builds Bylaw and becomes it, so that signals reach the server itself.
pub fn serve(arguments: &[String]) -> Result<()> {
    Cargo::with_v8()?.run(&["build", "--release", "--bin", "bylaw"])?;
    let mut server = Command::new(workspace::target_folder()?.join("release/bylaw"));
    server.arg("serve");
    if !names_policies(arguments) {
        server.arg("--policies").arg(workspace::root()?.join("policies"));
    }
    Err(server.args(arguments).exec().into())
}

fn names_policies(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| {
        let long = argument.strip_prefix("--policies").is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
        long || (argument.starts_with("-p") && !argument.starts_with("--"))
    })
}

/// With `--operator` it needs a cluster, whose servers are built first.
pub fn bench(arguments: &[String]) -> Result<()> {
    let cargo = Cargo::with_v8()?;
    let mut bench = self::cargo()?;
    bench.args(["bench", "--package", "bylaw", "--bench", "engine", "--"]).args(arguments);
    if arguments.iter().any(|argument| argument == "--operator") {
        bench.env(BIN_VARIABLE, servers::ensure()?);
    }
    cargo.archive().explain(run(&mut bench))
}

pub fn e2e(arguments: &[String]) -> Result<()> {
    let cargo = Cargo::with_v8()?;
    let servers = servers::ensure()?;
    let helm = servers::ensure_helm()?;
    let vcluster = servers::ensure_vcluster()?;
    let mut tests = self::cargo()?;
    tests.args(["test", "--release", "--package", "bylaw", "--test", "e2e", "--"]).args(arguments);
    cargo
        .archive()
        .explain(run(tests.env(BIN_VARIABLE, servers).env(HELM_VARIABLE, helm).env(VCLUSTER_VARIABLE, vcluster)))
}

/// Ctrl-C ends this process; the cluster never outlives it.
pub fn cluster() -> Result<()> {
    let cluster = Cluster::start_from(&servers::ensure()?)?;
    println!("{}", cluster.kubeconfig().display());
    std::io::stdout().flush()?;
    eprintln!("kube-apiserver is ready at {}; Ctrl-C stops it and removes its files", cluster.url());
    loop {
        cluster.check()?;
        sleep(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_policies_give_way_to_named_ones() {
        let named = |arguments: &[&str]| names_policies(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(named(&["-p", "mine"]) && named(&["--policies=mine"]) && named(&["-pmine"]));
        assert!(!named(&["--listen", "127.0.0.1:9443"]) && !named(&["--port", "1"]));
    }
}
