//! How results are written: one place for formats, so that every command's `-o` means the same.

use std::io::Write as _;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::Value;

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
    let value = serde_json::to_value(value).context("cannot write YAML")?;
    let body = serde_saphyr::to_string(&Plain(&value)).context("cannot write YAML")?;
    Ok(format!("---\n{}\n", body.trim_end()))
}

/// A value with plain numbers: `serde_json` hands out its own kind of number, which only `serde_json` understands.
struct Plain<'v>(&'v Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), ..) => serializer.serialize_i64(whole),
                (_, Some(whole), _) => serializer.serialize_u64(whole),
                (.., Some(real)) => serializer.serialize_f64(real),
                _ => serializer.serialize_str(number.as_str()),
            },
            Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(key, value)| (key, Plain(value)))),
            other => other.serialize(serializer),
        }
    }
}

/// Writes to standard output. A reader that has gone away (`| head`) is not an error.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_numbers_in_yaml_too() {
        let value = serde_json::json!({"whole": 10, "below": -1, "most": u64::MAX, "real": 0.5, "list": [1]});
        let text = yaml(&value).unwrap();
        assert_eq!(text, "---\nwhole: 10\nbelow: -1\nmost: 18446744073709551615\nreal: 0.5\nlist:\n- 1\n");
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value);
    }
}
