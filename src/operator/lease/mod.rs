//! The election: one replica holds a Lease of `coordination.k8s.io/v1` and is the one that writes.
//!
//! The holder renews at a third of the duration and leads for two thirds, counted from before each renewal was sent; others
//! wait for the whole of it, counted from when they saw the renewal. Both count on their own monotonic clocks, so the
//! last third is what clocks may go wrong by, and what a write may take that was cut short on its way. Every write of the
//! Lease is guarded by its `resourceVersion`.

mod record;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use super::fault::reason;
use super::{FIELD_MANAGER, Leading, jitter};
use crate::http::{Checks, Gate};
use crate::telemetry::Metrics;
use record::{Candidate, Observed, Step, released};

/// As client-go's default. A leader that is killed is succeeded after this at the latest, but for the next look.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// Shorter terms would be lost to a busy API server, and the Lease only knows whole seconds.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(3);

/// How often others look in one duration. A Lease that was released is taken with the next look.
const LOOKS: u32 = 8;

/// For the name of the check of readiness. It says who leads and never fails: a replica serves whether it leads or not.
const CHECK: &str = "leadership";

/// After the election itself has failed.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Somebody was quicker, so there is something new to read.
const AFTER_A_CONFLICT: Duration = Duration::from_millis(100);

/// How long a leader that goes tries to leave the Lease to others.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// One replica that stands for the leadership.
pub struct Election {
    leases: Api<Lease>,
    name: String,
    candidate: Candidate,
    leading: Arc<Leading>,
    checks: Arc<Checks>,
    metrics: Arc<Metrics>,
}

/// Which Lease, and who stands.
#[derive(Debug, Clone)]
pub struct ElectionConfig {
    pub namespace: String,
    /// Of the Lease.
    pub name: String,
    /// The name of this replica as people know it. What stands in the Lease has a random end: a container that is started
    /// anew keeps its name, and must not take the terms of its predecessor for its own.
    pub identity: String,
    pub duration: Duration,
}

/// How a look at the Lease came out.
enum Standing {
    Leader,
    /// Another one leads; it is no use to try before that instant.
    Other {
        holder: String,
        until: Instant,
    },
    /// Somebody was quicker: look again at once.
    Overtaken,
}

impl Election {
    #[must_use]
    pub fn new(
        client: Client,
        config: ElectionConfig,
        leading: Leading,
        checks: Arc<Checks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let candidate = Candidate {
            identity: format!("{}_{:08x}", config.identity, jitter::random()),
            duration: config.duration.max(SHORTEST_LEASE),
        };
        let leases = Api::namespaced(client, &config.namespace);
        Self { leases, name: config.name, candidate, leading: Arc::new(leading), checks, metrics }
    }

    /// Stands for the leadership until `over`, then lets the last write end and releases the Lease.
    ///
    /// The election runs in a task of its own: should that die, leadership ends with it, and another one is held.
    pub async fn run(self, over: impl Future<Output = ()>) {
        let election = Arc::new(self);
        election.tell(false, "an election is held".to_owned());
        let mut over = std::pin::pin!(over);
        loop {
            let mut task = tokio::spawn(Arc::clone(&election).stand());
            tokio::select! {
                died = &mut task => {
                    election.leading.set(false);
                    error!(error = ?died.err(), "the election has failed: this replica does not lead; starting it anew");
                    election.tell(false, "the election has failed and is started anew".to_owned());
                    tokio::time::sleep(RESTART_AFTER).await;
                }
                () = over.as_mut() => {
                    task.abort();
                    // It may be in the middle of a renewal.
                    let _ = task.await;
                    election.resign().await;
                    return;
                }
            }
        }
    }

