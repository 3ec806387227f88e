//! What `bylaw serve` can be told, where it may be told it, and what holds where nothing is said.
//!
//! A flag stands over the environment (`BYLAW_*`), the environment over the configuration file, the file over the
//! default. The low-level arguments are in `cli`; here is what they come to.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::controllers::ControllerSettings;
use crate::operator::webhooks::Shape;
use crate::reports::ReportSettings;

/// Less ends policies that do nothing wrong, and more is never waited for.
const CPU_LIMITS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);

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
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
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
    /// A cluster that policies read and write. Without --policies, or with --operator, its JsPolicy objects are served
    /// too, and its webhook configurations and their status are kept
    #[arg(long, value_name = "FILE", env = "BYLAW_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The same of the cluster that this process runs in
    #[arg(long, env = "BYLAW_IN_CLUSTER")]
    pub in_cluster: bool,
    /// Serve the cluster's JsPolicy objects beside those of --policies; of two with one name, that of a file
    #[arg(long, env = "BYLAW_OPERATOR")]
    pub operator: bool,
    /// The namespace that this server belongs to [default: that of its pod]; replicas share a Lease and a
    /// Secret there
    #[arg(long, value_name = "NAMESPACE", env = "BYLAW_NAMESPACE")]
    pub namespace: Option<String>,
    /// The Service that an API server calls: NAMESPACE/NAME or NAMESPACE/NAME:PORT [default: NAMESPACE/bylaw in a pod]
    #[arg(long, value_name = "SERVICE", env = "BYLAW_WEBHOOK_SERVICE")]
    pub webhook_service: Option<String>,
    /// The authority that an API server is told to trust, in PEM [default: the self-signed one]
    #[arg(long, value_name = "FILE", env = "BYLAW_WEBHOOK_CA")]
    pub webhook_ca: Option<PathBuf>,
    /// The name of the webhook configurations [default: bylaw]
    #[arg(long, value_name = "NAME", env = "BYLAW_WEBHOOK_NAME")]
    pub webhook_name: Option<String>,
    /// One webhook configuration of each kind, or one for each policy [default: grouped]
    #[arg(long, value_enum, env = "BYLAW_WEBHOOK_MODE")]
    pub webhook_mode: Option<Shape>,
    /// Namespaces whose objects no policy is asked about; give it empty for none [default: kube-system and --namespace]
    #[arg(long, value_name = "NAMESPACES", env = "BYLAW_EXEMPT_NAMESPACES", value_delimiter = ',')]
    pub exempt_namespaces: Option<Vec<String>>,
    /// Who may set labels that decide who owns a namespace, beside cluster admins: a user, a prefix with `*`, or group:NAME
    #[arg(long, value_name = "USERS", env = "BYLAW_TENANT_ADMINS", value_delimiter = ',')]
    pub tenant_admins: Vec<String>,
    /// The Lease that the replica which writes holds [default: bylaw]
    #[arg(long, value_name = "NAME", env = "BYLAW_LEASE_NAME")]
    pub lease_name: Option<String>,
    /// How long that Lease outlasts a replica that is killed, such as 15s [default: 15s]
    #[arg(long, value_name = "TIME", env = "BYLAW_LEASE_DURATION")]
    pub lease_duration: Option<kube::core::Duration>,
    /// The name of this replica in the Lease [default: the name of the pod, or of the host]
    #[arg(long, value_name = "NAME", env = "BYLAW_IDENTITY")]
    pub identity: Option<String>,
    /// The Service by which API servers call [default: jspolicy]
    #[arg(long, value_name = "NAME", env = "BYLAW_SERVICE_NAME")]
    pub service_name: Option<String>,
    /// A Secret with tls.crt, tls.key and ca.crt that somebody else renews, such as cert-manager
    #[arg(long, value_name = "NAME", env = "BYLAW_TLS_SECRET")]
    pub tls_secret: Option<String>,
    /// The authority of --tls-cert, for the webhook configurations [default: ca.crt beside it]
    #[arg(long, value_name = "FILE", env = "BYLAW_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// Answer only callers with a certificate of this authority, in PEM
    #[arg(long, value_name = "FILE", env = "BYLAW_CLIENT_CA")]
    pub client_ca: Option<PathBuf>,
    /// How long the certificate that the replicas share lives; renewed at two thirds [default: 2160h]
    #[arg(long, value_name = "TIME", env = "BYLAW_CERTIFICATE_LIFE")]
    pub certificate_life: Option<kube::core::Duration>,
    /// How long its authority lives; replaced at two thirds [default: 8760h]
    #[arg(long, value_name = "TIME", env = "BYLAW_AUTHORITY_LIFE")]
    pub authority_life: Option<kube::core::Duration>,
    /// How long API servers may take to act on a changed webhook configuration [default: 10s]
    #[arg(long, value_name = "TIME", env = "BYLAW_PROPAGATION", hide_short_help = true)]
    pub propagation: Option<kube::core::Duration>,
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
    /// Where API servers of virtual clusters reach this server: https://HOST:PORT [default: where the host's does]
    #[arg(long, value_name = "URL", env = "BYLAW_VCLUSTER_URL")]
    pub vcluster_url: Option<String>,
    /// Memory that all isolates may take together, such as 512Mi [default: 256Mi]
    #[arg(long, value_name = "BYTES", env = "BYLAW_MEMORY_BUDGET")]
    pub memory_budget: Option<ByteSize>,
    /// Processor time that one run of a policy may take, from 10ms to 10s [default: 1s]
    #[arg(long, value_name = "TIME", env = "BYLAW_CPU_LIMIT")]
    pub cpu_limit: Option<kube::core::Duration>,
    /// Log lines as JSON
    #[arg(long, env = "BYLAW_LOG_JSON")]
    pub log_json: bool,
    /// Seconds to go on accepting after SIGTERM, while load balancers take note [default: 0]
    #[arg(long, value_name = "SECONDS", env = "BYLAW_DRAIN_DELAY")]
    pub drain_delay: Option<u64>,
    #[command(flatten)]
    pub reports: ReportSettings,
    #[command(flatten)]
    pub controllers: ControllerSettings,
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
    #[error(
        "no policies: give --policies with a file or a folder, or --kubeconfig or --in-cluster for those of a cluster"
    )]
    NoPolicies,
    #[error("--kubeconfig and --in-cluster exclude each other: give one")]
    TwoClusters,
    #[error("--operator needs a cluster: give --kubeconfig FILE or --in-cluster")]
    NoCluster,
    #[error("--tls-secret and --tls-cert exclude each other: give one")]
    TwoCertificates,
    #[error("--tls-secret is for replicas of a cluster: give --operator")]
    NoOperator,
    #[error("--cpu-limit: from 10ms to 10s, which is what an API server waits")]
    CpuLimit,
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
            operator: self.operator || file.operator,
            namespace: self.namespace.or(file.namespace),
            tenant_admins: if self.tenant_admins.is_empty() { file.tenant_admins } else { self.tenant_admins },
            lease_name: self.lease_name.or(file.lease_name),
            lease_duration: self.lease_duration.or(file.lease_duration),
            identity: self.identity.or(file.identity),
            service_name: self.service_name.or(file.service_name),
            tls_secret: self.tls_secret.or(file.tls_secret),
            tls_ca: self.tls_ca.or(file.tls_ca),
            client_ca: self.client_ca.or(file.client_ca),
            certificate_life: self.certificate_life.or(file.certificate_life),
            authority_life: self.authority_life.or(file.authority_life),
            propagation: self.propagation.or(file.propagation),
            webhook_service: self.webhook_service.or(file.webhook_service),
            webhook_ca: self.webhook_ca.or(file.webhook_ca),
            webhook_name: self.webhook_name.or(file.webhook_name),
            webhook_mode: self.webhook_mode.or(file.webhook_mode),
            exempt_namespaces: self.exempt_namespaces.or(file.exempt_namespaces),
            inventory: self.inventory.or(file.inventory),
            compat: self.compat.or(file.compat),
            echo: self.echo || file.echo,
            webhook_url: self.webhook_url.or(file.webhook_url),
            vcluster_url: self.vcluster_url.or(file.vcluster_url),
            memory_budget: self.memory_budget.or(file.memory_budget),
            cpu_limit: self.cpu_limit.or(file.cpu_limit),
            log_json: self.log_json || file.log_json,
            drain_delay: self.drain_delay.or(file.drain_delay),
            reports: self.reports.or(file.reports),
            controllers: self.controllers.or(file.controllers),
        })
    }

    /// Says what contradicts itself or is missing.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.operator && !self.has_cluster() {
            return Err(ConfigError::NoCluster);
        }
        if self.policies.is_empty() && !self.echo && !self.is_operator() {
            return Err(ConfigError::NoPolicies);
        }
        if self.kubeconfig.is_some() && self.in_cluster {
            return Err(ConfigError::TwoClusters);
        }
        if self.tls_secret.is_some() && self.tls_cert.is_some() {
            return Err(ConfigError::TwoCertificates);
        }
        if self.tls_secret.is_some() && !self.is_operator() {
            return Err(ConfigError::NoOperator);
        }
        if self.cpu_limit.is_some_and(|limit| !CPU_LIMITS.contains(&Duration::from(limit))) {
            return Err(ConfigError::CpuLimit);
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => Err(ConfigError::HalfPair { missing: "--tls-key" }),
            (None, Some(_)) => Err(ConfigError::HalfPair { missing: "--tls-cert" }),
            _ => Ok(()),
        }
    }

    fn has_cluster(&self) -> bool {
        self.kubeconfig.is_some() || self.in_cluster
    }

    /// Whether policies come from a cluster, and what follows from them is written back.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.operator || self.has_cluster() && self.policies.is_empty() && !self.echo
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
    fn a_cluster_without_policies_from_files_makes_an_operator() {
        let settings = |policies: &[&str], cluster: bool, operator: bool| Settings {
            policies: policies.iter().map(PathBuf::from).collect(),
            kubeconfig: cluster.then(|| "k".into()),
            operator,
            ..Settings::default()
        };
        assert!(settings(&[], true, false).is_operator());
        assert!(!settings(&["p"], true, false).is_operator(), "then policies only read it");
        assert!(settings(&["p"], true, true).is_operator());
        assert!(settings(&[], true, false).check().is_ok());
        assert!(settings(&[], false, false).check().unwrap_err().to_string().contains("--kubeconfig"));
        assert!(settings(&["p"], false, true).check().unwrap_err().to_string().contains("--operator needs a cluster"));
    }

    #[test]
    fn half_a_key_pair_is_refused_with_the_flag_that_is_missing() {
        let settings = Settings { policies: vec!["p".into()], tls_cert: Some("c".into()), ..Settings::default() };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "--tls-cert and --tls-key go together: --tls-key is missing"
        );
    }

    #[test]
    fn a_run_gets_some_time_and_not_more_than_an_api_server_waits() {
        for (limit, is_good) in [("9ms", false), ("10ms", true), ("10s", true), ("11s", false)] {
            let settings =
                Settings { policies: vec!["p".into()], cpu_limit: limit.parse().ok(), ..Settings::default() };
            assert_eq!(settings.check().is_ok(), is_good, "{limit}");
        }
    }

    #[test]
    fn a_replica_needs_a_cluster_and_one_source_of_certificates() {
        let settings = |change: fn(&mut Settings)| {
            let mut settings =
                Settings { policies: vec!["p".into()], in_cluster: true, operator: true, ..Settings::default() };
            change(&mut settings);
            settings.check().err().map(|error| error.to_string())
        };
        assert_eq!(settings(|_| {}), None);
        for (change, message) in [
            ((|s| s.in_cluster = false) as fn(&mut Settings), "--operator needs a cluster"),
            (
                |s| (s.tls_secret, s.tls_cert) = (Some("a".into()), Some("b".into())),
                "--tls-secret and --tls-cert exclude",
            ),
            (|s| (s.operator, s.tls_secret) = (false, Some("a".into())), "give --operator"),
        ] {
            let error = settings(change).unwrap();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn times_are_written_as_go_and_kubernetes_write_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bylaw.yaml");
        std::fs::write(&path, "policies: [a]\ncertificateLife: 2160h\nleaseDuration: 1m30s\n").unwrap();
        let settings = Settings::default().or_file(&path).unwrap();
        assert_eq!(Duration::from(settings.certificate_life.unwrap()), Duration::from_hours(2160));
        assert_eq!(Duration::from(settings.lease_duration.unwrap()), Duration::from_secs(90));
    }
}
