//! What controllers may do, as `bylaw serve` is told.

use std::time::Duration;

use serde::Deserialize;

/// As many as kubectl's own libraries let a controller write.
const WRITES: u32 = 20;

/// jsPolicy's.
const RESYNC: Duration = Duration::from_hours(6);

/// The settings of `bylaw serve` that concern policies that reconcile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ControllerSettings {
    /// Writes a second that one controller may go on with; five seconds' worth at once [default: 20]
    #[arg(
        id = "controller_writes",
        long = "controller-writes",
        value_name = "NUMBER",
        env = "BYLAW_CONTROLLER_WRITES"
    )]
    pub writes: Option<u32>,
    /// How often a controller sees every object although nothing changed, such as 6h [default: 6h]
    #[arg(id = "controller_resync", long = "controller-resync", value_name = "TIME", env = "BYLAW_CONTROLLER_RESYNC")]
    pub resync: Option<kube::core::Duration>,
}

impl ControllerSettings {
    /// Each of `self`, or where it is absent, of `file`.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self { writes: self.writes.or(file.writes), resync: self.resync.or(file.resync) }
    }

    #[must_use]
    pub fn writes(&self) -> f64 {
        f64::from(self.writes.unwrap_or(WRITES).max(1))
    }

    #[must_use]
    pub fn resync(&self) -> Duration {
        self.resync.map_or(RESYNC, Into::into).max(Duration::from_secs(1))
    }
}
