//! `bylaw crd`: the definitions of our own kinds.

use clap::Args;
use serde_json::json;

use super::Verdict;
use super::output::{OutputFormat, print, say, yaml};
use crate::crd::definitions;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bylaw crd | kubectl apply --server-side --force-conflicts -f -")]
pub(super) struct CrdArgs {
    /// How to write them; text is YAML too
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) fn run(args: &CrdArgs, _verbosity: i8) -> anyhow::Result<Verdict> {
    let objects = definitions();
    match args.output {
        OutputFormat::Json => {
            print(OutputFormat::Json, &json!({ "apiVersion": "v1", "kind": "List", "items": objects }))?;
        }
        OutputFormat::Text | OutputFormat::Yaml => {
            for object in objects {
                say(&yaml(object)?)?;
            }
        }
    }
    Ok(Verdict::Yes)
}
