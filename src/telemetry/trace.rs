//! The process's log: text or JSON lines on standard error.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::TelemetryError;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Text,
    /// One object a line, for collectors.
    Json,
}

/// What to log and how.
#[derive(Debug, Clone, Default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// `-v` counts up, `-q` down; 0 is info.
    pub verbosity: i8,
    /// `BYLAW_LOG`: a level, or directives as in tracing's `EnvFilter`. Stands over `verbosity`.
    pub filter: Option<String>,
}

/// Sends the process's log to standard error. Colours appear on a terminal only, and not under `NO_COLOR`.
///
/// # Errors
/// [`TelemetryError::Filter`] where `BYLAW_LOG` cannot be read, [`TelemetryError::AlreadySet`] on a second call.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = subscriber(config, colours, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadySet)
}

fn subscriber<W>(
    config: &LogConfig,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(config)?)
        .with_writer(writer)
        .with_ansi(colours)
        // It would tell of a log that cannot be written on standard error, and panic where that is what is broken.
        .log_internal_errors(false);
    Ok(match config.format {
        // Where a line comes from matters to those who asked for more than the usual.
        LogFormat::Text => Box::new(builder.with_target(config.verbosity > 0 || config.filter.is_some()).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

fn filter(config: &LogConfig) -> Result<EnvFilter, TelemetryError> {
    let asked = config.filter.as_deref().filter(|filter| !filter.trim().is_empty());
    let directives = asked.unwrap_or(match config.verbosity {
        ..=-2 => "off",
        -1 => "error",
        0 => "warn,bylaw=info,policy=info",
        1 => "warn,bylaw=debug,policy=debug",
        2 => "info,bylaw=trace,policy=trace",
        3.. => "trace",
    });
    EnvFilter::builder()
        .parse(directives)
        .map_err(|error| TelemetryError::Filter { filter: directives.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(config: &LogConfig, colours: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(config, colours, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "bylaw::engine", "quiet");
            tracing::info!(target: "bylaw::engine", code = 403, "denied");
            tracing::info!(target: "hyper", "chatter");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn info_of_our_own_is_shown_and_the_chatter_of_others_is_not() {
        let text = logged(&LogConfig::default(), false);
        assert!(text.contains("denied") && text.contains("code=403"), "{text}");
        assert!(!text.contains("quiet") && !text.contains("chatter"), "{text}");
        assert!(!text.contains('\u{1b}'), "no colours where there is no terminal: {text:?}");
        assert!(logged(&LogConfig::default(), true).contains('\u{1b}'));
    }

    #[test]
    fn verbosity_goes_both_ways() {
        assert!(logged(&LogConfig { verbosity: 1, ..LogConfig::default() }, false).contains("quiet"));
        assert_eq!(logged(&LogConfig { verbosity: -1, ..LogConfig::default() }, false), "");
    }

    #[test]
    fn the_environment_stands_over_the_flags() {
        let config = LogConfig { filter: Some("hyper=info".to_owned()), verbosity: 3, ..LogConfig::default() };
        let text = logged(&config, false);
        assert!(text.contains("chatter") && !text.contains("denied"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(&LogConfig { format: LogFormat::Json, ..LogConfig::default() }, true);
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&line["message"], &line["code"], &line["level"]), (&"denied".into(), &403.into(), &"INFO".into()));
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let config = LogConfig { filter: Some("bylaw=loud".to_owned()), ..LogConfig::default() };
        let error = filter(&config).unwrap_err().to_string();
        assert!(error.contains("BYLAW_LOG=\"bylaw=loud\""), "{error}");
    }
}
