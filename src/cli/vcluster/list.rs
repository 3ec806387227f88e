//! `bylaw vcluster list`.

use clap::Args;
use serde_json::{Value, json};

use super::host::HostArgs;
use crate::cli::Verdict;
use crate::cli::output::{OutputFormat, print, say};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw vcluster list --kubeconfig ~/.kube/config\n  bylaw vcluster list --inventory manifests/ -o json"
)]
pub(super) struct ListArgs {
    #[command(flatten)]
    host: HostArgs,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

const COLUMNS: [&str; 6] = ["NAMESPACE", "NAME", "VERSION", "STATE", "OWNER", "REGISTER"];

pub(super) fn run(args: &ListArgs) -> anyhow::Result<Verdict> {
    let host = args.host.look()?;
    let all: Vec<Value> = host.tenancy.registry().vclusters().map(|vcluster| host.told(vcluster)).collect();
    match args.output {
        OutputFormat::Text if all.is_empty() => say("no virtual cluster is known\n")?,
        OutputFormat::Text => say(&table(&all))?,
        other => print(other, &json!({ "virtualClusters": all }))?,
    }
    Ok(Verdict::Yes)
}

fn table(all: &[Value]) -> String {
    let cell = |one: &Value, field: &str| {
        let text = one.get(field).and_then(Value::as_str).unwrap_or_default();
        // What is not known stands out.
        if text.is_empty() { "-".to_owned() } else { text.to_owned() }
    };
    let fields = ["namespace", "name", "version", "state", "owner", "register"];
    let rows = all.iter().map(|one| fields.map(|field| cell(one, field)));
    let rows: Vec<[String; 6]> = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
