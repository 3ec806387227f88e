//! `bylaw vcluster`: the virtual clusters of a host, and how their API servers are told of Bylaw.

mod host;
mod inspect;
mod list;
mod register;
mod values;

use clap::{Args, Subcommand};

use super::Verdict;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  bylaw vcluster list --kubeconfig ~/.kube/config\n  bylaw vcluster register team-a/dev --kubeconfig ~/.kube/config"
)]
pub(super) struct VclusterArgs {
    #[command(subcommand)]
    command: VclusterCommand,
}

#[derive(Debug, Subcommand)]
enum VclusterCommand {
    /// List the virtual clusters that are known
    List(list::ListArgs),
    /// Make one known, and say how it is told of Bylaw
    Register(register::RegisterArgs),
    /// Print what its control plane is to be installed with
    Values(values::ValuesArgs),
    /// Show all that is known of one
    Inspect(inspect::InspectArgs),
}

pub(super) fn run(args: &VclusterArgs, verbosity: i8) -> anyhow::Result<Verdict> {
    super::runtime::quiet_logging(verbosity)?;
    match &args.command {
        VclusterCommand::List(args) => list::run(args),
        VclusterCommand::Register(args) => register::run(args),
        VclusterCommand::Values(args) => values::run(args),
        VclusterCommand::Inspect(args) => inspect::run(args),
    }
}
