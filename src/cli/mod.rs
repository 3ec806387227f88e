//! The command line: one module a command, one place for how errors and exit codes look.
//!
//! Exit codes: 0 good; 1 the answer is "no"; 2 it could not be run (contract §1).

mod announce;
mod bench;
mod bundle;
mod crd;
mod explain;
mod init;
mod inputs;
mod junit;
mod lint;
mod measured;
mod migrate;
mod operate;
mod output;
mod oversight;
mod pool_health;
mod registrar;
mod replica;
mod review;
mod runtime;
mod sarif;
mod scan;
mod serve;
mod steps;
mod subject;
mod test;
mod types;
mod vcluster;
mod version;
mod webhook;

use clap::{Args, Parser, Subcommand};

/// A Kubernetes admission webhook whose policies are JavaScript or TypeScript
#[derive(Debug, Parser)]
#[command(name = "bylaw", version = version::told(), propagate_version = true, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// Say more; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Say less; twice for errors only
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    quiet: u8,
}

impl Common {
    fn verbosity(&self) -> i8 {
        i8::try_from(self.verbose).unwrap_or(i8::MAX).saturating_sub_unsigned(self.quiet)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the webhook
    Serve(Box<serve::ServeArgs>),
    /// Judge one request or manifest, offline
    Review(review::ReviewArgs),
    /// Run the cases of policies
    Test(test::TestArgs),
    /// Judge manifests or a live cluster
    Scan(scan::ScanArgs),
    /// Find mistakes in policies before a cluster does
    Lint(lint::LintArgs),
    /// Measure policies on one request
    Bench(bench::BenchArgs),
    /// Make, inspect, verify a bundle
    Bundle(bundle::BundleArgs),
    /// Bring policies from elsewhere
    Migrate(migrate::MigrateArgs),
    /// Print the webhook configurations that send a cluster's requests here
    Webhook(webhook::WebhookArgs),
    /// Print the custom resource definitions, or the rights that policies need
    Crd(crd::CrdArgs),
    /// Start a policy package
    Init(init::InitArgs),
    /// Make TypeScript types of custom resources
    Types(types::TypesArgs),
    /// Show virtual clusters, and register them
    Vcluster(vcluster::VclusterArgs),
    /// Run policies for the process that started this one, which is a server
    #[command(hide = true)]
    Worker,
}

/// Runs the command that the arguments name. Its exit code.
#[must_use]
pub fn run() -> u8 {
    let Cli { common, command } = Cli::parse();
    // Not its path: the file there may have been replaced, or have gone.
    crate::bundle::npm::use_program("/proc/self/exe".into());
    let result = match command {
        Command::Serve(args) => serve::run(*args, common.verbosity()),
        Command::Review(args) => review::run(&args, common.verbosity()),
        Command::Test(args) => test::run(args, common.verbosity()),
        Command::Scan(args) => scan::run(&args, common.verbosity()),
        Command::Lint(args) => lint::run(&args, common.verbosity()),
        Command::Bench(args) => bench::run(&args, common.verbosity()),
        Command::Bundle(args) => bundle::run(&args, common.verbosity()),
        Command::Migrate(args) => migrate::run(&args, common.verbosity()),
        Command::Webhook(args) => webhook::run(&args, common.verbosity()),
        Command::Crd(args) => crd::run(&args, common.verbosity()),
        Command::Init(args) => init::run(args),
        Command::Types(args) => types::run(&args),
        Command::Vcluster(args) => vcluster::run(&args, common.verbosity()),
        Command::Worker => crate::worker::run().map(|()| Verdict::Yes).map_err(Into::into),
    };
    match result {
        Ok(Verdict::Yes) => 0,
        Ok(Verdict::No) => 1,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            2
        }
    }
}

/// Most of our errors say what caused them already: a cause is added only where it says something new.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |told, cause| if told.contains(&cause) { told } else { format!("{told}: {cause}") })
}

/// What a command that could be run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Yes,
    /// Denied, or found wanting.
    No,
}
