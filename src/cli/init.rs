//! `bylaw init`: starts a policy package.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Verdict;
use super::output::{OutputFormat, print, say};
use crate::init::{Made, Plan, Template, init};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw init registries\n  bylaw init --template mutate --name @acme/no-token no-token\n  bylaw test -p registries"
)]
pub(super) struct InitArgs {
    /// The folder to make
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// What to start with
    #[arg(long, value_enum, default_value_t)]
    template: Template,
    /// Name of the npm package [default: that of the folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Name of the policy, a DNS name [default: made of the package's]
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Go into a folder that is not empty; no file is ever overwritten
    #[arg(long)]
    force: bool,
    /// How to say what was made
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: InitArgs) -> anyhow::Result<Verdict> {
    let InitArgs { folder, template, name, policy, force, output } = args;
    let made = init(&Plan { folder, template, name, policy, force })?;
    match output {
        OutputFormat::Text => say(&told(&made))?,
        OutputFormat::Json | OutputFormat::Yaml => print(output, &made)?,
    }
    Ok(Verdict::Yes)
}

fn told(made: &Made) -> String {
    // Writing to a String cannot fail.
    let mut told = format!("{} with policy {}:\n", made.package, made.policy);
    for file in &made.files {
        let _ = writeln!(told, "  {}", file.display());
    }
    told += "\nNext:\n";
    if made.folder != Path::new(".") {
        let _ = writeln!(told, "  cd {}", made.folder.display());
    }
    let command = if made.template.has_cases() { "test" } else { "lint" };
    told + &format!("  bylaw {command} -p .\n  npm install && npm test\n")
}
