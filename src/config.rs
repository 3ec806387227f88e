//! What `bylaw serve` can be told, where it may be told it, and what holds where nothing is said.
//!
//! A flag stands over the environment (`BYLAW_*`), the environment over the configuration file, the file over the
//! default. The low-level arguments are in `cli`; here is what they come to.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use serde::Deserialize;

use crate::reports::ReportSettings;

/// jsPolicy's compatibility switch: its ambient rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// Every policy may read, write, fetch, and see the environment and files, as in jsPolicy.
    Jspolicy,
}

/// Every setting of `bylaw serve`, each optional: the form of the flags and of the configuration file alike.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH", env = "BYLAW_POLICIES", value_delimiter = ':')]
    pub policies: Vec<PathBuf>,
    /// Where to serve the webhook [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS", env = "BYLAW_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Where to serve metrics [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "BYLAW_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where to serve /livez, /readyz and /healthz [default: 127.0.0.1:9080]
    #[arg(long, value_name = "ADDRESS", env = "BYLAW_HEALTH_LISTEN")]
    pub health_listen: Option<SocketAddr>,
    /// Certificate chain in PEM; reloaded when it changes
    #[arg(long, value_name = "FILE", env = "BYLAW_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM; reloaded when it changes
    #[arg(long, value_name = "FILE", env = "BYLAW_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Where the self-signed authority is kept [default: the XDG state folder]
    #[arg(long, value_name = "DIR", env = "BYLAW_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// A cluster that policies read and write
    #[arg(long, value_name = "FILE", env = "BYLAW_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Use the cluster that this process runs in
    #[arg(long, env = "BYLAW_IN_CLUSTER")]
    pub in_cluster: bool,
    /// Manifests that `get` and `list` see without a cluster
    #[arg(long, value_name = "PATH", env = "BYLAW_INVENTORY")]
    pub inventory: Option<PathBuf>,
    /// Give policies the rights that another engine gave them
    #[arg(long, value_enum, env = "BYLAW_COMPAT")]
    pub compat: Option<Compat>,
    /// Match nothing and run nothing: the yardstick for measuring
    #[arg(long, env = "BYLAW_ECHO")]
    pub echo: bool,
    /// Where an API server reaches this server, if not at the listening address: https://HOST:PORT
    #[arg(long, value_name = "URL", env = "BYLAW_WEBHOOK_URL")]
    pub webhook_url: Option<String>,
    /// Memory that all isolates may take together, such as 512Mi [default: 256Mi]
    #[arg(long, value_name = "BYTES", env = "BYLAW_MEMORY_BUDGET")]
    pub memory_budget: Option<ByteSize>,
    /// Log lines as JSON
    #[arg(long, env = "BYLAW_LOG_JSON")]
    pub log_json: bool,
    /// Seconds to go on accepting after SIGTERM, while load balancers take note [default: 0]
    #[arg(long, value_name = "SECONDS", env = "BYLAW_DRAIN_DELAY")]
    pub drain_delay: Option<u64>,
    #[command(flatten)]
    pub reports: ReportSettings,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse { path: PathBuf, line: u64, column: u64, message: String },
    #[error("--tls-cert and --tls-key go together: {missing} is missing")]
    HalfPair { missing: &'static str },
    #[error("no policies: give --policies with a file or a folder")]
    NoPolicies,
    #[error("--kubeconfig and --in-cluster exclude each other: give one")]
    TwoClusters,
}

impl Settings {
    /// Fills what is not set from a configuration file in YAML.
    ///
    /// # Errors
    /// Where the file cannot be read, or has an unknown or wrong field.
    pub fn or_file(self, path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let file: Self = serde_saphyr::from_str(&text).map_err(|error| parse_error(path, &error))?;
        Ok(Self {
            policies: if self.policies.is_empty() { file.policies } else { self.policies },
            listen: self.listen.or(file.listen),
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            health_listen: self.health_listen.or(file.health_listen),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            state_dir: self.state_dir.or(file.state_dir),
            kubeconfig: self.kubeconfig.or(file.kubeconfig),
            in_cluster: self.in_cluster || file.in_cluster,
            inventory: self.inventory.or(file.inventory),
            compat: self.compat.or(file.compat),
            echo: self.echo || file.echo,
            webhook_url: self.webhook_url.or(file.webhook_url),
            memory_budget: self.memory_budget.or(file.memory_budget),
            log_json: self.log_json || file.log_json,
            drain_delay: self.drain_delay.or(file.drain_delay),
            reports: self.reports.or(file.reports),
        })
    }

    /// Says what contradicts itself or is missing.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.policies.is_empty() && !self.echo {
            return Err(ConfigError::NoPolicies);
        }
        if self.kubeconfig.is_some() && self.in_cluster {
            return Err(ConfigError::TwoClusters);
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => Err(ConfigError::HalfPair { missing: "--tls-key" }),
            (None, Some(_)) => Err(ConfigError::HalfPair { missing: "--tls-cert" }),
            _ => Ok(()),
        }
    }

    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| loopback(8443))
    }

    #[must_use]
    pub fn metrics_listen(&self) -> SocketAddr {
        self.metrics_listen.unwrap_or_else(|| loopback(8080))
    }

    #[must_use]
    pub fn health_listen(&self) -> SocketAddr {
        self.health_listen.unwrap_or_else(|| loopback(9080))
    }

    /// The folder for the self-signed authority: `$XDG_STATE_HOME/bylaw`, or `~/.local/state/bylaw`.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        let base = || match std::env::var_os("XDG_STATE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => std::env::home_dir().unwrap_or_default().join(".local/state"),
        };
        self.state_dir.clone().unwrap_or_else(|| base().join("bylaw"))
    }
}

fn parse_error(path: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    // The parser ends its message with the place.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    ConfigError::Parse { path: path.to_owned(), line, column, message }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_stands_over_the_file_and_the_file_over_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bylaw.yaml");
        std::fs::write(&path, "listen: 127.0.0.1:1\nmetricsListen: 127.0.0.1:2\npolicies: [a]\n").unwrap();
        let flags = Settings { listen: Some("127.0.0.1:9".parse().unwrap()), ..Settings::default() };
        let settings = flags.or_file(&path).unwrap();
        assert_eq!(settings.listen().port(), 9);
        assert_eq!(settings.metrics_listen().port(), 2);
        assert_eq!(settings.health_listen().port(), 9080);
        assert_eq!(settings.policies, [PathBuf::from("a")]);
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bylaw.yaml");
        std::fs::write(&path, "listne: 127.0.0.1:1\n").unwrap();
        let error = Settings::default().or_file(&path).unwrap_err().to_string();
        assert!(error.contains("listne"), "{error}");
    }

    #[test]
    fn half_a_key_pair_is_refused_with_the_flag_that_is_missing() {
        let settings = Settings { policies: vec!["p".into()], tls_cert: Some("c".into()), ..Settings::default() };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "--tls-cert and --tls-key go together: --tls-key is missing"
        );
    }
}