    /// Never ends of its own accord.
    async fn stand(self: Arc<Self>) {
        let mut observed = Observed::default();
        let mut failing = false;
        loop {
            let sent = Instant::now();
            let look = timeout(self.candidate.duration / 3, self.look(&mut observed));
            // A leader must notice the end of its term while the API server keeps it waiting, too.
            let looked = tokio::select! {
                looked = look => looked,
                () = lapsed(self.leading.end()) => {
                    self.follow("nobody is known to lead: the term has ended without an answer of the API server");
                    continue;
                }
            };
            let pause = match looked {
                Ok(Ok(Standing::Overtaken)) => AFTER_A_CONFLICT,
                Ok(Ok(Standing::Leader)) => {
                    failing = false;
                    self.lead(sent);
                    self.candidate.duration / 3
                }
                Ok(Ok(Standing::Other { holder, until })) => {
                    failing = false;
                    self.follow(&format!("{holder} leads"));
                    (self.candidate.duration / LOOKS).min(until.saturating_duration_since(sent))
                }
                Ok(Err(error)) => self.failed(&mut failing, &reason(&error)),
                Err(_) => self.failed(&mut failing, "no answer in time"),
            };
            let next = Instant::now() + jitter::shortened(pause);
            tokio::select! {
                () = sleep_until(next) => {}
                () = lapsed(self.leading.end()) => self.follow("nobody is known to lead: the Lease could not be renewed"),
            }
        }
    }

    /// Reads the Lease and, where it is ours or nobody's, writes it.
    async fn look(&self, observed: &mut Observed) -> Result<Standing, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            if let Some(Step::Wait { holder, until }) = observed.missing(&self.candidate, Instant::now()) {
                return Ok(Standing::Other { holder, until });
            }
            let created = self.leases.create(&parameters(), &self.candidate.new_lease(&self.name)).await;
            return settled(created);
        };
        match observed.decide(&lease, &self.candidate, Instant::now()) {
            Step::Wait { holder, until } => Ok(Standing::Other { holder, until }),
            Step::Write(spec) => {
                lease.spec = Some(*spec);
                settled(self.leases.replace(&self.name, &parameters(), &lease).await)
            }
        }
    }

    fn lead(&self, sent: Instant) {
        let is_new = self.leading.end().is_none();
        self.leading.hold_until(sent + self.candidate.duration / 3 * 2);
        // A renewal that took longer than the term is none.
        if self.leading.end().is_some() && is_new {
            info!(lease = %self.name, identity = %self.candidate.identity, "this replica leads");
            self.tell(true, "this replica leads".to_owned());
        }
    }

    fn follow(&self, why: &str) {
        self.leading.set(false);
        if self.metrics.leader.get() == 1 {
            warn!(lease = %self.name, identity = %self.candidate.identity, why, "this replica does not lead any more");
        }
        self.tell(false, why.to_owned());
    }

    /// Says so once, and answers with the time until the next attempt. A term that still runs goes on.
    fn failed(&self, failing: &mut bool, why: &str) -> Duration {
        if !std::mem::replace(failing, true) {
            warn!(lease = %self.name, why, "the Lease could not be read or written");
        }
        if self.leading.end().is_none() {
            self.follow(&format!("nobody is known to lead: {why}"));
        }
        self.candidate.duration / LOOKS
    }

    async fn resign(&self) {
        self.leading.resign().await;
        // Whoever followed may have taken it just now without knowing yet.
        match timeout(RELEASE_WITHIN, self.release()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => info!(lease = %self.name, identity = %self.candidate.identity, "the Lease is released"),
            Ok(Err(error)) => warn!(error = %reason(&error), "the Lease could not be released: it lapses"),
            Err(_) => warn!("the Lease could not be released in time: it lapses"),
        }
        self.tell(false, "this replica is shutting down".to_owned());
    }

    /// Whether it was ours.
    async fn release(&self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else { return Ok(false) };
        let spec = lease.spec.unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.candidate.identity) {
            return Ok(false);
        }
        lease.spec = Some(released(&spec));
        self.leases.replace(&self.name, &parameters(), &lease).await.map(|_| true)
    }

    fn tell(&self, leads: bool, detail: String) {
        self.metrics.leader.set(i64::from(leads));
        self.checks.set(CHECK, Gate::Ready, Ok(()));
        self.checks.set_details(CHECK, vec![detail]);
    }
}

/// A write that came too late, for the Lease has changed since it was read, is not an error.
fn settled(written: Result<Lease, kube::Error>) -> Result<Standing, kube::Error> {
    match written {
        Ok(_) => Ok(Standing::Leader),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(Standing::Overtaken),
        Err(error) => Err(error),
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Waits for the end of a term; for ever where there is none.
async fn lapsed(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
