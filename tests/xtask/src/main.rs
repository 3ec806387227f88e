//! The developers' commands: `cargo xtask serve | test | lint | bench | fuzz | e2e | hostile | pod-security |
//! v8 | cluster`.
//! Each does its own set-up; Rust, Node and Go are all that must be there beforehand.

mod build;
mod cargo_deny;
mod commands;
mod fuzz;
mod hostile;
mod lint;
mod node;
mod options;
mod pod_security;
mod prerequisite;
mod run;
mod servers;
mod source_rules;
mod tally;
mod test;
mod v8;
mod workspace;

#[path = "../../support/cluster.rs"]
mod cluster;

use std::env;
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask <command> [arguments]

  serve     build Bylaw and serve the starter policies; arguments go to `bylaw serve`
  test      every test: Rust, TypeScript, and on a real API server
  lint      formatting, clippy, dependency rules, source rules, TypeScript
  bench     the benchmarks; arguments go to the bench
  fuzz      fuzz one target without end; arguments after it go to libFuzzer
  e2e       the tests on a real API server; arguments go to the test runner
  hostile   attacks on a server under load: --rounds N (1) or --minutes N, --seed N, --only PART-OF-A-NAME,…
  pod-security
            random pods judged by ours and by the upstream evaluator: --pods N (4000), --seed N
  v8        put V8's static library where `cargo build` finds it, built from source if need be: --status,
            --from-source, --install
  cluster   run a real etcd and kube-apiserver until interrupted; the first line printed is the KUBECONFIG path

Example: cargo xtask serve --listen 127.0.0.1:9443
";

fn main() -> ExitCode {
    if let Some(done) = fuzz::stand_in_for_rustc() {
        return done;
    }
    let mut words = env::args().skip(1);
    let command = words.next().unwrap_or_else(|| "--help".to_owned());
    let arguments: Vec<String> = words.collect();
    let done = match command.as_str() {
        "serve" => commands::serve(&arguments),
        "test" => test::run(&arguments),
        "lint" => lint::run(),
        "bench" => commands::bench(&arguments),
        "fuzz" => fuzz::run(&arguments),
        "e2e" => commands::e2e(&arguments),
        "hostile" => hostile::run(&arguments),
        "pod-security" => pod_security::run(&arguments),
        "v8" => v8::run(&arguments),
        "cluster" => commands::cluster(),
        "--help" | "-h" | "help" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => {
            eprintln!("unknown command `{unknown}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
