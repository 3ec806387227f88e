//! How results are written: one place for formats, so that every command's `-o` means the same.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;

/// The value of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    #[default]
    Text,
    Json,
    Yaml,
}

/// Writes a value as JSON or YAML. `Text` is each command's own; here it means JSON too.
pub(crate) fn print(format: OutputFormat, value: &impl Serialize) -> anyhow::Result<()> {
    let text = match format {
        OutputFormat::Yaml => yaml(value)?,
        OutputFormat::Text | OutputFormat::Json => serde_json::to_string_pretty(value)? + "\n",
    };
    say(&text)
}

/// YAML with the document marker that lets several follow one another.
pub(crate) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    let body = serde_saphyr::to_string(value).context("cannot write YAML")?;
    Ok(format!("---\n{}\n", body.trim_end()))
}

/// Writes to standard output. A reader that has gone away (`| head`) is not an error.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}
